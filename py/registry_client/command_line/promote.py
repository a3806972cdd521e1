"""``registry promote``, ``tag`` and ``copy``: what gives images their tags."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from registry_client.command_line.carrying_out import add_carrying_out_options, carry_out
from registry_client.command_line.connection import open_store
from registry_client.command_line.console import typed_path
from registry_client.command_line.undoing import undo
from registry_client.errors import UsageError
from registry_client.operations.planning import with_additions
from registry_client.plan import Edge, Plan, read_plan
from registry_client.policy import Overwrite
from registry_client.reference import ImageReference, parse_reference, validate_tag
from registry_client.retag_request import parse_repository

if TYPE_CHECKING:
    import argparse

    from registry_client.operations.stores import AnyStore


def add_tag_options(parser: argparse.ArgumentParser) -> None:
    """Make a parser that of ``tag``."""
    parser.set_defaults(run=_tag)
    parser.add_argument("reference", metavar="REF")
    parser.add_argument("tags", nargs="+", metavar="TAG")
    _add_overwrite_option(parser)
    add_carrying_out_options(parser)


def add_copy_options(parser: argparse.ArgumentParser) -> None:
    """Make a parser that of ``copy``."""
    parser.set_defaults(run=_copy)
    parser.add_argument("source", metavar="SRC", help="an image on a registry, or oci-layout:PATH[:TAG]")
    parser.add_argument("destination", metavar="DST", help="where to, with the tag that it is to get")
    _add_overwrite_option(parser)
    add_carrying_out_options(parser)


def add_promote_options(parser: argparse.ArgumentParser) -> None:
    """Make a parser that of ``promote``."""
    add_carrying_out_options(parser)
    parser.set_defaults(run=_promote)
    parser.add_argument("--plan", type=Path, required=True)
    parser.add_argument("--target", metavar="LABEL", help="what made the plan")
    parser.add_argument(
        "--layout", action="append", nargs=2, metavar=("NAME", "DIR"), help="where an OCI layout of the plan is"
    )
    parser.add_argument("--tag", action="append", default=[], metavar="TAG", help="one more tag, if the plan allows it")
    parser.add_argument(
        "--repository", action="append", default=[], metavar="REPOSITORY", help="one more, if the plan allows it"
    )
    parser.add_argument("--rollback", type=typed_path, metavar="RECEIPT", help="put all tags back where they were")
    parser.add_argument("--force", action="store_true", help="with --rollback: also those that somebody moved since")


def _add_overwrite_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--overwrite",
        choices=[each.value for each in Overwrite],
        default=Overwrite.MOVING.value,
        help="whether a tag that is on another image moves, or that is an error",
    )


def _tag(options: argparse.Namespace) -> int:
    for tag in options.tags:
        validate_tag(tag)
    store = open_store(options)
    source = _pinned(parse_reference(options.reference), store)
    tags = dict.fromkeys(options.tags)
    return carry_out(_plan(options, source, [source.tagged(tag) for tag in tags]), store, options)


def _copy(options: argparse.Namespace) -> int:
    reference, destination = parse_reference(options.source), parse_reference(options.destination)
    store = open_store(options)
    source = _pinned(reference, store)
    if destination.digest not in (None, source.digest):
        message = f"{destination} has another digest than {reference}, which is {source.digest}"
        raise UsageError(message)
    place = destination.tagged(destination.tag) if destination.tag else destination.pinned(str(source.digest))
    return carry_out(_plan(options, source, [place]), store, options)


def _plan(options: argparse.Namespace, source: ImageReference, destinations: list[ImageReference]) -> Plan:
    overwrite = Overwrite(options.overwrite)
    name = f"registry {'tag' if 'tags' in options else 'copy'}"
    return Plan(
        edges=[
            Edge(source=source, destination=destination, target=name, overwrite=overwrite)
            for destination in destinations
        ]
    )


def _pinned(reference: ImageReference, store: AnyStore) -> ImageReference:
    """The image by digest; its manifest, which is needed in any case, is got on the way."""
    return reference.pinned(reference.digest or store.get_image(reference).digest)


def _promote(options: argparse.Namespace) -> int:
    if options.force and not options.rollback:
        message = "--force is of no use without --rollback"
        raise UsageError(message)
    store = open_store(options)
    plan = read_plan(options.plan)
    if options.rollback:
        return undo(plan, store, options)
    repositories = [parse_repository(text) for text in options.repository]
    larger = with_additions(plan, options.tag, repositories, target=options.target or options.plan.name)
    return carry_out(larger, store, options)
