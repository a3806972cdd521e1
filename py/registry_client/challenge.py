"""What a registry asks for: the ``WWW-Authenticate`` header (RFC 9110, section 11.6.1)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - a token in the grammar's sense
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_PARAMETER = re.compile(rf"\s*({_TOKEN})\s*=\s*({_TOKEN}|{_QUOTED})\s*")
_SCHEME = re.compile(rf"\s*({_TOKEN})(?:\s+|\s*(?=,|$))")
_TOKEN68 = re.compile(r"\s*[A-Za-z0-9._~+/-]+=*\s*(?=,|$)")
_ESCAPE = re.compile(r"\\(.)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Challenge:
    """One way to authenticate that a registry offers.

    Attributes:
        scheme: The scheme in lower case, as ``bearer``.
        parameters: The parameters; names in lower case.
    """

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=dict)


def parse_challenges(header: str) -> list[Challenge]:
    """Read a ``WWW-Authenticate`` header, or several that were joined by commas.

    What cannot be read ends the list: a registry that garbles its second challenge can still be talked to by its first.

    Args:
        header: The header's value.

    Returns:
        The challenges, in the registry's order.
    """
    challenges: list[Challenge] = []
    position = 0
    while position < len(header):
        position = _skip_commas(header, position)
        scheme = _SCHEME.match(header, position)
        if scheme is None:
            break
        parameters, position = _parameters(header, scheme.end())
        challenges.append(Challenge(scheme=scheme[1].lower(), parameters=parameters))
    return challenges


def _parameters(header: str, position: int) -> tuple[dict[str, str], int]:
    """The parameters from a position on, and where they end."""
    parameters: dict[str, str] = {}
    while True:
        start = _skip_commas(header, position) if parameters else position
        match = _PARAMETER.match(header, start)
        if match is None or (match.end() < len(header) and header[match.end()] != ","):
            break
        name, value = match[1].lower(), match[2]
        parameters.setdefault(name, _ESCAPE.sub(r"\1", value[1:-1]) if value.startswith('"') else value)
        position = match.end()
    if not parameters:
        credentials = _TOKEN68.match(header, position)
        position = credentials.end() if credentials else position
    return parameters, position


def _skip_commas(header: str, position: int) -> int:
    while position < len(header) and header[position] in ", \t":
        position += 1
    return position
