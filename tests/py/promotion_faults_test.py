"""Promotions at full speed, with registries that keep no lists and drop lines; and what is never said."""

from __future__ import annotations

import base64
import functools
import json
from typing import TYPE_CHECKING

import pytest
from built_images import any_store, artifact, client, cosign_signature, descriptor, image, index, opening, put
from faults import HANG_UP, Reply, served, serving
from lock_workspace import DONE, FAILED
from memory_registry import MemoryRegistry
from registry_client.__main__ import main
from registry_client.errors import RegistryError, RegistryUnreachableError
from registry_client.layout import LayoutStore
from registry_client.operations.promotion import Outcome, preflight, set_tags, ship
from registry_client.plan import Edge, Plan
from registry_client.reference import parse_reference

if TYPE_CHECKING:
    from pathlib import Path

    from built_images import Built
    from registry_client.operations.promotion import EdgeResult

SECRET = "hunter2-s3cret"  # noqa: S105 - it opens nothing
IMAGES = [image(str(number), b"shared", f"layer {number}".encode()) for number in range(8)]
WHOLE = index(*IMAGES)
SBOMS = [artifact(WHOLE, kind=f"application/vnd.example.{number}") for number in range(8)]


def promote(root: Path, built: Built, *destinations: str, source: str = "oci-layout:a") -> list[EdgeResult]:
    store = any_store(root, concurrency=8)
    edges = [
        Edge(
            source=parse_reference(f"{source}@{built.digest}"), destination=parse_reference(destination), target="//:p"
        )
        for destination in destinations
    ]
    return set_tags(ship(preflight(Plan(edges=edges), store), store), store)


@pytest.mark.parametrize("keeps", [True, False])
def test_whatever_is_put_at_once_nothing_is_lost(tmp_path: Path, *, keeps: bool) -> None:
    for built in (WHOLE, *SBOMS):
        put(LayoutStore(tmp_path), "a", built)
    put(LayoutStore(tmp_path), "a", cosign_signature(WHOLE.digest, "me"), f"{WHOLE.stem}.sig")
    registry = MemoryRegistry(keeps_referrers=keeps)
    with served(registry), client() as it:
        places = [f"{registry.address}/{name}:{tag}" for name in "bcd" for tag in "12"]
        results = promote(tmp_path, WHOLE, *places)
        assert {result.outcome for result in results} == {Outcome.COPIED}
        for name in "bcd":
            found = it.get_referrers(f"{registry.address}/{name}@{WHOLE.digest}")
            assert {each.digest for each in found} == {sbom.digest for sbom in SBOMS}
            assert set(registry.tags(name)) - {WHOLE.stem} == {"1", "2", f"{WHOLE.stem}.sig"}
    blobs = {data for built in (WHOLE, *SBOMS, cosign_signature(WHOLE.digest, "me")) for data in built.blobs}
    assert sum(result.moved for result in results) == sum(map(len, blobs))
    assert sum(result.mounted for result in results) == 2 * sum(map(len, blobs))


def test_from_a_registry_without_lists_to_a_layout_and_back_nothing_is_lost(tmp_path: Path) -> None:
    registry = MemoryRegistry(keeps_referrers=False)
    put(LayoutStore(tmp_path), "a", WHOLE)
    put(LayoutStore(tmp_path), "a", SBOMS[0])
    with served(registry):
        promote(tmp_path, WHOLE, f"{registry.address}/b:1")
        promote(tmp_path, WHOLE, "oci-layout:c:1", source=f"{registry.address}/b")
        promote(tmp_path, WHOLE, f"{registry.address}/d:1", source="oci-layout:c")
    place = f"oci-layout:c@{WHOLE.digest}"
    assert [each.digest for each in LayoutStore(tmp_path).get_referrers(place)] == [SBOMS[0].digest]
    assert ("d", SBOMS[0].digest) in registry.images
    assert ("d", WHOLE.stem) in registry.images


def test_a_source_that_drops_the_line_fails_its_image_with_its_name(tmp_path: Path) -> None:
    registry = MemoryRegistry()
    registry.add("a", IMAGES[0])
    registry.faults["GET /v2/a/blobs/"] = HANG_UP
    with served(registry):
        (result,) = promote(tmp_path, IMAGES[0], "oci-layout:b:1", source=f"{registry.address}/a")
    assert isinstance(result.error, RegistryUnreachableError)
    assert str(result.error).startswith(f"{registry.address} does not answer: ")
    assert LayoutStore(tmp_path).descriptors("oci-layout:b") == []


def test_what_signs_a_url_is_not_in_any_message() -> None:
    data = b"some bytes"
    away = f"?X-Amz-Signature={SECRET}"
    with serving(Reply(403, {}, b"denied")) as storage:
        for place in (storage.address, "127.0.0.1:9"):
            replies = [Reply(307, {"Location": f"http://{place}/blob{away}"})]
            uploads = [Reply(202, {"Location": f"http://{place}/upload{away}"}), Reply(404)]
            for given in (replies, uploads):
                with serving(*given) as registry, client(retries=0) as it:
                    name = f"{registry.address}/a"
                    read = functools.partial(it.get_blob, name, descriptor(data))
                    write = functools.partial(it.write_blob, name, descriptor(data), opening(data))
                    with pytest.raises((RegistryError, RegistryUnreachableError)) as raised:
                        (read if given is replies else write)()
                assert SECRET not in str(raised.value)
                assert SECRET not in repr(raised.value)


