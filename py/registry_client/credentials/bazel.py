"""Bazel's credential helpers, the same programs as for ``--credential_helper`` (EngFlow's specification, version 1)."""

from __future__ import annotations

import datetime as dt
import json
import re
import threading
import time
from collections import defaultdict
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from registry_client.credentials import Credential
from registry_client.credentials.programs import TIME_LIMIT, ask
from registry_client.errors import CredentialError

if TYPE_CHECKING:
    from registry_client.credentials import Target

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\x20-\x7e]+")
_FRACTION = re.compile(r"\.[0-9]+")


class BazelCredentialHelper:
    """A program that is told an address, and answers with the headers to send there.

    It is asked once for each repository, until what it answered expires.
    """

    def __init__(self, program: str, *, hosts: str = "*", time_limit: float = TIME_LIMIT) -> None:
        """Run nothing yet.

        Args:
            program: The program; one without a slash is looked for on PATH.
            hosts: Which hosts it is for: a name, ``*.example.com`` or ``*``.
            time_limit: Seconds that it gets.
        """
        self._program = program
        self._hosts = hosts
        self._time_limit = time_limit
        self._answers: dict[tuple[str, str], Credential | CredentialError | None] = {}
        self._locks: defaultdict[tuple[str, str], threading.Lock] = defaultdict(threading.Lock)

    def find(self, target: Target) -> Credential | None:
        """See ``Keychain``."""
        if not fnmatchcase(target.registry, self._hosts):
            return None
        key = (target.registry, target.repository)
        with self._locks[key]:
            answer = self._answers.get(key)
            expired = isinstance(answer, Credential) and answer.expires is not None and answer.expires <= time.time()
            if key not in self._answers or expired:
                try:
                    answer = self._ask(target.url)
                except CredentialError as error:
                    answer = error
                self._answers[key] = answer
        if isinstance(answer, CredentialError):
            raise answer
        return answer

    def _ask(self, url: str) -> Credential | None:
        answer = ask([self._program, "get"], json.dumps({"uri": url}), time_limit=self._time_limit)
        try:
            headers = {name: ", ".join(values) for name, values in (answer.get("headers") or {}).items()}
            expires = answer.get("expires")
            end = None if expires is None else _seconds(expires)
            valid = all(
                _HEADER_NAME.fullmatch(name) and _HEADER_VALUE.fullmatch(text) for name, text in headers.items()
            )
        except (TypeError, ValueError, AttributeError):
            valid = False
        if not valid:
            message = (
                f'the credential helper {self._program} answered for {url} with "headers" or "expires" that are none'
            )
            raise CredentialError(message)
        return Credential(source=self._program, headers=headers, expires=end) if headers else None


def _seconds(timestamp: str) -> float:
    """Seconds since the epoch of an RFC 3339 time."""
    # Python 3.10 reads neither Z nor any number of digits behind the point
    text = _FRACTION.sub("", timestamp).replace("Z", "+00:00").replace("z", "+00:00")
    return dt.datetime.fromisoformat(text).timestamp()
