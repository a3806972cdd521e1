"""What the tests with a real Bazel share."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from integration.images import index, single, write_layout
from integration.workspace import Package, Workspace, images_of, succeeds

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """The workspace that all tests with Bazel share, each in a package of its own."""
    workspace = Workspace(tmp_path_factory.mktemp("consumer"))
    try:
        yield workspace
    finally:
        workspace.bazel("shutdown")


@pytest.fixture
def package(workspace: Workspace, request: pytest.FixtureRequest) -> Package:
    """A package that declares two images, in layouts that are there, and has no lock yet."""
    package = Package(workspace, re.sub(r"\W+", "_", request.node.name).strip("_").lower())
    write_layout(package.layout("app"), {"1.0": index("app"), "2.0": index("app, mended")})
    write_layout(package.layout("base"), {"1.0": single("base")})
    package.declare(images_of(package))
    return package


@pytest.fixture
def locked(workspace: Workspace, package: Package) -> Package:
    """The same package with its lock."""
    succeeds(workspace.run(package.label("images.update")))
    return package
