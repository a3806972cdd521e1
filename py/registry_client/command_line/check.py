"""``registry check``: how far a lock is from what its tags point to by now."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from registry_client.command_line.ci_reports import github_annotations, junit_xml
from registry_client.command_line.connection import add_connection_options, open_store
from registry_client.command_line.console import DONE, FAILED, OUT_OF_DATE, complain, root, tell, typed_path
from registry_client.command_line.pin_reports import (
    complain_of_failures,
    grouped,
    message_of,
    print_json,
    print_table,
    summary,
)
from registry_client.documents import write_atomically
from registry_client.lockfile import Lockfile
from registry_client.operations.coverage import in_doubt
from registry_client.operations.drift import check_drift
from registry_client.operations.pin_result import PinOutcome, PinResult
from registry_client.operations.salvage import find_lock
from registry_client.request import LockRequest, read_lock_request

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from registry_client.operations.salvage import FoundLock
    from registry_client.operations.stores import AnyStore

_GROUPS = {
    outcome.value: [outcome]
    for outcome in (
        PinOutcome.UNCHANGED,
        PinOutcome.SKIPPED,
        PinOutcome.STALE,
        PinOutcome.DRIFTED,
        PinOutcome.GONE,
        PinOutcome.FAILED,
    )
}


def add_check_options(parser: argparse.ArgumentParser) -> None:
    """Make a parser that of ``check``."""
    parser.set_defaults(run=_check)
    parser.add_argument("--request", type=Path, required=True)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print a JSON object in place of the table")
    form.add_argument("--github", action="store_true", help="print annotations for GitHub Actions below the table")
    parser.add_argument("--junit", metavar="PATH", help="write the results as JUnit XML, too")
    add_connection_options(parser)


def _check(options: argparse.Namespace) -> int:
    request = read_lock_request(options.request)
    lockfile = request.its_lockfile()
    path = root() / lockfile
    found = find_lock(path, request)
    results = _results(request, found, open_store(options))
    if options.json:
        print_json({"lockfile": lockfile, **grouped(results, _GROUPS)})
    else:
        print_table(results)
    if options.github:
        text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
        for line in github_annotations(results, lockfile, text):
            print(line)
    complain_of_failures(request, results)
    code = _conclude(request, found, results)
    return _write_junit(options.junit, junit_xml(request.target, results)) or code if options.junit else code


def _results(request: LockRequest, found: FoundLock, store: AnyStore) -> list[PinResult]:
    """What is found of the pins that are sure; the others are stale."""
    sure = found.lock.images if found.lock else {}
    lock = Lockfile(images={name: pin for name, pin in sure.items() if name not in found.doubtful})
    return [
        replace(result, reason=in_doubt(request, result.name)) if result.name in found.doubtful else result
        for result in check_drift(request, lock, store)
    ]


def _write_junit(typed: str, document: str) -> int:
    """Write a report; returns the exit code, which is that of a failure if it cannot be written."""
    try:
        write_atomically(typed_path(typed), document.encode())
    except OSError as error:
        return complain(f"--junit {typed} cannot be written: {error.strerror}; make its folder, or name another file")
    return DONE


def _conclude(request: LockRequest, found: FoundLock, results: Sequence[PinResult]) -> int:
    """Say what to do, and choose the exit code."""
    outcomes = {result.outcome for result in results}
    behind = [result.name for result in results if result.is_mended_by_update]
    if found.complaint:
        tell(f"{request.target}: {found.complaint}")
    for result in results:
        if result.outcome in {PinOutcome.STALE, PinOutcome.DRIFTED}:
            tell(f"{request.target}: {message_of(result)}")
    tell(f"{request.target}: {summary(results)}")
    if (behind or found.complaint) and not found.dead_end:
        tell(request.remedy(behind, f"To update {request.lockfile}"))
    if outcomes & {PinOutcome.FAILED, PinOutcome.GONE}:
        return FAILED
    return OUT_OF_DATE if found.complaint or outcomes & {PinOutcome.STALE, PinOutcome.DRIFTED} else DONE
