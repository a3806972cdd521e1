"""``registry lock``: what an ``image_lock`` builds, tests and updates."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from registry_client.command_line.connection import add_connection_options, open_store
from registry_client.command_line.console import DONE, FAILED, OUT_OF_DATE, complain, root, tell
from registry_client.command_line.pin_reports import complain_of_failures, grouped, print_json, print_table, summary
from registry_client.documents import alone, write_atomically
from registry_client.errors import UsageError
from registry_client.layout import LayoutStore
from registry_client.operations import coverage, locking, pins
from registry_client.operations.pin_result import PinOutcome
from registry_client.operations.salvage import FoundLock, find_lock
from registry_client.request import LockRequest, read_lock_request

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from registry_client.lockfile import Lockfile

_UPDATE_GROUPS = {
    "updated": [PinOutcome.UPDATED, PinOutcome.ADDED, PinOutcome.REMOVED],
    "unchanged": [PinOutcome.UNCHANGED],
    "skipped": [PinOutcome.SKIPPED],
    "failed": [PinOutcome.FAILED],
}


def add_update_options(parser: argparse.ArgumentParser) -> None:
    """Make a parser that of ``lock update``."""
    parser.set_defaults(run=_update)
    parser.add_argument("--request", type=Path, required=True)
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these images")
    parser.add_argument("--dry-run", action="store_true", help="write nothing; exit 3 if something would change")
    parser.add_argument("--json", action="store_true", help="print a JSON object in place of the table")
    add_connection_options(parser)


def add_pins_options(parser: argparse.ArgumentParser) -> None:
    """Make a parser that of ``lock pins``."""
    parser.set_defaults(run=_pins)
    parser.add_argument("--request", type=Path, required=True)
    parser.add_argument("--lockfile", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--digests", type=Path, nargs="*", default=())
    parser.add_argument("--pinned", type=Path, nargs="*", default=())
    add_connection_options(parser, explicit=True)


def add_verify_options(parser: argparse.ArgumentParser) -> None:
    """Make a parser that of ``lock verify``."""
    parser.set_defaults(run=_verify)
    parser.add_argument("--request", type=Path, required=True)
    parser.add_argument("--lockfile", type=Path)


def _update(options: argparse.Namespace) -> int:
    request = read_lock_request(options.request)
    path = root() / request.its_lockfile()
    found = find_lock(path, request)
    _check_usable(found, request, options.names)
    update = locking.update_lock(request, found.lock, options.names, open_store(options))
    differs = not update.failed and _write(path, request, update, dry_run=options.dry_run)
    written = differs and not options.dry_run
    if options.json:
        groups = grouped(update.results, _UPDATE_GROUPS)
        print_json({"lockfile": request.lockfile, "written": written, **groups})
    else:
        print_table(update.results)
    complain_of_failures(request, update.results)
    if update.failed:
        return complain(f"{request.lockfile} stays as it was. {request.remedy(options.names, 'To try again')}")
    if written:
        if found.complaint:
            tell(f"{found.complaint}; it was written anew")
        tell(f"{summary(update.results)}; {request.lockfile} was written")
    elif differs:
        tell(f"dry run: {summary(update.results)}; {request.lockfile} would be written")
        return OUT_OF_DATE
    else:
        tell(f"{summary(update.results)}; {request.lockfile} is up to date, nothing was written")
    return DONE


def _check_usable(found: FoundLock, request: LockRequest, names: Sequence[str]) -> None:
    """Refuse to write a lock anew if that would move what is frozen, or lose pins that are not named."""
    message = f"{request.target}: {found.complaint}"
    if found.dead_end:
        raise UsageError(message)
    if found.complaint and found.lock is None and names:
        message = f"{message}. {request.remedy(purpose='To write it anew, without names')}"
        raise UsageError(message)


def _write(path: Path, request: LockRequest, update: locking.Update, *, dry_run: bool) -> bool:
    """Write the lock if that makes it another one; returns whether it does.

    What another update has written since ours began to look is kept.
    """
    if not dry_run:
        path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.nullcontext() if dry_run else alone(path.parent):
        data = update.apply(find_lock(path, request).lock).to_text().encode()
        if path.is_file() and path.read_bytes() == data:
            return False
        if not dry_run:
            write_atomically(path, data)
        return True


def _pins(options: argparse.Namespace) -> int:
    request = read_lock_request(options.request)
    lock = _resolved_now(request, options) if request.lockfile is None else _covering(options.lockfile, request)
    if lock is None:
        return FAILED
    pins.write_pins(request, lock, output=options.output, digests=options.digests, references=options.pinned)
    return DONE


def _resolved_now(request: LockRequest, options: argparse.Namespace) -> Lockfile | None:
    """The pins of a target that has no lock; None if some image cannot be resolved, which is said."""
    if request.require_lock:
        message = (
            f"{request.target} has no lock file, and --@registry_rules//:require_lock asks for one; add "
            f'lockfile = "images.lock.json" to it. {request.remedy(purpose="Then, to write it")}'
        )
        raise UsageError(message)
    update = locking.update_lock(request, None, (), open_store(options))
    complain_of_failures(request, update.results)
    return None if update.failed else update.apply(None)


def _covering(path: Path | None, request: LockRequest) -> Lockfile:
    lock = _readable_or_stale(path, request)
    coverage.check_coverage(request, lock, exactly=False)
    return lock


def _verify(options: argparse.Namespace) -> int:
    request = read_lock_request(options.request)
    lock = _readable_or_stale(options.lockfile, request)
    coverage.check_coverage(request, lock, exactly=True)
    coverage.check_layouts(request, lock, LayoutStore(root()))
    tell(f"{request.target}: {request.lockfile} covers exactly what is declared")
    return DONE


def _readable_or_stale(path: Path | None, request: LockRequest) -> Lockfile:
    found = find_lock(path, request) if path else FoundLock()
    if found.complaint:
        raise coverage.broken(request, found)
    if found.lock is None:
        raise coverage.absent(request)
    return found.lock
