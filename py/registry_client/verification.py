"""Bytes that are checked against their digest while they pass through."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from registry_client.errors import DigestMismatchError

if TYPE_CHECKING:
    from registry_client.descriptor import Descriptor

Part = bytes | memoryview
"""Some bytes of a blob; a view may be good only until the part after the next one is asked for."""
OpenBlob = Callable[[int], Iterator[Part]]
"""Opens a blob at an offset in bytes; gives its bytes from there on, in parts."""

_CHECKPOINT_SIZE = 16 * 1024 * 1024
"""Bytes between two places from which a blob can be read again without reading what is before them."""


class VerifiedBlob:
    """A blob whose bytes are handed on only after they were hashed, and the last of them only if the digest is right.

    So nobody ever gets a whole blob with a wrong digest. A transfer can begin again anywhere: what is read a second
    time is hashed a second time, from the nearest checkpoint on.
    """

    def __init__(self, descriptor: Descriptor, source: OpenBlob, subject: str) -> None:
        """Open nothing yet.

        Args:
            descriptor: The blob: its digest, and its size in bytes.
            source: Opens it.
            subject: What it is a part of, for messages.
        """
        self.descriptor = descriptor
        self._source = source
        self._subject = subject
        self._checkpoints = [(0, hashlib.new(descriptor.digest.partition(":")[0]))]

    def chunks(self, offset: int, moved: Callable[[int], object]) -> Iterator[Part]:
        """Read the blob.

        Args:
            offset: How many bytes to leave out at the start.
            moved: Takes the number of bytes each time some were handed on.

        Yields:
            The bytes from the offset on.

        Raises:
            DigestMismatchError: The source has other bytes, or another number of them; the last part was not yielded.
        """
        position, state = max((at for at in self._checkpoints if at[0] <= offset), key=lambda at: at[0])
        state = state.copy()
        held: Part = b""
        for chunk in self._source(position):
            state.update(chunk)
            wanted = chunk[max(0, offset - position) :] if position < offset else chunk
            position += len(chunk)
            self._check_size(position)
            if position - self._checkpoints[-1][0] >= _CHECKPOINT_SIZE:
                self._checkpoints.append((position, state.copy()))
            if wanted:
                if held:
                    yield held
                    moved(len(held))
                held = wanted
        actual = f"{state.name}:{state.hexdigest()}"
        if actual != self.descriptor.digest or position != self.descriptor.size:
            message = (
                f"{self._subject}: the blob {self.descriptor.digest} of {self.descriptor.size} bytes "
                f"came as {position} bytes with {actual}"
            )
            raise DigestMismatchError(message)
        if held:
            yield held
            moved(len(held))

    def _check_size(self, position: int) -> None:
        if position > self.descriptor.size:
            message = (
                f"{self._subject}: the blob {self.descriptor.digest} has more than the {self.descriptor.size} bytes "
                "that its manifest states"
            )
            raise DigestMismatchError(message)
