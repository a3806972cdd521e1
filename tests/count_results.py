"""Counts the single tests of a `bazel test` from its build events: `N passed, N failed, N skipped`."""

from __future__ import annotations

import json
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"


def main(arguments: list[str]) -> int:
    """Print the count, and the name of each target that failed.

    Args:
        arguments: The path of a file that `--build_event_json_file` wrote.

    Returns:
        1 if a test failed or there was none, else 0.
    """
    events = map(json.loads, Path(arguments[0]).read_text(encoding="utf-8").splitlines())
    results = last_results(events)
    counts: Counter[str] = Counter()
    for label, result in sorted(results.items()):
        found = count(result)
        counts += found
        if found[FAILED]:
            print(f"failed: {label}")
    print(f"{counts[PASSED]} passed, {counts[FAILED]} failed, {counts[SKIPPED]} skipped")
    return 0 if counts[PASSED] and not counts[FAILED] else 1


def last_results(events: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The result of each target's last attempt; one that was not built has none, and failed."""
    results: dict[str, dict[str, Any]] = {}
    for event in events:
        identity = event.get("id", {})
        if "testResult" in event:
            results[identity["testResult"]["label"]] = event["testResult"]
        elif "testSummary" in event:
            results.setdefault(identity["testSummary"]["label"], {"status": event["testSummary"]["overallStatus"]})
    return results


def count(result: dict[str, Any]) -> Counter[str]:
    """The single tests of a target; the target itself counts as one if it left no record of them."""
    cases: Counter[str] = Counter()
    for output in result.get("testActionOutput", []):
        path = Path(unquote(urlsplit(output.get("uri", "")).path))
        if output.get("name") == "test.xml" and path.is_file():
            cases = Counter(map(outcome, ET.parse(path).iter("testcase")))
    passed = result.get("status") == "PASSED"
    if not cases:
        return Counter([PASSED if passed else FAILED])
    if not passed and not cases[FAILED]:
        cases[FAILED] += 1
    return cases


def outcome(case: ET.Element) -> str:
    """What became of a single test."""
    if case.find("failure") is not None or case.find("error") is not None:
        return FAILED
    return SKIPPED if case.find("skipped") is not None else PASSED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
