"""Programs that know credentials: run with a time limit, and never quoted with what may be a secret."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING, Any

from registry_client.errors import CredentialError

if TYPE_CHECKING:
    from collections.abc import Sequence

TIME_LIMIT = 30.0
"""Seconds that a program gets by default."""

_MAX_QUOTE = 200
_SENSITIVE = re.compile(r"(secret|passw|token|auth|bearer|basic|headers).*", re.IGNORECASE | re.DOTALL)
_OPAQUE = re.compile(r"(?=\S*\d)\S{10,}|\S{24,}")
"""A word that may well be a secret: long, or with digits and not short."""


class ProgramFailedError(CredentialError):
    """A program that ended with another exit code than 0.

    Attributes:
        output: What it printed, as it is; to compare with, never to quote.
    """

    def __init__(self, message: str, output: str) -> None:
        """Keep the output beside the message."""
        super().__init__(message)
        self.output = output


def ask(command: Sequence[str], question: str, *, time_limit: float = TIME_LIMIT) -> dict[str, Any]:
    """Run a program that answers with JSON.

    Args:
        command: The program and its arguments.
        question: What it gets on its standard input.
        time_limit: Seconds after which it is killed.

    Returns:
        The JSON object that it printed.

    Raises:
        ProgramFailedError: It ended with another exit code than 0.
        CredentialError: It is missing, takes too long, or prints something else.
    """
    name = command[0]
    try:
        result = subprocess.run(  # noqa: S603 - the user's configuration names it
            command, input=question.encode(), capture_output=True, timeout=time_limit, check=False
        )
    except subprocess.TimeoutExpired:
        message = f"the credential helper {name} gave no answer within {time_limit:g} seconds"
        raise CredentialError(message) from None
    except OSError as error:
        message = f"the credential helper {name} cannot be run: {error.strerror}; put it on PATH, or take it out of use"
        raise CredentialError(message) from error
    output, errors = (stream.decode(errors="replace") for stream in (result.stdout, result.stderr))
    if result.returncode:
        message = f"the credential helper {name} failed with exit code {result.returncode}{_quoted(errors or output)}"
        raise ProgramFailedError(message, output)
    try:
        answer = json.loads(output)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        message = f"the credential helper {name} printed something else than a JSON object{_quoted(output or errors)}"
        # the cause would hold all that was printed
        raise CredentialError(message) from None
    return answer


def _quoted(text: str) -> str:
    """What a program printed, less what may be a secret, for the end of a sentence."""
    words = " ".join(_OPAQUE.sub("…", _SENSITIVE.sub(r"\1…", text)).split())[:_MAX_QUOTE]
    return f": {words}" if words else ""
