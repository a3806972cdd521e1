"""Images and layouts that nobody should have made: each is one failure of one image, and a sentence."""

from __future__ import annotations

import json
from typing import Any

import pytest
from lock_workspace import APP, FAILED, Workspace, encoded
from registry_client.descriptor import OCI_INDEX, OCI_MANIFEST, digest_of
from registry_client.errors import BadRegistryResponseError
from registry_client.manifest import Image

DIGEST = f"sha256:{'0' * 64}"
TAGGED = {"org.opencontainers.image.ref.name": "odd"}
CHILD = {"mediaType": OCI_MANIFEST, "digest": DIGEST, "size": 3, "platform": {"os": "linux", "architecture": "amd64"}}


@pytest.fixture
def workspace(workspace: Workspace) -> Workspace:
    workspace.declare({"odd": f"{APP}:odd", "one": f"{APP}:1"})
    return workspace


def fails_alone(workspace: Workspace, capsys: pytest.CaptureFixture[str], complaint: str) -> None:
    assert workspace.update() == FAILED
    printed = capsys.readouterr()
    assert [line.split()[-1] for line in printed.out.splitlines()[1:]] == ["failed", "added"]
    assert 'error: //:images: image "odd" (oci-layout:app:odd): ' in printed.err
    assert complaint in printed.err
    assert not workspace.lock.exists()


@pytest.mark.parametrize(
    ("manifests", "complaint"),
    [
        (5, "manifests is not a list"),
        ([5], "a descriptor lacks a proper"),
        ([CHILD | {"digest": "sha384:abc"}], "a descriptor lacks a proper"),
        ([CHILD | {"digest": DIGEST.upper()}], "a descriptor lacks a proper"),
        ([CHILD | {"size": float("inf")}], "a descriptor lacks a proper"),
        ([CHILD | {"platform": "linux/amd64"}], "a descriptor lacks a proper"),
        ([CHILD | {"platform": {"os": "li\ud800"}}], r"'li\ud800/unknown' is not a platform"),
    ],
)
def test_an_index_that_breaks_the_specification_is_named(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], manifests: object, complaint: str
) -> None:
    workspace.store.put_image(f"{APP}:odd", encoded(OCI_INDEX, {"manifests": manifests}))
    fails_alone(workspace, capsys, complaint)


@pytest.mark.parametrize("depth", [*range(900, 1000, 10), 100_000])
def test_an_index_that_is_nested_deeply_is_named(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], depth: int
) -> None:
    data = b'{"manifests": [' + b"[" * depth + b"]" * depth + b"]}"
    image = Image(
        registry="oci-layout", repository="app", digest=digest_of(data), media_type=OCI_INDEX, raw_manifest=data
    )
    workspace.store.put_image(f"{APP}:odd", image)
    fails_alone(workspace, capsys, "nested too deeply" if depth > 1000 else "")


@pytest.mark.parametrize(
    "entry",
    [
        "text",
        {"mediaType": OCI_INDEX, "annotations": TAGGED},
        {"mediaType": OCI_INDEX, "digest": 5, "annotations": TAGGED},
        {"mediaType": OCI_INDEX, "digest": DIGEST, "annotations": ["x"]},
    ],
)
def test_a_layout_with_an_entry_that_is_none_is_named(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], entry: object
) -> None:
    (workspace.root / "odd").mkdir()
    (workspace.root / "odd/oci-layout").write_text("{}")
    (workspace.root / "odd/index.json").write_text(json.dumps({"manifests": [entry]}))
    workspace.declare({"odd": "oci-layout:odd:odd", "one": f"{APP}:1"})
    assert workspace.update() == FAILED
    assert "odd: index.json is not an image index; make the layout anew" in capsys.readouterr().err


@pytest.mark.parametrize("content", [{"config": 5}, {"layers": {"a": 1}}, {"layers": [5]}, {"annotations": [5]}])
def test_a_manifest_that_breaks_the_specification_is_refused(content: dict[str, Any]) -> None:
    image = encoded(OCI_MANIFEST, content)
    with pytest.raises(BadRegistryResponseError):
        assert not (image.blobs, image.referrer)
