"""The command line. Only this module prints, reads the environment and chooses exit codes."""

from __future__ import annotations

import argparse
import json
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from registry_client.connection import add_connection_options, check_connection_options, open_client
from registry_client.documents import write_atomically
from registry_client.errors import (
    DocumentError,
    RegistryClientError,
    RegistryError,
    RegistryUnreachableError,
    StaleError,
    UsageError,
    error_code,
    is_not_found,
)
from registry_client.layout import LayoutStore
from registry_client.lockfile import Lockfile, read_lockfile
from registry_client.operations import locking, pins, promotion
from registry_client.operations.promotion import Outcome
from registry_client.operations.selection import resolve_platform
from registry_client.operations.stores import AnyStore, silence
from registry_client.plan import Edge, Plan, read_plan
from registry_client.platforms import parse_platform
from registry_client.reference import parse_reference, validate_tag
from registry_client.request import LockRequest, read_lock_request, read_retag_request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from registry_client.manifest import Descriptor
    from registry_client.reference import ImageReference
    from registry_client.store import ImageStore

DONE, FAILED, USAGE, OUT_OF_DATE = range(4)
"""The exit codes."""

_INTERRUPTED = 130
_NOT_ALLOWED = frozenset({401, 403})
_ARGUMENTS = "REGISTRY_RULES_ARGS"
"""Environment variable: what a Bazel rule puts before the user's own arguments, see ``_rule_arguments``."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: The arguments without the program's name; those of the process if None.

    Returns:
        The exit code: 0 done, 1 something failed, 2 the call or its input is wrong, 3 out of date.
    """
    try:
        options = _parser().parse_args([*_rule_arguments(), *(sys.argv[1:] if arguments is None else arguments)])
        run: Callable[[argparse.Namespace], int] = options.run
        return run(options)
    except UsageError as error:
        return _complain(str(error), USAGE)
    except StaleError as error:
        return _complain(str(error), OUT_OF_DATE)
    except RegistryClientError as error:
        return _complain(str(error), FAILED)
    except KeyboardInterrupt:
        return _complain("interrupted; nothing is half written", _INTERRUPTED)
    except OSError as error:
        return _complain(f"{error.filename or 'input or output'}: {error.strerror or error}", FAILED)


def _resolve(options: argparse.Namespace) -> int:
    references = [parse_reference(text) for text in options.references]
    store = _store(options)
    wanted = options.platform and parse_platform(options.platform)

    def resolve(reference: ImageReference) -> Descriptor:
        return resolve_platform(store, reference, wanted) if wanted else store.resolve(reference)

    results = store.each(resolve, references)
    for reference, result in zip(references, results, strict=True):
        if isinstance(result, RegistryClientError):
            _complain(f"{reference}: {_with_hint(result)}")
        elif not options.json:
            print(reference.pinned(result.digest))
    if options.json:
        print(json.dumps([_described(*pair) for pair in zip(references, results, strict=True)], indent=2))
    return FAILED if any(isinstance(result, RegistryClientError) for result in results) else DONE


def _described(reference: ImageReference, result: Descriptor | RegistryClientError) -> dict[str, object]:
    """What ``resolve --json`` says of an image."""
    if isinstance(result, RegistryClientError):
        return {"reference": str(reference), "error": {"code": error_code(result), "message": str(result)}}
    return {
        "reference": str(reference),
        "registry": reference.registry,
        "repository": reference.repository,
        "tag": reference.tag,
        "digest": result.digest,
        "mediaType": result.media_type,
        "size": result.size,
    }


def _tag(options: argparse.Namespace) -> int:
    reference = parse_reference(options.reference)
    for tag in options.tags:
        validate_tag(tag)
    store = _store(options)
    source = reference.pinned(store.resolve(reference).digest)
    edges = [Edge(source=source, destination=source.tagged(tag), target="registry tag") for tag in options.tags]
    return _carry_out(Plan(edges=edges), store, dry=False)


def _lock_update(options: argparse.Namespace) -> int:
    request = read_lock_request(options.request)
    path = _lock_path(request)
    old = _readable_lock(path, request, options.names)
    update = locking.update_lock(request, old, options.names, _store(options))
    for change in update.changes:
        print(change.name, change.outcome, change.old or "-", change.new or "-")
        if change.error is not None:
            _complain(f'{request.target}: image "{change.name}" ({change.reference}): {_with_hint(change.error)}')
    if update.lock is None:
        return _complain(f"{request.lockfile} stays as it was. To try again, run: {request.update_command}", FAILED)
    data = update.lock.to_text().encode()
    if path.is_file() and path.read_bytes() == data:
        _tell(f"{request.lockfile} is up to date, nothing was written")
        return DONE
    write_atomically(path, data)
    _tell(f"{request.lockfile} was written")
    return DONE


