"""What refers to an image on a registry: signatures, attestations, SBOMs (distribution specification, "Referrers").

Registries that do not keep the list themselves have it under a tag, the referrers tag schema; then the clients keep it.
"""

from __future__ import annotations

import json
import re
import threading
from collections import defaultdict
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from registry_client.descriptor import OCI_INDEX, Descriptor, digest_of
from registry_client.errors import BadRegistryResponseError, RegistryClientError, RegistryError, is_not_found
from registry_client.manifest import MAX_MANIFEST_SIZE, Image, listed_in, parse_manifest
from registry_client.messages import joined_url, origin
from registry_client.reference import referrers_tag

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from registry_client.reference import ImageReference
    from registry_client.session import Session

_MAX_PAGES = 100
_BAD_REQUEST = 400
_NO_SUCH_API = frozenset({_BAD_REQUEST, 404, 405})
"""How registries say that they do not keep the list."""
_UNSUPPORTED = frozenset({"METHOD_UNKNOWN", "UNSUPPORTED"})
"""The codes of those that say by them that they never answer the question."""
_NEXT = re.compile(r'<([^>]*)>[^<]*;\s*rel\s*=\s*"?next\b', re.IGNORECASE)
"""The link to the next page, among others (RFC 8288, section 3)."""


class Referrers:
    """The lists of what refers to what, of all repositories of all registries of a client."""

    def __init__(self, session: Session, get: Callable[[ImageReference], Image]) -> None:
        """Ask nobody yet.

        Args:
            session: Sends the requests.
            get: Gets a manifest.
        """
        self._session = session
        self._get = get
        self._with_api: set[str] = set()
        self._without_api: set[tuple[str, str]] = set()
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def of(self, host: str, subject: ImageReference, tags: Collection[str] | None = None) -> list[Descriptor]:
        """List what refers to an image.

        Args:
            host: The registry as it is talked to.
            subject: The image, by digest.
            tags: All tags of the repository, if they are known.

        Returns:
            The descriptors, in the registry's order; none if nobody refers to it.

        Raises:
            RegistryClientError: The registry gives no proper answer.
        """
        found = self._from_api(host, subject)
        if found is not None:
            return found
        if tags is not None and fallback_reference(subject).tag not in tags:
            return []
        index = self._fallback(subject)
        return list(index.children) if index else []

    def add(self, put: Callable[[ImageReference, Image], object], reference: ImageReference, image: Image) -> None:
        """Enter a manifest into the list of its subject, on a registry that does not do so itself.

        What the list has already stays there.

        Args:
            put: Puts a manifest.
            reference: Any reference to the repository.
            image: The manifest, which names its subject.

        Raises:
            RegistryClientError: The list cannot be read or written.
        """
        subject = image.subject
        if subject is None:
            return
        listed = fallback_reference(reference.pinned(subject.digest))
        with self._locks[str(listed)]:
            index = self._fallback(reference.pinned(subject.digest))
            document = parse_manifest(index.raw_manifest, str(listed)) if index else {}
            entries = [*listed_in(document, "manifests", str(listed))]
            if any(Descriptor.from_json(entry).digest == image.digest for entry in entries):
                return
            entries.append(image.referrer.to_json())
            whole = {"schemaVersion": 2, "mediaType": OCI_INDEX, **document, "manifests": entries}
            data = json.dumps(whole, separators=(",", ":")).encode()
            put(
                listed,
                Image(
                    registry=reference.registry,
                    repository=reference.repository,
                    digest=digest_of(data),
                    media_type=OCI_INDEX,
                    raw_manifest=data,
                ),
            )

    def _from_api(self, host: str, subject: ImageReference) -> list[Descriptor] | None:
        """What the registry itself lists; None if it does not do so, for all images or for this one."""
        place = (host, subject.repository)
        if place in self._without_api and host not in self._with_api:
            return None
        path = f"/v2/{subject.repository}/referrers/{subject.digest}"
        found: list[Descriptor] | None = None
        try:
            for page in pages(self._session, host, path):
                self._with_api.add(host)
                found = [*(found or ()), *map(Descriptor.from_json, listed_in(page, "manifests", f"{host}{path}"))]
        except RegistryError as error:
            if found is not None or error.status_code not in _NO_SUCH_API:
                raise
            if _is_without_api(error):
                self._without_api.add(place)
        return found

    def _fallback(self, subject: ImageReference) -> Image | None:
        try:
            return self._get(fallback_reference(subject))
        except RegistryClientError as error:
            if is_not_found(error):
                return None
            raise


def _is_without_api(error: RegistryError) -> bool:
    """Whether a registry that has not answered yet will not do so for any other image of the repository either.

    What has a code of its own, or is a complaint about the request, is about this one image or about a repository that
    is not there yet.
    """
    if error.errors:
        return any(each.code in _UNSUPPORTED for each in error.errors)
    return error.status_code != _BAD_REQUEST


def fallback_reference(subject: ImageReference) -> ImageReference:
    """Where the list of referrers is, by the referrers tag schema.

    Args:
        subject: An image by digest.

    Returns:
        The image index with the list: ``sha256:…`` becomes the tag ``sha256-…``.
    """
    return subject.tagged(referrers_tag(str(subject.digest)))


def pages(session: Session, host: str, path: str) -> Iterator[dict[str, Any]]:
    """Get all pages of a list, by the ``Link`` headers (distribution specification, "Listing Tags").

    Args:
        session: Sends the requests.
        host: The registry as it is talked to.
        path: The first page, from ``/v2/`` on.

    Yields:
        The JSON object of each page.

    Raises:
        RegistryError: The registry says no.
        BadRegistryResponseError: A page is no JSON object, a link leads elsewhere, or there is no end.
    """
    for _ in range(_MAX_PAGES):
        answer = session.send("GET", host, path, limit=MAX_MANIFEST_SIZE)
        yield parse_manifest(answer.body, answer.request)
        link = _NEXT.search(answer.headers.get("Link", ""))
        if link is None:
            return
        following = joined_url(f"{answer.origin}{path}", link[1])
        if origin(following) != answer.origin:
            message = f"{host} continues a list on another host ({answer.request})"
            raise BadRegistryResponseError(message)
        parts = urlsplit(following)
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    message = f"{host} has a list of more than {_MAX_PAGES} pages ({path})"
    raise BadRegistryResponseError(message)
