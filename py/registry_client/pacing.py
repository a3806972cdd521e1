"""When the next request may go: rate limits, retries, and what a host asks for."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from urllib3.exceptions import HTTPError, InvalidHeader, MaxRetryError
from urllib3.util import Retry

if TYPE_CHECKING:
    from urllib3.response import BaseHTTPResponse

    from registry_client.errors import RegistryClientError


class Pace:
    """When the next request to a host may go: a token bucket that holds one token."""

    def __init__(self, per_second: float | None) -> None:
        """Let the first request go at once.

        Args:
            per_second: Requests; None for as many as there are.
        """
        self._interval = 1 / per_second if per_second else 0.0
        self._next = 0.0
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Take the next turn."""
        with self._lock:
            now = time.monotonic()
            turn = max(now, self._next)
            if self._interval or turn > now:
                self._next = turn + self._interval
        if turn > now:
            time.sleep(turn - now)

    def pause(self, seconds: float) -> None:
        """Let nobody go for some time."""
        with self._lock:
            self._next = max(self._next, time.monotonic() + seconds)


class RetryPolicy(Retry):
    """Retries, where a ``Retry-After`` that cannot be read counts as none."""

    def asks_for(self, response: BaseHTTPResponse) -> float:
        """The seconds that an answer asks to wait, in seconds or as a date (RFC 9110, section 10.2.3)."""
        try:
            return self.get_retry_after(response) or 0.0
        except (InvalidHeader, OverflowError, ValueError):
            return 0.0


class Patience:
    """Counts the tries of what is tried in parts, and waits between them."""

    def __init__(self, retry: Retry) -> None:
        """Start with all patience there is."""
        self._fresh = self._retry = retry

    def wait(self, error: RegistryClientError) -> None:
        """Wait before the next try.

        Args:
            error: Why there has to be one.

        Raises:
            RegistryClientError: The error; there have been enough tries.
        """
        try:
            self._retry = self._retry.increment("", "", error=HTTPError())
        except MaxRetryError:
            raise error from error.__cause__
        time.sleep(self._retry.get_backoff_time())

    def renew(self) -> None:
        """Count from the start, as something has come of the last try."""
        self._retry = self._fresh
