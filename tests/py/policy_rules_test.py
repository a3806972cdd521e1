"""What a policy permits, and that a plan names all that it does not."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from lock_workspace import APP, DONE, USAGE, Workspace, image
from registry_client.__main__ import main
from registry_client.errors import PolicyError
from registry_client.policy import Overwrite, Policy
from registry_client.reference import parse_reference

if TYPE_CHECKING:
    from pathlib import Path

MOVING, IMMUTABLE = Overwrite.MOVING, Overwrite.IMMUTABLE
SOURCE = parse_reference(f"ghcr.io/team/app@{image('1').digest}")


def permitted(policy: Policy, tag: str = "prod", stated: Overwrite | None = None) -> Overwrite:
    return policy.permit(SOURCE, SOURCE.tagged(tag), stated)


@pytest.mark.parametrize(
    ("policy", "stated", "holds"),
    [
        (Policy(), None, MOVING),
        (Policy(), IMMUTABLE, IMMUTABLE),
        (Policy(moving=["p*"]), None, MOVING),
        (Policy(moving=["p*"]), IMMUTABLE, IMMUTABLE),
        (Policy(moving=["x"]), None, IMMUTABLE),
        (Policy(moving=["x"]), MOVING, MOVING),
        (Policy(immutable=["p*"]), None, IMMUTABLE),
        (Policy(immutable=["p*"]), IMMUTABLE, IMMUTABLE),
        (Policy(default=IMMUTABLE), None, IMMUTABLE),
        (Policy(default=IMMUTABLE, moving=["p*"]), MOVING, MOVING),
        (Policy(default=MOVING, immutable=["x"]), MOVING, MOVING),
    ],
)
def test_what_holds_for_a_tag(policy: Policy, stated: Overwrite | None, holds: Overwrite) -> None:
    assert permitted(policy, stated=stated) is holds


@pytest.mark.parametrize(
    ("policy", "complaint"),
    [
        (Policy(immutable=["p*"]), r'immutable in the policy \("p\*"\), so overwrite cannot be "moving"'),
        (Policy(default=IMMUTABLE), 'immutable by the default of the policy, so overwrite cannot be "moving"'),
        (Policy(default=IMMUTABLE, moving=["x"]), "immutable by the default"),
        (Policy(moving=["p*"], immutable=["*d"]), "is both moving"),
    ],
)
def test_a_target_is_not_less_strict_than_what_the_policy_says(policy: Policy, complaint: str) -> None:
    with pytest.raises(PolicyError, match=complaint):
        permitted(policy, stated=MOVING)


@pytest.mark.parametrize(
    ("patterns", "path", "permits"),
    [
        (["oci-layout:*"], "dist/app", True),
        (["oci-layout:*"], "../dist/app", False),
        (["oci-layout:dist/*"], "dist/../secret", False),
        (["oci-layout:dist/*"], "secret/../dist/app", True),
        (["oci-layout:../other~/*"], "../other~/app", True),
        (["oci-layout:../other~/*"], "../other~/../app", False),
        ([], "../dist/app", True),
    ],
)
def test_a_path_out_of_the_workspace_is_in_no_pattern_that_does_not_say_so(
    patterns: list[str], path: str, *, permits: bool
) -> None:
    outside = parse_reference(f"oci-layout:{path}:prod")
    for policy, source, destination in (
        (Policy(repositories=patterns), SOURCE, outside),
        (Policy(sources=patterns), outside, SOURCE.tagged("prod")),
    ):
        if permits:
            policy.permit(source, destination, None)
        else:
            with pytest.raises(PolicyError, match="of the policy, which has: oci-layout:"):
                policy.permit(source, destination, None)


class Plans:
    """A workspace where plans are made."""

    def __init__(self, root: Path) -> None:
        """Make it."""
        self.root = root
        self.workspace = Workspace(root)
        (root / "reference").write_text(f"{APP}@{image('1').digest}")

    def plan(self, *options: str, policy: object = None, **request: object) -> int:
        """Write what ``image_retag`` asks for, and make its plan."""
        (self.root / "retag.json").write_text(json.dumps({"target": "//:promote"} | request))
        (self.root / "policy.json").write_text(json.dumps(policy or {"policyVersion": 1}))
        files = ["--retag", "retag.json", "--image", "reference", "--policy", "policy.json", "--output", "plan.json"]
        return main(["plan", *options, *files])

    @property
    def planned(self) -> dict[str, Any]:
        """The plan."""
        document: dict[str, Any] = json.loads((self.root / "plan.json").read_text())
        return document


@pytest.fixture
def plans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plans:
    monkeypatch.chdir(tmp_path)
    return Plans(tmp_path)


def test_all_that_the_policy_forbids_is_named_once(plans: Plans, capsys: pytest.CaptureFixture[str]) -> None:
    policy = {
        "policyVersion": 1,
        "overwrite": {"immutable": ["v*"]},
        "registries": ["ghcr.io"],
        "sources": ["ghcr.io/*"],
    }
    repositories = ["ghcr.io/team/app", "quay.io/team/app", "docker.io/team/app"]
    assert plans.plan(policy=policy, overwrite="moving", tags=["v1", "v2", "x"], repositories=repositories) == USAGE
    said = capsys.readouterr().err.removeprefix("error: ").splitlines()
    assert all(line.startswith("//:promote: ") for line in said)
    assert [re.findall('"(.+?)"', line)[0] for line in said] == [APP, "v1", "v2", "quay.io", "docker.io"]


def test_what_is_added_on_the_command_line_is_named_in_full_if_the_policy_forbids_it(
    plans: Plans, capsys: pytest.CaptureFixture[str]
) -> None:
    policy = {"policyVersion": 1, "registries": ["oci-layout"]}
    assert plans.plan("--ad-hoc", policy=policy, tags=["1"], adHoc=["repository"]) == DONE
    more = ["--repository", "ghcr.io/a/b", "--repository", "quay.io/a/b"]
    assert main(["promote", "--plan", "plan.json", *more]) == USAGE
    said = capsys.readouterr().err
    assert '"ghcr.io" is not in registries' in said
    assert '"quay.io" is not in registries' in said


def test_what_a_target_lets_people_add_is_in_its_own_plan_only(
    plans: Plans, capsys: pytest.CaptureFixture[str]
) -> None:
    assert plans.plan("--ad-hoc", tags=["1"], adHoc=["tag"]) == DONE
    assert plans.planned["adHoc"]["allowed"] == ["tag"]
    assert plans.plan("--ad-hoc", tags=["1"]) == DONE
    assert "adHoc" not in plans.planned
    assert plans.plan(tags=["1"], adHoc=["tag"]) == DONE
    assert "adHoc" not in plans.planned
    assert main(["promote", "--plan", "plan.json", "--tag", "x"]) == USAGE
    assert "does not allow --tag" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("key", "remedy"),
    [
        ("STABLE_VERSION", "let --workspace_status_command print STABLE_VERSION"),
        ("VERSION", "only keys that start with STABLE_ are stable: let it print STABLE_VERSION, and write {STABLE_V"),
        ("BUILD_TIMESTAMP", "only keys that start with STABLE_ are stable: let it print STABLE_BUILD_TIMESTAMP"),
    ],
)
def test_of_a_stamp_that_is_not_there_it_is_said_how_it_gets_there(
    plans: Plans, capsys: pytest.CaptureFixture[str], key: str, remedy: str
) -> None:
    (plans.root / "status").write_text("BUILD_USER me\n")
    assert plans.plan("--status", "status", tags=[f"{{{key}}}"]) == USAGE
    assert f"wants {key}, but the stable workspace status has: BUILD_USER; " in (said := capsys.readouterr().err)
    assert remedy in said
