"""What a promotion or a rollback has to say: to people, and to programs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from registry_client.command_line.console import complain, print_rows, shown_digest, with_hint
from registry_client.operations.promotion import EdgeResult, Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from registry_client.receipt import Receipt

HEADERS = ("destination", "digest", "result")
_UNITS = ("B", "kB", "MB", "GB", "TB")
_STEP = 1000


def print_results(results: Sequence[EdgeResult], *, dry: bool, headers: bool) -> None:
    """Print a table: the destination, its old and new digest, what happened.

    Args:
        results: The rows.
        dry: Whether nothing was to be done.
        headers: Whether the table has headers.
    """
    rows = [
        (str(result.edge.destination), changed(result.old, result.edge.digest), _happened(result, dry=dry))
        for result in results
    ]
    print_rows(rows, headers=HEADERS if headers else ())


def print_receipt(receipt: Receipt) -> None:
    """Print a receipt for programs."""
    print(json.dumps(receipt.to_json(), indent=2))


def complain_of(results: Sequence[EdgeResult]) -> None:
    """Say what went wrong with each edge that failed."""
    for result in results:
        if result.error is not None:
            complain(f"{result.edge.target}: {result.edge.destination}: {with_hint(result.error)}")


def changed(old: str | None, new: str | None) -> str:
    """A digest that stays or changes, for a table."""
    return shown_digest(new) if old == new else f"{shown_digest(old)} → {shown_digest(new)}"


def in_bytes(size: int) -> str:
    """A number of bytes for people: ``1.5 GB``."""
    number, unit = float(size), _UNITS[0]
    for unit in _UNITS:  # noqa: B007 - the last one is used
        if number < _STEP - 0.5:  # what is more is rounded up to a whole step
            break
        number /= _STEP
    return f"{number:.3g} {unit}" if unit != "B" else f"{size} B"


def _happened(result: EdgeResult, *, dry: bool) -> str:
    if dry and result.is_pending:
        if result.cargo is None:
            return "would be tagged"
        return f"would be copied: at most {in_bytes(result.cargo.size)}"
    if result.outcome is Outcome.COPIED:
        return f"copied: {in_bytes(result.moved)} moved, {in_bytes(result.mounted)} mounted"
    return str(result.outcome.value)
