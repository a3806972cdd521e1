"""Manifests and descriptors, and what is made of those that are none."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from built_images import artifact, descriptor, encoded, image, index
from faults import Reply, serving
from hypothesis import given
from hypothesis import strategies as st
from registry_client import Client, ClientOptions, TransportOptions
from registry_client.descriptor import DOCKER_MANIFEST, OCI_INDEX, OCI_LAYER, OCI_MANIFEST, Descriptor
from registry_client.errors import BadRegistryResponseError, RegistryClientError, RegistryError
from registry_client.manifest import Image

if TYPE_CHECKING:
    from collections.abc import Callable

DIGEST = f"sha256:{'0' * 64}"
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["digest", "size", "a"]), inner),
    max_leaves=5,
)
VIEWS: list[Callable[[Image], object]] = [
    lambda it: it.children,
    lambda it: it.config,
    lambda it: it.blobs,
    lambda it: it.layers,
    lambda it: it.subject,
    lambda it: it.referrer,
    lambda it: it.platforms,
]


def test_an_image_needs_its_configuration_and_each_of_its_layers_once() -> None:
    built = image("a", b"one", b"two", b"one")
    assert [blob.size for blob in built.image.blobs] == [len(built.blobs[0]), 3, 3]
    assert [layer.digest for layer in built.image.layers] == [descriptor(d).digest for d in (b"one", b"two", b"one")]


@pytest.mark.parametrize(
    "media_type",
    [
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    ],
)
def test_a_layer_that_is_had_from_elsewhere_only_is_not_needed(media_type: str) -> None:
    foreign = {"mediaType": media_type, "digest": DIGEST, "size": 1}
    with_url = image("a", extra=[foreign | {"urls": ["https://files.example/layer"]}])
    assert DIGEST not in {blob.digest for blob in with_url.image.blobs}
    without = image("a", extra=[foreign])
    assert DIGEST in {blob.digest for blob in without.image.blobs}


def test_a_layer_that_may_be_had_from_elsewhere_too_is_needed() -> None:
    layer = {"mediaType": OCI_LAYER, "digest": DIGEST, "size": 1, "urls": ["https://files.example/layer"]}
    assert DIGEST in {blob.digest for blob in image("a", extra=[layer]).image.blobs}


def test_an_index_needs_of_blobs_those_that_it_lists_itself() -> None:
    entry = {"mediaType": "text/plain", "digest": DIGEST, "size": 1}
    listing = encoded(OCI_INDEX, {"manifests": [image("a").image.descriptor.to_json(), entry]})
    assert [blob.digest for blob in listing.blobs] == [DIGEST]
    assert listing.layers == ()
    assert listing.config is None


def test_what_refers_to_an_image_is_described_with_its_kind() -> None:
    subject = image("a")
    sbom = artifact(subject)
    assert sbom.image.subject == subject.image.descriptor
    assert sbom.image.referrer.artifact_type == "application/vnd.example.sbom"
    by_config = image("b", subject=subject.image.descriptor.to_json())
    assert by_config.image.referrer.artifact_type == "application/vnd.oci.image.config.v1+json"
    assert index(subject).image.referrer.artifact_type == ""


def test_a_descriptor_in_a_list_has_kind_and_annotations() -> None:
    entry = {"mediaType": OCI_MANIFEST, "digest": DIGEST, "size": 1}
    more = {"artifactType": "text/plain", "annotations": {"a": "b"}}
    for document in (entry, entry | more):
        assert Descriptor.from_json(document).to_json() == document


@pytest.mark.parametrize(
    "entry",
    [
        {},
        {"mediaType": OCI_MANIFEST, "digest": "sha256:..", "size": 1},
        {"mediaType": OCI_MANIFEST, "digest": DIGEST, "size": "many"},
        {"mediaType": OCI_MANIFEST, "digest": DIGEST, "size": float("inf")},
        {"mediaType": OCI_MANIFEST, "digest": DIGEST, "size": -1},
        {"mediaType": OCI_MANIFEST, "digest": DIGEST, "size": 1 << 63},
        {"mediaType": OCI_MANIFEST, "digest": DIGEST, "size": 1, "annotations": ["a"]},
        {"mediaType": OCI_MANIFEST, "digest": DIGEST, "size": 1, "platform": "linux"},
    ],
)
def test_a_descriptor_that_is_none_is_refused(entry: dict[str, Any]) -> None:
    with pytest.raises(BadRegistryResponseError, match="a descriptor lacks a proper mediaType, digest or size"):
        Descriptor.from_json(entry)


@pytest.mark.parametrize("view", VIEWS)
@given(
    st.sampled_from([OCI_INDEX, OCI_MANIFEST, DOCKER_MANIFEST]),
    st.dictionaries(st.sampled_from(["manifests", "layers", "config", "subject", "annotations"]), JSON),
)
def test_a_manifest_of_any_json_is_read_or_refused(
    view: Callable[[Image], object], media_type: str, document: dict[str, Any]
) -> None:
    data = json.dumps(document).encode()
    it = Image(registry="a.example", repository="b", digest=DIGEST, media_type=media_type, raw_manifest=data)
    try:
        view(it)
    except RegistryClientError as error:
        assert "\n" not in str(error)  # noqa: PT017 - there need not be one


@pytest.mark.parametrize("status", [200, 401, 500])
def test_answers_that_are_nested_without_end_are_no_traceback(status: int) -> None:
    options = ClientOptions(transport=TransportOptions(retries=0))
    with serving(Reply(200, {}, b"[" * 100_000)) as tokens:
        headers = {"WWW-Authenticate": f'Bearer realm="http://{tokens.address}/token"'} if status == 401 else {}
        refused = pytest.raises((BadRegistryResponseError, RegistryError))
        with serving(Reply(status, headers, b"[" * 100_000)) as registry, Client(options=options) as it, refused:
            it.get_image(f"{registry.address}/a:1")
