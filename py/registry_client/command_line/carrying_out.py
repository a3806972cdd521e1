"""Carries out a plan for ``promote``, ``tag`` and ``copy``, and leaves a receipt."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from registry_client.command_line.connection import add_connection_options
from registry_client.command_line.console import DONE, FAILED, OUT_OF_DATE, complain, tell, typed_path, with_hint
from registry_client.command_line.journal import Journal
from registry_client.command_line.promotion_reports import complain_of, print_receipt, print_results
from registry_client.errors import RegistryClientError, UsageError
from registry_client.operations import promotion
from registry_client.operations.attestation import attach_receipt
from registry_client.operations.promotion import EdgeResult, Outcome

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from registry_client.operations.stores import AnyStore
    from registry_client.plan import Plan
    from registry_client.receipt import Receipt


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
        UsageError: Options contradict each other, or the receipt cannot be written; nothing was done.
    """
    if options.dry_run and (options.receipt or options.attach_receipt):
        message = "--receipt and --attach-receipt are of no use with --dry-run, after which there is nothing to undo"
        raise UsageError(message)
    journal = Journal(plan, options)
    results = promotion.preflight(plan, store, referrers=not options.no_referrers)
    is_begun = not options.dry_run and _may_go_on(results, options)
    if is_begun:
        results = _bring_and_tag(results, store, journal, options)
    receipt = journal.close(results, store.request_counts) if not options.dry_run else journal.receipt(results, {})
    if options.json:
        print_receipt(receipt)
    else:
        print_results(results, dry=options.dry_run, headers=bool(options.target))
    complain_of(results)
    is_attached = not options.attach_receipt or _attach(receipt, results, store)
    journal.tell(receipt)
    return _conclude(results, dry=options.dry_run, is_begun=is_begun) if is_attached else FAILED


def _bring_and_tag(
    results: Sequence[EdgeResult], store: AnyStore, journal: Journal, options: argparse.Namespace
) -> list[EdgeResult]:
    # whether it can be written is known before anything is done
    journal.write(results)
    results = promotion.look_again(promotion.ship(results, store), store)
    if not _may_go_on(results, options):
        return results
    # before a tag is set, so that even a run that is killed can be undone
    journal.write(results)
    return promotion.set_tags(results, store)


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


def _conclude(results: Sequence[EdgeResult], *, dry: bool, is_begun: bool) -> int:
    """Say what was done, and choose the exit code."""
    counts = Counter(result.outcome for result in results)
    done, total = counts[Outcome.TAGGED] + counts[Outcome.COPIED], len(results)
    if counts[Outcome.FAILED]:
        if done:
            said = f"{done} of {total} tags were set, {counts[Outcome.FAILED]} failed"
        else:
            said = "no tag was set" if is_begun else "nothing was written"
        return complain(f"{said}; {counts[Outcome.PENDING]} were not tried" if counts[Outcome.PENDING] else said)
    if dry:
        tell(f"dry run: {counts[Outcome.PENDING]} of {total} tags would be set")
        return OUT_OF_DATE if counts[Outcome.PENDING] else DONE
    if done:
        tell(f"{done} of {total} tags were set, the others were there")
    else:
        tell(f"nothing to do: {total} of {total} tags were there")
    return DONE
