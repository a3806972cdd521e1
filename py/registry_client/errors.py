"""Every error that the package raises.

    RegistryClientError
    ├── UsageError                     the call or its input is wrong
    │   ├── InvalidReferenceError      (also a ValueError)
    │   ├── InvalidTagError            (also a ValueError)
    │   ├── DocumentError              a lock, request, plan, policy or receipt that is not as its schema says
    │   └── PolicyError                a promotion that the policy does not allow
    ├── StaleError                     out of date: a lock that does not cover what is declared
    ├── CredentialError                a place for credentials that cannot be read
    ├── PlatformError                  an image that is not there for a platform, or there several times
    ├── ImmutableTagError              a tag that must not move, and is on another image
    ├── MovedTagError                  a tag that somebody has moved since, so that it is not put back
    ├── LostImageError                an image that is not there any more, so that no tag can be put back on it
    ├── TagDeletionError               a tag that the registry does not take away
    ├── EvidenceError                  an image without a signature or attestation that it must have
    ├── SignatureConflictError         signatures of one image in two places, of which neither has all
    ├── UnrecognizedRegistryError      a host that does not speak the distribution API
    ├── BadRegistryResponseError       an answer that breaks the specification
    │   └── DigestMismatchError        bytes that are not those that were asked for
    ├── RegistryError                  an HTTP error status, with what the registry said of it
    ├── RegistryUnreachableError       no answer at all
    └── LayoutError                    an OCI image layout on disk that cannot be read or written
        └── LayoutLacksImageError      a layout without the tag or digest that was asked for

Errors of other libraries never leave the package: they are wrapped, and kept as the cause.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class RegistryClientError(Exception):
    """The root of all errors of this package."""


class UsageError(RegistryClientError):
    """What the caller asked for can never work."""


class InvalidReferenceError(UsageError, ValueError):
    """A text that is not an image reference."""


class InvalidTagError(UsageError, ValueError):
    """A text that is not a tag."""


class DocumentError(UsageError):
    """A JSON document that breaks its schema; the message starts with the path of the field."""


class PolicyError(UsageError):
    """A promotion that the policy does not allow; the message names the pattern's place."""


class ImmutableTagError(RegistryClientError):
    """A tag that must not move, and is on another image already."""


class MovedTagError(RegistryClientError):
    """A tag that somebody has moved since the promotion that is to be undone."""


class LostImageError(RegistryClientError):
    """An image that a tag was on before a promotion, and that is not there any more."""


class TagDeletionError(RegistryClientError):
    """A tag that was not there before a promotion, and that the registry does not take away."""


class EvidenceError(RegistryClientError):
    """An image that lacks a signature or an attestation that it must have to be promoted."""


class SignatureConflictError(RegistryClientError):
    """Signatures of one image in two repositories, neither of which has all that the other has."""


class StaleError(RegistryClientError):
    """A lock file that does not cover what is declared."""


class CredentialError(RegistryClientError):
    """A place for credentials that cannot be read, or a program that knows them and fails; holds no secret."""


class PlatformError(RegistryClientError):
    """An image that is not there for a platform, or there several times; the message lists the choices."""


class UnrecognizedRegistryError(RegistryClientError):
    """A host that does not speak the OCI distribution API."""


class BadRegistryResponseError(RegistryClientError):
    """An answer that the distribution specification does not allow."""


class DigestMismatchError(BadRegistryResponseError):
    """Bytes whose digest is not the one that was asked for or promised."""


class RegistryUnreachableError(RegistryClientError):
    """A registry that gives no answer: no route, no name, a time limit that passed."""


class LayoutError(RegistryClientError):
    """An OCI image layout that cannot be read or written."""


class LayoutLacksImageError(LayoutError):
    """An OCI image layout without the tag or digest that was asked for."""


@dataclass(frozen=True, slots=True)
class InnerError:
    """One entry of an error answer (OCI distribution specification, "Error Codes").

    Attributes:
        code: The code, as ``MANIFEST_UNKNOWN``.
        message: What the registry says for people; may be empty.
        detail: Whatever else it gives, of any JSON type.
    """

    code: str
    message: str = ""
    detail: Any = None

    def __str__(self) -> str:
        """``CODE: message``, or the code alone."""
        return f"{self.code}: {self.message}" if self.message else self.code


