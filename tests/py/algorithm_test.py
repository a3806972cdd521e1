"""Images by sha512, on registries that know sha256 only."""

from __future__ import annotations

import pytest
from faults import Reply, serving
from registry_client import Client
from registry_client.descriptor import OCI_MANIFEST, digest_of
from registry_client.errors import DigestMismatchError
from registry_client.manifest import Image

MANIFEST = b'{"schemaVersion": 2, "config": {}}'
SHORT, LONG = digest_of(MANIFEST), digest_of(MANIFEST, "sha512")


def image(digest: str) -> Image:
    return Image(
        registry="r.example.com", repository="a", digest=digest, media_type=OCI_MANIFEST, raw_manifest=MANIFEST
    )


@pytest.mark.parametrize(("own", "stated"), [(LONG, SHORT), (SHORT, LONG)])
def test_a_tag_that_leads_to_a_digest_by_another_algorithm_is_an_error(own: str, stated: str) -> None:
    said = f"/a:1: the registry filed {own} under {stated}, so that"
    filed = Reply(201, {"Docker-Content-Digest": stated})
    with serving(filed) as registry, Client() as it, pytest.raises(DigestMismatchError, match=said):
        it.put_image(f"{registry.address}/a:1", image(own))


@pytest.mark.parametrize("headers", [{"Docker-Content-Digest": LONG}, {}, {"Docker-Content-Digest": "nonsense"}])
def test_a_tag_that_leads_to_the_digest_or_to_nobody_knows_what_is_none(headers: dict[str, str]) -> None:
    with serving(Reply(201, headers)) as registry, Client() as it:
        it.put_image(f"{registry.address}/a:1", image(LONG))


def test_what_is_put_under_its_digest_may_have_another_one_beside_it() -> None:
    with serving(Reply(201, {"Docker-Content-Digest": SHORT})) as registry, Client() as it:
        it.put_image(f"{registry.address}/a@{LONG}", image(LONG))
