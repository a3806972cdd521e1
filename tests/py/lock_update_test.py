"""``registry lock update``: what moves, what does not, what is said of it, and what is written."""

from __future__ import annotations

import json
import multiprocessing
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from lock_workspace import APP, DONE, FAILED, OUT_OF_DATE, USAGE, Workspace, image, index

if TYPE_CHECKING:
    from multiprocessing.synchronize import Barrier

Capture = pytest.CaptureFixture[str]
BOTH = {"one": f"{APP}:1", "two": f"{APP}:2"}
WHY = "2.0 breaks the parser"


@pytest.fixture
def workspace(workspace: Workspace, capsys: Capture) -> Workspace:
    """A workspace with its lock; both tags have moved since."""
    workspace.update()
    workspace.store.put_image(f"{APP}:1", image("new"))
    workspace.store.put_image(f"{APP}:2", index("new"))
    capsys.readouterr()
    return workspace


def test_what_is_frozen_stays_and_says_why(workspace: Workspace, capsys: Capture) -> None:
    workspace.declare(BOTH, frozen={"one": WHY})
    assert workspace.update() == DONE
    printed = capsys.readouterr()
    assert f"one     1      {image('1').digest}" in printed.out
    assert f"skipped: {WHY}" in printed.out
    assert "1 updated, 1 skipped; images.lock.json was written" in printed.err
    assert workspace.locked["one"] == {
        "digest": image("1").digest,
        "frozen": WHY,
        "mediaType": image("1").media_type,
        "reference": f"{APP}:1",
        "size": len(image("1").raw_manifest),
    }
    assert workspace.verify() == DONE


def test_what_is_frozen_stays_even_if_it_is_named(workspace: Workspace) -> None:
    workspace.declare(BOTH, frozen={"one": WHY})
    assert workspace.update("one") == DONE
    assert workspace.locked["one"]["digest"] == image("1").digest


def test_what_is_not_frozen_any_more_moves_again(workspace: Workspace) -> None:
    workspace.declare(BOTH, frozen={"one": WHY})
    workspace.update()
    workspace.declare(BOTH)
    assert workspace.verify() == OUT_OF_DATE
    assert workspace.update() == DONE
    assert workspace.locked["one"]["digest"] == image("new").digest
    assert "frozen" not in workspace.locked["one"]


def test_what_is_frozen_is_resolved_when_it_has_no_pin(workspace: Workspace) -> None:
    workspace.lock.unlink()
    workspace.declare(BOTH, frozen={"one": WHY})
    assert workspace.update() == DONE
    assert workspace.locked["one"]["digest"] == image("new").digest
    assert workspace.locked["one"]["frozen"] == WHY


def test_what_is_frozen_is_resolved_when_another_reference_is_declared(workspace: Workspace) -> None:
    workspace.declare({"one": f"{APP}:2", "two": f"{APP}:2"}, frozen={"one": WHY})
    assert workspace.update() == DONE
    assert workspace.locked["one"]["digest"] == index("new").digest


def test_what_is_frozen_keeps_its_pin_under_another_name(workspace: Workspace) -> None:
    workspace.declare({"uno": f"{APP}:1", "two": f"{APP}:2"}, frozen={"uno": WHY})
    assert workspace.update("uno", "one") == DONE
    assert sorted(workspace.locked) == ["two", "uno"]
    assert workspace.locked["uno"]["digest"] == image("1").digest
    assert workspace.locked["two"]["digest"] == index("2").digest


def test_what_is_frozen_keeps_its_pin_when_its_old_name_is_taken_by_another_image(workspace: Workspace) -> None:
    workspace.declare({"redis": f"{APP}:1", "redis-new": f"{APP}:2"}, frozen={"redis": WHY})
    workspace.store.put_image(f"{APP}:1", image("1"))
    workspace.update()
    workspace.store.put_image(f"{APP}:1", image("new"))
    workspace.declare({"redis-old": f"{APP}:1", "redis": f"{APP}:2"}, frozen={"redis-old": WHY})
    assert workspace.update("redis", "redis-new", "redis-old") == DONE
    assert {name: pin["digest"] for name, pin in workspace.locked.items()} == {
        "redis-old": image("1").digest,
        "redis": index("new").digest,
    }


