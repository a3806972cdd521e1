"""A month in the life of a lock: what each step changes in it, line by line, as git sees it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from integration.images import index, push, single
from integration.servers import serve_distribution
from integration.workspace import Package, Result, Workspace, fails, succeeds

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WHY = "the new one needs another kernel"
_HUNK = re.compile(r"^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@", re.MULTILINE)
_NAME = re.compile(r'^    "(.+)": \{$')
_KEY = re.compile(r'^      "(\w+)": ')
ALL = {"", "digest", "mediaType", "reference", "size"}
"""What a pin of a single image has; the empty key is the line of its name."""

Touched = dict[str, set[str]]


@dataclass
class Month:
    """A package with a lock, the registry of its images, and the repository that it is in."""

    workspace: Workspace
    package: Package
    registry: str
    declared: dict[str, str] = field(default_factory=dict)
    frozen: dict[str, str] = field(default_factory=dict)

    def upload(self, name: str, content: str) -> str:
        """Put an image under the tag that is declared; every seventh is an index. Returns its digest."""
        make = index if name.endswith("7") else single
        image = make(f"{name} {content}")
        push(self.registry, f"team/{name}", "stable", image)
        return image.digest

    def update(self, *names: str) -> None:
        """Update the lock."""
        succeeds(self.workspace.run(self.package.label("images.update"), *names))

    def drifted(self, code: int) -> list[str]:
        """Check the lock, which ends with a code; returns the names of what has drifted."""
        result = fails(self.workspace.run(self.package.label("images.check"), "--json"), code)
        document = json.loads(result.output[result.output.index("\n{") : result.output.rindex("\n}") + 2])
        return [entry["name"] for entry in document["drifted"]]

    def touched(self) -> Touched:
        """Which keys of which pins differ from the last commit, by the lines of git's diff."""
        before = succeeds(self.git("show", f"HEAD:{self.path}")).output.splitlines()
        after = self.package.lock.read_text(encoding="utf-8").splitlines()
        touched: Touched = {}
        diff = succeeds(self.git("diff", "HEAD", "--unified=0", "--", self.path)).output
        for hunk in _HUNK.finditer(diff):
            for lines, start, count in ((before, hunk[1], hunk[2]), (after, hunk[3], hunk[4])):
                for number in range(int(start), int(start) + int(count or 1)):
                    name, key = meaning(lines, number)
                    if key is not None:
                        touched.setdefault(name, set()).add(key)
        return touched

    def commit(self) -> None:
        """Commit the package."""
        succeeds(self.git("add", self.package.name))
        succeeds(self.git("commit", "--quiet", "--message", "step"))

    def git(self, *arguments: str) -> Result:
        """Run git."""
        return self.workspace.git(*arguments)

    @property
    def path(self) -> str:
        """The lock's, from the workspace's root."""
        return f"{self.package.name}/images.lock.json"


def meaning(lines: list[str], number: int) -> tuple[str, str | None]:
    """Which pin and which key a line belongs to; None for a brace that closes."""
    key: str | None = None
    for line in reversed(lines[:number]):
        found = _KEY.match(line)
        if found and key is None:
            key = found[1]
        name = _NAME.match(line)
        if name:
            return name[1], None if lines[number - 1].startswith("    }") else key or ""
    return "", None


@pytest.fixture
def month(workspace: Workspace, package: Package, tmp_path: Path) -> Iterator[Month]:
    with serve_distribution(tmp_path) as registry:
        succeeds(workspace.git("init", "--quiet"))
        yield Month(workspace, package, registry)


def test_each_step_touches_the_lines_that_it_should_and_no_others(month: Month) -> None:
    names = [f"img{number:02}" for number in range(20)]
    first = {name: month.upload(name, "first") for name in names}
    declare(month, {name: f"{month.registry}/team/{name}:stable" for name in names})
    month.update()
    assert pins(month) == first
    month.commit()

    some_tags_move_and_one_is_taken_over(month)
    one_is_frozen(month)
    one_is_removed(month)
    one_is_renamed(month)
    assert pins(month)["img09b"] == first["img09"]
    all_that_may_move_does(month)
    two_branches_are_merged(month)
    assert pins(month)["img07"] == first["img07"]
    nothing_is_left_to_do(month)


