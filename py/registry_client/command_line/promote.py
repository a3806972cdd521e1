"""``registry plan``, ``promote`` and ``tag``: what gives images their tags."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from registry_client.command_line.connection import add_connection_options, open_store
from registry_client.command_line.console import DONE, FAILED, OUT_OF_DATE, complain, tell, with_hint
from registry_client.operations import promotion
from registry_client.operations.promotion import Outcome
from registry_client.plan import Edge, Plan, read_plan
from registry_client.reference import parse_reference, validate_tag
from registry_client.request import read_retag_request

if TYPE_CHECKING:
    import argparse

    from registry_client.operations.stores import AnyStore


def add_tag_options(parser: argparse.ArgumentParser) -> None:
    """Make a parser that of ``tag``."""
    parser.set_defaults(run=_tag)
    parser.add_argument("reference", metavar="REF")
    parser.add_argument("tags", nargs="+", metavar="TAG")
    add_connection_options(parser)


def add_plan_options(parser: argparse.ArgumentParser) -> None:
    """Make a parser that of ``plan``."""
    parser.set_defaults(run=_plan)
    parser.add_argument("--request", type=Path, required=True)
    parser.add_argument("--image", type=Path, required=True, help="a file with the pinned reference")
    parser.add_argument("--output", type=Path, required=True)


def add_promote_options(parser: argparse.ArgumentParser) -> None:
    """Make a parser that of ``promote``."""
    parser.set_defaults(run=_promote)
    parser.add_argument("--plan", type=Path, required=True)
    parser.add_argument("--dry-run", action="store_true", help="only look what would change; exit 3 if anything")
    add_connection_options(parser)


def _tag(options: argparse.Namespace) -> int:
    reference = parse_reference(options.reference)
    for tag in options.tags:
        validate_tag(tag)
    store = open_store(options)
    source = reference.pinned(store.resolve(reference).digest)
    edges = [Edge(source=source, destination=source.tagged(tag), target="registry tag") for tag in options.tags]
    return _carry_out(Plan(edges=edges), store, dry=False)


def _plan(options: argparse.Namespace) -> int:
    request = read_retag_request(options.request)
    source = parse_reference(options.image.read_text(encoding="utf-8").strip())
    options.output.write_text(promotion.make_plan(request, source).to_text(), encoding="utf-8")
    return DONE


def _promote(options: argparse.Namespace) -> int:
    return _carry_out(read_plan(options.plan), open_store(options), dry=options.dry_run)


def _carry_out(plan: Plan, store: AnyStore, *, dry: bool) -> int:
    results = promotion.preflight(plan, store)
    stopped = any(result.error for result in results)
    if not stopped and not dry:
        results = promotion.carry_out(results, store)
    for result in results:
        print(result.edge.destination, result.edge.source.digest, result.outcome.value)
        if result.error is not None:
            complain(f"{result.edge.target}: {result.edge.destination}: {with_hint(result.error)}")
    if any(result.error for result in results):
        return complain("nothing was written" if stopped else "the tags above that are not failed were set", FAILED)
    counts = {outcome: sum(result.outcome is outcome for result in results) for outcome in Outcome}
    if dry:
        tell(f"dry run: {counts[Outcome.PENDING]} of {len(results)} tags would be set")
        return OUT_OF_DATE if counts[Outcome.PENDING] else DONE
    if counts[Outcome.TAGGED]:
        tell(f"{counts[Outcome.TAGGED]} of {len(results)} tags were set, the others were there")
    else:
        tell(f"nothing to do: {len(results)} of {len(results)} tags were there")
    return DONE
