"""What counts as evidence of an image, what does not, and how much is read for it."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from faults import Reply, serving
from lock_workspace import encoded, image
from registry_client.client import Client
from registry_client.descriptor import OCI_EMPTY, OCI_INDEX, OCI_MANIFEST, digest_of
from registry_client.errors import EvidenceError, RegistryError
from registry_client.layout import LayoutStore
from registry_client.operations.evidence import check_evidence
from registry_client.operations.stores import AnyStore
from registry_client.reference import parse_reference

if TYPE_CHECKING:
    from registry_client.manifest import Image
    from registry_client.reference import ImageReference

SUBJECT = image("app")
NOTATION = "application/vnd.cncf.notary.signature"
IN_TOTO = "application/vnd.in-toto+json"
SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
SPDX = "https://spdx.dev/Document"
SIGNED = {"critical": {"image": {"docker-manifest-digest": SUBJECT.digest}}}


def statement(predicate: str = SPDX, digest: str = SUBJECT.digest, **more: object) -> dict[str, object]:
    """An in-toto statement about the image."""
    subject = {"name": "app", "digest": {"sha256": digest.removeprefix("sha256:")}}
    return {"predicateType": predicate, "subject": [subject], **more}


class Evidence:
    """A layout with an image, and what is filed beside it."""

    def __init__(self, root: Path) -> None:
        """Make it."""
        self.layouts = LayoutStore(root)
        self.store = AnyStore(self.layouts, Client)
        self.reference = self.put("1", SUBJECT).pinned(SUBJECT.digest)

    def put(self, tag: str, content: Image) -> ImageReference:
        """File a manifest."""
        place = parse_reference(f"oci-layout:app:{tag}")
        self.layouts.put_image(place, content)
        return place

    def attach(self, artifact_type: str, *layers: dict[str, Any], tag: str = "", **more: object) -> None:
        """File an artifact about the image: under a tag of cosign's, or else as a referrer."""
        subject = {"subject": SUBJECT.descriptor.to_json()}
        config = {"mediaType": OCI_EMPTY, "digest": digest_of(b"{}"), "size": 2}
        content = {"artifactType": artifact_type, "config": config, "layers": list(layers), **({} if tag else subject)}
        artifact = encoded(OCI_MANIFEST, content | more)
        self.put(tag or f"artifact-{artifact.digest[-8:]}", artifact)

    def layer(self, media_type: str, content: object, **more: object) -> dict[str, Any]:
        """Put a layer: JSON, or bytes."""
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        return self.layouts.put_blob("oci-layout:app", data).to_json() | {"mediaType": media_type, **more}

    def cosign(self, payload: object) -> None:
        """File a signature as cosign does."""
        annotations = {"dev.cosignproject.cosign/signature": "c2ln"}
        layer = self.layer(SIMPLE_SIGNING, payload, annotations=annotations)
        self.attach("", layer, tag=f"{SUBJECT.digest.replace(':', '-')}.sig")

    def check(self, *requires: str) -> None:
        """Look for evidence."""
        check_evidence(self.store, self.reference, requires)

    def lack(self, *requires: str) -> str:
        """Look for evidence that is not there; returns what is said of it."""
        with pytest.raises(EvidenceError) as caught:
            self.check(*requires)
        return str(caught.value)


@pytest.fixture
def evidence(tmp_path: Path) -> Evidence:
    return Evidence(tmp_path)


def test_each_kind_of_evidence_is_found(evidence: Evidence) -> None:
    evidence.cosign(SIGNED)
    evidence.attach("application/spdx+json")
    evidence.attach(IN_TOTO, evidence.layer(IN_TOTO, statement()))
    payload = base64.b64encode(json.dumps(statement("https://slsa.dev/provenance/v1")).encode()).decode()
    evidence.attach("application/vnd.dsse+json", evidence.layer("application/vnd.dsse+json", {"payload": payload}))
    evidence.check("signature", "application/spdx+json", SPDX, "https://slsa.dev/provenance/v1")


def test_nothing_more_is_read_than_is_needed() -> None:
    signature = encoded(OCI_MANIFEST, {"artifactType": NOTATION, "subject": SUBJECT.descriptor.to_json()})
    statements = {"mediaType": OCI_MANIFEST, "digest": f"sha256:{'0' * 64}", "size": 9, "artifactType": IN_TOTO}
    other = statements | {"digest": f"sha256:{'1' * 64}", "artifactType": "application/spdx+json"}
    listed = {"schemaVersion": 2, "manifests": [statements, other, signature.referrer.to_json()]}
    with serving(
        Reply(body=json.dumps(listed).encode()),
        Reply(headers={"Content-Type": OCI_MANIFEST}, body=signature.raw_manifest),
        Reply(500),
    ) as registry:
        store = AnyStore(LayoutStore(Path()), Client)
        check_evidence(store, parse_reference(f"{registry.address}/app@{SUBJECT.digest}"), ["signature"])
        assert len(registry.seen) == 2