def test_of_several_old_names_the_frozen_one_counts(workspace: Workspace) -> None:
    workspace.declare({"first": f"{APP}:1", "second": f"{APP}:1"})
    workspace.store.put_image(f"{APP}:1", image("1"))
    workspace.update("second", "one", "two")
    workspace.declare({"first": f"{APP}:1", "second": f"{APP}:1"}, frozen={"second": WHY})
    workspace.store.put_image(f"{APP}:1", image("new"))
    workspace.update()
    workspace.declare({"third": f"{APP}:1"}, frozen={"third": WHY})
    assert workspace.update() == DONE
    assert workspace.locked["third"]["digest"] == image("1").digest


def test_what_is_frozen_is_not_looked_up(workspace: Workspace) -> None:
    workspace.declare({"one": f"{APP}:1", "two": f"{APP}:2"}, frozen={"one": WHY, "two": WHY})
    (workspace.root / "app/index.json").unlink()
    assert workspace.update() == DONE


@pytest.mark.parametrize(
    ("frozen", "complaint"),
    [
        ({"three": WHY}, 'image "three": it is not declared; choose from: one, two; mend it in frozen'),
        ({"one": " "}, 'image "one": no reason is given why it must not move; mend it in frozen'),
    ],
)
def test_what_cannot_be_frozen_is_named(
    workspace: Workspace, capsys: Capture, frozen: dict[str, str], complaint: str
) -> None:
    workspace.declare(BOTH, frozen=frozen)
    assert workspace.update() == USAGE
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize("name", ["one", "two"])
def test_an_image_that_is_not_declared_any_more_can_be_removed_by_its_name(workspace: Workspace, name: str) -> None:
    kept = BOTH.keys() - {name}
    before = workspace.locked
    workspace.declare({other: BOTH[other] for other in kept})
    assert workspace.update(name) == DONE
    assert workspace.locked == {other: before[other] for other in kept}


def test_the_message_names_the_images_that_are_out_of_date_and_no_others(workspace: Workspace, capsys: Capture) -> None:
    before = workspace.locked
    workspace.declare({"one": f"{APP}:1", "three": f"{APP}:2"})
    assert workspace.verify() == OUT_OF_DATE
    assert capsys.readouterr().err.endswith("run: bazel run //:images.update -- three two\n")
    assert workspace.update("three", "two") == DONE
    assert workspace.verify() == DONE
    assert workspace.locked["one"] == before["one"]


def test_the_table_has_the_name_the_tag_both_digests_and_what_happened(workspace: Workspace, capsys: Capture) -> None:
    workspace.declare({"one": f"{APP}:1", "three": f"{APP}@{image('1').digest}"})
    assert workspace.update() == DONE
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert rows == [
        ["name", "tag", "digest", "result"],
        ["one", "1", image("1").digest, "→", image("new").digest, "updated"],
        ["three", "-", "-", "→", image("1").digest, "added"],
        ["two", "2", index("2").digest, "→", "-", "removed"],
    ]


def test_json_has_each_image_in_one_of_four_lists(workspace: Workspace, capsys: Capture) -> None:
    workspace.store.put_image(f"{APP}:3", image("3"))
    workspace.declare(BOTH | {"three": f"{APP}:3"})
    assert workspace.update("three") == DONE
    workspace.declare(BOTH | {"three": f"{APP}:3", "four": f"{APP}:none"}, frozen={"two": WHY})
    capsys.readouterr()
    assert workspace.update("--json") == FAILED
    document = json.loads(capsys.readouterr().out)
    assert document["lockfile"] == "images.lock.json"
    assert document["written"] is False
    assert document["updated"] == [
        {
            "name": "one",
            "reference": f"{APP}:1",
            "tag": "1",
            "old": image("1").digest,
            "new": image("new").digest,
            "result": "updated",
        }
    ]
    assert [entry["name"] for entry in document["unchanged"]] == ["three"]
    assert [(entry["name"], entry["reason"]) for entry in document["skipped"]] == [("two", WHY)]
    assert [(entry["name"], entry["error"]["code"]) for entry in document["failed"]] == [("four", "LAYOUT_LACKS_IMAGE")]


