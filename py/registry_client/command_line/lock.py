"""``registry lock``: what an ``image_lock`` runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from registry_client.command_line.connection import add_connection_options, open_store
from registry_client.command_line.console import DONE, FAILED, complain, root, tell, with_hint
from registry_client.documents import write_atomically
from registry_client.errors import DocumentError, UsageError
from registry_client.layout import LayoutStore
from registry_client.lockfile import Lockfile, read_lockfile
from registry_client.operations import locking, pins
from registry_client.request import LockRequest, read_lock_request

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence


def add_update_options(parser: argparse.ArgumentParser) -> None:
    """Make a parser that of ``lock update``."""
    parser.set_defaults(run=_update)
    parser.add_argument("--request", type=Path, required=True)
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these images")
    add_connection_options(parser)


def add_pins_options(parser: argparse.ArgumentParser) -> None:
    """Make a parser that of ``lock pins``."""
    parser.set_defaults(run=_pins)
    parser.add_argument("--request", type=Path, required=True)
    parser.add_argument("--lockfile", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--digests", type=Path, nargs="*", default=())
    parser.add_argument("--pinned", type=Path, nargs="*", default=())
    add_connection_options(parser)


def add_verify_options(parser: argparse.ArgumentParser) -> None:
    """Make a parser that of ``lock verify``."""
    parser.set_defaults(run=_verify)
    parser.add_argument("--request", type=Path, required=True)
    parser.add_argument("--lockfile", type=Path)


def _update(options: argparse.Namespace) -> int:
    request = read_lock_request(options.request)
    path = _lock_path(request)
    old = _readable_lock(path, request, options.names)
    update = locking.update_lock(request, old, options.names, open_store(options))
    for change in update.changes:
        print(change.name, change.outcome, change.old or "-", change.new or "-")
        if change.error is not None:
            complain(f'{request.target}: image "{change.name}" ({change.reference}): {with_hint(change.error)}')
    if update.lock is None:
        return complain(f"{request.lockfile} stays as it was. To try again, run: {request.update_command}", FAILED)
    data = update.lock.to_text().encode()
    if path.is_file() and path.read_bytes() == data:
        tell(f"{request.lockfile} is up to date, nothing was written")
        return DONE
    write_atomically(path, data)
    tell(f"{request.lockfile} was written")
    return DONE


def _pins(options: argparse.Namespace) -> int:
    request = read_lock_request(options.request)
    if request.lockfile is None:
        update = locking.update_lock(request, None, (), open_store(options))
        for change in update.changes:
            if change.error is not None:
                complain(f'{request.target}: image "{change.name}" ({change.reference}): {with_hint(change.error)}')
        lock = update.lock
        if lock is None:
            return FAILED
    else:
        lock = _readable_or_stale(options.lockfile, request)
        locking.check_coverage(request, lock, exactly=False)
    pins.write_pins(request, lock, output=options.output, digests=options.digests, references=options.pinned)
    return DONE


def _verify(options: argparse.Namespace) -> int:
    request = read_lock_request(options.request)
    lock = _readable_or_stale(options.lockfile, request)
    locking.check_coverage(request, lock, exactly=True)
    locking.check_layouts(request, lock, LayoutStore(root()))
    tell(f"{request.target}: {request.lockfile} covers exactly what is declared")
    return DONE


def _lock_path(request: LockRequest) -> Path:
    if request.lockfile is None:
        message = (
            f"{request.target} has no lock file to update, as its lockfile attribute is not set; "
            'add lockfile = "images.lock.json", say, and run again'
        )
        raise UsageError(message)
    return root() / request.lockfile


def _readable_lock(path: Path, request: LockRequest, names: Sequence[str]) -> Lockfile | None:
    """The lock as it is; None if it is missing, or so broken that only a new one helps."""
    try:
        return read_lockfile(path, request.lockfile)
    except FileNotFoundError:
        return None
    except DocumentError as error:
        if names:
            message = f"{error}; run without names to write it anew: {request.update_command}"
            raise UsageError(message) from error
        tell(f"{error}; it is written anew")
        return None


def _readable_or_stale(path: Path | None, request: LockRequest) -> Lockfile:
    if path is None:
        raise locking.stale(request, [f"{request.lockfile} is not there"])
    try:
        return read_lockfile(path, request.lockfile)
    except DocumentError as error:
        raise locking.stale(request, [str(error)]) from error