def test_a_registry_that_fails_is_no_lack_of_evidence() -> None:
    with serving(Reply(403)) as registry, pytest.raises(RegistryError):
        check_evidence(
            AnyStore(LayoutStore(Path()), Client),
            parse_reference(f"{registry.address}/app@{SUBJECT.digest}"),
            ["signature"],
        )


def test_an_artifact_that_is_listed_but_gone_does_not_stand_in_the_way(evidence: Evidence) -> None:
    gone = {"mediaType": OCI_MANIFEST, "digest": f"sha256:{'0' * 64}", "size": 9, "artifactType": NOTATION}
    evidence.put(SUBJECT.digest.replace(":", "-"), encoded(OCI_INDEX, {"manifests": [gone]}))
    assert f"what cannot be read: {gone['digest']}: it is not there" in evidence.lack("signature")
    evidence.cosign(SIGNED)
    evidence.check("signature")


def test_a_statement_of_many_bytes_is_read(evidence: Evidence) -> None:
    evidence.attach(IN_TOTO, evidence.layer(IN_TOTO, statement(predicate_content="x" * 5_000_000)))
    evidence.check(SPDX)


def test_a_statement_of_too_many_bytes_is_none(evidence: Evidence) -> None:
    evidence.attach(IN_TOTO, evidence.layer(IN_TOTO, statement(), size=64 * 1024 * 1024 + 1))
    evidence.attach(NOTATION)
    evidence.check("signature")
    assert "it has 67108865 bytes, more than 67108864" in evidence.lack(SPDX)


@pytest.mark.parametrize(
    "payload",
    [
        {"critical": {"image": {"docker-manifest-digest": []}}},
        {"critical": {"image": {"docker-manifest-digest": {"a": 1}}}},
        {"critical": []},
        [],
        b"{",
        b"\xff",
        b"[" * 200_000,
        {"payload": "="},
        {"payload": base64.b64encode(b"[" * 200_000).decode()},
    ],
)
def test_a_payload_that_is_odd_is_no_signature(evidence: Evidence, payload: object) -> None:
    evidence.cosign(payload)
    said = evidence.lack("signature")
    assert said.startswith(f"{evidence.reference} lacks signature")
    assert "what cannot be read: sha256:" in said
    evidence.attach(NOTATION)
    evidence.check("signature")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (statement(predicate="signature"), "nothing of the kind. Sign"),
        (statement(predicate=NOTATION), f"it has: {NOTATION}. Sign"),
        (statement(digest="sha256:0"), "nothing of the kind. Sign"),
        ({"predicateType": SPDX, "subject": [1, {"digest": []}]}, "nothing of the kind. Sign"),
        ({"predicateType": [], "subject": []}, "it is not an in-toto statement"),
        ({"predicateType": SPDX, "subject": {}}, "it is not an in-toto statement"),
        ({"payload": "a"}, "its payload is not in base64"),
        ({"payload": base64.b64encode(b"[" * 200_000).decode()}, "it is not JSON, or nested too deeply"),
        (b"[" * 9, "it is not JSON, or nested too deeply"),
    ],
)
def test_a_statement_that_is_odd_is_none(evidence: Evidence, content: object, complaint: str) -> None:
    evidence.attach(IN_TOTO, evidence.layer(IN_TOTO, content))
    assert complaint in evidence.lack("signature")
    assert complaint in evidence.lack(SPDX)


def test_an_artifact_that_is_called_signature_is_none(evidence: Evidence) -> None:
    evidence.attach("signature")
    assert "it has: nothing of the kind" in evidence.lack("signature")


def test_an_artifact_without_proper_layers_is_named(evidence: Evidence) -> None:
    evidence.attach(IN_TOTO, more=1)
    evidence.attach(IN_TOTO, layers=5)
    assert "layers is not a list" in evidence.lack(SPDX)


def test_of_many_that_cannot_be_read_some_are_named(evidence: Evidence) -> None:
    evidence.attach(IN_TOTO, *[evidence.layer(IN_TOTO, b"[" * number) for number in range(1, 6)])
    said = evidence.lack(SPDX)
    assert said.count("it is not JSON") == 3
    assert "; and 2 more. Sign or attest" in said


def test_what_an_index_says_counts_if_it_says_it_of_all_its_images(evidence: Evidence) -> None:
    def child(content: Image, about: str = "") -> dict[str, object]:
        kind = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": about}
        return content.descriptor.to_json() | ({"annotations": kind} if about else {})

    images = [image("a"), image("b")]
    said = [
        encoded(OCI_MANIFEST, {"layers": [evidence.layer(IN_TOTO, statement(digest=each.digest))]}) for each in images
    ]
    for part in [*images, *said]:
        evidence.layouts.put_part("oci-layout:app", part)
    attested = [child(about, each.digest) for about, each in zip(said, images, strict=True)]
    for number, listed in enumerate(([*map(child, images), *attested], [*map(child, images), attested[0]])):
        index = encoded(OCI_INDEX, {"manifests": listed})
        evidence.reference = evidence.put(f"index-{number}", index).pinned(index.digest)
        if number:
            evidence.lack(SPDX)
        else:
            evidence.check(SPDX)
