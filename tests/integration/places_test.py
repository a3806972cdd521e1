"""Where locks and layouts may be, and what is said of those that are elsewhere, with a real Bazel."""

from __future__ import annotations

import pytest
from integration.images import index, write_layout
from integration.workspace import Package, Workspace, fails, images_of, succeeds


def test_the_lock_of_another_module_is_not_looked_for_in_this_workspace(workspace: Workspace) -> None:
    before = workspace.snapshot()
    for command in ("update", "check"):
        fails(workspace.run(f"@registry_rules//examples/quickstart:images.{command}"), 2, "is another module's")
    assert workspace.snapshot() == before


@pytest.mark.parametrize(
    ("lockfile", "said"),
    [
        ("//:images.lock.json", "is not a path in this package"),
        ("../images.lock.json", "is not a path in this package"),
        ("inner/images.lock.json", "/inner; declare it there, or choose another path"),
        ("images.app", 'has the name of the target ":images.app"; give one of them another'),
    ],
    ids=["label", "above", "below", "target"],
)
def test_a_path_that_no_lock_can_have_is_refused(
    workspace: Workspace, package: Package, lockfile: str, said: str
) -> None:
    (package.folder / "inner").mkdir()
    (package.folder / "inner/BUILD.bazel").touch()
    package.declare(images_of(package), lockfile=lockfile)
    fails(workspace.build(package.label("images")), 1, f'{package.label("images")}: lockfile = "{lockfile}" ', said)


def test_a_lock_may_be_written_with_a_colon_and_below_its_package(workspace: Workspace, package: Package) -> None:
    package.declare(images_of(package), lockfile=":locks/images.lock.json")
    failed = fails(workspace.build(package.label("images")), 1, "locks/images.lock.json is not there")
    succeeds(workspace.type_in(failed.proposed))
    succeeds(workspace.test(package.label("all")))


def test_without_a_lock_file_the_layouts_of_the_package_are_seen(workspace: Workspace, package: Package) -> None:
    package.declare(images_of(package), lockfile=None)
    succeeds(workspace.build(package.label("images.app")))
    assert workspace.built(f"{package.name}/images/app.digest").decode() == index("app").digest
    write_layout(package.layout("app"), {"1.0": index("app, mended")})
    succeeds(workspace.build(package.label("images.app")))
    assert workspace.built(f"{package.name}/images/app.digest").decode() == index("app, mended").digest


def test_a_digest_that_only_an_index_lists_may_be_declared(workspace: Workspace, package: Package) -> None:
    child = index("app").children[0].digest
    package.declare({"app": f"oci-layout:{package.name}/registry/app@{child}"})
    succeeds(workspace.run(package.label("images.update")))
    succeeds(workspace.test(package.label("all")))
