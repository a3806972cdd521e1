"""Locks that break their schema: what is kept of them, and which command they make a build propose."""

from __future__ import annotations

import json

import pytest
from lock_workspace import APP, DONE, OUT_OF_DATE, USAGE, Workspace, image, index

Capture = pytest.CaptureFixture[str]
BOTH = {"one": f"{APP}:1", "two": f"{APP}:2"}
WHY = "2.0 breaks the parser"
OURS, THEIRS = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"
CONFLICT = "<<<<<<< HEAD\n{ours}||||||| base\n{base}=======\n{theirs}>>>>>>> branch\n"


@pytest.fixture
def workspace(workspace: Workspace, capsys: Capture) -> Workspace:
    """A workspace with its lock; both tags have moved since."""
    workspace.update()
    workspace.store.put_image(f"{APP}:1", image("new"))
    workspace.store.put_image(f"{APP}:2", index("new"))
    capsys.readouterr()
    return workspace


def pin_line(digest: str) -> str:
    return f'      "digest": "{digest}",\n'


def note_line(why: str) -> str:
    return f'      "frozen": "{why}",\n'


def in_conflict(workspace: Workspace, base: str, ours: str, theirs: str) -> None:
    """Put the marks of a merge conflict around a line or several."""
    text = workspace.lock.read_text()
    assert base in text
    workspace.lock.write_text(text.replace(base, CONFLICT.format(ours=ours, base=base, theirs=theirs)))


def edit(workspace: Workspace, name: str, **changes: object) -> None:
    document = json.loads(workspace.lock.read_text())
    document["images"][name] |= changes
    workspace.lock.write_text(json.dumps(document))


def test_a_merge_conflict_moves_the_pin_that_it_is_about_and_no_other(workspace: Workspace, capsys: Capture) -> None:
    in_conflict(workspace, *map(pin_line, (index("2").digest, OURS, THEIRS)))
    for run in (workspace.verify, workspace.pins):
        assert run() == OUT_OF_DATE
        printed = capsys.readouterr().err
        assert "//:images: images.lock.json: has the marks of a merge conflict\n" in printed
        assert printed.endswith(
            '"two" (oci-layout:app:2) is in doubt. To update it, run: bazel run //:images.update -- two\n'
        )
    assert workspace.update("two") == DONE
    assert "images.lock.json: has the marks of a merge conflict; it was written anew" in capsys.readouterr().err
    assert workspace.locked["one"]["digest"] == image("1").digest
    assert workspace.locked["two"]["digest"] == index("new").digest
    assert workspace.verify() == DONE


def test_a_check_of_a_merge_conflict_looks_at_what_is_sure(workspace: Workspace, capsys: Capture) -> None:
    in_conflict(workspace, *map(pin_line, (index("2").digest, OURS, THEIRS)))
    workspace.store.put_image(f"{APP}:1", image("1"))
    assert workspace.check() == OUT_OF_DATE
    printed = capsys.readouterr()
    assert [line.split()[-1] for line in printed.out.splitlines()[1:]] == ["unchanged", "stale"]
    assert '//:images: the pin of image "two" (oci-layout:app:2) is in doubt\n' in printed.err
    assert printed.err.endswith("To update images.lock.json, run: bazel run //:images.update -- two\n")


def test_a_dry_run_does_not_say_that_a_broken_lock_was_written(workspace: Workspace, capsys: Capture) -> None:
    workspace.lock.write_text("{")
    assert workspace.update("--dry-run") == OUT_OF_DATE
    assert "written anew" not in capsys.readouterr().err
    assert workspace.update() == DONE
    assert "it was written anew" in capsys.readouterr().err


def test_what_is_frozen_survives_a_merge_conflict_elsewhere(workspace: Workspace) -> None:
    workspace.declare(BOTH, frozen={"one": WHY})
    workspace.update("one")
    in_conflict(workspace, *map(pin_line, (index("2").digest, OURS, THEIRS)))
    assert workspace.update() == DONE
    assert workspace.locked["one"]["digest"] == image("1").digest
    assert workspace.locked["two"]["digest"] == index("new").digest


@pytest.mark.parametrize("frozen_is_ours", [True, False])
def test_of_a_freeze_and_an_update_the_freeze_counts_where_it_is_declared(
    workspace: Workspace, capsys: Capture, *, frozen_is_ours: bool
) -> None:
    base = pin_line(image("1").digest)
    sides = [base + note_line(WHY), pin_line(image("new").digest)]
    in_conflict(workspace, base, *(sides if frozen_is_ours else reversed(sides)))
    workspace.declare(BOTH, frozen={"one": WHY})
    assert workspace.verify() == OUT_OF_DATE
    assert capsys.readouterr().err.endswith("run: bazel run //:images.update -- one\n")
    assert workspace.update("one") == DONE
    assert workspace.locked["one"]["digest"] == image("1").digest
    assert workspace.locked["one"]["frozen"] == WHY
    assert workspace.verify() == DONE


def test_two_notes_of_the_same_digest_are_no_disagreement(workspace: Workspace) -> None:
    base = pin_line(image("1").digest)
    in_conflict(workspace, base, base + note_line("ours"), base + note_line("theirs"))
    workspace.declare(BOTH, frozen={"one": WHY})
    assert workspace.verify() == OUT_OF_DATE
    assert workspace.update("one") == DONE
    assert workspace.locked["one"]["digest"] == image("1").digest
    assert workspace.locked["one"]["frozen"] == WHY


def test_a_pin_that_breaks_the_schema_is_lost_alone(workspace: Workspace, capsys: Capture) -> None:
    workspace.declare(BOTH, frozen={"one": WHY})
    workspace.update("one")
    edit(workspace, "two", note="x")
    capsys.readouterr()
    assert workspace.verify() == OUT_OF_DATE
    printed = capsys.readouterr().err
    assert "images.lock.json: images.two.note: is not a field of this version" in printed
    assert printed.endswith("run: bazel run //:images.update -- two\n")
    assert workspace.update("two") == DONE
    assert workspace.locked["one"]["digest"] == image("1").digest


@pytest.mark.parametrize("damage", ["conflict", "no JSON", "field"])
def test_what_is_frozen_and_cannot_be_told_is_not_moved(workspace: Workspace, capsys: Capture, damage: str) -> None:
    workspace.declare(BOTH, frozen={"one": WHY})
    workspace.update("one")
    if damage == "conflict":
        in_conflict(workspace, *map(pin_line, (image("1").digest, OURS, THEIRS)))
    elif damage == "field":
        edit(workspace, "one", note="x")
    else:
        workspace.lock.write_text(workspace.lock.read_text() + "}")
    before = workspace.lock.read_bytes()
    said = (
        '; what is frozen must not move, and the pin of "one" cannot be told; '
        'restore images.lock.json from version control, or take "one" out of frozen\n'
    )
    for run, code in ((workspace.update, USAGE), (workspace.verify, OUT_OF_DATE), (workspace.check, OUT_OF_DATE)):
        capsys.readouterr()
        assert run() == code
        printed = capsys.readouterr().err
        assert said in printed
        assert "bazel run" not in printed
    assert workspace.lock.read_bytes() == before
    workspace.declare(BOTH)
    assert workspace.verify() == OUT_OF_DATE
    assert workspace.update() == DONE
    assert workspace.verify() == DONE
