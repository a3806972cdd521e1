"""What an update or a check has to say of one pin."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from registry_client.errors import RegistryClientError


class PinOutcome(Enum):
    """What was found of a pin, or done to it."""

    ADDED = "added"
    UPDATED = "updated"
    REMOVED = "removed"
    UNCHANGED = "unchanged"
    SKIPPED = "skipped"
    """It is frozen."""
    STALE = "stale"
    """The lock does not have what is declared."""
    DRIFTED = "drifted"
    """The tag points elsewhere by now, or is not there any more."""
    GONE = "gone"
    """The registry does not have the digest any more."""
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True, slots=True)
class PinResult:
    """One pin.

    Attributes:
        name: The image's short name.
        reference: What is declared; for a pin that goes, what was.
        old: The digest in the lock; None if there was none.
        new: The digest from now on, or that the tag points to by now; None if there is none, or it is not known.
        outcome: What was found or done.
        reason: What people have to know beside that: why it is frozen, what is stale; may be empty.
        is_mended_by_update: Whether an update of the image makes right what a check found.
        error: Why it failed.
    """

    name: str
    reference: str
    old: str | None
    new: str | None
    outcome: PinOutcome
    reason: str = ""
    is_mended_by_update: bool = False
    error: RegistryClientError | None = None
