"""``--rollback``: which receipts and options it takes, and what it finds out before it writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lock_workspace import APP, DONE, FAILED, OUT_OF_DATE, USAGE, Workspace, image, index
from registry_client.__main__ import main


@pytest.fixture
def workspace(workspace: Workspace) -> Workspace:
    """A promotion that has moved a tag and set another one, and its receipt."""
    assert workspace.promote("2", "prod", options=("--receipt", "receipt")) == DONE
    return workspace


def undo(*options: str) -> int:
    return main(["promote", "--plan", "plan.json", "--target", "//:promote", "--rollback", "receipt", *options])


def test_the_tags_are_put_back(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    assert undo("--dry-run") == OUT_OF_DATE
    assert "2 of 2 tags would be put back" in capsys.readouterr().err
    assert undo() == DONE
    assert workspace.store.resolve(f"{APP}:2").digest == index("2").digest
    assert workspace.store.get_tags(APP) == ["1", "2"]


@pytest.mark.parametrize(
    "option",
    [
        ("--tag", "x"),
        ("--repository", "a/b"),
        ("--receipt", "other"),
        ("--attach-receipt",),
        ("--no-referrers",),
        ("--keep-going",),
    ],
)
def test_options_of_promotions_are_refused(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], option: tuple[str, ...]
) -> None:
    before = (workspace.root / "app/index.json").read_bytes()
    assert undo(*option) == USAGE
    assert f"error: {option[0]} cannot be with --rollback" in capsys.readouterr().err
    assert (workspace.root / "app/index.json").read_bytes() == before


@pytest.mark.parametrize("option", [(), ("--dry-run",)])
def test_an_image_that_is_gone_is_named(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], option: tuple[str, ...]
) -> None:
    (workspace.root / "app/blobs/sha256" / index("2").digest.removeprefix("sha256:")).unlink()
    assert undo("--json", *option) == FAILED
    printed = capsys.readouterr()
    assert f"//:promote: {APP}:2: the image that the tag was on is gone" in printed.err
    assert f"{APP}@{index('2').digest}; push that again" in printed.err
    edges = json.loads(printed.out[printed.out.index("{") :])["edges"]
    assert [edge["result"] for edge in edges] == ["failed", "not done" if option else "removed"]
    assert edges[0]["error"]["code"] == "LOST_IMAGE"


def foreign(*, allowed: list[str] | None, policy: dict[str, object] | None = None) -> None:
    """Make the plan one of another repository."""
    plan = json.loads(Path("plan.json").read_text())
    for edge in plan["edges"]:
        edge["destination"] = edge["destination"].replace("app", "other")
    if allowed is not None:
        plan["adHoc"] = {"allowed": allowed, "policy": {"policyVersion": 1} | (policy or {})}
    Path("plan.json").write_text(json.dumps(plan))


@pytest.mark.parametrize(
    ("allowed", "policy"),
    [(None, None), (["tag"], None), (["repository"], {"repositories": ["ghcr.io/*"]})],
)
def test_the_receipt_of_another_promotion_is_refused(
    workspace: Workspace,
    capsys: pytest.CaptureFixture[str],
    allowed: list[str] | None,
    policy: dict[str, object] | None,
) -> None:
    foreign(allowed=allowed, policy=policy)
    assert undo() == USAGE
    assert f"the receipt is not one of //:promote: it is about {APP}, " in capsys.readouterr().err
    assert workspace.store.resolve(f"{APP}:2").digest == image("1").digest


def test_what_people_may_add_they_may_undo(workspace: Workspace) -> None:
    foreign(allowed=["repository"])
    assert undo() == DONE
    assert workspace.store.resolve(f"{APP}:2").digest == index("2").digest
