"""``registry promote --rollback``: what is said, and how it ends."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from built_images import put
from faults import Reply, served
from lock_workspace import DONE, FAILED, OUT_OF_DATE, USAGE
from memory_registry import MemoryRegistry
from promotion_workspace import BOTH, ONE, TWO, Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Workspace]:
    """A workspace with a promotion that set three tags: one that was there, one that was not, one that was right."""
    monkeypatch.chdir(tmp_path)
    registry = MemoryRegistry()
    with served(registry):
        workspace = Workspace(tmp_path, registry)
        workspace.plan(
            (ONE, workspace.remote, f"{workspace.remote}:1"),
            (ONE, workspace.remote, f"{workspace.remote}:2"),
            (ONE, "oci-layout:app", "oci-layout:app:one"),
        )
        assert workspace.promote("--receipt", "receipt.json") == DONE
        assert registry.tags("app") == {"1": ONE.digest, "2": ONE.digest}
        capsys.readouterr()
        yield workspace


def rollback(it: Workspace, *options: str) -> int:
    return it.promote("--rollback", "receipt.json", *options)


def test_all_tags_go_back(it: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    assert rollback(it) == DONE
    printed = capsys.readouterr()
    assert [line.split() for line in printed.out.splitlines()] == [
        ["destination", "digest", "result"],
        [f"{it.remote}:1", ONE.digest, "→", BOTH.digest, "restored"],
        [f"{it.remote}:2", ONE.digest, "→", "-", "removed"],
        ["oci-layout:app:one", ONE.digest, "unchanged"],
    ]
    assert printed.err == "2 of 3 tags were put back, 1 were there\n"
    assert it.registry.tags("app") == {"1": BOTH.digest}
    assert rollback(it) == DONE
    assert capsys.readouterr().err == "0 of 3 tags were put back, 3 were there\n"


def test_a_dry_run_only_looks(it: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    before = len(it.registry.writes())
    assert rollback(it, "--dry-run") == OUT_OF_DATE
    printed = capsys.readouterr()
    assert "would be restored" in printed.out
    assert "would be removed" in printed.out
    assert printed.err == "dry run: 2 of 3 tags would be put back\n"
    assert len(it.registry.writes()) == before
    rollback(it)
    assert rollback(it, "--dry-run") == DONE


def test_for_programs_there_is_json(it: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    it.registry.add("app", TWO, "1")
    assert rollback(it, "--json") == FAILED
    printed = capsys.readouterr()
    edges = json.loads(printed.out)["edges"]
    assert [edge["result"] for edge in edges] == ["failed", "removed", "unchanged"]
    assert edges[0].keys() == {"destination", "error", "now", "old", "result", "target"}
    assert (edges[0]["now"], edges[0]["old"], edges[0]["error"]["code"]) == (TWO.digest, BOTH.digest, "MOVED_TAG")
    assert edges[1].keys() == {"destination", "now", "old", "result", "target"}
    assert edges[1]["old"] is None


def test_a_tag_that_was_moved_since_stays_unless_forced(it: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    it.registry.add("app", TWO, "1")
    assert rollback(it) == FAILED
    said = capsys.readouterr().err
    assert f"error: //:promote: {it.remote}:1: somebody has moved it since" in said
    assert said.endswith("1 of 3 tags were put back, 1 were there\nerror: 1 of 3 tags cannot be put back\n")
    assert it.registry.tags("app") == {"1": TWO.digest}
    assert rollback(it, "--force") == DONE
    assert it.registry.tags("app") == {"1": BOTH.digest}


def test_a_registry_that_takes_no_tags_away_is_told_to_people(
    it: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    it.registry.faults["DELETE"] = Reply(405, {}, b'{"errors": [{"code": "UNSUPPORTED"}]}')
    assert rollback(it) == FAILED
    said = capsys.readouterr().err
    assert "the registry does not delete tags: HTTP 405 - UNSUPPORTED" in said
    assert it.registry.tags("app") == {"1": BOTH.digest, "2": ONE.digest}


def test_a_run_that_was_killed_is_undone_as_far_as_it_came(it: Workspace) -> None:
    document = it.receipt()
    document["finished"] = None
    document["edges"] = [edge | {"result": "not done"} for edge in document["edges"]]
    (it.root / "receipt.json").write_text(json.dumps(document))
    it.registry.images["app", "1"] = BOTH.image  # it had not got there
    assert rollback(it) == DONE
    assert it.registry.tags("app") == {"1": BOTH.digest}


def test_what_a_rollback_did_is_undone_by_the_promotion(it: Workspace) -> None:
    assert rollback(it) == DONE
    put(it.layouts, "app", TWO, "one")
    assert it.promote() == DONE
    assert it.registry.tags("app") == {"1": ONE.digest, "2": ONE.digest}
    assert it.layouts.resolve("oci-layout:app:one").digest == ONE.digest


def test_to_force_nothing_is_refused(it: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    assert it.promote("--force") == USAGE
    assert capsys.readouterr().err == "error: --force is of no use without --rollback\n"


def test_a_receipt_that_is_none_is_one_sentence(it: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    (it.root / "receipt.json").write_text("{")
    assert rollback(it) == USAGE
    assert capsys.readouterr().err.startswith("error: receipt.json: not JSON: ")
    (it.root / "receipt.json").unlink()
    assert rollback(it) == FAILED
    assert capsys.readouterr().err.endswith("receipt.json: No such file or directory\n")
