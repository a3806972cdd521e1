"""What all commands share: exit codes, and how they talk to people."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from registry_client.errors import RegistryError, RegistryUnreachableError, UsageError, is_not_found

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from registry_client.errors import RegistryClientError

DONE, FAILED, USAGE, OUT_OF_DATE = range(4)
"""The exit codes."""

_SHORT_DIGEST = len("sha256:") + 12
_NOT_ALLOWED = frozenset({401, 403})


def tell(text: str) -> None:
    """Say something to people."""
    print(text, file=sys.stderr)


def complain(text: str, code: int = FAILED) -> int:
    """Say what is wrong; returns the exit code."""
    tell(f"error: {text}")
    return code


def with_hint(error: RegistryClientError) -> str:
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


def print_rows(rows: Iterable[Sequence[str]], headers: Sequence[str] = ()) -> None:
    """Print a table, a row a line."""
    from tabulate import tabulate  # noqa: PLC0415 - most runs print JSON or nothing

    print(tabulate(list(rows), headers=headers, tablefmt="plain", disable_numparse=True))


def shown_digest(digest: str | None) -> str:
    """A digest for a table: the start of it for a terminal, all of it for everything else."""
    return (digest or "-")[: _SHORT_DIGEST if sys.stdout.isatty() else None]


@contextmanager
def progress_bar(total: int, unit: str) -> Iterator[Callable[[int], object]]:
    """Show on a terminal how far many things are; what takes no time is not worth it.

    Args:
        total: How many there are.
        unit: Of what; ``B`` for bytes, of which there are many.

    Yields:
        What is to be told of each step.
    """
    from tqdm import tqdm  # noqa: PLC0415 - most runs have no terminal

    with tqdm(total=total, unit=unit, unit_scale=unit == "B", delay=0.5, leave=False, file=sys.stderr) as bar:
        yield bar.update


def root() -> Path:
    """What relative paths are relative to: the workspace under ``bazel run``, else the working directory."""
    return Path(os.environ.get("BUILD_WORKSPACE_DIRECTORY") or Path.cwd())


def typed_path(text: str) -> Path:
    """The file that a person means by a path: ``bazel run`` starts the tool elsewhere than where it was typed.

    Raises:
        UsageError: It starts with the home of somebody whom this machine does not know.
    """
    try:
        path = Path(text).expanduser()
    except RuntimeError as error:
        message = f'"{text}" is in a home directory that this machine does not know; write the path in full'
        raise UsageError(message) from error
    return Path(os.environ.get("BUILD_WORKING_DIRECTORY") or Path.cwd(), path)


def layout_directory(path: str) -> Path:
    """The directory of a layout, which may be named by its marker file: a build cannot name a directory of files."""
    return Path(path) if Path(path).is_dir() else Path(path).parent