def test_a_password_is_not_in_what_a_promotion_prints_or_leaves_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    put(LayoutStore(tmp_path), "a", IMAGES[0], "1")
    basic = base64.b64encode(f"me:{SECRET}".encode()).decode()
    said = json.dumps({"errors": [{"code": "DENIED", "message": f"{SECRET} and {basic}"}]}).encode()
    asked = Reply(401, {"WWW-Authenticate": 'Basic realm="a"'})
    with serving(asked, Reply(404), Reply(404), Reply(404), Reply(403, {}, said)) as registry:
        config = {"auths": {registry.address: {"auth": basic}}}
        (tmp_path / "config.json").write_text(json.dumps(config))
        options = [
            "--docker-config",
            "config.json",
            "--retries",
            "0",
            "--receipt",
            "receipt.json",
            "--concurrency",
            "1",
        ]
        assert main(["copy", "oci-layout:a:1", f"{registry.address}/b:1", *options]) == FAILED
    printed = capsys.readouterr()
    left = (tmp_path / "receipt.json").read_text()
    assert "DENIED" in printed.err
    assert "DENIED" in left
    for text in (printed.out, printed.err, left):
        assert SECRET not in text
        assert basic not in text


@pytest.mark.parametrize("code", ["DENIED", "\ud800"])
def test_whatever_a_registry_says_is_one_line_and_goes_into_the_receipt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], code: str
) -> None:
    monkeypatch.chdir(tmp_path)
    put(LayoutStore(tmp_path), "a", IMAGES[0], "1")
    registry = MemoryRegistry()
    said = json.dumps({"errors": [{"code": code, "message": "no\nno \x1b[31m \ud800"}]})
    registry.faults["PUT .*manifests"] = Reply(403, {}, said.encode())
    with served(registry):
        assert main(["copy", "oci-layout:a:1", f"{registry.address}/b:1", "--receipt", "receipt.json"]) == FAILED
    first, _, last = capsys.readouterr().err.splitlines()
    assert "no no [31m" in first
    assert first.isprintable()
    assert last == "error: no tag was set"
    (edge,) = json.loads((tmp_path / "receipt.json").read_text(encoding="utf-8"))["edges"]
    assert "no no [31m" in edge["error"]["message"]


def test_what_refers_to_what_refers_is_in_the_list_of_each(tmp_path: Path) -> None:
    signature = artifact(SBOMS[0], kind="application/vnd.cncf.notary.signature")
    for built in (WHOLE, SBOMS[0], signature):
        put(LayoutStore(tmp_path), "a", built)
    put(LayoutStore(tmp_path), "a", cosign_signature(SBOMS[0].digest, "me"), f"{SBOMS[0].stem}.sig")
    registry = MemoryRegistry(keeps_referrers=False)
    with served(registry), client() as it:
        (result,) = promote(tmp_path, WHOLE, f"{registry.address}/b:1")
        assert result.outcome is Outcome.COPIED
        for subject, referrer in ((WHOLE, SBOMS[0]), (SBOMS[0], signature)):
            found = it.get_referrers(f"{registry.address}/b@{subject.digest}")
            assert [each.digest for each in found] == [referrer.digest]
        assert f"{SBOMS[0].stem}.sig" in registry.tags("b")
        before = len(registry.writes())
        assert promote(tmp_path, WHOLE, f"{registry.address}/b:2")[0].outcome is Outcome.COPIED
        assert registry.writes()[before:] == ["PUT /v2/b/manifests/2"]


def test_what_is_copied_twice_is_asked_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    registry = MemoryRegistry()
    registry.add("a", WHOLE, "1")
    with served(registry):
        for _ in range(2):
            assert main(["copy", f"{registry.address}/a:1", f"{registry.address}/b:1"]) == DONE
        again = registry.seen[registry.seen.index("PUT /v2/b/manifests/1") + 1 :]
    assert again == ["GET /v2/a/manifests/1", "HEAD /v2/b/manifests/1"]


def test_layers_that_are_had_from_elsewhere_only_stay_there(tmp_path: Path) -> None:
    foreign = {
        "mediaType": "application/vnd.oci.image.layer.nondistributable.v1.tar",
        "digest": descriptor(b"foreign").digest,
        "size": 7,
        "urls": ["https://files.example/layer"],
    }
    built = image("windows", extra=[foreign])
    put(LayoutStore(tmp_path), "a", built)
    registry = MemoryRegistry()
    with served(registry):
        (result,) = promote(tmp_path, built, f"{registry.address}/b:1")
    assert result.outcome is Outcome.COPIED
    assert ("b", foreign["digest"]) not in registry.blobs
