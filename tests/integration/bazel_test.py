"""The rules in a workspace of somebody else's, with a real Bazel: what holds, and what is said when it does not."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from integration.images import index, layout_tags, push, served_digest, single, write_layout
from integration.servers import serve_crane
from integration.workspace import Package, Workspace, fails, images_of, succeeds

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TESTS_FAILED = 3
"""The exit code of ``bazel test`` when all was built, and a test failed."""

NOWHERE = "127.0.0.1:1/x/y:z"
CONFLICT = b"""\
<<<<<<< HEAD
%s=======
{}
>>>>>>> branch
"""


def edited(package: Package, edit: Callable[[dict[str, dict[str, str]]], object]) -> bytes:
    document = json.loads(package.lock.read_bytes())
    edit(document["images"])
    return json.dumps(document, indent=2, sort_keys=True).encode() + b"\n"


def with_digest(package: Package, change: Callable[[str], str]) -> bytes:
    return edited(package, lambda images: images["base"].update(digest=change(images["base"]["digest"])))


def other_digit(digest: str) -> str:
    return digest[:-1] + ("0" if digest[-1] != "0" else "1")


# What happens to a lock, and a part of what is said of it. None is a lock that is gone.
DAMAGES: dict[str, tuple[Callable[[Package], bytes | None], str]] = {
    "deleted": (lambda _: None, "is not there"),
    "empty": (lambda _: b"", "not JSON"),
    "no_text": (lambda _: b"\xff\xfe", "not a text in UTF-8"),
    "merge_conflict": (lambda package: CONFLICT % package.lock.read_bytes(), "has the marks of a merge conflict"),
    "newer_version": (lambda _: b'{"images": {}, "lockfileVersion": 2}', "lockfileVersion: 2"),
    "unknown_key": (
        lambda package: edited(package, lambda images: images["base"].update(note="x")),
        "images.base.note: is not a field",
    ),
    "double_key": (
        lambda package: package.lock.read_bytes().replace(b'"base": {', b'"app": {'),
        '"app" stands there twice',
    ),
    "digest_not_hexadecimal": (
        lambda package: with_digest(package, lambda digest: digest[:-1] + "g"),
        "images.base.digest:",
    ),
    "pin_missing": (
        lambda package: edited(package, lambda images: images.pop("base")),
        'image "base"',
    ),
}


def test_the_smoke_example_is_locked_and_its_rules_get_the_pins(workspace: Workspace) -> None:
    succeeds(workspace.test("//:all"))
    lock = json.loads((workspace.root / "images.lock.json").read_bytes())["images"]
    home = "../quickstart/registry"
    assert f"image: oci-layout:{home}/app@{lock['app']['digest']}\n" in workspace.built("compose.yaml").decode()
    assert json.loads(workspace.built("record.requested.json")) == {
        "registry": "oci-layout",
        "repository": f"{home}/base",
        "requested": f"oci-layout:{home}/base",
        "tag": "",
    }
    assert workspace.built("images/base.digest").decode() == lock["base"]["digest"]
    assert workspace.built("images/base.reference").decode() == f"oci-layout:{home}/base@{lock['base']['digest']}"


def test_the_smoke_example_has_the_lock_that_update_writes(workspace: Workspace) -> None:
    before = workspace.snapshot()
    (workspace.root / "images.lock.json").unlink()
    succeeds(workspace.run("//:images.update"))
    assert workspace.snapshot() == before


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_lock_that_will_not_do_fails_the_build_and_the_command_it_names_mends_it(
    workspace: Workspace, locked: Package, damage: str
) -> None:
    good = locked.lock.read_bytes()
    damaged, said = DAMAGES[damage][0](locked), DAMAGES[damage][1]
    locked.lock.unlink()
    if damaged is not None:
        locked.lock.write_bytes(damaged)
    before = workspace.snapshot()

    failed = fails(workspace.build(locked.label("images")), 1, locked.label("images"), said, "images.lock.json")
    assert workspace.snapshot() == before
    assert failed.proposed.startswith(f"bazel run {locked.label('images.update')}")

    succeeds(workspace.type_in(failed.proposed))
    assert locked.lock.read_bytes() == good
    succeeds(workspace.test(locked.label("all")))


def test_a_new_package_gets_its_lock_by_the_command_that_the_build_names(
    workspace: Workspace, package: Package
) -> None:
    failed = fails(workspace.build(package.label("images")), 1, package.label("images"), "is not there")
    fails(workspace.test(package.label("images_test")), TESTS_FAILED, failed.proposed)
    assert not package.lock.exists()
    succeeds(workspace.type_in(failed.proposed))
    succeeds(workspace.test(package.label("all")))
    assert workspace.built(f"{package.name}/images/app.digest").decode() == index("app").digest


def test_update_twice_leaves_the_same_bytes(workspace: Workspace, locked: Package) -> None:
    before = workspace.snapshot()
    again = succeeds(workspace.run(locked.label("images.update")))
    assert re.search(rf"^app +1\.0 +{index('app').digest} +unchanged$", again.output, re.MULTILINE)
    assert workspace.snapshot() == before


def test_update_by_name_leaves_the_other_pins_alone(workspace: Workspace, locked: Package) -> None:
    write_layout(locked.layout("app"), {"1.0": index("app, mended")})
    write_layout(locked.layout("base"), {"1.0": single("base, mended")})
    succeeds(workspace.run(locked.label("images.update"), "base"))
    pins = json.loads(locked.lock.read_bytes())["images"]
    assert pins["base"]["digest"] == single("base, mended").digest
    assert pins["app"]["digest"] == index("app").digest


def test_a_renamed_image_fails_build_and_test(workspace: Workspace, locked: Package) -> None:
    images = images_of(locked)
    locked.declare({"application": images["app"], "base": images["base"]})
    failed = fails(workspace.build(locked.label("images")), 1, 'image "application"', images["app"])
    fails(workspace.test(locked.label("images_test")), TESTS_FAILED, 'image "application"', 'image "app"')
    succeeds(workspace.type_in(failed.proposed))
    succeeds(workspace.test(locked.label("all")))


def test_an_image_that_is_no_longer_declared_fails_the_test_only(workspace: Workspace, locked: Package) -> None:
    locked.declare({"base": images_of(locked)["base"]})
    succeeds(workspace.build(locked.label("images")))
    assert b'"app"' not in workspace.built(f"{locked.name}/images.lock.json")
    failed = fails(workspace.test(locked.label("images_test")), TESTS_FAILED, 'image "app"', "is not declared")
    succeeds(workspace.type_in(failed.proposed))
    succeeds(workspace.test(locked.label("all")))


def test_another_tag_in_the_declaration_fails_the_build(workspace: Workspace, locked: Package) -> None:
    images = images_of(locked) | {"app": locked.reference("app", "2.0")}
    locked.declare(images)
    failed = fails(workspace.build(locked.label("images")), 1, 'image "app"', images["app"], images_of(locked)["app"])
    succeeds(workspace.type_in(failed.proposed))
    succeeds(workspace.build(locked.label("images.app")))
    pinned = f"oci-layout:{locked.name}/registry/app@{index('app, mended').digest}"
    assert workspace.built(f"{locked.name}/images/app.reference").decode() == pinned


def test_a_digest_that_the_layout_does_not_list_fails_the_test(workspace: Workspace, locked: Package) -> None:
    locked.lock.write_bytes(with_digest(locked, other_digit))
    failed = fails(workspace.test(locked.label("images_test")), TESTS_FAILED, 'image "base"')
    assert 'image "app"' not in failed.output
    succeeds(workspace.type_in(failed.proposed))
    succeeds(workspace.test(locked.label("images_test")))


@pytest.mark.parametrize(
    ("name", "reference", "said"),
    [
        ("a b", "redis:7.2", 'image "a b": not a target name'),
        ("", "redis:7.2", 'image "": not a target name'),
        ("../a", "redis:7.2", 'image "../a": not a target name'),
        ("update", "redis:7.2", 'image "update": the name is taken'),
        ("web", "Redis:7.2", 'image "web": "Redis:7.2" is not an image reference'),
        ("web", "redis:7.2:1", 'image "web": "redis:7.2:1" is not an image reference'),
        ("web", "", 'image "web": "" is not an image reference'),
        ("web", "redis@sha256:0", 'image "web": "redis@sha256:0" is not an image reference'),
    ],
)
def test_what_cannot_be_declared_is_named(
    workspace: Workspace, locked: Package, name: str, reference: str, said: str
) -> None:
    locked.declare(images_of(locked) | {name: reference})
    before = workspace.snapshot()
    fails(workspace.build(locked.label("images")), 1, f"{locked.label('images')}: {said}")
    fails(workspace.run(locked.label("images.update")), 2, f"{locked.label('images')}: {said}")
    assert workspace.snapshot() == before


def test_a_tag_that_is_not_there_leaves_the_lock_alone(workspace: Workspace, locked: Package) -> None:
    missing = locked.reference("app", "9.9")
    locked.declare(images_of(locked) | {"app": missing})
    before = workspace.snapshot()
    failed = fails(workspace.run(locked.label("images.update")), 1, "its tags: 1.0, 2.0")
    assert locked.label("images") in failed.complaints[0]
    assert missing in failed.complaints[0]
    assert failed.proposed == f"bazel run {locked.label('images.update')}"
    assert workspace.snapshot() == before


def test_a_registry_that_does_not_answer_leaves_the_lock_alone(workspace: Workspace, locked: Package) -> None:
    locked.declare(images_of(locked) | {"far": NOWHERE})
    before = workspace.snapshot()
    failed = fails(workspace.run(locked.label("images.update")), 1)
    assert f'image "far" ({NOWHERE}): 127.0.0.1:1 does not answer' in failed.complaints[0]
    assert len(failed.complaints) == 2
    assert workspace.snapshot() == before


def test_an_image_that_is_not_declared_cannot_be_updated(workspace: Workspace, locked: Package) -> None:
    before = workspace.snapshot()
    fails(workspace.run(locked.label("images.update"), "bas"), 2, "bas; choose from: app, base")
    assert workspace.snapshot() == before


def test_retag_shows_its_plan_and_then_carries_it_out(workspace: Workspace, locked: Package) -> None:
    locked.declare(images_of(locked), retag=("app", ["prod", "stable"]))
    succeeds(workspace.build(locked.label("promote")))
    source = f"oci-layout:{locked.name}/registry/app"
    assert json.loads(workspace.built(f"{locked.name}/promote.plan.json"))["edges"] == [
        {
            "destination": f"{source}:{tag}",
            "digest": index("app").digest,
            "overwrite": "moving",
            "source": f"{source}@{index('app').digest}",
            "target": locked.label("promote"),
        }
        for tag in ("prod", "stable")
    ]
    before = workspace.snapshot()
    fails(workspace.run(locked.label("promote"), "--dry-run"), 3, "2 of 2 tags would be set")
    assert workspace.snapshot() == before

    succeeds(workspace.run(locked.label("promote")))
    tags = layout_tags(locked.layout("app"))
    assert tags["prod"] == tags["stable"] == tags["1.0"] == index("app").digest
    assert tags["2.0"] == index("app, mended").digest

    done = workspace.snapshot()
    again = succeeds(workspace.run(locked.label("promote")))
    assert "nothing to do" in again.output
    assert workspace.snapshot() == done


def test_retag_of_an_image_that_is_gone_writes_nothing(workspace: Workspace, locked: Package) -> None:
    locked.declare(images_of(locked), retag=("base", ["prod"]))
    shutil.rmtree(locked.layout("base"))
    write_layout(locked.layout("base"), {"1.0": single("base, mended")})
    before = workspace.snapshot()
    fails(workspace.run(locked.label("promote")), 1, single("base").digest, "nothing was written")
    assert workspace.snapshot() == before


def test_retag_refuses_what_is_no_tag(workspace: Workspace, locked: Package) -> None:
    locked.declare(images_of(locked), retag=("app", ["prod", "a/b"]))
    fails(workspace.build(locked.label("promote")), 1, locked.label("promote"), '"a/b" is not a tag')


def test_images_of_a_registry_are_locked_built_and_retagged(
    workspace: Workspace, package: Package, tmp_path: Path
) -> None:
    with serve_crane(tmp_path) as registry:
        push(registry, "team/app", "1.0", index("app"))
        package.declare({"app": f"{registry}/team/app:1.0"}, retag=("app", ["prod"]))
        succeeds(workspace.run(package.label("images.update")))
        succeeds(workspace.run(package.label("promote")))
        assert served_digest(registry, "team/app", "prod") == index("app").digest
        assert "nothing to do" in succeeds(workspace.run(package.label("promote"))).output
    succeeds(workspace.test(package.label("all")))
    fails(workspace.run(package.label("promote")), 1, f"{registry} does not answer", "nothing was written")


def test_without_a_lock_file_the_build_resolves_the_tags(
    workspace: Workspace, package: Package, tmp_path: Path
) -> None:
    with serve_crane(tmp_path) as registry:
        push(registry, "team/app", "1.0", index("app"))
        package.declare({"app": f"{registry}/team/app:1.0"}, lockfile=None)
        succeeds(workspace.build(package.label("images.app")))
        pinned = f"{registry}/team/app@{index('app').digest}"
        assert workspace.built(f"{package.name}/images/app.reference").decode() == pinned
        fails(workspace.run(package.label("images.update")), 2, package.label("images"), "lockfile")
        package.declare({"app": f"{registry}/team/app:2.0"}, lockfile=None)
        fails(workspace.build(package.label("images")), 1, f"{registry}/team/app:2.0", "404")


def test_a_locked_build_needs_no_network(workspace: Workspace, locked: Package) -> None:
    """The last test: it ends the server, so that one without a network starts."""
    isolated = ("unshare", "--net", *([] if os.geteuid() == 0 else ["--map-root-user"]))
    isolated += ("sh", "-c", 'ip link set lo up && exec "$@"', "sh")
    try:
        subprocess.run([*isolated, "true"], check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"there is no network namespace to be had: {getattr(error, 'stderr', '') or error}")
    locked.declare(images_of(locked) | {}, retag=("app", ["prod"]))
    workspace.bazel("shutdown")
    try:
        succeeds(workspace.build(locked.label("all"), within=isolated))
        assert workspace.built(f"{locked.name}/images/app.digest").decode() == index("app").digest
        assert workspace.built(f"{locked.name}/promote.plan.json")
        fails(workspace.bazel("run", locked.label("images.update"), within=isolated), 0)
    finally:
        workspace.bazel("shutdown", within=isolated)