def some_tags_move_and_one_is_taken_over(month: Month) -> None:
    before = pins(month)
    second = {name: month.upload(name, "second") for name in ("img03", "img07", "img11")}
    assert month.drifted(3) == sorted(second)
    assert month.touched() == {}
    month.update("img03")
    assert month.touched() == {"img03": {"digest"}}
    assert pins(month) == before | {"img03": second["img03"]}
    month.commit()


def one_is_frozen(month: Month) -> None:
    declare(month, month.declared, frozen={"img07": WHY})
    fails(month.workspace.test(month.package.label("images_test")), 3, 'image "img07" is frozen')
    month.update("img07")
    assert month.touched() == {"img07": {"frozen"}}
    month.commit()
    assert month.drifted(3) == ["img11"]


def one_is_removed(month: Month) -> None:
    declare(month, {name: reference for name, reference in month.declared.items() if name != "img05"})
    failed = fails(month.workspace.test(month.package.label("images_test")), 3, 'image "img05"')
    succeeds(month.workspace.type_in(failed.proposed))
    assert month.touched() == {"img05": ALL}
    month.commit()


def one_is_renamed(month: Month) -> None:
    declare(month, {{"img09": "img09b"}.get(name, name): reference for name, reference in month.declared.items()})
    failed = fails(month.workspace.build(month.package.label("images")), 1, 'image "img09b"')
    succeeds(month.workspace.type_in(failed.proposed))
    assert month.touched() == {"img09": {""}, "img09b": {""}}
    month.commit()


def all_that_may_move_does(month: Month) -> None:
    month.update()
    assert month.touched() == {"img11": {"digest"}}
    assert month.drifted(0) == []
    month.commit()


def two_branches_are_merged(month: Month) -> None:
    """Both take over the same tag, at different times; when they are merged, that and another have moved once more.

    The one that is not in conflict stays where it was.
    """
    succeeds(month.git("checkout", "--quiet", "-b", "other"))
    theirs = month.upload("img12", "theirs")
    month.update("img12")
    month.commit()
    succeeds(month.git("checkout", "--quiet", "-"))
    ours = month.upload("img12", "ours")
    month.update("img12")
    month.commit()
    assert month.git("merge", "other").code != 0
    text = month.package.lock.read_text(encoding="utf-8")
    assert all(part in text for part in ("<<<<<<<", ours, theirs))
    failed = fails(month.workspace.build(month.package.label("images")), 1, "has the marks of a merge conflict")
    latest = month.upload("img12", "latest")
    other = month.upload("img13", "latest")
    succeeds(month.workspace.type_in(failed.proposed))
    assert month.touched() == {"img12": {"digest"}}
    assert pins(month)["img12"] == latest
    month.commit()
    assert month.drifted(3) == ["img13"]
    month.update("img13")
    assert pins(month)["img13"] == other
    month.commit()


def nothing_is_left_to_do(month: Month) -> None:
    before = month.package.lock.stat()
    month.update()
    assert month.package.lock.stat() == before
    assert month.touched() == {}
    assert month.drifted(0) == []
    succeeds(month.workspace.test(month.package.label("all")))


def declare(month: Month, declared: dict[str, str], frozen: dict[str, str] | None = None) -> None:
    """Write the BUILD file; what is frozen stays so."""
    month.declared = declared
    month.frozen |= frozen or {}
    month.package.declare(declared, frozen=month.frozen)


def pins(month: Month) -> dict[str, str]:
    images = json.loads(month.package.lock.read_bytes())["images"]
    return {name: pin["digest"] for name, pin in images.items()}
