"""The command line: finds the command, and turns every error into a sentence and an exit code."""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from typing import TYPE_CHECKING, NoReturn

from registry_client.command_line.check import add_check_options
from registry_client.command_line.console import FAILED, OUT_OF_DATE, USAGE, complain
from registry_client.command_line.lock import add_pins_options, add_update_options, add_verify_options
from registry_client.command_line.plan import add_plan_options
from registry_client.command_line.promote import add_copy_options, add_promote_options, add_tag_options
from registry_client.command_line.resolve import add_resolve_options
from registry_client.errors import RegistryClientError, StaleError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_INTERRUPTED = 130
_ARGUMENTS = "REGISTRY_RULES_ARGS"
"""Environment variable: what a Bazel rule puts before the user's own arguments, see ``_rule_arguments``."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: The arguments without the program's name; those of the process if None.

    Returns:
        The exit code: 0 done, 1 something failed, 2 the call or its input is wrong, 3 out of date.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # what people called their images must not end the run where the locale has no letters for it
            stream.reconfigure(errors="backslashreplace")
    try:
        options = _parsed(_rule_arguments(), sys.argv[1:] if arguments is None else arguments)
        run: Callable[[argparse.Namespace], int] = options.run
        return run(options)
    except UsageError as error:
        return complain(str(error), USAGE)
    except StaleError as error:
        return complain(str(error), OUT_OF_DATE)
    except RegistryClientError as error:
        return complain(str(error), FAILED)
    except KeyboardInterrupt:
        return complain("interrupted; nothing is half written, and the same command goes on with it", _INTERRUPTED)
    except OSError as error:
        return complain(f"{error.filename or 'input or output'}: {error.strerror or error}", FAILED)


def _parsed(given: Sequence[str], typed: Sequence[str]) -> argparse.Namespace:
    """Parse arguments; names of images may stand before, between and behind the options.

    ``@FILE`` stands for the arguments in a file, in actions and on the plain command line. What a rule gives an
    executable target, and what is typed behind that, is never meant so: the label of another module starts with ``@``.
    """
    parser = _parser(None if given else "@")
    options, rest = parser.parse_known_args([*given, *typed])
    if any(argument.startswith("-") for argument in rest) or (rest and "names" not in options):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if rest:
        options.names = [*options.names, *rest]
    return options


def run() -> NoReturn:
    """Run the command line, and end the process."""
    code = main()
    if code == _INTERRUPTED:
        # what is under way in other threads may take its time, and nobody wants it any more
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _rule_arguments() -> list[str]:
    """The arguments that a Bazel rule gives the tool: a JSON list of strings and ``{"runfile": path}``."""
    encoded = os.environ.pop(_ARGUMENTS, None)
    return [_decoded(item) for item in json.loads(encoded)] if encoded else []


def _decoded(item: str | dict[str, str]) -> str:
    if isinstance(item, str):
        return item
    from python.runfiles import runfiles  # noqa: PLC0415 - there under Bazel only

    found = runfiles.Create()
    path = found and found.Rlocation(item["runfile"])
    if path is None:
        message = f"{item['runfile']} is not in the runfiles; start the target by bazel run or bazel test"
        raise UsageError(message)
    return str(path)


class _Parser(argparse.ArgumentParser):
    """A parser whose complaint is one line."""

    def error(self, message: str) -> NoReturn:
        """Raise what is wrong with the call."""
        complaint = f"{message}; see {self.prog} --help"
        raise UsageError(complaint)


def _parser(file_prefix: str | None) -> argparse.ArgumentParser:
    parser = _Parser(
        prog="registry",
        description="Resolves the tags of container images, locks them, and promotes images.",
        fromfile_prefix_chars=file_prefix,
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _command(commands, "resolve", add_resolve_options, "print the pinned reference of each image")
    _command(commands, "tag", add_tag_options, "give an image more tags in its own repository")
    _command(commands, "copy", add_copy_options, "copy an image across repositories, registries and layouts")
    lock = commands.add_parser("lock", help="what image_lock runs").add_subparsers(required=True, metavar="ACTION")
    _command(lock, "update", add_update_options, "resolve what is declared, and rewrite the lock file")
    _command(lock, "pins", add_pins_options, "write the build outputs of a lock")
    _command(lock, "verify", add_verify_options, "fail if the lock does not cover exactly what is declared")
    _command(commands, "check", add_check_options, "tell which tags of a lock point elsewhere by now; exit 3 if any")
    _command(commands, "plan", add_plan_options, "write the plan of an image_retag or an image_promotion")
    _command(commands, "promote", add_promote_options, "carry out a plan")
    return parser


def _command(
    commands: argparse._SubParsersAction[_Parser],
    name: str,
    add_options: Callable[[argparse.ArgumentParser], None],
    summary: str,
) -> None:
    add_options(commands.add_parser(name, help=summary, description=summary, allow_abbrev=False))


if __name__ == "__main__":
    run()