def _lock_pins(options: argparse.Namespace) -> int:
    request = read_lock_request(options.request)
    if request.lockfile is None:
        update = locking.update_lock(request, None, (), _store(options))
        for change in update.changes:
            if change.error is not None:
                _complain(f'{request.target}: image "{change.name}" ({change.reference}): {_with_hint(change.error)}')
        lock = update.lock
        if lock is None:
            return FAILED
    else:
        lock = _readable_or_stale(options.lockfile, request)
        locking.check_coverage(request, lock, exactly=False)
    pins.write_pins(request, lock, output=options.output, digests=options.digests, references=options.pinned)
    return DONE


def _lock_verify(options: argparse.Namespace) -> int:
    request = read_lock_request(options.request)
    lock = _readable_or_stale(options.lockfile, request)
    locking.check_coverage(request, lock, exactly=True)
    locking.check_layouts(request, lock, LayoutStore(_root()))
    _tell(f"{request.target}: {request.lockfile} covers exactly what is declared")
    return DONE


def _plan(options: argparse.Namespace) -> int:
    request = read_retag_request(options.request)
    source = parse_reference(options.image.read_text(encoding="utf-8").strip())
    options.output.write_text(promotion.make_plan(request, source).to_text(), encoding="utf-8")
    return DONE


def _promote(options: argparse.Namespace) -> int:
    return _carry_out(read_plan(options.plan), _store(options), dry=options.dry_run)


def _carry_out(plan: Plan, store: AnyStore, *, dry: bool) -> int:
    results = promotion.preflight(plan, store)
    stopped = any(result.error for result in results)
    if not stopped and not dry:
        results = promotion.carry_out(results, store)
    for result in results:
        print(result.edge.destination, result.edge.source.digest, result.outcome.value)
        if result.error is not None:
            _complain(f"{result.edge.target}: {result.edge.destination}: {_with_hint(result.error)}")
    if any(result.error for result in results):
        return _complain("nothing was written" if stopped else "the tags above that are not failed were set", FAILED)
    counts = {outcome: sum(result.outcome is outcome for result in results) for outcome in Outcome}
    if dry:
        _tell(f"dry run: {counts[Outcome.PENDING]} of {len(results)} tags would be set")
        return OUT_OF_DATE if counts[Outcome.PENDING] else DONE
    if counts[Outcome.TAGGED]:
        _tell(f"{counts[Outcome.TAGGED]} of {len(results)} tags were set, the others were there")
    else:
        _tell(f"nothing to do: {len(results)} of {len(results)} tags were there")
    return DONE


def _store(options: argparse.Namespace) -> AnyStore:
    check_connection_options(options)

    def open_registries() -> ImageStore:
        return open_client(options, os.environ, lambda text: _tell(f"warning: {text}"))

    progress = _progress_bar if sys.stderr.isatty() else silence
    return AnyStore(LayoutStore(_root()), open_registries, concurrency=options.concurrency, progress=progress)


@contextmanager
def _progress_bar(total: int) -> Iterator[Callable[[], object]]:
    """Show on a terminal how far many things are; what takes no time is not worth it."""
    from tqdm import tqdm  # noqa: PLC0415 - most runs have no terminal

    with tqdm(total=total, unit=" images", delay=0.5, leave=False, file=sys.stderr) as bar:
        yield bar.update


def _root() -> Path:
    """What relative paths are relative to: the workspace under ``bazel run``, else the working directory."""
    return Path(os.environ.get("BUILD_WORKSPACE_DIRECTORY") or Path.cwd())


def _lock_path(request: LockRequest) -> Path:
    if request.lockfile is None:
        message = (
            f"{request.target} has no lock file to update, as its lockfile attribute is not set; "
            'add lockfile = "images.lock.json", say, and run again'
        )
        raise UsageError(message)
    return _root() / request.lockfile


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
        _tell(f"{error}; it is written anew")
        return None


def _readable_or_stale(path: Path | None, request: LockRequest) -> Lockfile:
    if path is None:
        raise locking.stale(request, [f"{request.lockfile} is not there"])
    try:
        return read_lockfile(path, request.lockfile)
    except DocumentError as error:
        raise locking.stale(request, [str(error)]) from error


