"""What an update or a check of a lock has to say: to people, to programs and to CI systems."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

from registry_client.command_line.console import complain, print_rows, shown_digest, with_hint
from registry_client.errors import error_code
from registry_client.operations.pin_result import PinOutcome, PinResult
from registry_client.reference import parse_reference

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from registry_client.request import LockRequest


def print_table(results: Sequence[PinResult]) -> None:
    """Print a table: name, tag, old and new digest, what happened.

    A terminal gets the start of each digest, everything else the whole of it.

    Args:
        results: The rows.
    """
    rows = [(result.name, _tag(result) or "-", _digests(result), _happened(result)) for result in results]
    print_rows(rows, headers=("name", "tag", "digest", "result"))


def grouped(results: Sequence[PinResult], groups: Mapping[str, Sequence[PinOutcome]]) -> dict[str, object]:
    """Sort results into the lists of a JSON object.

    Args:
        results: The results.
        groups: The name of each list, and which outcomes go there.

    Returns:
        The lists, each of objects with ``name``, ``reference``, ``tag``, ``old``, ``new``, ``result`` and, where there
        is one, ``reason`` or ``error``.
    """
    return {
        group: [_described(result) for result in results if result.outcome in outcomes]
        for group, outcomes in groups.items()
    }


def print_json(document: Mapping[str, object]) -> None:
    """Print a JSON object for programs."""
    print(json.dumps(document, indent=2))


def summary(results: Sequence[PinResult]) -> str:
    """How many there are of each outcome, as ``1 updated, 19 unchanged``."""
    counts = Counter(result.outcome for result in results)
    return ", ".join(f"{counts[outcome]} {outcome.value}" for outcome in PinOutcome if counts[outcome]) or "no images"


def message_of(result: PinResult) -> str:
    """One sentence about a pin that is not as it should be."""
    if result.error is not None:
        return f'image "{result.name}" ({result.reference}): {with_hint(result.error)}'
    if result.outcome is PinOutcome.STALE:
        return result.reason
    said = f'image "{result.name}" ({result.reference}) is pinned to {result.old}'
    if result.outcome is PinOutcome.GONE:
        return f"{said}, which the registry does not have any more; {_way_out(result)}"
    return f"{said}, and its tag is {result.new} now" if result.new else f"{said}, and its tag is not there any more"


def complain_of_failures(request: LockRequest, results: Sequence[PinResult]) -> None:
    """Say what went wrong with each image that failed or is gone."""
    for result in results:
        if result.outcome in {PinOutcome.FAILED, PinOutcome.GONE}:
            complain(f"{request.target}: {message_of(result)}")


def _way_out(result: PinResult) -> str:
    """What to do about a pin that is gone."""
    if result.new is None:
        return "upload it again, or declare another tag"
    now = f"the tag is {result.new} now"
    return now if result.is_mended_by_update else f"{now}, but it is frozen: upload it again, or take it out of frozen"


def _tag(result: PinResult) -> str | None:
    return parse_reference(result.reference).tag


def _digests(result: PinResult) -> str:
    old, new = shown_digest(result.old), shown_digest(result.new)
    is_one = result.old == result.new or result.outcome in {PinOutcome.FAILED, PinOutcome.STALE}
    return old if is_one else f"{old} → {new}"


def _happened(result: PinResult) -> str:
    is_told = result.reason and result.outcome is not PinOutcome.STALE
    return f"{result.outcome.value}: {result.reason}" if is_told else result.outcome.value


def _described(result: PinResult) -> dict[str, object]:
    described: dict[str, object] = {
        "name": result.name,
        "reference": result.reference,
        "tag": _tag(result),
        "old": result.old,
        "new": result.new,
        "result": result.outcome.value,
    }
    if result.reason:
        described["reason"] = result.reason
    if result.error is not None:
        described["error"] = {"code": error_code(result.error), "message": str(result.error)}
    return described
