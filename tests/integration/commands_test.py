"""Every command that a message names is run here, as it stands there: it must mend what the message is about."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from integration.images import index, single, write_layout
from integration.workspace import Package, Workspace, fails, images_of, succeeds

if TYPE_CHECKING:
    from collections.abc import Callable

_NAMES_A_COMMAND = re.compile(r"""["']((?:To|Then, to) [^"'\n]+)["']""")


def lock_that_is_stale(workspace: Workspace, package: Package) -> str:
    package.declare({"application": images_of(package)["app"], "base": images_of(package)["base"]})
    return fails(workspace.build(package.label("images")), 1).proposed


def tag_that_is_not_there(workspace: Workspace, package: Package) -> str:
    package.declare(images_of(package) | {"app": package.reference("app", "3.0")})
    failed = fails(workspace.run(package.label("images.update")), 1)
    write_layout(package.layout("app"), {"3.0": index("app, late")})
    return failed.proposed


def name_in_a_lock_that_is_broken(workspace: Workspace, package: Package) -> str:
    package.lock.write_text("{", encoding="utf-8")
    return fails(workspace.run(package.label("images.update"), "app"), 2).proposed


def build_without_a_lock(workspace: Workspace, package: Package) -> str:
    package.declare(images_of(package), lockfile=None)
    strict = "--@registry_rules//:require_lock"
    failed = fails(workspace.build(strict, package.label("images")), 1, package.label("images"), strict)
    package.declare(images_of(package))
    package.lock.unlink()
    return failed.proposed


def tag_that_has_moved(workspace: Workspace, package: Package) -> str:
    write_layout(package.layout("base"), {"1.0": single("base, mended"), "old": single("base")})
    return fails(workspace.run(package.label("images.check")), 3).proposed


def promotion(workspace: Workspace, package: Package) -> str:
    package.declare(images_of(package), retag=("app", ["prod"]))
    return succeeds(workspace.run(package.label("promote"))).proposed


MESSAGES: dict[str, Callable[[Workspace, Package], str]] = {
    "To update it": lock_that_is_stale,
    "To try again": tag_that_is_not_there,
    "To write it anew, without names": name_in_a_lock_that_is_broken,
    "Then, to write it": build_without_a_lock,
    "To update {request.lockfile}": tag_that_has_moved,
    "To undo it": promotion,
}
"""What each command that a message names is for, and what leads to the message; gives the command."""


@pytest.mark.parametrize("message", MESSAGES)
def test_the_command_mends_it(workspace: Workspace, locked: Package, message: str) -> None:
    succeeds(workspace.type_in(MESSAGES[message](workspace, locked)))
    succeeds(workspace.test(locked.label("all")))
    succeeds(workspace.run(locked.label("images.check")))


def test_there_is_no_message_beside_these(workspace: Workspace) -> None:
    sources = (workspace.project / "py/registry_client").rglob("*.py")
    found = {start for path in sources for start in _NAMES_A_COMMAND.findall(path.read_text(encoding="utf-8"))}
    assert found == set(MESSAGES)
