"""``registry resolve``: from tags to digests."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from registry_client.command_line.connection import add_connection_options, open_store
from registry_client.command_line.console import DONE, FAILED, complain, with_hint
from registry_client.errors import RegistryClientError, error_code
from registry_client.operations.selection import resolve_platform
from registry_client.platforms import parse_platform
from registry_client.reference import parse_reference

if TYPE_CHECKING:
    import argparse

    from registry_client.descriptor import Descriptor
    from registry_client.reference import ImageReference


def add_resolve_options(parser: argparse.ArgumentParser) -> None:
    """Make a parser that of ``resolve``."""
    parser.set_defaults(run=_resolve)
    parser.add_argument("references", nargs="+", metavar="REF")
    parser.add_argument("--platform", metavar="OS/ARCH[/VARIANT]", help="the image of an index for this platform")
    parser.add_argument("--json", action="store_true", help="print a JSON list of all that is known")
    add_connection_options(parser)


def _resolve(options: argparse.Namespace) -> int:
    references = [parse_reference(text) for text in options.references]
    store = open_store(options)
    wanted = options.platform and parse_platform(options.platform)

    def resolve(reference: ImageReference) -> Descriptor:
        return resolve_platform(store, reference, wanted) if wanted else store.resolve(reference)

    results = store.each(resolve, references)
    for reference, result in zip(references, results, strict=True):
        if isinstance(result, RegistryClientError):
            complain(f"{reference}: {with_hint(result)}")
        elif not options.json:
            print(reference.pinned(result.digest))
    if options.json:
        print(json.dumps([_described(*pair) for pair in zip(references, results, strict=True)], indent=2))
    return FAILED if any(isinstance(result, RegistryClientError) for result in results) else DONE


def _described(reference: ImageReference, result: Descriptor | RegistryClientError) -> dict[str, object]:
    """What ``--json`` says of an image."""
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
