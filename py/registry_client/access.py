"""What a bearer token opens, as far as it says so itself (distribution, "Token Authentication Implementation")."""

from __future__ import annotations

import base64
import json
from fnmatch import fnmatchcase
from typing import Any


def may_push(token: str, repository: str) -> bool:
    """Tell whether a token may open a repository for writing.

    A registry alone can read its tokens for sure. So only one that lists what it opens, in the way of distribution's
    token servers, and without this repository, counts as one that does not open it.

    Args:
        token: The token.
        repository: The path on the registry.

    Returns:
        False if the token itself says no.
    """
    access = _access(token)
    return access is None or any(_opens(entry, repository) for entry in access)


def _access(token: str) -> list[Any] | None:
    """The list of a JSON Web Token; None if it is none, or has no such list."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(f"{parts[1]}=="))
    except (ValueError, RecursionError):
        return None
    access = claims.get("access") if isinstance(claims, dict) else None
    return access if isinstance(access, list) else None


def _opens(entry: Any, repository: str) -> bool:  # noqa: ANN401 - JSON is anything
    """Whether an entry is about writing to a repository, or cannot be read."""
    if not isinstance(entry, dict):
        return True
    kind, name, actions = entry.get("type"), entry.get("name"), entry.get("actions")
    if not (isinstance(kind, str) and isinstance(name, str) and isinstance(actions, list)):
        return True
    return (
        kind.startswith("repository") and fnmatchcase(repository, name) and bool({"push", "*"} & set(map(str, actions)))
    )
