"""Image references: the grammar of Docker's distribution/reference, and images in a layout on disk.

    reference := name [":" tag] ["@" digest]
    name      := [host [":" port] "/"] path
    layout    := "oci-layout:" directory [":" tag] ["@" digest]

``registry`` is the host that a person writes (``docker.io``), not the one that is talked to. What means the same is one
reference: hosts are in lower case, and the directory of a layout has no ``.``, ``..`` or ``/`` that it can do without.
"""

from __future__ import annotations

import ipaddress
import posixpath
import re
from dataclasses import dataclass, replace

from registry_client.errors import InvalidReferenceError, InvalidTagError

DOCKER_HUB = "docker.io"
OCI_LAYOUT = "oci-layout"
"""The ``registry`` of an image in a layout on disk; no host can have this name."""

DOCKER_HUB_API = "registry-1.docker.io"
"""The host that is talked to for ``docker.io``."""
DOCKER_HUB_ALIASES = frozenset({DOCKER_HUB, "index.docker.io", DOCKER_HUB_API})
_MAX_REPOSITORY_LENGTH = 255
_DIGEST_HEX_LENGTHS = {"sha256": 64, "sha512": 128}

_COMPONENT = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_HOST = re.compile(rf"(?:{_COMPONENT}(?:\.{_COMPONENT})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?")
_HOST_MARK = re.compile(r"[.:]")
_ALPHANUMERIC = r"[a-z0-9]+"
_PATH_COMPONENT = rf"{_ALPHANUMERIC}(?:(?:\.|_|__|-+){_ALPHANUMERIC})*"
_REPOSITORY = re.compile(rf"{_PATH_COMPONENT}(?:/{_PATH_COMPONENT})*")
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,127}")
_DIGEST = re.compile(r"(?P<algorithm>[a-z0-9]+):(?P<hex>[0-9a-f]+)")
_HEX_IDENTIFIER = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageReference:
    """An image by tag, by digest or by both; where both are given, the digest decides.

    Attributes:
        registry: Host with optional port, ``docker.io`` for Docker Hub, or ``oci-layout``.
        repository: The path on the registry, or the directory of the layout.
        tag: The tag, None if the image is named by digest alone (or is a layout's only one).
        digest: ``algorithm:hex``, or None.
    """

    registry: str
    repository: str
    tag: str | None = None
    digest: str | None = None

    @property
    def is_layout(self) -> bool:
        """Whether the image is in a layout on disk."""
        return self.registry == OCI_LAYOUT

    @property
    def name(self) -> str:
        """The reference without tag and digest: ``registry/repository`` or ``oci-layout:PATH``."""
        return f"{self.registry}{':' if self.is_layout else '/'}{self.repository}"

    def pinned(self, digest: str) -> ImageReference:
        """The same repository's image with this digest, and no tag."""
        return replace(self, tag=None, digest=digest)

    def tagged(self, tag: str) -> ImageReference:
        """The same repository's image with this tag, and no digest."""
        return replace(self, tag=tag, digest=None)

    def __str__(self) -> str:
        """The canonical text, which parses to an equal reference."""
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.name}{tag}{digest}"


def parse_reference(text: str) -> ImageReference:
    """Parse and normalise what a person writes as an image.

    Args:
        text: As ``redis``, ``ghcr.io/a/b:1.2``, ``host:5000/a@sha256:…`` or ``oci-layout:dir:tag``.

    Returns:
        The reference in full: ``redis`` is ``docker.io/library/redis:latest``.

    Raises:
        InvalidReferenceError: The text breaks the grammar; the message says where.
    """
    if any("\ud800" <= character <= "\udfff" or character == "\0" for character in text):
        # what no file name and no URL can hold, and no terminal can show
        message = f"{text!a} is not an image reference: it has bytes that are not UTF-8, half a character, or a zero"
        raise InvalidReferenceError(message)
    try:
        if text.startswith(f"{OCI_LAYOUT}:"):
            return _parse_layout(text.removeprefix(f"{OCI_LAYOUT}:"))
        return _parse_image(text)
    except ValueError as error:
        message = f'"{text}" is not an image reference: {error}'
        raise InvalidReferenceError(message) from None