class RegistryError(RegistryClientError):
    """An HTTP error status from a registry.

    Attributes:
        status_code: The HTTP status.
        raw_error: The start of the body, only where it is not a distribution error document.
        errors: The entries of the error document.
        request: ``METHOD URL``, the URL without its query.
        note: What the client has to say to it.
    """

    def __init__(
        self,
        status_code: int,
        raw_error: str = "",
        errors: Sequence[InnerError] = (),
        *,
        request: str = "",
        note: str = "",
    ) -> None:
        """Build the error and its message from what the registry said."""
        self.status_code = status_code
        self.raw_error = raw_error
        self.errors = tuple(errors)
        self.request = request
        self.note = note
        said = _in_one_line("; ".join(map(str, self.errors))) or _in_one_line(raw_error)[:200]
        message = f"HTTP {status_code}" + (f" - {said}" if said else "")
        message += f" ({request})" if request else ""
        super().__init__(f"{message}; {note}" if note else message)

    @classmethod
    def from_body(cls, status_code: int, body: bytes, *, request: str = "", note: str = "") -> RegistryError:
        """Read the body of an error answer, whatever it holds.

        Args:
            status_code: The HTTP status.
            body: The body, or the start of it.
            request: ``METHOD URL`` for the message.
            note: What the client has to say to it.

        Returns:
            The error; ``raw_error`` is set if the body is not an error document.
        """
        try:
            entries = json.loads(body)["errors"]
            errors = [
                InnerError(str(entry["code"]), str(entry.get("message") or ""), entry.get("detail"))
                for entry in entries
            ]
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            return cls(status_code, body.decode(errors="replace"), request=request, note=note)
        return cls(status_code, "", errors, request=request, note=note)


def _in_one_line(text: str) -> str:
    """What somebody else has written, without line breaks and what does something to a terminal."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Walk an error and what it was raised from.

    Args:
        error: Where to start.

    Yields:
        The error itself, then its cause or context, and so on, each once.
    """
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def is_manifest_unknown(error: BaseException | None) -> bool:
    """Tell whether a registry said that it has no such manifest.

    Args:
        error: Any error, or None; one that wraps the registry's error counts too.

    Returns:
        True for a ``RegistryError`` with the code ``MANIFEST_UNKNOWN`` somewhere in the chain, or for
        a bare 404 (the answer to HEAD has no body to say more).
    """
    return any(
        isinstance(link, RegistryError)
        and (
            any(inner.code == "MANIFEST_UNKNOWN" for inner in link.errors)
            or (link.status_code == 404 and not link.errors and not link.raw_error)
        )
        for link in causes(error)
    )


def is_not_found(error: BaseException | None) -> bool:
    """Tell whether an image, or the whole repository, is simply not there.

    Args:
        error: Any error, or None.

    Returns:
        True for an HTTP 404 from a registry, and for an image that a layout lacks.
    """
    return any(
        isinstance(link, LayoutLacksImageError) or (isinstance(link, RegistryError) and link.status_code == 404)
        for link in causes(error)
    )


def is_denied(error: BaseException | None) -> bool:
    """Tell whether a registry does not let us look, as some say of a repository that is not there yet.

    Args:
        error: Any error, or None.

    Returns:
        True for an HTTP 403 from a registry.
    """
    return any(isinstance(link, RegistryError) and link.status_code == 403 for link in causes(error))


def error_code(error: RegistryClientError) -> str:
    """Name the kind of an error for programs.

    Args:
        error: Any error of this package.

    Returns:
        The registry's own code, as ``MANIFEST_UNKNOWN``; else ``HTTP_404`` and the like; else the kind of the error,
        as ``REGISTRY_UNREACHABLE``.
    """
    if isinstance(error, RegistryError):
        return error.errors[0].code if error.errors else f"HTTP_{error.status_code}"
    words = re.findall("[A-Z][a-z]*", type(error).__name__.removesuffix("Error"))
    return "_".join(words).upper()
