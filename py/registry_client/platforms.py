"""Which of an index's images is for a platform (OCI image specification, "Image Index", "Platform Variants")."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from registry_client.descriptor import Descriptor, Platform
from registry_client.errors import PlatformError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

_PLATFORM = re.compile(
    r"(?P<os>[a-z0-9]+)(\((?P<version>[^()]+)\))?/(?P<architecture>[a-z0-9_]+)(/(?P<variant>[a-z0-9.]+))?"
)
_ARCHITECTURES = {"aarch64": "arm64", "x86_64": "amd64"}
"""What people write, to what Go calls it, which is what images say."""
_ONLY_VARIANTS = {"amd64": "v1", "arm64": "v8"}
"""The variant that is meant where none is given."""


def parse_platform(text: str) -> Platform:
    """Read what a person writes as a platform.

    Args:
        text: ``os/architecture[/variant]``; ``os(version)/…`` for one version of Windows.

    Returns:
        The platform.

    Raises:
        UsageError: It is none.
    """
    match = _PLATFORM.fullmatch(text.lower())
    if match is None:
        message = f'"{text}" is not a platform: write os/architecture or os/architecture/variant, as linux/arm64/v8'
        raise UsageError(message)
    return Platform(
        os=match["os"],
        architecture=_ARCHITECTURES.get(match["architecture"], match["architecture"]),
        variant=match["variant"] or "",
        os_version=match["version"] or "",
    )


def fits(platform: Platform, wanted: Platform) -> bool:
    """Tell whether an image for one platform is what is wanted; what is not said about the latter may be anything."""
    return (
        (platform.os, platform.architecture) == (wanted.os, wanted.architecture)
        and (not wanted.variant or _variant(platform) == _variant(wanted))
        and (not wanted.os_version or platform.os_version == wanted.os_version)
    )


def select(choices: Sequence[Descriptor], wanted: Platform, subject: str) -> Descriptor:
    """Choose the one image for a platform.

    Args:
        choices: What there is, in the order of the index.
        wanted: The platform.
        subject: Where they are, for the message.

    Returns:
        The one that fits; of several that do, the one that says no more than what was asked for.

    Raises:
        PlatformError: None fits, or several do.
    """
    fitting = {each.digest: each for each in reversed(choices) if each.platform and fits(each.platform, wanted)}
    if len(fitting) > 1:
        plain = {
            digest: each for digest, each in fitting.items() if each.platform and not _says_more(each.platform, wanted)
        }
        fitting = plain if len(plain) == 1 else fitting
    if len(fitting) == 1:
        return next(iter(fitting.values()))
    listed = ", ".join(sorted({str(each.platform) for each in (fitting.values() or choices) if _is_choice(each)}))
    problem = "is there several times" if fitting else "is not there"
    message = f"{subject}: {wanted} {problem}; choose from: {listed or 'nothing, as no platform is given'}"
    raise PlatformError(message)


def _variant(platform: Platform) -> str:
    return platform.variant or _ONLY_VARIANTS.get(platform.architecture, "")


def _says_more(platform: Platform, wanted: Platform) -> bool:
    """Whether a platform is narrowed down by what was not asked for."""
    default = _ONLY_VARIANTS.get(platform.architecture, "")
    return (not wanted.variant and platform.variant not in {"", default}) or (
        not wanted.os_version and bool(platform.os_version)
    )


def _is_choice(descriptor: Descriptor) -> bool:
    return descriptor.platform is not None and descriptor.platform.is_known
