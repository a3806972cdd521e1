"""A registry in memory: keeps what it is sent, insists on the order, and fails where it is told to."""

from __future__ import annotations

import json
import re
from email import message_from_string
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from faults import FaultyRegistry, Reply
from registry_client.descriptor import INDEX_TYPES, OCI_INDEX, digest_of
from registry_client.manifest import Image

if TYPE_CHECKING:
    from collections.abc import Callable

    from built_images import Built

_PATH = re.compile(r"/v2/(?P<repository>.+?)/(?P<kind>manifests|blobs|tags|referrers)/(?P<rest>.*)")
_NOTHING = Reply(404, {}, b'{"errors": [{"code": "MANIFEST_UNKNOWN"}]}')


class MemoryRegistry(FaultyRegistry):
    """A registry with content.

    Attributes:
        images: Repository and tag or digest, to manifest.
        blobs: Repository and digest, to bytes.
        faults: Pattern of ``METHOD path`` to what is answered in place of all else.
        on_request: Called with ``METHOD path`` before a request is answered.
    """

    def __init__(self, *, keeps_referrers: bool = True) -> None:
        """Start empty.

        Args:
            keeps_referrers: Whether it lists by itself what refers to an image.
        """
        super().__init__()
        self.images: dict[tuple[str, str], Image] = {}
        self.blobs: dict[tuple[str, str], bytes] = {}
        self.faults: dict[str, Reply] = {}
        self.on_request: Callable[[str], object] = lambda _: None
        self._keeps_referrers = keeps_referrers

    def add(self, repository: str, built: Built, *tags: str) -> None:
        """Have an image without that it is sent."""
        for data in built.blobs:
            self.blobs[repository, digest_of(data)] = data
        for image in [*built.parts, built.image]:
            self.images[repository, image.digest] = image
        for tag in tags:
            self.images[repository, tag] = built.image

    def tags(self, repository: str) -> dict[str, str]:
        """Tag to digest."""
        return {
            tag: image.digest for (place, tag), image in self.images.items() if place == repository and ":" not in tag
        }

    def writes(self) -> list[str]:
        """The requests that were to change something."""
        return [request for request in self.seen if not request.startswith(("GET", "HEAD"))]

    def next_reply(self, request: str, headers: str, body: bytes) -> Reply:
        """Answer a request."""
        self.on_request(request)
        with self._lock:
            self.seen.append(request)
            self.headers.append(headers)
            self.bodies.append(body)
            for pattern, reply in self.faults.items():
                if re.search(pattern, request):
                    return reply
            method, _, target = request.partition(" ")
            url = urlsplit(target)
            match = _PATH.fullmatch(url.path)
            if match is None:
                return Reply(404)
            query = {name: values[0] for name, values in parse_qs(url.query).items()}
            answer = getattr(self, f"_{match['kind']}")
            found: Reply = answer(method, match["repository"], match["rest"], query | {"headers": headers}, body)
            return found

    def _manifests(self, method: str, repository: str, name: str, query: dict[str, str], body: bytes) -> Reply:
        if method == "PUT":
            return self._put_manifest(repository, name, query["headers"], body)
        if method == "DELETE":
            return Reply(202) if self.images.pop((repository, name), None) else _NOTHING
        image = self.images.get((repository, name))
        if image is None:
            return _NOTHING
        headers = {"Content-Type": image.media_type, "Docker-Content-Digest": image.digest}
        return Reply(200, headers, image.raw_manifest)

    def _put_manifest(self, repository: str, name: str, headers: str, body: bytes) -> Reply:
        media_type = message_from_string(headers)["Content-Type"]
        image = Image(
            registry=self.address,
            repository=repository,
            digest=digest_of(body, name.partition(":")[0] if ":" in name else "sha256"),
            media_type=media_type,
            raw_manifest=body,
        )
        # the list of referrers may have what is not there yet
        children = [each.digest for each in image.children if media_type in INDEX_TYPES and ":" in name]
        lacking = [digest for digest in children if (repository, digest) not in self.images]
        lacking += [blob.digest for blob in image.blobs if (repository, blob.digest) not in self.blobs]
        if lacking:
            return Reply(
                404, {}, b'{"errors": [{"code": "MANIFEST_BLOB_UNKNOWN", "message": "%s"}]}' % lacking[0].encode()
            )
        self.images[repository, image.digest] = self.images[repository, name] = image
        stated = {"Docker-Content-Digest": image.digest}
        if self._keeps_referrers and image.subject:
            stated["OCI-Subject"] = image.subject.digest
        return Reply(201, stated)

    def _blobs(self, method: str, repository: str, rest: str, query: dict[str, str], body: bytes) -> Reply:
        if method == "POST":
            source = self.blobs.get((query.get("from", ""), query.get("mount", "")))
            if source is not None:
                self.blobs[repository, query["mount"]] = source
                return Reply(201)
            return Reply(202, {"Location": f"/v2/{repository}/blobs/uploads/1?state=a"})
        if method == "PUT":
            digest = query["digest"]
            if digest_of(body, digest.partition(":")[0]) != digest:
                return Reply(400, {}, b'{"errors": [{"code": "DIGEST_INVALID"}]}')
            self.blobs[repository, digest] = body
            return Reply(201, {"Docker-Content-Digest": digest})
        data = self.blobs.get((repository, rest))
        return Reply(404) if data is None else Reply(200, {}, data)

    def _tags(self, _method: str, repository: str, _rest: str, _query: dict[str, str], _body: bytes) -> Reply:
        is_there = any(place == repository for place, _ in self.images)
        listed = json.dumps({"name": repository, "tags": list(self.tags(repository))}).encode()
        return Reply(200, {}, listed) if is_there else _NOTHING

    def _referrers(self, _method: str, repository: str, digest: str, _query: dict[str, str], _body: bytes) -> Reply:
        if not self._keeps_referrers:
            return Reply(404, {}, b"404 page not found")
        images = {image.digest: image for (place, _), image in self.images.items() if place == repository}
        found = [
            image.referrer.to_json()
            for image in images.values()
            if image.subject is not None and image.subject.digest == digest
        ]
        return Reply(200, {}, json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": found}).encode())
