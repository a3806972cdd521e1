"""Signatures and attestations: that there is one, and that it is about this very digest."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
from built_images import (
    IN_TOTO,
    SIMPLE_SIGNING,
    SLSA,
    Built,
    any_store,
    artifact,
    attestation,
    cosign_signature,
    encoded,
    image,
    index,
    put,
    statement,
)
from faults import Reply, served
from memory_registry import MemoryRegistry
from registry_client.descriptor import OCI_INDEX, digest_of
from registry_client.errors import EvidenceError, RegistryError
from registry_client.layout import LayoutStore
from registry_client.operations.evidence import check_evidence
from registry_client.policy import SIGNATURE
from registry_client.reference import parse_reference

if TYPE_CHECKING:
    from pathlib import Path

ONE, TWO = image("one"), image("two")
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
COSIGN_SIGN = "https://sigstore.dev/cosign/sign/v1"
SIGNED = {"dev.cosignproject.cosign/signature": "c2ln"}


def claims(root: Path, subject: Built, *wanted: str) -> set[str]:
    """Which of these an image has."""
    reference = parse_reference(f"oci-layout:a@{subject.digest}")
    found = set()
    for each in wanted:
        try:
            check_evidence(any_store(root), reference, [each])
        except EvidenceError:
            continue
        found.add(each)
    return found


def has(root: Path, *attached: Built, subject: Built = ONE, tags: tuple[str, ...] = ()) -> set[str]:
    """Which of the usual claims an image has, with something attached to it or filed under tags."""
    store = LayoutStore(root)
    put(store, "a", subject)
    for built in attached:
        put(store, "a", built, *tags)
    return claims(root, subject, SIGNATURE, SLSA, "application/vnd.example.sbom")


def dsse(payload: bytes) -> bytes:
    return json.dumps({"payloadType": IN_TOTO, "payload": base64.b64encode(payload).decode()}).encode()


def bundle(payload: bytes) -> bytes:
    return json.dumps({"mediaType": BUNDLE, "dsseEnvelope": json.loads(dsse(payload))}).encode()


def test_an_image_with_nothing_has_nothing(tmp_path: Path) -> None:
    assert has(tmp_path) == set()


@pytest.mark.parametrize(
    ("attached", "claimed"),
    [
        (artifact(ONE), "application/vnd.example.sbom"),
        (artifact(ONE, kind="application/vnd.cncf.notary.signature"), SIGNATURE),
        (artifact(ONE, kind="application/vnd.dev.cosign.artifact.sig.v1+json"), SIGNATURE),
        (attestation(ONE), SLSA),
        (attestation(ONE, COSIGN_SIGN), SIGNATURE),
        (artifact(ONE, (bundle(statement(ONE.digest)), BUNDLE, {}), kind=BUNDLE), SLSA),
        (artifact(ONE, (bundle(statement(ONE.digest, COSIGN_SIGN)), BUNDLE, {}), kind=BUNDLE), SIGNATURE),
        (artifact(ONE, (dsse(statement(ONE.digest)), "application/vnd.dsse+json", {}), kind=IN_TOTO), SLSA),
    ],
)
def test_what_refers_to_an_image_counts(tmp_path: Path, attached: Built, claimed: str) -> None:
    assert has(tmp_path, attached) == {claimed}


@pytest.mark.parametrize(
    "attached",
    [
        artifact(TWO),
        attestation(ONE, "https://example.com/other"),
        artifact(ONE, (statement(TWO.digest), IN_TOTO, {}), kind=IN_TOTO),
        artifact(ONE, (b"not JSON", IN_TOTO, {}), kind=IN_TOTO),
        artifact(ONE, (b"[" * 99999, IN_TOTO, {}), kind=IN_TOTO),
        artifact(ONE, (b'{"payload": "!!!"}', IN_TOTO, {}), kind=IN_TOTO),
        artifact(ONE, (b'{"payload": "\xc3\xa9"}', IN_TOTO, {}), kind=IN_TOTO),
        artifact(ONE, (dsse(b"["), IN_TOTO, {}), kind=IN_TOTO),
        artifact(ONE, (dsse(b"[" * 99999), IN_TOTO, {}), kind=IN_TOTO),
        artifact(ONE, (statement(ONE.digest), "text/plain", {}), kind=IN_TOTO),
        artifact(ONE, (json.dumps({"predicateType": SLSA, "subject": 1}).encode(), IN_TOTO, {}), kind=IN_TOTO),
        artifact(ONE, (json.dumps({"predicateType": SLSA, "subject": [1, {}]}).encode(), IN_TOTO, {}), kind=IN_TOTO),
        artifact(ONE, (statement(ONE.digest).replace(b'"https', b'["https'), IN_TOTO, {}), kind=IN_TOTO),
        artifact(ONE, kind=""),
    ],
)
def test_what_is_about_another_image_or_about_nothing_does_not_count(tmp_path: Path, attached: Built) -> None:
    assert has(tmp_path, attached) == set()


def test_a_list_that_claims_what_the_manifest_does_not_say_does_not_count(tmp_path: Path) -> None:
    store = LayoutStore(tmp_path)
    liar = artifact(TWO)
    put(store, "a", index(liar), ONE.stem)
    assert has(tmp_path) == set()


@pytest.mark.parametrize(
    ("filed", "suffix", "claimed"),
    [
        (cosign_signature(ONE.digest, "me"), ".sig", {SIGNATURE}),
        (cosign_signature(TWO.digest, "me"), ".sig", set()),
        (cosign_signature(ONE.digest, "me"), ".other", set()),
        (artifact(None, (dsse(statement(ONE.digest)), "application/vnd.dsse.envelope.v1+json", {})), ".att", {SLSA}),
        (artifact(None, (dsse(statement(TWO.digest)), "application/vnd.dsse.envelope.v1+json", {})), ".att", set()),
        (artifact(None, (b"{}", SIMPLE_SIGNING, SIGNED)), ".sig", set()),
        (artifact(None, (b"[]", SIMPLE_SIGNING, SIGNED)), ".sig", set()),
        (
            artifact(None, (b'{"critical": {"image": {"docker-manifest-digest": ["a"]}}}', SIMPLE_SIGNING, SIGNED)),
            ".sig",
            set(),
        ),
        (
            artifact(None, (cosign_signature(ONE.digest, "me").blobs[1], SIMPLE_SIGNING, {})),
            ".sig",
            set(),
        ),
    ],
)
def test_what_cosign_filed_under_a_tag_counts_if_it_is_about_the_image(
    tmp_path: Path, filed: Built, suffix: str, claimed: set[str]
) -> None:
    assert has(tmp_path, filed, tags=(f"{ONE.stem}{suffix}",)) == claimed


def with_attestations(*attested: Built, about: dict[str, str] | None = None) -> tuple[Built, list[Built]]:
    """An index of two images as BuildKit makes it, with an attestation for some."""
    notes = []
    entries: list[dict[str, Any]] = [child.image.descriptor.to_json() for child in (ONE, TWO)]
    for child in attested:
        note = artifact(None, (statement(child.digest), IN_TOTO, {"in-toto.io/predicate-type": SLSA}), kind="")
        notes.append(note)
        annotations = {
            "vnd.docker.reference.type": "attestation-manifest",
            "vnd.docker.reference.digest": child.digest,
            **(about or {}),
        }
        entries.append(note.image.descriptor.to_json() | {"annotations": annotations})
    whole = index(ONE, TWO)
    parts = [*whole.parts, *(note.image for note in notes)]
    blobs = [*whole.blobs, *(blob for note in notes for blob in note.blobs)]
    return Built(image=encoded(OCI_INDEX, {"manifests": entries}), blobs=blobs, parts=parts), notes


def test_what_buildkit_attests_of_all_images_alike_counts(tmp_path: Path) -> None:
    assert has(tmp_path, subject=with_attestations(ONE, TWO)[0]) == {SLSA}
    assert has(tmp_path, subject=with_attestations(ONE)[0]) == set()
    elsewhere = {"vnd.docker.reference.digest": digest_of(b"elsewhere")}
    assert has(tmp_path, subject=with_attestations(ONE, TWO, about=elsewhere)[0]) == set()
    assert has(tmp_path, subject=with_attestations(ONE, TWO, about={"vnd.docker.reference.type": "x"})[0]) == set()


def test_what_is_lacking_is_named_beside_what_is_there(tmp_path: Path) -> None:
    store = LayoutStore(tmp_path)
    put(store, "a", ONE)
    reference = parse_reference(f"oci-layout:a@{ONE.digest}")
    with pytest.raises(EvidenceError) as raised:
        check_evidence(any_store(tmp_path), reference, ["signature", SLSA])
    assert str(raised.value) == (
        f"{reference} lacks signature, {SLSA}, which the policy requires; it has: nothing of the kind. "
        "Sign or attest that digest, then try again"
    )
    put(store, "a", artifact(ONE))
    put(store, "a", attestation(ONE))
    with pytest.raises(EvidenceError, match=f"lacks signature, .*it has: application/vnd.example.sbom, {SLSA}"):
        check_evidence(any_store(tmp_path), reference, ["signature", SLSA])


def test_nothing_more_is_asked_once_everything_is_found(tmp_path: Path) -> None:
    registry = MemoryRegistry()
    registry.add("a", ONE)
    registry.add("a", attestation(ONE))
    with served(registry):
        check_evidence(any_store(tmp_path), parse_reference(f"{registry.address}/a@{ONE.digest}"), [SLSA])
    assert not any(".att" in request for request in registry.seen)


def test_a_signature_that_one_does_not_get_is_an_error(tmp_path: Path) -> None:
    registry = MemoryRegistry()
    registry.add("a", ONE)
    registry.faults[r"\.sig"] = Reply(403)
    with served(registry), pytest.raises(RegistryError, match="HTTP 403"):
        check_evidence(any_store(tmp_path), parse_reference(f"{registry.address}/a@{ONE.digest}"), [SIGNATURE])


def test_a_statement_may_be_larger_than_a_manifest(tmp_path: Path) -> None:
    large = statement(ONE.digest) + b" " * 5 * 1024 * 1024
    assert has(tmp_path, artifact(ONE, (large, IN_TOTO, {}), kind=IN_TOTO)) == {SLSA}


def test_a_statement_that_is_too_large_to_read_takes_nothing_from_the_others(tmp_path: Path) -> None:
    endless = {"mediaType": IN_TOTO, "digest": digest_of(b"endless"), "size": 1 << 40}
    large = image("large", extra=[endless], artifactType=IN_TOTO, subject=ONE.image.descriptor.to_json())
    assert has(tmp_path, large, artifact(ONE, kind="application/vnd.cncf.notary.signature")) == {SIGNATURE}
