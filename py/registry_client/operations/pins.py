"""Pins as build outputs: one small file for each digest and each pinned reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

from registry_client.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from registry_client.lockfile import LockedImage, Lockfile
    from registry_client.request import LockRequest


def write_pins(
    request: LockRequest, lock: Lockfile, *, output: Path, digests: Sequence[Path], references: Sequence[Path]
) -> None:
    """Write the build outputs of an ``image_lock``.

    Args:
        request: What is declared.
        lock: A lock that covers it.
        output: Where the lock goes, without the pins of what is not declared.
        digests: A file for each image, in the order of the names: ``sha256:…``, no newline.
        references: A file for each image, in the order of the names: ``registry/repository@sha256:…``, no newline.

    Raises:
        UsageError: There are not as many files as images.
    """
    pins: dict[str, LockedImage] = {name: lock.images[name] for name in request.images}
    if not len(digests) == len(references) == len(pins):
        message = f"{request.target}: {len(pins)} images, but {len(digests)} and {len(references)} output files"
        raise UsageError(message)
    output.write_text(type(lock)(images=pins).to_text(), encoding="utf-8")
    for pin, digest, reference in zip(pins.values(), digests, references, strict=True):
        digest.write_text(pin.digest, encoding="utf-8")
        reference.write_text(pin.pinned, encoding="utf-8")
