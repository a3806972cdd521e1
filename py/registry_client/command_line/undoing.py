"""``--rollback``: puts the tags of a promotion back, by its receipt."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

from registry_client.command_line.console import (
    DONE,
    FAILED,
    OUT_OF_DATE,
    complain,
    print_rows,
    tell,
    with_hint,
)
from registry_client.command_line.promotion_reports import HEADERS, changed
from registry_client.errors import UsageError, error_code
from registry_client.operations.rollback import (
    Outcome,
    RollbackResult,
    check_old_images,
    check_receipt,
    plan_rollback,
    roll_back,
)
from registry_client.receipt import read_receipt

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from registry_client.operations.stores import AnyStore
    from registry_client.plan import Plan


_OF_NO_USE = ("tag", "repository", "receipt", "attach_receipt", "no_referrers", "keep_going")
"""Options of promotions that say nothing to a rollback."""


def undo(plan: Plan, store: AnyStore, options: argparse.Namespace) -> int:
    """Put the tags back, and say what became of each.

    Args:
        plan: What the target promotes.
        store: Where the images are.
        options: What was parsed.

    Returns:
        The exit code.

    Raises:
        DocumentError: The receipt cannot be read.
        UsageError: It is of another promotion, or there are options that are of no use.
    """
    unfit = [f"--{name.replace('_', '-')}" for name in _OF_NO_USE if getattr(options, name)]
    if unfit:
        message = (
            f"{', '.join(unfit)} cannot be with --rollback, which undoes what is in the receipt; leave it out, or undo "
            "the promotion first"
        )
        raise UsageError(message)
    receipt = read_receipt(options.rollback)
    check_receipt(receipt, plan, options.target or options.plan.name)
    results = plan_rollback(receipt, store, force=options.force)
    results = check_old_images(results, store) if options.dry_run else roll_back(results, store)
    if options.json:
        print(json.dumps({"edges": [_described(result) for result in results]}, indent=2))
    else:
        print_rows(
            ((str(r.edge.destination), changed(r.now, r.edge.old), _happened(r)) for r in results), headers=HEADERS
        )
    for result in results:
        if result.error is not None:
            complain(f"{result.edge.target}: {result.edge.destination}: {with_hint(result.error)}")
    return _conclude(results, dry=options.dry_run)


def _happened(result: RollbackResult) -> str:
    if result.outcome is Outcome.PENDING:
        return "would be restored" if result.edge.old else "would be removed"
    return str(result.outcome.value)


def _described(result: RollbackResult) -> dict[str, object]:
    described: dict[str, object] = {
        "destination": str(result.edge.destination),
        "now": result.now,
        "old": result.edge.old,
        "result": result.outcome.value,
        "target": result.edge.target,
    }
    if result.error is not None:
        described["error"] = {"code": error_code(result.error), "message": str(result.error)}
    return described


def _conclude(results: Sequence[RollbackResult], *, dry: bool) -> int:
    counts = Counter(result.outcome for result in results)
    done, total = counts[Outcome.RESTORED] + counts[Outcome.REMOVED], len(results)
    if dry:
        tell(f"dry run: {counts[Outcome.PENDING]} of {total} tags would be put back")
    else:
        tell(f"{done} of {total} tags were put back, {counts[Outcome.UNCHANGED]} were there")
    if counts[Outcome.FAILED]:
        return complain(f"{counts[Outcome.FAILED]} of {total} tags cannot be put back", FAILED)
    return OUT_OF_DATE if counts[Outcome.PENDING] else DONE
