"""Platforms: which image of an index is meant, and when nobody can tell."""

from __future__ import annotations

import pytest
from registry_client.descriptor import OCI_MANIFEST, Descriptor, Platform
from registry_client.errors import PlatformError, UsageError
from registry_client.platforms import parse_platform, select


def choices(*platforms: str) -> list[Descriptor]:
    """A descriptor for each platform; none is given for an empty one."""
    return [
        Descriptor(
            media_type=OCI_MANIFEST,
            digest=f"sha256:{number}",
            size=1,
            platform=parse_platform(text) if text else None,
        )
        for number, text in enumerate(platforms)
    ]


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("linux/amd64", "linux/amd64"),
        ("linux/arm64/v8", "linux/arm64/v8"),
        ("Linux/x86_64", "linux/amd64"),
        ("linux/aarch64", "linux/arm64"),
        ("windows(10.0.17763.1397)/amd64", "windows(10.0.17763.1397)/amd64"),
    ],
)
def test_what_people_write_is_read(text: str, canonical: str) -> None:
    assert str(parse_platform(text)) == canonical
    assert parse_platform(canonical) == parse_platform(text)


@pytest.mark.parametrize("text", ["", "linux", "linux/", "linux/arm/v7/x", "a b/c", "windows()/amd64"])
def test_what_is_no_platform_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not a platform: write os/architecture"):
        parse_platform(text)


@pytest.mark.parametrize(
    ("there", "wanted", "number"),
    [
        (["linux/amd64", "linux/arm64"], "linux/arm64", 1),
        (["linux/amd64", "linux/arm64/v8"], "linux/arm64", 1),
        (["linux/amd64", "linux/arm64"], "linux/arm64/v8", 1),
        (["linux/amd64", "linux/amd64/v3"], "linux/amd64", 0),
        (["linux/amd64/v1", "linux/amd64/v3"], "linux/amd64", 0),
        (["linux/amd64", "linux/amd64/v3"], "linux/amd64/v1", 0),
        (["linux/arm/v6", "linux/arm/v7"], "linux/arm/v7", 1),
        (["linux/arm/v7", ""], "linux/arm", 0),
        (["windows(1)/amd64", "windows(2)/amd64"], "windows(2)/amd64", 1),
        (["windows/amd64", "windows(2)/amd64"], "windows/amd64", 0),
    ],
)
def test_the_one_that_fits_is_chosen(there: list[str], wanted: str, number: int) -> None:
    assert select(choices(*there), parse_platform(wanted), "a").digest == f"sha256:{number}"


@pytest.mark.parametrize(
    ("there", "wanted", "message"),
    [
        (
            ["linux/arm/v6", "linux/arm/v7"],
            "linux/arm",
            "is there several times; choose from: linux/arm/v6, linux/arm/v7",
        ),
        (["windows(1)/amd64", "windows(2)/amd64"], "windows/amd64", "choose from: windows(1)/amd64, windows(2)/amd64"),
        (["linux/arm64", "linux/amd64"], "linux/s390x", "is not there; choose from: linux/amd64, linux/arm64"),
        (["linux/arm/v7"], "linux/arm/v6", "is not there; choose from: linux/arm/v7"),
        ([""], "linux/arm", "choose from: nothing, as no platform is given"),
        (["unknown/unknown"], "linux/arm", "choose from: nothing"),
    ],
)
def test_what_cannot_be_told_is_an_error_that_lists_the_choices(there: list[str], wanted: str, message: str) -> None:
    with pytest.raises(PlatformError) as raised:
        select(choices(*there), parse_platform(wanted), "docker.io/a:1")
    assert str(raised.value).startswith(f"docker.io/a:1: {wanted} ")
    assert message in str(raised.value)


def test_an_image_that_is_listed_twice_is_there_once() -> None:
    (one,) = choices("linux/amd64")
    assert select([one, one], Platform(os="linux", architecture="amd64"), "a") == one
