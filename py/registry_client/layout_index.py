"""The index of an OCI image layout: which images it lists, and under which tags."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from registry_client.descriptor import MANIFEST_TYPES
from registry_client.errors import LayoutError, LayoutLacksImageError
from registry_client.reference import OCI_LAYOUT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from registry_client.manifest import Image
    from registry_client.reference import ImageReference

REF_NAME = "org.opencontainers.image.ref.name"
"""The annotation that holds a tag."""
MARKER = "oci-layout"
"""The file that makes a directory a layout."""

_OF_DIGEST = re.compile(r"sha(256|512)-[0-9a-f]{64,128}(\.[a-z]+)?")
"""The tags of what belongs to a digest: cosign's, and those of the referrers tag schema."""


def read_index(directory: Path) -> dict[str, Any]:
    """Read the index of a layout.

    Args:
        directory: The layout.

    Returns:
        The index; its ``manifests`` are a list of objects with a digest.

    Raises:
        LayoutError: There is no layout, or it has no proper index.
    """
    path = directory / "index.json"
    try:
        (directory / MARKER).stat()
        index = json.loads(path.read_bytes())
        if isinstance(index["manifests"], list) and all(map(_is_entry, index["manifests"])):
            return dict(index)
    except OSError as error:
        message = f'{OCI_LAYOUT}:{directory} is not an OCI layout: no "{Path(error.filename or path).name}" there'
        # where nothing is, there may be a layout one day
        is_free = not directory.exists() or (directory.is_dir() and not any(directory.iterdir()))
        kind = LayoutLacksImageError if is_free else LayoutError
        raise kind(message) from error
    except (ValueError, LookupError, TypeError, RecursionError):
        pass
    message = f"{OCI_LAYOUT}:{directory}: index.json is not an image index; make the layout anew"
    raise LayoutError(message)


def _is_entry(value: object) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("digest"), str)
        and isinstance(value.get("annotations") or {}, dict)
    )


def encode(index: Mapping[str, Any]) -> bytes:
    """The text of an index."""
    return json.dumps(index, indent=2).encode() + b"\n"


def find(index: Mapping[str, Any], reference: ImageReference) -> tuple[str, str]:
    """The digest and the media type of what a reference points to."""
    entries: list[Mapping[str, Any]] = index["manifests"]
    if reference.digest is not None:
        types = (str(e.get("mediaType", "")) for e in entries if e.get("digest") == reference.digest)
        return reference.digest, next(types, "")
    if reference.tag is not None:
        found = [entry for entry in entries if tag_of(entry) == reference.tag]
    else:
        listed = [entry for entry in entries if entry.get("mediaType") in MANIFEST_TYPES]
        found = [entry for entry in listed if not _is_attached(entry)] or listed
    if len({entry.get("digest") for entry in found}) == 1:
        return str(found[0]["digest"]), str(found[0].get("mediaType", ""))
    tags = ", ".join(sorted(tag for tag in map(tag_of, entries) if tag)) or "none"
    problem = f'has no tag "{reference.tag}"' if reference.tag else f"has {len(found)} images, name one by its tag"
    message = f"{reference}: the layout {problem}; its tags: {tags}"
    raise LayoutLacksImageError(message)


def _is_attached(entry: Mapping[str, Any]) -> bool:
    """Whether an entry belongs to an image, as a signature does, and is none that somebody means by the layout."""
    return bool(entry.get("artifactType") or _OF_DIGEST.fullmatch(tag_of(entry) or ""))


def tag_of(entry: Mapping[str, Any]) -> str | None:
    """The tag of an entry, None if it has none."""
    tag = (entry.get("annotations") or {}).get(REF_NAME)
    return str(tag) if tag else None


def with_entry(entries: list[dict[str, Any]], image: Image, tag: str | None) -> list[dict[str, Any]]:
    """The entries of an index after an image was put under a tag, or under none."""
    entry: dict[str, Any] = {
        "mediaType": image.media_type,
        "digest": image.digest,
        "size": len(image.raw_manifest),
    }
    # most manifests need not be read for that
    is_attached = b'"subject"' in image.raw_manifest and image.subject is not None
    artifact_type = image.referrer.artifact_type if is_attached else ""
    if artifact_type:
        entry["artifactType"] = artifact_type
    if tag is not None:
        entry["annotations"] = {REF_NAME: tag}
    if any(old.get("digest") == image.digest and tag in (None, tag_of(old)) for old in entries):
        return entries
    moved = [untagged(old) if tag is not None and tag_of(old) == tag else old for old in entries]
    return without_needless([*moved, entry])


def untagged(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry without its tag."""
    annotations = {key: value for key, value in entry["annotations"].items() if key != REF_NAME}
    bare = {key: value for key, value in entry.items() if key != "annotations"}
    return {**bare, "annotations": annotations} if annotations else bare


def without_needless(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Drop each entry without a tag whose image stands there once more."""
    named = {entry.get("digest") for entry in entries if tag_of(entry)}
    kept = []
    for entry in entries:
        if tag_of(entry) is None:
            if entry.get("digest") in named:
                continue
            named.add(entry.get("digest"))
        kept.append(entry)
    return kept
