"""Blobs on a registry: looked for, read, mounted and uploaded, with each byte checked.

The distribution specification, "Pulling blobs" and "Pushing blobs".
"""

from __future__ import annotations

import re
from contextlib import closing
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

from registry_client.errors import (
    BadRegistryResponseError,
    DigestMismatchError,
    RegistryError,
    RegistryUnreachableError,
    is_not_found,
)
from registry_client.messages import Upload
from registry_client.verification import VerifiedBlob

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from registry_client.descriptor import Descriptor
    from registry_client.messages import Answer, Stream
    from registry_client.session import Session
    from registry_client.verification import OpenBlob

_P = TypeVar("_P", bytes, memoryview)

_RANGE = re.compile(r"(?:bytes=)?0-([0-9]{1,19})")
_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,19})-")
_PARTIAL_CONTENT, _CREATED, _UNAUTHORIZED, _RANGE_NOT_SATISFIABLE = 206, 201, 401, 416
_WORTH_RESUMING = frozenset({408, _RANGE_NOT_SATISFIABLE, 429, 500, 502, 503, 504})
"""Statuses after which an upload may go on where it was."""
_SESSION_LOST = frozenset({404, 410})
"""Statuses of an upload that the registry knows no more, so that it may begin again."""
_NOT_ABOUT_MOUNTS = frozenset({_UNAUTHORIZED, 429})
"""Statuses of an answer to a request for a mount that one for an upload would get as well."""
_MAX_ANSWER_SIZE = 64 * 1024