def _with_hint(error: RegistryClientError) -> str:
    """What went wrong, and what mends it."""
    if is_not_found(error):
        return f"{error}; check the name and the tag"
    if isinstance(error, RegistryUnreachableError) and "certificate" in str(error):
        return f"{error}; if it is to be trusted, name its authority by --ca-file, or your own by --client-cert"
    if isinstance(error, RegistryUnreachableError):
        return f"{error}; check the registry's name and the network"
    if isinstance(error, RegistryError) and error.status_code in _NOT_ALLOWED:
        return f"{error}; log in with docker login, or name a credential that may do it by --docker-config"
    return str(error)


def _tell(text: str) -> None:
    print(text, file=sys.stderr)


def _complain(text: str, code: int = FAILED) -> int:
    print(f"error: {text}", file=sys.stderr)
    return code


def _rule_arguments() -> list[str]:
    """The arguments that a Bazel rule gives the tool: a JSON list of strings and ``{"runfile": path}``."""
    encoded = os.environ.pop(_ARGUMENTS, None)
    return [_decoded(item) for item in json.loads(encoded)] if encoded else []


def _decoded(item: str | dict[str, str]) -> str:
    if isinstance(item, str):
        return item
    from python.runfiles import runfiles  # noqa: PLC0415 - there under Bazel only

    path = runfiles.Create().Rlocation(item["runfile"])
    return str(path)


class _Parser(argparse.ArgumentParser):
    """A parser whose complaint is one line."""

    def error(self, message: str) -> NoReturn:
        """Raise what is wrong with the call."""
        complaint = f"{message}; see {self.prog} --help"
        raise UsageError(complaint)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="registry",
        description="Resolves the tags of container images, locks them, and promotes images.",
        fromfile_prefix_chars="@",
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    resolve = _command(commands, "resolve", _resolve, "print the pinned reference of each image")
    resolve.add_argument("references", nargs="+", metavar="REF")
    resolve.add_argument("--platform", metavar="OS/ARCH[/VARIANT]", help="the image of an index for this platform")
    resolve.add_argument("--json", action="store_true", help="print a JSON list of all that is known")
    add_connection_options(resolve)

    tag = _command(commands, "tag", _tag, "give an image more tags in its own repository")
    tag.add_argument("reference", metavar="REF")
    tag.add_argument("tags", nargs="+", metavar="TAG")
    add_connection_options(tag)

    lock = commands.add_parser("lock", help="what image_lock runs").add_subparsers(required=True, metavar="ACTION")
    update = _command(lock, "update", _lock_update, "resolve what is declared, and rewrite the lock file")
    update.add_argument("--request", type=Path, required=True)
    update.add_argument("names", nargs="*", metavar="NAME", help="only these images")
    add_connection_options(update)
    outputs = _command(lock, "pins", _lock_pins, "write the build outputs of a lock")
    outputs.add_argument("--request", type=Path, required=True)
    outputs.add_argument("--lockfile", type=Path)
    outputs.add_argument("--output", type=Path, required=True)
    outputs.add_argument("--digests", type=Path, nargs="*", default=())
    outputs.add_argument("--pinned", type=Path, nargs="*", default=())
    add_connection_options(outputs)
    verify = _command(lock, "verify", _lock_verify, "fail if the lock does not cover exactly what is declared")
    verify.add_argument("--request", type=Path, required=True)
    verify.add_argument("--lockfile", type=Path)

    plan = _command(commands, "plan", _plan, "write the plan of an image_retag")
    plan.add_argument("--request", type=Path, required=True)
    plan.add_argument("--image", type=Path, required=True, help="a file with the pinned reference")
    plan.add_argument("--output", type=Path, required=True)

    promote = _command(commands, "promote", _promote, "carry out a plan")
    promote.add_argument("--plan", type=Path, required=True)
    promote.add_argument("--dry-run", action="store_true", help="only look what would change; exit 3 if anything")
    add_connection_options(promote)
    return parser


def _command(
    commands: argparse._SubParsersAction[_Parser],
    name: str,
    run: Callable[[argparse.Namespace], int],
    summary: str,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=summary, description=summary, fromfile_prefix_chars="@", allow_abbrev=False)
    parser.set_defaults(run=run)
    return parser


if __name__ == "__main__":
    sys.exit(main())
