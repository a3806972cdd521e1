"""The receipt of a promotion: its text, and what is made of one that was damaged."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from registry_client.errors import DocumentError
from registry_client.receipt import Receipt, ReceiptEdge, now, read_receipt
from registry_client.reference import parse_reference

if TYPE_CHECKING:
    from pathlib import Path

ONE, TWO = f"sha256:{'1' * 64}", f"sha512:{'2' * 128}"
DIGEST = st.sampled_from([ONE, TWO])
TIME = st.datetimes(min_value=dt.datetime(1000, 1, 1)).map(  # noqa: DTZ001 - it gets its zone here
    lambda time: time.replace(microsecond=0, tzinfo=dt.timezone.utc)
)
EDGE = st.builds(
    ReceiptEdge,
    source=st.sampled_from([f"a.example/app@{ONE}", f"oci-layout:a@{TWO}"]).map(parse_reference),
    destination=st.sampled_from(["a.example/app:1", "oci-layout:b:1", f"c.example/d@{ONE}"]).map(parse_reference),
    target=st.text(max_size=8),
    old=st.none() | DIGEST,
    new=DIGEST,
    result=st.sampled_from(["tagged", "copied", "unchanged", "failed", "not done"]),
    bytes_moved=st.integers(0),
    bytes_mounted=st.integers(0),
    error=st.none() | st.fixed_dictionaries({"code": st.text(), "message": st.text()}),
    is_tried=st.booleans(),
)
RECEIPT = st.builds(
    Receipt,
    plan=DIGEST,
    edges=st.lists(EDGE, max_size=3),
    started=TIME,
    finished=st.none() | TIME,
    requests=st.dictionaries(st.sampled_from(["GET", "HEAD", "PUT"]), st.integers(0)),
)
GOOD = Receipt(
    plan=ONE,
    edges=[
        ReceiptEdge(
            source=parse_reference(f"a.example/app@{ONE}"),
            destination=parse_reference("a.example/app:1"),
            target="//:promote",
            old=None,
            new=ONE,
            result="failed",
            error={"code": "DENIED", "message": "no"},
        )
    ],
    started=dt.datetime(2026, 11, 25, 17, tzinfo=dt.timezone.utc),
)


@given(RECEIPT)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_receipt_that_is_read_has_the_text_that_was_written(tmp_path: Path, receipt: Receipt) -> None:
    path = tmp_path / "receipt.json"
    path.write_text(receipt.to_text(), encoding="utf-8")
    assert read_receipt(path) == receipt
    assert read_receipt(path).to_text() == receipt.to_text()


def test_the_bytes_of_all_edges_are_summed() -> None:
    edge = GOOD.edges[0]
    edges = [
        ReceiptEdge(**{f: getattr(edge, f) for f in edge.__slots__} | {"bytes_moved": count, "bytes_mounted": 1})
        for count in (2, 3)
    ]
    document = Receipt(plan=ONE, edges=edges, started=now()).to_json()
    assert (document["bytesMoved"], document["bytesMounted"]) == (5, 2)


def test_a_receipt_of_a_run_that_did_not_end_says_so() -> None:
    assert GOOD.to_json()["finished"] is None
    assert GOOD.to_json()["started"] == "2026-11-25T17:00:00Z"


def test_now_is_to_the_second() -> None:
    assert now().microsecond == 0
    assert now().tzinfo is dt.timezone.utc


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"receiptVersion": 2}, "receiptVersion: 2 is not a version that this release knows"),
        ({"started": "yesterday"}, 'started: "yesterday" is not a time like 2026-11-25T17:00:00Z'),
        ({"finished": "2026-13-01T00:00:00Z"}, "finished: .* is not a time"),
        ({"finished": 1}, "finished: must be a string"),
        ({"plan": "sha256:1"}, "plan: .* is not a digest"),
        ({"requests": []}, "requests: must be an object"),
        ({"bytesMoved": "1"}, "bytesMoved: must be a whole number"),
        ({"edges": {}}, "edges: must be a list"),
        ({"more": 1}, "more: is not a field of this version"),
        ({"edges": [1]}, r"edges\[0\]: must be an object"),
    ],
)
def test_a_receipt_with_a_wrong_field_is_refused_by_its_path(
    tmp_path: Path, change: dict[str, Any], complaint: str
) -> None:
    (tmp_path / "receipt.json").write_text(json.dumps(GOOD.to_json() | change))
    with pytest.raises(DocumentError, match=f"^receipt.json: {complaint}"):
        read_receipt(tmp_path / "receipt.json")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"old": "none"}, "old: .* is not a digest"),
        ({"new": None}, "new: must be a string"),
        ({"source": "A"}, "source: .* is not an image reference"),
        ({"destination": "-"}, "destination: .* is not an image reference"),
        ({"bytesMounted": True}, "bytesMounted: must be a whole number"),
        ({"error": {"code": "a"}}, "error.message: is missing"),
        ({"error": {"code": "a", "message": "b", "more": 1}}, "error.more: is not a field"),
        ({"tried": 1}, "tried: must be true or false"),
        ({"result": 1}, "result: must be a string"),
        ({"more": 1}, "more: is not a field of this version"),
    ],
)
def test_an_edge_with_a_wrong_field_is_refused_by_its_path(
    tmp_path: Path, change: dict[str, Any], complaint: str
) -> None:
    document = GOOD.to_json()
    document["edges"] = [document["edges"][0] | change]
    (tmp_path / "receipt.json").write_text(json.dumps(document))
    with pytest.raises(DocumentError, match=rf"^receipt.json: edges\[0\].{complaint}"):
        read_receipt(tmp_path / "receipt.json")


@pytest.mark.parametrize("name", sorted(GOOD.to_json()))
def test_a_receipt_without_one_of_its_fields_is_refused(tmp_path: Path, name: str) -> None:
    document = GOOD.to_json()
    del document[name]
    (tmp_path / "receipt.json").write_text(json.dumps(document))
    with pytest.raises(DocumentError, match=f"^receipt.json: {name}: is missing"):
        read_receipt(tmp_path / "receipt.json")


def test_a_receipt_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "receipt.json").write_bytes(b"\x80")
    with pytest.raises(DocumentError, match="not a text in UTF-8"):
        read_receipt(tmp_path / "receipt.json")
