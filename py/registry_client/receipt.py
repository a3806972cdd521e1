"""The receipt of a promotion, version 1: what was done to which tag, and what undoes it. Defined here only."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from registry_client.documents import Fields, canonical_json, read_document
from registry_client.errors import UsageError
from registry_client.reference import ImageReference, parse_reference, validate_digest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

VERSION = 1

_SET = frozenset({"tagged", "copied"})
"""Results of edges whose tag was set."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReceiptEdge:
    """One tag of a promotion.

    Attributes:
        source: The image, by digest.
        destination: The tag, or the image by digest where it got no tag.
        target: The label of the target that asked for it.
        old: The digest that the tag had before; None if it was not there.
        new: The digest that it was to get.
        result: What became of it: ``tagged``, ``copied``, ``unchanged``, ``failed`` or ``not done``.
        bytes_moved: Bytes of blobs that went through this machine.
        bytes_mounted: Bytes of blobs that the registry took over by itself.
        error: Code and message, where it failed.
        is_tried: Whether it failed when the tag was being set, which may have been set all the same.
    """

    source: ImageReference
    destination: ImageReference
    target: str
    old: str | None
    new: str
    result: str
    bytes_moved: int = 0
    bytes_mounted: int = 0
    error: Mapping[str, str] | None = None
    is_tried: bool = False

    def to_json(self) -> dict[str, Any]:
        """The edge as it is in a receipt."""
        edge: dict[str, Any] = {
            "bytesMounted": self.bytes_mounted,
            "bytesMoved": self.bytes_moved,
            "destination": str(self.destination),
            "new": self.new,
            "old": self.old,
            "result": self.result,
            "source": str(self.source),
            "target": self.target,
        }
        edge |= {"error": dict(self.error)} if self.error else {}
        return edge | ({"tried": True} if self.is_tried else {})


@dataclass(frozen=True, kw_only=True, slots=True)
class Receipt:
    """What a promotion did.

    Attributes:
        plan: The digest of the plan's canonical text.
        edges: What became of each edge, in the plan's order.
        started: When it started.
        finished: When it ended; None while it is under way, and for ever if it was killed.
        requests: How many requests of each method it took.
    """

    plan: str
    edges: Sequence[ReceiptEdge]
    started: dt.datetime
    finished: dt.datetime | None = None
    requests: Mapping[str, int] = field(default_factory=dict)

    @property
    def can_be_undone(self) -> bool:
        """Whether any tag was set, or may have been."""
        return any(self.may_have_set(edge) for edge in self.edges)

    def may_have_set(self, edge: ReceiptEdge) -> bool:
        """Whether a tag was set, or may have been: the promotion may have been killed, or have lost an answer."""
        is_open = edge.result == "not done" and self.finished is None
        is_set = edge.result in _SET or edge.is_tried or is_open
        return is_set and edge.old != edge.new and edge.destination.tag is not None

    def to_json(self) -> dict[str, Any]:
        """The receipt as a JSON object."""
        return {
            "bytesMounted": sum(edge.bytes_mounted for edge in self.edges),
            "bytesMoved": sum(edge.bytes_moved for edge in self.edges),
            "edges": [edge.to_json() for edge in self.edges],
            "finished": _text(self.finished),
            "plan": self.plan,
            "receiptVersion": VERSION,
            "requests": dict(self.requests),
            "started": _text(self.started),
        }

    def to_text(self) -> str:
        """The canonical text."""
        return canonical_json(self.to_json())


def read_receipt(path: Path) -> Receipt:
    """Read a receipt.

    Args:
        path: The JSON file.

    Returns:
        The receipt.

    Raises:
        DocumentError: It breaks the schema; the message starts with the file and the field.
    """
    document = read_document(path)
    version = document.take("receiptVersion", int)
    if version != VERSION:
        document.fail("receiptVersion", f"{version} is not a version that this release knows ({VERSION})")
    finished = document.take_optional("finished", _parse_time)
    receipt = Receipt(
        plan=document.take("plan", str, validate_digest),
        edges=[_parse_edge(fields) for fields in document.take_objects("edges")],
        started=_parse_time(document.take("started", str, _parse_time)),
        finished=_parse_time(finished) if finished else None,
        requests=document.take("requests", dict),
    )
    for derived in ("bytesMounted", "bytesMoved"):
        document.take(derived, int)
    document.nothing_else()
    return receipt


def now() -> dt.datetime:
    """The time, to the second, in UTC."""
    return dt.datetime.now(tz=dt.timezone.utc).replace(microsecond=0)


def _parse_edge(fields: Fields) -> ReceiptEdge:
    error = fields.take_object("error")
    edge = ReceiptEdge(
        source=parse_reference(fields.take("source", str, parse_reference)),
        destination=parse_reference(fields.take("destination", str, parse_reference)),
        target=fields.take("target", str),
        old=fields.take_optional("old", validate_digest),
        new=fields.take("new", str, validate_digest),
        result=fields.take("result", str),
        bytes_moved=fields.take("bytesMoved", int),
        bytes_mounted=fields.take("bytesMounted", int),
        error={"code": error.take("code", str), "message": error.take("message", str)} if error else None,
        is_tried=fields.take("tried", bool, default=False),
    )
    error.nothing_else()
    fields.nothing_else()
    return edge


def _text(time: dt.datetime | None) -> str | None:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ") if time else None


def _parse_time(text: str) -> dt.datetime:
    try:
        return dt.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=dt.timezone.utc)
    except ValueError:
        message = f'"{text}" is not a time like 2026-11-25T17:00:00Z'
        raise UsageError(message) from None