def test_a_dry_run_writes_nothing_and_says_so(workspace: Workspace, capsys: Capture) -> None:
    before = workspace.lock.read_bytes()
    assert workspace.update("--dry-run", "one") == OUT_OF_DATE
    assert "dry run: 1 updated; images.lock.json would be written" in capsys.readouterr().err
    assert workspace.lock.read_bytes() == before
    assert workspace.update() == DONE
    assert workspace.update("--dry-run") == DONE


def test_a_dry_run_without_a_lock_makes_no_folder(workspace: Workspace) -> None:
    workspace.declare(BOTH, lockfile="locks/images.lock.json")
    assert workspace.update("--dry-run") == OUT_OF_DATE
    assert not (workspace.root / "locks").exists()
    assert workspace.update() == DONE
    assert (workspace.root / "locks/images.lock.json").is_file()


def test_an_update_repairs_what_is_said_of_a_digest(workspace: Workspace, capsys: Capture) -> None:
    workspace.update()
    good = workspace.lock.read_text()
    workspace.lock.write_text(good.replace(f'"size": {len(index("new").raw_manifest)}', '"size": 1'))
    assert workspace.lock.read_text() != good
    assert workspace.verify() == OUT_OF_DATE
    assert "run: bazel run //:images.update -- two" in capsys.readouterr().err
    assert workspace.update("two") == DONE
    assert workspace.lock.read_text() == good


def test_a_pin_that_contradicts_a_declared_digest_is_stale(workspace: Workspace, capsys: Capture) -> None:
    declared = {"one": f"{APP}:1@{image('new').digest}"}
    workspace.declare(declared)
    workspace.update()
    good = workspace.lock.read_text()
    workspace.lock.write_text(good.replace(f'"digest": "{image("new").digest}"', f'"digest": "{image("1").digest}"'))
    for run in (workspace.verify, workspace.pins, workspace.check):
        capsys.readouterr()
        assert run() == OUT_OF_DATE
        printed = capsys.readouterr().err
        assert f"is declared as {APP}:1@{image('new').digest}, but images.lock.json has {APP}@{image('1').digest}" in (
            printed
        )
    workspace.declare(declared, frozen={"one": WHY})
    assert workspace.update("one") == DONE
    assert workspace.locked["one"]["digest"] == image("new").digest


def update_with_others(workspace: Workspace, name: str, start: Barrier) -> None:
    start.wait(timeout=30)
    sys.exit(workspace.update(name))


def test_updates_at_once_lose_nothing(workspace: Workspace) -> None:
    names = [f"image{number}" for number in range(8)]
    for name in names:
        workspace.store.put_image(f"{APP}:{name}", image(name))
    workspace.declare(BOTH | {name: f"{APP}:{name}" for name in names})
    context = multiprocessing.get_context("fork")
    start = context.Barrier(len(names))
    processes = [context.Process(target=update_with_others, args=(workspace, name, start)) for name in names]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=60)
    assert [process.exitcode for process in processes] == [DONE] * len(names)
    assert sorted(workspace.locked) == sorted([*BOTH, *names])
    assert list(workspace.root.glob(".images*")) == []


def test_a_name_that_the_locale_cannot_write_ends_no_run(workspace: Workspace) -> None:
    workspace.declare(BOTH, frozen={"one": "wegen Überlänge → später"})
    command = [sys.executable, "-m", "registry_client", "lock", "update", "--request", "request.json"]
    environment = {"PYTHONPATH": ":".join(sys.path), "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, capture_output=True, env=environment, cwd=workspace.root, check=True)
    assert b"skipped: wegen \\xdcberl\\xe4nge" in done.stdout


def test_without_a_lock_a_build_is_refused_where_one_is_required(workspace: Workspace, capsys: Capture) -> None:
    workspace.lock.unlink()
    workspace.declare(BOTH, lockfile="", requireLock=True)
    assert workspace.pins() == USAGE
    assert "--@registry_rules//:require_lock asks for one; add lockfile" in capsys.readouterr().err
    workspace.declare(BOTH, lockfile="", resolveEpoch="today")
    assert workspace.pins() == DONE
