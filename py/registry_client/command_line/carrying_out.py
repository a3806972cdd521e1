"""Carries out a plan for ``promote``, ``tag`` and ``copy``, and leaves a receipt."""

from __future__ import annotations

import shlex
from collections import Counter
from typing import TYPE_CHECKING

from registry_client.command_line.connection import add_connection_options
from registry_client.command_line.console import DONE, FAILED, OUT_OF_DATE, complain, tell, typed_path, with_hint
from registry_client.command_line.promotion_reports import complain_of, print_receipt, print_results
from registry_client.documents import write_atomically
from registry_client.errors import RegistryClientError
from registry_client.operations import promotion
from registry_client.operations.attestation import attach_receipt
from registry_client.operations.promotion import EdgeResult, Outcome
from registry_client.receipt import Receipt, now

if TYPE_CHECKING:
    import argparse
    import datetime as dt
    from collections.abc import Sequence
    from pathlib import Path

    from registry_client.operations.stores import AnyStore
    from registry_client.plan import Plan


def add_carrying_out_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of what carries out a plan, and those of the connection."""
    parser.set_defaults(target=None)
    parser.add_argument("--dry-run", action="store_true", help="only look what would change; exit 3 if anything")
    parser.add_argument("--json", action="store_true", help="print the receipt in place of the table")
    parser.add_argument("--keep-going", action="store_true", help="do what can be done even if something else fails")
    parser.add_argument("--no-referrers", action="store_true", help="leave signatures, attestations and SBOMs behind")
    parser.add_argument("--receipt", type=typed_path, metavar="PATH", help="where to write the receipt")
    parser.add_argument(
        "--attach-receipt",
        action="store_true",
        help="put the receipt beside each promoted image, too, as an in-toto statement",
    )
    add_connection_options(parser)


def carry_out(plan: Plan, store: AnyStore, options: argparse.Namespace) -> int:
    """Carry out a plan, and say what became of it.

    Args:
        plan: The plan.
        store: Where the images are.
        options: What was parsed; ``target`` is the label of what makes the plan, None on the plain command line.

    Returns:
        The exit code.

    Raises:
        OSError: The receipt cannot be written; no tag was set.
    """
    journal = _Journal(plan, store, options)
    results = promotion.preflight(plan, store, referrers=not options.no_referrers)
    if not options.dry_run and _may_go_on(results, options):
        results = promotion.ship(results, store)
        if _may_go_on(results, options):
            # before a tag is set, so that even a run that is killed can be undone
            journal.write(results)
            results = promotion.set_tags(results, store)
    receipt = journal.close(results)
    if options.json:
        print_receipt(receipt)
    else:
        print_results(results, dry=options.dry_run, headers=bool(options.target))
    complain_of(results)
    is_attached = not options.attach_receipt or options.dry_run or _attach(receipt, results, store)
    journal.tell()
    return _conclude(results, dry=options.dry_run) if is_attached else FAILED


class _Journal:
    """The receipt of a run, as far as it has come."""

    def __init__(self, plan: Plan, store: AnyStore, options: argparse.Namespace) -> None:
        """Write nothing yet."""
        self._plan = plan
        self._store = store
        self._options = options
        self._started = now()
        self._path: Path | None = options.receipt
        self._undoes = False

    def write(self, results: Sequence[EdgeResult]) -> None:
        """Write down what is about to be done; by ``bazel run`` in any case, else where it was asked for."""
        if self._path is None and self._options.target:
            name = self._options.target.rpartition("/")[2].rpartition(":")[2]
            self._path = typed_path(f"{name}-{self._started:%Y%m%dT%H%M%SZ}.receipt.json")
        if self._path is not None:
            self._undoes = True
            write_atomically(self._path, self._receipt(results, None).to_text().encode())

    def close(self, results: Sequence[EdgeResult]) -> Receipt:
        """Write down what was done."""
        receipt = self._receipt(results, now())
        if self._path is not None and not self._options.dry_run:
            write_atomically(self._path, receipt.to_text().encode())
        return receipt

    def tell(self) -> None:
        """Say where the receipt is, and what undoes the promotion."""
        if self._path is None or not self._undoes:
            return
        path = shlex.quote(str(self._options.receipt or self._path.name))
        if self._options.target:
            purpose = "To undo it"
            tell(f"{purpose}, run: bazel run {shlex.quote(self._options.target)} -- --rollback {path}")
        else:
            tell(f"the receipt is {path}")

    def _receipt(self, results: Sequence[EdgeResult], finished: dt.datetime | None) -> Receipt:
        return Receipt(
            plan=self._plan.digest,
            edges=[result.for_receipt() for result in results],
            started=self._started,
            finished=finished,
            requests=dict(sorted(self._store.request_counts.items())),
        )


def _may_go_on(results: Sequence[EdgeResult], options: argparse.Namespace) -> bool:
    pending = any(result.is_pending for result in results)
    return pending and (options.keep_going or not any(result.error for result in results))


def _attach(receipt: Receipt, results: Sequence[EdgeResult], store: AnyStore) -> bool:
    """Attach the receipt to what was promoted; returns whether that went well."""
    is_attached = True
    for place, answer in attach_receipt(receipt, results, store).items():
        if isinstance(answer, RegistryClientError):
            complain(f"the receipt could not be attached to {place}: {with_hint(answer)}")
            is_attached = False
    return is_attached


def _conclude(results: Sequence[EdgeResult], *, dry: bool) -> int:
    """Say what was done, and choose the exit code."""
    counts = Counter(result.outcome for result in results)
    done, total = counts[Outcome.TAGGED] + counts[Outcome.COPIED], len(results)
    if counts[Outcome.FAILED]:
        if done:
            said = f"{done} of {total} tags were set, {counts[Outcome.FAILED]} failed"
        else:
            sent = any(result.moved or result.mounted for result in results)
            said = "no tag was set" if sent else "nothing was written"
        return complain(f"{said}; {counts[Outcome.PENDING]} were not tried" if counts[Outcome.PENDING] else said)
    if dry:
        tell(f"dry run: {counts[Outcome.PENDING]} of {total} tags would be set")
        return OUT_OF_DATE if counts[Outcome.PENDING] else DONE
    if done:
        tell(f"{done} of {total} tags were set, the others were there")
    else:
        tell(f"nothing to do: {total} of {total} tags were there")
    return DONE
