"""``registry promote``, ``tag`` and ``copy``: exit codes, what is printed, and the receipt."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING

import pytest
from built_images import artifact, put
from faults import Reply, served
from lock_workspace import DONE, FAILED, OUT_OF_DATE, USAGE
from memory_registry import MemoryRegistry
from promotion_workspace import BOTH, ONE, TWO, Workspace
from registry_client.__main__ import main
from registry_client.command_line.promotion_reports import in_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DENIED = Reply(403, {}, b'{"errors": [{"code": "DENIED", "message": "no"}]}')
SIZE = sum(map(len, BOTH.blobs))


@pytest.fixture
def it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    monkeypatch.chdir(tmp_path)
    registry = MemoryRegistry()
    with served(registry):
        yield Workspace(tmp_path, registry)


def test_a_copy_is_a_row_and_a_sentence(it: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["copy", "oci-layout:app:1", f"{it.remote}-copy:prod"]) == DONE
    printed = capsys.readouterr()
    assert printed.out.split() == [
        *(f"{it.remote}-copy:prod", "-", "→", BOTH.digest),
        *f"copied: {SIZE} B moved, 0 B mounted".split(),
    ]
    assert printed.err == "1 of 1 tags were set, the others were there\n"
    assert it.registry.tags("app-copy") == {"prod": BOTH.digest}
    assert main(["copy", "oci-layout:app:1", f"{it.remote}-copy:prod"]) == DONE
    assert capsys.readouterr().err == "nothing to do: 1 of 1 tags were there\n"


def test_a_copy_without_a_tag_is_one_by_digest(it: Workspace) -> None:
    assert main(["copy", f"{it.remote}@{BOTH.digest}", "oci-layout:out"]) == DONE
    assert it.layouts.get_tags("oci-layout:out") == []
    assert it.layouts.resolve("oci-layout:out").digest == BOTH.digest
    assert main(["copy", f"{it.remote}:1", f"oci-layout:out:2@{BOTH.digest}"]) == DONE
    assert it.layouts.get_tags("oci-layout:out") == ["2"]


def test_a_copy_to_another_digest_is_refused(it: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["copy", f"{it.remote}:1", f"oci-layout:out@{ONE.digest}"]) == USAGE
    assert f"has another digest than {it.remote}:1, which is {BOTH.digest}" in capsys.readouterr().err


def test_a_copy_of_what_is_not_there_fails(it: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["copy", f"{it.remote}:none", "oci-layout:out:1"]) == FAILED
    assert capsys.readouterr().err.startswith("error: HTTP 404 - MANIFEST_UNKNOWN")


def test_tags_are_set_once_each_in_the_order_given(it: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tag", f"{it.remote}:1", "b", "a", "b"]) == DONE
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [f"{it.remote}:b", f"{it.remote}:a"]
    assert it.registry.tags("app").keys() == {"1", "a", "b"}


def test_a_tag_that_must_not_move_stays(it: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tag", f"{it.remote}@{ONE.digest}", "1", "--overwrite", "immutable"]) == FAILED
    printed = capsys.readouterr()
    assert printed.out.split()[-1] == "failed"
    first, second = printed.err.splitlines()
    assert first.startswith(f"error: registry tag: {it.remote}:1: it is on {BOTH.digest} and immutable")
    assert second == "error: nothing was written"


def test_a_dry_run_says_what_would_be_done(it: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    it.plan(
        (BOTH, it.remote, f"{it.remote}:2"), (BOTH, it.remote, "oci-layout:out:1"), (BOTH, it.remote, f"{it.remote}:1")
    )
    assert it.promote("--dry-run") == OUT_OF_DATE
    printed = capsys.readouterr()
    assert [line.rpartition(":")[0] and line.split("  ")[-1].strip() for line in printed.out.splitlines()] == [
        "would be tagged",
        f"would be copied: at most {SIZE} B",
        "unchanged",
    ]
    assert printed.err == "dry run: 2 of 3 tags would be set\n"
    assert it.registry.writes() == []
    assert not (it.root / "out").exists()
    for option in (["--receipt", "receipt.json"], ["--attach-receipt"]):
        assert it.promote("--dry-run", *option) == USAGE
        assert "of no use with --dry-run" in capsys.readouterr().err


def test_for_programs_there_is_the_receipt(it: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    it.plan((BOTH, it.remote, "oci-layout:out:1"), (BOTH, "oci-layout:app", "oci-layout:app:2"))
    assert it.promote("--json", "--receipt", "receipt.json") == DONE
    printed = capsys.readouterr()
    document = json.loads(printed.out)
    assert document == it.receipt()
    assert document.keys() == {
        *("bytesMounted", "bytesMoved", "edges", "finished", "plan", "receiptVersion", "requests", "started")
    }
    assert (document["bytesMoved"], document["bytesMounted"]) == (SIZE, 0)
    assert it.results() == ["copied", "tagged"]
    assert document["requests"].keys() == {"GET"}
    assert "the receipt is receipt.json" not in printed.out


def test_what_fails_stops_everything_unless_told_to_go_on(it: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    it.registry.faults["POST /v2/closed/"] = DENIED
    place = it.registry.address
    it.plan(
        (ONE, it.remote, f"{place}/closed:1"), (ONE, it.remote, f"{place}/open:1"), (ONE, it.remote, f"{it.remote}:2")
    )
    assert it.promote("--receipt", "receipt.json") == FAILED
    assert it.results() == ["failed", "not done", "not done"]
    said = capsys.readouterr().err
    assert "HTTP 403 - DENIED: no" in said
    assert "log in with docker login" in said
    assert "no tag was set; 2 were not tried" in said
    assert it.registry.tags("open") == {}
    assert it.promote("--receipt", "receipt.json", "--keep-going") == FAILED
    assert it.results() == ["failed", "copied", "tagged"]
    assert "2 of 3 tags were set, 1 failed" in capsys.readouterr().err
    assert it.registry.tags("open") == {"1": ONE.digest}


def test_what_fails_at_the_first_look_stops_everything(it: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    lost = artifact(BOTH, kind="lost")
    it.plan((lost, it.remote, f"{it.remote}:2"), (ONE, it.remote, f"{it.remote}:3"))
    assert it.promote() == FAILED
    said = capsys.readouterr().err
    assert "check the name and the tag" in said
    assert "error: nothing was written; 1 were not tried" in said
    assert it.registry.writes() == []


def test_what_the_registry_has_mounted_was_written(it: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    it.registry.faults["PUT /v2/other/"] = DENIED
    it.plan((BOTH, it.remote, f"{it.registry.address}/other:1"))
    assert it.promote() == FAILED
    assert capsys.readouterr().err.endswith("error: no tag was set\n")


def test_a_receipt_that_cannot_be_written_stops_before_the_tags(
    it: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    it.plan((ONE, it.remote, f"{it.remote}:2"))
    assert it.promote("--receipt", "none/receipt.json") == USAGE
    assert "none/receipt.json cannot be written" in capsys.readouterr().err
    assert it.registry.tags("app").keys() == {"1"}


def test_a_receipt_that_undoes_something_is_not_written_over(it: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    it.plan((ONE, it.remote, f"{it.remote}:2"))
    assert it.promote("--receipt", "receipt.json") == DONE
    receipt = (it.root / "receipt.json").read_bytes()
    assert it.promote("--receipt", "receipt.json") == DONE, "there is nothing to do"
    assert (it.root / "receipt.json").read_bytes() == receipt
    it.plan((ONE, it.remote, f"{it.remote}:3"))
    assert it.promote("--receipt", "receipt.json") == USAGE
    assert "is there already, of another promotion" in capsys.readouterr().err
    assert (it.root / "receipt.json").read_bytes() == receipt
    assert it.registry.tags("app").keys() == {"1", "2"}


def test_the_receipt_of_a_run_that_was_cut_short_is_continued(it: Workspace) -> None:
    it.plan((TWO, it.remote, f"{it.remote}:1"), (TWO, it.remote, f"{it.remote}:2"))
    assert it.promote("--receipt", "receipt.json") == DONE
    document = json.loads((it.root / "receipt.json").read_text())
    # as a kill after the first tag leaves it
    document["finished"] = None
    for edge in document["edges"]:
        edge["result"] = "not done"
    (it.root / "receipt.json").write_text(json.dumps(document))
    it.registry.images.pop(("app", "2"))
    assert it.promote("--receipt", "receipt.json") == DONE
    edges = it.receipt()["edges"]
    assert [(edge["old"], edge["result"]) for edge in edges] == [(BOTH.digest, "tagged"), (None, "tagged")]
    assert it.promote("--rollback", "receipt.json", "--dry-run") == OUT_OF_DATE


def test_of_a_run_that_stops_halfway_there_is_a_receipt(it: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    it.plan((ONE, it.remote, f"{it.remote}:1"), (TWO, "oci-layout:app", "oci-layout:app:one"))
    (it.root / "app/index.json").chmod(0o444)
    it.registry.faults["PUT"] = Reply(500)
    assert it.promote("--receipt", "receipt.json", "--concurrency", "1") == FAILED
    assert it.results() == ["failed", "tagged"]
    assert "1 of 2 tags were set, 1 failed" in capsys.readouterr().err


def test_under_bazel_the_receipt_is_where_the_command_was_typed(
    it: Workspace, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = tmp_path / "typed"
    typed.mkdir()
    monkeypatch.setenv("BUILD_WORKING_DIRECTORY", str(typed))
    it.plan((ONE, it.remote, f"{it.remote}:2"))
    assert it.promote("--target", "//team:promote") == DONE
    printed = capsys.readouterr()
    assert printed.out.split()[:3] == ["destination", "digest", "result"]
    (receipt,) = typed.iterdir()
    assert receipt.name.startswith("promote-")
    assert f"To undo it, run: bazel run //team:promote -- --rollback {receipt.name}\n" in printed.err
    assert it.promote("--target", "//team:promote") == DONE
    assert list(typed.iterdir()) == [receipt]
    assert "To undo it" not in capsys.readouterr().err


def test_a_receipt_is_attached_where_that_is_wanted(it: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    it.plan((ONE, it.remote, f"{it.remote}:2"), (BOTH, it.remote, f"{it.remote}:1"))
    assert it.promote("--attach-receipt") == DONE
    attached = [each for (_, name), each in it.registry.images.items() if name == each.digest and each.subject]
    assert [each.subject.digest for each in attached if each.subject] == [ONE.digest]
    it.registry.faults["POST"] = DENIED
    it.plan((ONE, it.remote, f"{it.remote}:3"))
    assert it.promote("--attach-receipt") == FAILED
    assert f"error: the receipt could not be attached to {it.remote}@{ONE.digest}: HTTP 403" in capsys.readouterr().err
    assert it.registry.tags("app")["3"] == ONE.digest


def test_referrers_may_be_left_behind(it: Workspace) -> None:
    put(it.layouts, "app", artifact(BOTH))
    assert main(["copy", "oci-layout:app:1", "oci-layout:without:1", "--no-referrers"]) == DONE
    assert main(["copy", "oci-layout:app:1", "oci-layout:with:1"]) == DONE
    assert len(it.layouts.descriptors("oci-layout:without")) == 1
    assert len(it.layouts.descriptors("oci-layout:with")) == 2


def test_people_may_add_what_the_plan_allows(it: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    open_to_all = {"allowed": ["tag", "repository"], "policy": {"policyVersion": 1}}
    it.plan((ONE, "oci-layout:app", "oci-layout:app:2"), adHoc=open_to_all)
    assert it.promote("--tag", "3", "--repository", "oci-layout:out") == DONE
    assert sorted(it.layouts.get_tags("oci-layout:out")) == ["2", "3"]
    it.plan((ONE, "oci-layout:app", "oci-layout:app:2"))
    assert it.promote("--tag", "3") == USAGE
    assert "plan.json does not allow --tag" in capsys.readouterr().err


def test_a_layout_of_the_plan_may_be_anywhere(it: Workspace) -> None:
    it.plan((BOTH, "oci-layout:bazel/app", "oci-layout:out:1"))
    assert it.promote("--layout", "bazel/app", "app/oci-layout") == DONE
    assert it.layouts.resolve("oci-layout:out:1").digest == BOTH.digest


def test_a_rule_may_put_arguments_before_those_that_are_typed(it: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    it.plan((BOTH, "oci-layout:app", "oci-layout:out:1"))
    monkeypatch.setenv("REGISTRY_RULES_ARGS", json.dumps(["promote", "--plan", "plan.json"]))
    assert main(["--dry-run"]) == OUT_OF_DATE
    assert main(["promote", "--plan", "plan.json"]) == DONE


def test_a_run_that_is_interrupted_says_so_and_leaves_a_receipt(
    it: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    it.registry.faults["PUT /v2/app/manifests/2"] = Reply(201)
    it.plan((ONE, it.remote, f"{it.remote}:2"))

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    def press(request: str) -> None:
        if request.startswith("PUT"):
            os.kill(os.getpid(), signal.SIGINT)

    it.registry.on_request = press
    before = signal.signal(signal.SIGINT, interrupt)
    try:
        assert it.promote("--receipt", "receipt.json") == 130
    finally:
        signal.signal(signal.SIGINT, before)
    assert (
        capsys.readouterr().err == "error: interrupted; nothing is half written, and the same command goes on with it\n"
    )
    assert it.receipt()["finished"] is None
    assert it.results() == ["not done"]


def test_a_plan_without_edges_is_carried_out(it: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    it.plan()
    assert it.promote("--receipt", "receipt.json") == DONE
    assert it.results() == []
    assert capsys.readouterr().err == "nothing to do: 0 of 0 tags were there\n"


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (1_500_000_000, "1.5 GB"),
        (999_600, "1 MB"),
    ],
)
def test_bytes_are_shown_in_a_few_digits(size: int, shown: str) -> None:
    assert in_bytes(size) == shown
