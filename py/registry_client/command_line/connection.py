"""The options of the command line that say how to talk to registries."""

from __future__ import annotations

import argparse
import math
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from registry_client.command_line.console import layout_directory, progress_bar, root, tell, typed_path
from registry_client.errors import UsageError
from registry_client.layout import LayoutStore
from registry_client.operations.stores import CONCURRENCY, AnyStore, silence

if TYPE_CHECKING:
    from registry_client.client import Client


def add_connection_options(parser: argparse.ArgumentParser, *, explicit: bool = False) -> None:
    """Add the options to a command.

    Args:
        parser: The command's parser.
        explicit: Whether only those credentials count that a variable leads to, see ``default_keychain``: in a build.
    """
    existing = _existing_in_build if explicit else _existing
    parser.set_defaults(explicit_credentials=explicit, layout=[])
    group = parser.add_argument_group("how to talk to registries")
    group.add_argument("--docker-config", type=existing, metavar="PATH", help="config.json, or the directory of it")
    group.add_argument(
        "--credential-helper",
        action="append",
        default=[],
        metavar="[HOST=]PROGRAM",
        help="a Bazel credential helper; HOST may start with *.",
    )
    group.add_argument(
        "--trust-realm",
        action="append",
        default=[],
        metavar="HOST",
        help="a token server that may see the credentials of the registries that name it",
    )
    group.add_argument(
        "--mirror",
        action="append",
        default=[],
        type=_mirror,
        metavar="REGISTRY=HOST",
        help="where to get what is known by digest first",
    )
    group.add_argument(
        "--insecure-registry", action="append", default=[], metavar="HOST[:PORT]", help="may be talked to without TLS"
    )
    group.add_argument("--ca-file", type=existing, metavar="PEM", help="trust these authorities instead")
    group.add_argument("--client-cert", type=existing, metavar="PEM", help="the client's certificate")
    group.add_argument("--client-key", type=existing, metavar="PEM", help="its key, unless it is in the same file")
    group.add_argument("--concurrency", type=_count, default=CONCURRENCY, metavar="N", help="requests at once")
    group.add_argument("--max-requests-per-second", type=_positive, metavar="N", help="to one registry")
    group.add_argument(
        "--retries", type=_count_or_none, default=4, metavar="N", help="after an answer that asks for it"
    )
    group.add_argument("--max-retry-after", type=_positive, default=120.0, metavar="SECONDS")
    group.add_argument("--timeout", type=_positive, default=60.0, metavar="SECONDS", help="to wait for the next bytes")


def open_store(options: argparse.Namespace) -> AnyStore:
    """Make the store that the options ask for; a registry is talked to only if a reference is of one.

    Args:
        options: What was parsed.

    Returns:
        The store.

    Raises:
        UsageError: Options contradict each other.
    """
    if options.client_key and not options.client_cert:
        message = f"--client-key {options.client_key} is of no use without --client-cert"
        raise UsageError(message)
    progress = progress_bar if sys.stderr.isatty() else silence
    named = {name: layout_directory(directory) for name, directory in options.layout}
    return AnyStore(
        LayoutStore(root(), named), lambda: _open_client(options), concurrency=options.concurrency, progress=progress
    )


def _open_client(options: argparse.Namespace) -> Client:
    # the HTTP library is slow to import
    from registry_client.client import Client, ClientOptions  # noqa: PLC0415
    from registry_client.keychains import default_keychain  # noqa: PLC0415
    from registry_client.transport import TransportOptions  # noqa: PLC0415

    certificate = None if options.client_cert is None else str(options.client_cert)
    mirrors: dict[str, list[str]] = {}
    for registry, mirror in options.mirror:
        mirrors.setdefault(registry, []).append(mirror)
    transport = TransportOptions(
        read_timeout=options.timeout,
        retries=options.retries,
        max_retry_after=options.max_retry_after,
        max_requests_per_second=options.max_requests_per_second,
        connections=options.concurrency,
        ca_file=str(options.ca_file) if options.ca_file else None,
        client_certificate=(certificate, str(options.client_key))
        if certificate and options.client_key
        else certificate,
        insecure_registries=frozenset(host.lower() for host in options.insecure_registry),
    )
    keychain = default_keychain(
        os.environ,
        docker_config=options.docker_config,
        credential_helpers=options.credential_helper,
        explicit=options.explicit_credentials,
        report=lambda text: tell(f"warning: {text}"),
    )
    return Client(
        credentials=keychain,
        options=ClientOptions(transport=transport, mirrors=mirrors, trusted_realms=frozenset(options.trust_realm)),
    )


def _existing(text: str) -> Path:
    typed, named = typed_path(text), root() / text
    path = typed if typed.exists() else named
    if not path.exists():
        message = f'there is no file "{text}"'
        raise argparse.ArgumentTypeError(message)
    return path


def _existing_in_build(text: str) -> Path:
    try:
        return _existing(text)
    except argparse.ArgumentTypeError:
        if Path(text).is_absolute():
            raise
        message = (
            f'"{text}" is not there when a build resolves tags, which finds no relative path; write an absolute one'
        )
        raise argparse.ArgumentTypeError(message) from None


def _mirror(text: str) -> tuple[str, str]:
    registry, _, mirror = text.partition("=")
    if not registry or not mirror or "://" in text:
        message = f'"{text}" is not REGISTRY=HOST, as docker.io=mirror.example.com'
        raise argparse.ArgumentTypeError(message)
    return registry.lower(), mirror


def _positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        message = f'"{text}" is not a number above 0'
        raise argparse.ArgumentTypeError(message)
    return number


def _count(text: str) -> int:
    number = _count_or_none(text)
    if not number:
        message = f'"{text}" is not a number from 1 on'
        raise argparse.ArgumentTypeError(message)
    return number


def _count_or_none(text: str) -> int:
    if not text.isascii() or not text.isdecimal():
        message = f'"{text}" is not a whole number'
        raise argparse.ArgumentTypeError(message)
    return int(text)
