"""What means the same is one reference."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from faults import Reply, serving
from registry_client.__main__ import main
from registry_client.credentials import Target
from registry_client.credentials.docker import DockerConfig
from registry_client.reference import parse_reference

if TYPE_CHECKING:
    from pathlib import Path


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


def test_a_docker_configuration_may_have_a_host_in_any_case(tmp_path: Path) -> None:
    auths = {"https://Registry.example:5000/v2/": {"username": "me", "password": "x"}}
    (tmp_path / "config.json").write_text(json.dumps({"auths": auths}))
    reference = parse_reference("REGISTRY.example:5000/team/app:1")
    found = DockerConfig(tmp_path / "config.json").find(
        Target.at(reference.registry, reference.repository, "https://x")
    )
    assert found is not None
    assert found.username == "me"


def test_a_mirror_may_be_of_a_host_in_any_case() -> None:
    missing = Reply(404)
    with serving(missing) as mirror, serving(missing) as registry:
        host = registry.address.replace("127.0.0.1", "LocalHost")
        main(["resolve", "--platform=linux/arm64", f"--mirror={host}={mirror.address}", f"{host}/a@sha256:{'0' * 64}"])
    assert mirror.seen
