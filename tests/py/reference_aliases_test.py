"""What means the same is one reference."""

from __future__ import annotations

import pytest
from registry_client.reference import parse_reference


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("oci-layout:./x:t", "oci-layout:x:t"),
        ("oci-layout:x/:t", "oci-layout:x:t"),
        ("oci-layout:y/../x:t", "oci-layout:x:t"),
        ("oci-layout:x//y/./z", "oci-layout:x/y/z"),
        ("oci-layout:../x", "oci-layout:../x"),
        ("oci-layout:x/../../y", "oci-layout:../y"),
        ("oci-layout:.", "oci-layout:."),
        ("oci-layout:./", "oci-layout:."),
        ("oci-layout:/tmp/x", "oci-layout:/tmp/x"),
        ("oci-layout://tmp/x/", "oci-layout:/tmp/x"),
        ("GHCR.io/team/app:1", "ghcr.io/team/app:1"),
        ("Host:5000/app:1", "host:5000/app:1"),
        ("LOCALHOST/app:1", "localhost/app:1"),
        ("[FE80::1]:5000/app:1", "[fe80::1]:5000/app:1"),
        ("Index.Docker.IO/redis:7", "docker.io/library/redis:7"),
        # without its case, this would be a repository of Docker Hub
        ("HOST/app:1", "HOST/app:1"),
    ],
)
def test_aliases_have_one_canonical_text(text: str, canonical: str) -> None:
    assert str(parse_reference(text)) == canonical
    assert parse_reference(canonical) == parse_reference(text)