def validate_tag(tag: str) -> None:
    """Check the syntax of a tag.

    Args:
        tag: Up to 128 ASCII letters, digits, ``_``, ``.`` and ``-``; the first is neither ``.`` nor ``-``.

    Raises:
        InvalidTagError: It is not a tag.
    """
    if not _TAG.fullmatch(tag):
        message = (
            f'"{tag}" is not a tag: use up to 128 letters, digits, "_", "." and "-", '
            "and start with none of the last two"
        )
        raise InvalidTagError(message)


def validate_digest(digest: str) -> None:
    """Check the syntax of a digest (OCI image specification, "Digests").

    Args:
        digest: ``sha256:`` with 64 or ``sha512:`` with 128 lower-case hexadecimal digits.

    Raises:
        InvalidReferenceError: It is not a digest.
    """
    match = _DIGEST.fullmatch(digest)
    length = _DIGEST_HEX_LENGTHS.get(match["algorithm"]) if match else None
    if match is None or length is None or len(match["hex"]) != length:
        message = f'"{digest}" is not a digest: "sha256:" and 64 lower-case hexadecimal digits'
        raise InvalidReferenceError(message)


def referrers_tag(digest: str) -> str:
    """The tag under which clients list what refers to an image (distribution specification, "Referrers Tag Schema").

    Args:
        digest: The image's digest.

    Returns:
        As ``sha256-…``; what would be longer than a tag may be is cut.
    """
    algorithm, _, encoded = digest.partition(":")
    return f"{algorithm[:32]}-{encoded[:64]}"


def is_loopback(host: str) -> bool:
    """Tell whether a host is this very machine.

    Args:
        host: A name or an address, with or without a port.

    Returns:
        True for ``localhost``, 127.0.0.0/8 and ``[::1]``.
    """
    name = re.sub(r":[0-9]+$", "", host).strip("[]")
    try:
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _parse_image(text: str) -> ImageReference:
    name, tag, digest = _split(text)
    if _HEX_IDENTIFIER.fullmatch(name):
        message = "64 hexadecimal digits are an image identifier, not a repository"
        raise ValueError(message)
    registry, repository = _split_host(name)
    if not _HOST.fullmatch(registry):
        message = f'"{registry}" is not a host name'
        raise ValueError(message)
    if not _REPOSITORY.fullmatch(repository):
        upper = " in lower case" if repository != repository.lower() else ""
        message = f'"{repository}" is not a repository name{upper and ", which must be" + upper}'
        raise ValueError(message)
    if len(repository) > _MAX_REPOSITORY_LENGTH:
        message = f"the repository name is longer than {_MAX_REPOSITORY_LENGTH} characters"
        raise ValueError(message)
    if tag is None and digest is None:
        tag = "latest"
    return ImageReference(registry=registry, repository=repository, tag=tag, digest=digest)


def _parse_layout(text: str) -> ImageReference:
    path, tag, digest = _split(text)
    if not path:
        message = "the directory of the layout is missing"
        raise ValueError(message)
    # one directory, one name: whoever compares references must not be led astray by ./ and ../
    path = posixpath.normpath(path)
    path = path[1:] if path.startswith("//") else path
    return ImageReference(registry=OCI_LAYOUT, repository=path, tag=tag, digest=digest)


def _split(text: str) -> tuple[str, str | None, str | None]:
    """Cut a text into name, tag and digest, and check the last two."""
    name, at, digest = text.partition("@")
    if at:
        validate_digest(digest)
    before, colon, after = name.rpartition(":")
    if not colon or "/" in after:
        return name, None, digest or None
    validate_tag(after)
    return before, after, digest or None


def _split_host(name: str) -> tuple[str, str]:
    """Cut a name as Docker does: the first component is a host only if it looks like one."""
    first, slash, rest = name.partition("/")
    is_host = slash and (_HOST_MARK.search(first) or first == "localhost" or first != first.lower())
    registry, repository = (first, rest) if is_host else (DOCKER_HUB, name)
    if _HOST_MARK.search(registry) or registry.lower() == "localhost":
        # the case of a host means nothing, but where it alone tells that it is one
        registry = registry.lower()
    if registry in DOCKER_HUB_ALIASES:
        registry = DOCKER_HUB
    if registry == DOCKER_HUB and "/" not in repository:
        repository = f"library/{repository}"
    return registry, repository
