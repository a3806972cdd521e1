"""What ``platforms`` asks of the images of a lock, and when it is looked at."""

from __future__ import annotations

import json

import pytest
from lock_workspace import APP, DONE, FAILED, OUT_OF_DATE, USAGE, Workspace, encoded
from registry_client.descriptor import OCI_CONFIG, OCI_INDEX, OCI_MANIFEST

Capture = pytest.CaptureFixture[str]
BOTH = {"one": f"{APP}:1", "two": f"{APP}:2"}
WHY = "2.0 breaks the parser"


@pytest.fixture
def workspace(workspace: Workspace, capsys: Capture) -> Workspace:
    """A workspace with its lock."""
    workspace.update()
    capsys.readouterr()
    return workspace


def put_single(workspace: Workspace, architecture: str) -> None:
    """Put an image for one platform under a tag of its own."""
    config = workspace.store.put_blob(APP, json.dumps({"os": "linux", "architecture": architecture}).encode())
    entry = {"mediaType": OCI_CONFIG, "digest": config.digest, "size": config.size}
    workspace.store.put_image(f"{APP}:single", encoded(OCI_MANIFEST, {"config": entry}))


def test_an_image_that_lacks_a_platform_is_refused(workspace: Workspace, capsys: Capture) -> None:
    before = workspace.lock.read_bytes()
    workspace.declare(BOTH, platforms=["linux/arm64/v8", "linux/amd64"])
    assert workspace.update("two") == FAILED
    assert (
        'image "two" (oci-layout:app:2): it is not there for linux/amd64, which platforms asks for; '
        "it is there for linux/arm64/v8" in capsys.readouterr().err
    )
    assert workspace.lock.read_bytes() == before


def test_a_lock_of_an_image_that_lacks_a_platform_is_stale(workspace: Workspace, capsys: Capture) -> None:
    workspace.declare(BOTH, platforms=["linux/amd64"])
    for run in (workspace.verify, workspace.pins):
        assert run() == OUT_OF_DATE
        assert 'image "two" of images.lock.json is not there for linux/amd64' in capsys.readouterr().err
    workspace.declare(BOTH, platforms=["linux/arm64"])
    assert workspace.verify() == DONE


def test_a_platform_that_nobody_could_ask_for_is_passed_over(workspace: Workspace) -> None:
    child = {"mediaType": OCI_MANIFEST, "digest": f"sha256:{'0' * 64}", "size": 1}
    platforms = [{"os": "linux", "architecture": "arm64"}, {"os": "a b", "architecture": "c"}]
    manifests = [child | {"platform": platform} for platform in platforms]
    workspace.store.put_image(f"{APP}:odd", encoded(OCI_INDEX, {"manifests": manifests}))
    workspace.declare({"odd": f"{APP}:odd"}, platforms=["linux/arm64"])
    assert workspace.update() == DONE
    assert workspace.verify() == DONE


def test_what_is_frozen_and_lacks_a_platform_names_no_command_that_changes_nothing(
    workspace: Workspace, capsys: Capture
) -> None:
    workspace.declare(BOTH, frozen={"two": WHY}, platforms=["linux/amd64"])
    said = "is frozen to a digest that is not there for linux/amd64; take it out of frozen, or what is missing out of"
    for run, code in ((workspace.verify, OUT_OF_DATE), (workspace.pins, OUT_OF_DATE), (workspace.check, OUT_OF_DATE)):
        assert run() == code
        printed = capsys.readouterr().err
        assert f'image "two" {said} platforms\n' in printed
        assert "images.update -- two" not in printed
    before = workspace.lock.read_bytes()
    assert workspace.update("two") == FAILED
    assert f'error: //:images: image "two" (oci-layout:app:2): it {said} platforms' in capsys.readouterr().err
    assert workspace.lock.read_bytes() == before


def test_a_platform_that_is_none_is_named(workspace: Workspace, capsys: Capture) -> None:
    workspace.declare(BOTH, platforms=["linux"])
    assert workspace.verify() == USAGE
    assert '"linux" is not a platform' in capsys.readouterr().err


def test_a_single_image_that_lacks_a_platform_is_refused_when_it_is_new(workspace: Workspace, capsys: Capture) -> None:
    put_single(workspace, "arm64")
    workspace.declare({"app": f"{APP}:single"}, platforms=["linux/arm64", "linux/amd64", "linux/s390x"])
    assert workspace.update() == FAILED
    said = "linux/amd64, linux/s390x is not there; it is an image for linux/arm64 only"
    assert said in capsys.readouterr().err
    workspace.declare({"app": f"{APP}:single"}, platforms=["linux/arm64"])
    assert workspace.update() == DONE


def test_a_single_image_is_looked_at_again_only_when_it_moves_or_is_named(workspace: Workspace) -> None:
    put_single(workspace, "arm64")
    workspace.declare({"app": f"{APP}:single"})
    workspace.update()
    workspace.declare({"app": f"{APP}:single"}, platforms=["linux/amd64"])
    assert workspace.update() == DONE
    assert workspace.update("app") == FAILED
    put_single(workspace, "s390x")
    assert workspace.update() == FAILED
    put_single(workspace, "amd64")
    assert workspace.update() == DONE
