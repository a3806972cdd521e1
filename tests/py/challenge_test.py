"""Challenges: what registries write into WWW-Authenticate."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from registry_client.challenge import Challenge, parse_challenges

NAME = st.from_regex(r"[a-z]{1,8}", fullmatch=True)
VALUE = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20)
CHALLENGES = st.lists(
    st.builds(Challenge, scheme=NAME, parameters=st.dictionaries(NAME, VALUE, min_size=1, max_size=4)), max_size=4
)


def written(challenge: Challenge) -> str:
    """The challenge as a registry writes it."""
    quoted = {name: value.replace("\\", r"\\").replace('"', r"\"") for name, value in challenge.parameters.items()}
    return f"{challenge.scheme} " + ", ".join(f'{name}="{value}"' for name, value in quoted.items())


@given(CHALLENGES)
def test_what_is_written_is_read(challenges: list[Challenge]) -> None:
    assert parse_challenges(", ".join(map(written, challenges))) == challenges


@given(st.text(max_size=60))
def test_no_header_is_an_error(header: str) -> None:
    parse_challenges(header)


@pytest.mark.parametrize(
    ("header", "schemes"),
    [
        ('Bearer realm="https://a/token",scope="repository:a/b:pull,push"', ["bearer"]),
        ('Negotiate, Basic realm="x, y"', ["negotiate", "basic"]),
        ('Negotiate YWJj==, Basic realm="a"', ["negotiate", "basic"]),
        ('BASIC realm="a", Bearer realm=b', ["basic", "bearer"]),
        ("Basic", ["basic"]),
        ("", []),
    ],
)
def test_several_schemes_are_told_apart(header: str, schemes: list[str]) -> None:
    assert [challenge.scheme for challenge in parse_challenges(header)] == schemes


def test_commas_in_quoted_values_do_not_end_them() -> None:
    [challenge] = parse_challenges('Bearer realm="r",scope="repository:a:pull,push"')
    assert challenge.parameters == {"realm": "r", "scope": "repository:a:pull,push"}