class Blobs:
    """The blobs of one repository."""

    def __init__(self, session: Session, host: str, repository: str) -> None:
        """Ask nothing yet.

        Args:
            session: Sends the requests.
            host: The registry as it is talked to.
            repository: The path on the registry.
        """
        self._session = session
        self._host = host
        self._path = f"/v2/{repository}/blobs"
        self._name = f"{host}/{repository}"

    def has(self, digest: str) -> bool:
        """Tell by HEAD whether a blob is there."""
        try:
            self._session.send("HEAD", self._host, f"{self._path}/{digest}", limit=0)
        except RegistryError as error:
            if is_not_found(error):
                return False
            raise
        return True

    def read(self, descriptor: Descriptor, offset: int, parts_of: Callable[[Stream], Iterator[_P]]) -> Iterator[_P]:
        """Get a blob as a stream, by GET; where the line drops, by another one from there on.

        Args:
            descriptor: The blob.
            offset: How many bytes to leave out at the start.
            parts_of: How to read a stream: ``Stream.chunks`` or ``Stream.views``.

        Yields:
            Its bytes, unchecked.

        Raises:
            RegistryError: The registry says no.
            RegistryUnreachableError: It falls silent, time and again.
        """
        patience = self._session.patience()
        while offset < descriptor.size:
            try:
                for chunk in self._read_once(descriptor, offset, parts_of):
                    offset += len(chunk)
                    patience.renew()
                    yield chunk
            except RegistryUnreachableError as error:
                patience.wait(error)
            else:
                return  # shorter than it should be: whoever checks its digest says so

    def mount(self, digest: str, repository: str) -> str:
        """Ask the registry to take a blob over from another of its repositories ("Mounting a blob").

        One that refuses to is asked for an upload without it.

        Args:
            digest: The blob.
            repository: The repository that has it.

        Returns:
            Where to upload it if the registry did not take it over; else empty.
        """
        query = f"mount={quote(digest, safe=':')}&from={quote(repository, safe='/')}"
        try:
            answer = self._session.send(
                "POST", self._host, f"{self._path}/uploads/?{query}", data=b"", limit=_MAX_ANSWER_SIZE
            )
        except RegistryError as error:
            if error.status_code in _NOT_ABOUT_MOUNTS or error.status_code >= 500:
                raise
            return self._start()
        return "" if answer.status == _CREATED else self._session.check_location(answer, self._host)

    def write(
        self, descriptor: Descriptor, source: OpenBlob, moved: Callable[[int], object], location: str = ""
    ) -> None:
        """Upload a blob in one PUT, checked on its way; after a dropped line, go on where the registry says.

        Args:
            descriptor: The blob.
            source: Opens it at an offset.
            moved: Takes the number of bytes each time some are sent.
            location: Where to, from ``mount``; empty to ask.

        Raises:
            DigestMismatchError: The source has other bytes; the registry got no blob.
            RegistryError: The registry says no.
            RegistryUnreachableError: It falls silent, time and again.
        """
        blob = VerifiedBlob(descriptor, source, self._name)
        patience, offset, may_be_refused = self._session.patience(), 0, True
        while True:
            location = location or self._start()
            try:
                self._put(location, blob, offset, moved)
            except (RegistryUnreachableError, RegistryError) as error:
                is_refused = _is_of_upload(error, {_UNAUTHORIZED})
                if not (may_be_refused if is_refused else _is_worth_resuming(error)):
                    raise
                patience.wait(error)
                if self.has(descriptor.digest):
                    return  # only the answer was lost
                location, arrived = self._arrived(location, descriptor.size)
                if arrived > offset:
                    patience.renew()
                # what was got because of one refusal is refused for good, unless time has passed
                may_be_refused = arrived > offset or (may_be_refused and not is_refused)
                offset = arrived
            else:
                return

    def _read_once(
        self, descriptor: Descriptor, offset: int, parts_of: Callable[[Stream], Iterator[_P]]
    ) -> Iterator[_P]:
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        path = f"{self._path}/{descriptor.digest}"
        try:
            answer = self._session.send("GET", self._host, path, headers=headers, limit=None)
        except RegistryError as error:
            if error.status_code != _RANGE_NOT_SATISFIABLE:
                raise
            place = f"{descriptor.digest} after byte {offset} of {descriptor.size}"
            message = f"{self._name} does not go on with {place}: {error}"
            raise BadRegistryResponseError(message) from error
        assert answer.stream is not None  # noqa: S101 - that is what no limit means
        with closing(answer.stream):
            position = _start_of(answer, offset)
            if position > offset:
                message = f"{answer.request} answered from another byte on than {offset}"
                raise BadRegistryResponseError(message)
            for chunk in parts_of(answer.stream):
                surplus = max(0, offset - position)
                position += len(chunk)
                if surplus < len(chunk):
                    yield chunk[surplus:] if surplus else chunk
        if position < descriptor.size and not _tells_its_end(answer):
            message = f"{self._name} sent {position} of the {descriptor.size} bytes of {descriptor.digest}, and no more"
            raise RegistryUnreachableError(message)

    def _start(self) -> str:
        answer = self._session.send("POST", self._host, f"{self._path}/uploads/", data=b"", limit=_MAX_ANSWER_SIZE)
        return self._session.check_location(answer, self._host)

    def _put(self, location: str, blob: VerifiedBlob, offset: int, moved: Callable[[int], object]) -> None:
        digest, size = blob.descriptor.digest, blob.descriptor.size
        headers = {"Content-Type": "application/octet-stream"}
        if 0 < offset < size:  # there is no range without a byte in it
            headers["Content-Range"] = f"{offset}-{size - 1}"
        separator = "&" if "?" in location else "?"
        answer = self._session.send(
            "PUT",
            self._host,
            f"{self._path}/uploads/",
            headers=headers,
            data=Upload(blob.chunks(offset, moved), size - offset),
            limit=_MAX_ANSWER_SIZE,
            location=f"{location}{separator}digest={quote(digest, safe=':')}",
        )
        stated = answer.headers.get("Docker-Content-Digest", digest)
        if stated.partition(":")[0] == digest.partition(":")[0] and stated != digest:
            message = f"{self._name}@{digest}: the registry filed the blob under {stated}"
            raise DigestMismatchError(message)

    def _arrived(self, location: str, size: int) -> tuple[str, int]:
        """Where an upload goes on, and from which byte; nowhere, and 0, if it has to start again."""
        try:
            answer = self._session.send(
                "GET", self._host, f"{self._path}/uploads/", limit=_MAX_ANSWER_SIZE, location=location
            )
        except RegistryError:
            return "", 0
        match = _RANGE.fullmatch(answer.headers.get("Range", ""))
        arrived = int(match[1]) + 1 if match else 0
        if not 1 < arrived <= size:  # Distribution says 0-0 of nothing, too
            return "", 0
        return self._session.check_location(answer, self._host) if "Location" in answer.headers else location, arrived


def _is_worth_resuming(error: RegistryUnreachableError | RegistryError) -> bool:
    if isinstance(error, RegistryUnreachableError):
        return True
    # one with a note asks for more time than there is
    return not error.note and (error.status_code in _WORTH_RESUMING or _is_of_upload(error, _SESSION_LOST))


def _is_of_upload(error: RegistryUnreachableError | RegistryError, statuses: Collection[int]) -> bool:
    """Whether the upload itself was answered so, and not what its bytes come from."""
    return isinstance(error, RegistryError) and error.request.startswith("PUT ") and error.status_code in statuses


def _start_of(answer: Answer, asked: int) -> int:
    """The offset of the first byte of an answer to a request for a range; where it cannot be read, what was asked."""
    if answer.status != _PARTIAL_CONTENT:
        return 0
    match = _CONTENT_RANGE.match(answer.headers.get("Content-Range", ""))
    return int(match[1]) if match else asked


def _tells_its_end(answer: Answer) -> bool:
    """Whether a body that breaks off can be told from one that is shorter than it should be."""
    return "Content-Length" in answer.headers or "chunked" in answer.headers.get("Transfer-Encoding", "").lower()
