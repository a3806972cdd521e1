"""The results of a check in the forms that CI systems show: annotations of GitHub Actions, JUnit XML."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from registry_client.command_line.pin_reports import message_of
from registry_client.errors import error_code
from registry_client.operations.pin_result import PinOutcome, PinResult

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_FAILURES = frozenset({PinOutcome.STALE, PinOutcome.DRIFTED})
_ERRORS = frozenset({PinOutcome.GONE, PinOutcome.FAILED})


def github_annotations(results: Sequence[PinResult], lockfile: str, text: str) -> Iterator[str]:
    """Make workflow commands of GitHub Actions ("Workflow commands", ``warning`` and ``error``).

    Args:
        results: What was found.
        lockfile: The lock's path from the top of the repository.
        text: The lock, to find the lines that the annotations are for.

    Yields:
        A line for each pin that is not as it should be: a warning for drift, an error for what is worse.
    """
    for result in results:
        if result.outcome not in _FAILURES | _ERRORS:
            continue
        kind = "error" if result.outcome in _ERRORS else "warning"
        place = f"file={_property(lockfile)},line={_line(result.name, text)}"
        title = _property(f"{result.name}: {result.outcome.value}")
        yield f"::{kind} {place},title={title}::{_data(message_of(result))}"


def junit_xml(target: str, results: Sequence[PinResult]) -> str:
    """Make JUnit XML: a test case for each pin.

    Drift is a failure; what is gone or could not be looked up is an error; what is frozen is skipped.

    Args:
        target: The label of the lock, which is the test suite.
        results: What was found.

    Returns:
        The document, without times, so that it is the same for the same results.
    """
    counts = {
        "tests": len(results),
        "failures": sum(result.outcome in _FAILURES for result in results),
        "errors": sum(result.outcome in _ERRORS for result in results),
        "skipped": sum(result.outcome is PinOutcome.SKIPPED for result in results),
    }
    attributes = {"name": target} | {name: str(count) for name, count in counts.items()}
    suites = ET.Element("testsuites", attributes)
    suite = ET.SubElement(suites, "testsuite", attributes)
    for result in results:
        case = ET.SubElement(suite, "testcase", {"classname": target, "name": _printable(result.name)})
        kind = error_code(result.error) if result.error else result.outcome.value
        if result.outcome is PinOutcome.SKIPPED:
            ET.SubElement(case, "skipped", {"message": _printable(result.reason)})
        elif result.outcome in _FAILURES | _ERRORS:
            element = "failure" if result.outcome in _FAILURES else "error"
            ET.SubElement(case, element, {"type": _printable(kind), "message": _printable(message_of(result))})
    ET.indent(suites)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(suites, encoding="unicode")}\n'


def _line(name: str, text: str) -> int:
    """The line where a pin starts in a canonical lock; the first if it is not there."""
    start = f"    {json.dumps(name, ensure_ascii=False)}: {{"
    return next((number for number, line in enumerate(text.split("\n"), 1) if line == start), 1)


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _printable(text: str) -> str:
    return _NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", text)
