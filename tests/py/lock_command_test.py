"""``registry lock`` on layouts: what an image_lock builds, tests and updates."""

from __future__ import annotations

import json

import pytest
from lock_workspace import APP, DONE, FAILED, OUT_OF_DATE, USAGE, Workspace, image, index


def test_a_lock_is_written_and_has_the_platforms_of_an_index(workspace: Workspace) -> None:
    assert workspace.update() == DONE
    images = json.loads(workspace.lock.read_text())["images"]
    assert images["one"]["digest"] == image("1").digest
    assert "platforms" not in images["one"]
    assert images["two"]["platforms"] == {"linux/arm64/v8": image("2").digest}
    assert workspace.verify() == DONE


def test_a_second_update_writes_nothing(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    workspace.update()
    before = workspace.lock.stat()
    assert workspace.update() == DONE
    assert workspace.lock.stat() == before
    assert "nothing was written" in capsys.readouterr().err


def test_an_update_by_name_leaves_the_other_pins(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    workspace.update()
    workspace.store.put_image(f"{APP}:1", image("new"))
    workspace.store.put_image(f"{APP}:2", index("new"))
    capsys.readouterr()
    assert workspace.update("one") == DONE
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert rows[1:] == [["one", "1", image("1").digest, "→", image("new").digest, "updated"]]
    assert json.loads(workspace.lock.read_text())["images"]["two"]["digest"] == index("2").digest


def test_a_name_that_is_not_declared_is_refused(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    assert workspace.update("three") == USAGE
    assert capsys.readouterr().err == "error: //:images: no image is called three; choose from: one, two\n"
    assert not workspace.lock.exists()


def test_an_image_that_is_gone_from_the_declaration_goes_from_the_lock(workspace: Workspace) -> None:
    workspace.update()
    workspace.declare({"one": f"{APP}:1"})
    assert workspace.verify() == OUT_OF_DATE
    assert workspace.update() == DONE
    assert list(json.loads(workspace.lock.read_text())["images"]) == ["one"]


def test_one_image_that_cannot_be_resolved_keeps_the_lock_as_it_was(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace.update()
    before = workspace.lock.read_bytes()
    workspace.store.put_image(f"{APP}:1", image("new"))
    workspace.declare({"one": f"{APP}:1", "two": f"{APP}:none"})
    capsys.readouterr()
    assert workspace.update() == FAILED
    printed = capsys.readouterr()
    rows = [line.split() for line in printed.out.splitlines()]
    assert [(row[0], row[-1]) for row in rows[1:]] == [("one", "updated"), ("two", "failed")]
    assert 'error: //:images: image "two" (oci-layout:app:none): ' in printed.err
    assert "bazel run //:images.update" in printed.err
    assert workspace.lock.read_bytes() == before


@pytest.mark.parametrize(
    ("images", "complaint"),
    [
        ({"a b": "redis"}, '//:images: image "a b": not a target name'),
        ({"update": "redis"}, '//:images: image "update": the name is taken'),
        ({"a": "Redis"}, '//:images: image "a": "Redis" is not an image reference'),
    ],
)
def test_a_declaration_that_is_wrong_is_named(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], images: dict[str, str], complaint: str
) -> None:
    workspace.declare(images)
    for run in (workspace.update, workspace.verify, workspace.pins):
        assert run() == USAGE
        printed = capsys.readouterr().err
        assert complaint in printed
        assert "mend it in images" in printed
    assert not workspace.lock.exists()


def test_the_pins_are_written_without_a_newline(workspace: Workspace) -> None:
    workspace.update()
    assert workspace.pins() == DONE
    assert (workspace.root / "one.digest").read_text() == image("1").digest
    assert (workspace.root / "two.reference").read_text() == f"{APP}@{index('2').digest}"
    assert (workspace.root / "out.json").read_bytes() == workspace.lock.read_bytes()


def test_as_many_files_as_images_must_be_asked_for(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    workspace.declare({"one": f"{APP}:1"})
    workspace.update()
    assert workspace.pins() == USAGE
    assert "1 images, but 2 and 2 output files" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        ("", "images.lock.json is not there"),
        ("<<<<<<< ours\n", "merge conflict"),
        ('{"images": {}, "lockfileVersion": 1, "x": 1}', "x: is not a field"),
        ('{"images": {}, "lockfileVersion": 1}', 'image "one" (oci-layout:app:1) is not in images.lock.json'),
    ],
)
def test_a_lock_that_will_not_do_is_refused_with_the_command_that_mends_it(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], spoil: str, complaint: str
) -> None:
    if spoil:
        workspace.lock.write_text(spoil)
    for run in (workspace.verify, workspace.pins):
        assert run() == OUT_OF_DATE
        printed = capsys.readouterr().err
        assert printed.startswith("error: //:images: ")
        assert complaint in printed
        assert printed.endswith(". To update it, run: bazel run //:images.update\n")
    assert workspace.update() == DONE
    assert workspace.verify() == DONE


def test_a_broken_lock_is_not_updated_by_name(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    workspace.lock.write_text("{")
    assert workspace.update("one") == USAGE
    assert "To write it anew, without names, run: bazel run //:images.update" in capsys.readouterr().err
    assert workspace.lock.read_text() == "{"


def test_a_reference_that_was_changed_makes_the_lock_stale(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace.update()
    workspace.declare({"one": f"{APP}:2", "two": f"{APP}:2"})
    assert workspace.pins() == OUT_OF_DATE
    assert 'image "one" is declared as oci-layout:app:2, but images.lock.json has oci-layout:app:1' in (
        capsys.readouterr().err
    )


def test_a_pin_of_what_its_layout_does_not_list_is_named(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace.update()
    digest = image("1").digest
    edited = digest[:-1] + ("0" if digest[-1] != "0" else "1")
    workspace.lock.write_text(workspace.lock.read_text().replace(digest, edited))
    assert workspace.verify() == OUT_OF_DATE
    assert f'image "one" of images.lock.json is pinned to {edited}' in capsys.readouterr().err


def test_a_digest_that_only_an_index_of_the_layout_lists_may_be_declared(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace.store.put_part(f"{APP}:2", image("2"))
    workspace.declare({"part": f"{APP}@{image('2').digest}"})
    assert workspace.update() == DONE
    assert workspace.verify() == DONE
    (workspace.root / "app/blobs/sha256" / image("2").digest.removeprefix("sha256:")).unlink()
    capsys.readouterr()
    assert workspace.verify() == OUT_OF_DATE
    assert 'image "part" of images.lock.json' in capsys.readouterr().err


def test_what_is_frozen_and_not_in_its_layout_names_no_command_that_changes_nothing(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace.declare({"one": f"{APP}:1"}, frozen={"one": "why"})
    workspace.update()
    (workspace.root / "app/index.json").write_text('{"manifests": []}')
    capsys.readouterr()
    assert workspace.verify() == OUT_OF_DATE
    printed = capsys.readouterr().err
    assert printed.endswith("which oci-layout:app does not have; put it there again, or take it out of frozen\n")


def test_a_target_without_a_lock_file_has_none_to_update(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace.declare({"one": f"{APP}:1", "two": f"{APP}:2"}, lockfile="")
    assert workspace.update() == USAGE
    assert "add lockfile" in capsys.readouterr().err
    assert workspace.pins() == DONE
    assert (workspace.root / "one.digest").read_text() == image("1").digest


def test_build_time_resolving_names_what_it_cannot_resolve(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace.declare({"one": f"{APP}:none"}, lockfile="")
    assert workspace.pins() == FAILED
    assert 'image "one" (oci-layout:app:none)' in capsys.readouterr().err


def test_the_lock_of_another_module_is_neither_written_nor_checked(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace.update()
    before = workspace.lock.read_bytes()
    workspace.declare({"one": f"{APP}:2"}, target="@@dep~//:images", repository="dep~")
    for run in (workspace.update, workspace.check):
        capsys.readouterr()
        assert run() == USAGE
        assert capsys.readouterr().err == (
            "error: @@dep~//:images: the lock file is another module's; update it in the workspace of that module\n"
        )
    assert workspace.lock.read_bytes() == before


def test_a_stale_lock_of_another_module_names_no_command(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace.declare({"one": f"{APP}:2", "two": f"{APP}:2"}, target="@@dep~//:images", repository="dep~")
    for run in (workspace.verify, workspace.pins):
        assert run() == OUT_OF_DATE
        printed = capsys.readouterr().err
        assert "bazel run" not in printed
        assert printed.endswith("the lock file is another module's; update it in the workspace of that module\n")


def test_a_label_that_a_shell_would_not_leave_alone_is_quoted(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace.declare({"one": f"{APP}:1"}, target="//a b:images")
    assert workspace.verify() == OUT_OF_DATE
    assert capsys.readouterr().err.endswith("run: bazel run '//a b:images.update'\n")


@pytest.mark.parametrize(
    ("option", "complaint"),
    [
        ("--ca-file=certificates/ca.pem", "which finds no relative path; write an absolute one"),
        ("--ca-file=/certificates/ca.pem", 'there is no file "/certificates/ca.pem"'),
    ],
)
def test_a_file_that_a_build_does_not_see_is_named(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], option: str, complaint: str
) -> None:
    workspace.declare({"one": f"{APP}:1", "two": f"{APP}:2"}, lockfile="")
    assert workspace.pins(option) == USAGE
    assert complaint in capsys.readouterr().err
    (workspace.root / "ca.pem").touch()
    assert workspace.pins("--ca-file=ca.pem") == DONE
