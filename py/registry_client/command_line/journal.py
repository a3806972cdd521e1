"""The receipt of a run while it is made: on disk before anything is done, so that whatever comes can be undone."""

from __future__ import annotations

import itertools
import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

from registry_client.command_line.console import tell, typed_path
from registry_client.documents import write_atomically
from registry_client.errors import DocumentError, UsageError
from registry_client.receipt import Receipt, ReceiptEdge, now, read_receipt

if TYPE_CHECKING:
    import argparse
    import datetime as dt
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from registry_client.operations.promotion import EdgeResult
    from registry_client.plan import Plan

_SUFFIX = ".receipt.json"


class Journal:
    """The receipt of a run, as far as it has come.

    The receipt of a run of the same plan that did not come to its end is continued: what that one did is a part of what
    can be undone.
    """

    def __init__(self, plan: Plan, options: argparse.Namespace) -> None:
        """Write nothing yet.

        Args:
            plan: What is carried out.
            options: What was parsed: ``receipt`` is the path that was asked for, ``target`` the label of what makes
                the plan.
        """
        self._plan = plan
        self._options = options
        self._started = now()
        self._before: dict[str, ReceiptEdge] = {}
        self._path: Path | None = None

    def write(self, results: Sequence[EdgeResult]) -> None:
        """Write down what is about to be done: by ``bazel run`` in any case, else where it was asked for.

        Args:
            results: The edges.

        Raises:
            UsageError: There is another receipt, or it cannot be written.
        """
        self._path = self._path or self._choose()
        if self._path is not None:
            _write(self._path, self.receipt(results, {}, finished=None))

    def close(self, results: Sequence[EdgeResult], requests: Mapping[str, int]) -> Receipt:
        """Write down what was done, if anything was.

        Args:
            results: The edges.
            requests: How many requests of each method it took.

        Returns:
            The receipt.
        """
        receipt = self.receipt(results, requests, finished=now())
        if self._path is not None:
            _write(self._path, receipt)
        elif self._options.receipt is not None and not self._options.receipt.exists():
            _write(self._options.receipt, receipt)
        return receipt

    def receipt(
        self, results: Sequence[EdgeResult], requests: Mapping[str, int], *, finished: dt.datetime | None = None
    ) -> Receipt:
        """The receipt as it is now, with what an earlier run has done."""
        return Receipt(
            plan=self._plan.digest,
            edges=[self._with_earlier(result.for_receipt()) for result in results],
            started=self._started,
            finished=finished,
            requests=dict(sorted(requests.items())),
        )

    def tell(self, receipt: Receipt) -> None:
        """Say where the receipt is, and what undoes the promotion, if it did anything."""
        if self._path is None or not receipt.can_be_undone:
            return
        path = shlex.quote(str(self._options.receipt or self._path.name))
        if self._options.target:
            purpose = "To undo it"
            tell(f"{purpose}, run: bazel run {shlex.quote(self._options.target)} -- --rollback {path}")
        else:
            tell(f"the receipt is {path}")

    def _choose(self) -> Path | None:
        """The file to write: the one that was asked for, or one in the folder where the command was typed."""
        path: Path | None = self._options.receipt
        if path is None:
            if not self._options.target:
                return None
            there = sorted(typed_path(".").glob(f"{self._name()}-*{_SUFFIX}"), reverse=True)
            return next((each for each in there if self._continues(each)), None) or self._new_path()
        if path.exists() and not self._continues(path) and not _is_void(path):
            message = f"the receipt {path} is there already, of another promotion; name another file by --receipt"
            raise UsageError(message)
        return path

    def _continues(self, path: Path) -> bool:
        """Whether a receipt is of a run of the same plan that was cut short; takes over what that did."""
        receipt = _readable(path)
        if receipt is None or receipt.finished is not None or receipt.plan != self._plan.digest:
            return False
        self._before = {str(edge.destination): edge for edge in receipt.edges}
        return True

    def _with_earlier(self, edge: ReceiptEdge) -> ReceiptEdge:
        earlier = self._before.get(str(edge.destination))
        if earlier is None or edge.result != "unchanged" or earlier.old == earlier.new:
            return edge
        return replace(
            edge, old=earlier.old, result="copied" if edge.source.name != edge.destination.name else "tagged"
        )

    def _name(self) -> str:
        return str(self._options.target).rpartition("/")[2].rpartition(":")[2]

    def _new_path(self) -> Path:
        stem = f"{self._name()}-{self._started:%Y%m%dT%H%M%SZ}"
        names = (f"{stem}{number or ''}{_SUFFIX}" for number in itertools.chain([""], itertools.count(-2, -1)))
        return next(path for path in map(typed_path, names) if not path.exists())


def _readable(path: Path) -> Receipt | None:
    try:
        return read_receipt(path)
    except (DocumentError, OSError):
        return None


def _is_void(path: Path) -> bool:
    """Whether a receipt is of a run that came to its end and did nothing."""
    receipt = _readable(path)
    return receipt is not None and receipt.finished is not None and not receipt.can_be_undone


def _write(path: Path, receipt: Receipt) -> None:
    try:
        write_atomically(path, receipt.to_text().encode())
    except OSError as error:
        message = f"the receipt {path} cannot be written ({error.strerror}); name another file by --receipt"
        raise UsageError(message) from error
