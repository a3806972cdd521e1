"""What the Bazel rules ask for: the JSON that ``image_retag`` writes. Defined here only."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from registry_client.documents import read_document, read_text
from registry_client.errors import UsageError
from registry_client.plan import AD_HOC
from registry_client.policy import Overwrite, parse_overwrite
from registry_client.reference import ImageReference, parse_reference, validate_tag

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_STAMP = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True, kw_only=True, slots=True)
class RetagRequest:
    """An ``image_retag`` target.

    Attributes:
        target: Its label.
        image: The label of its image.
        tags: The tags to set.
        repositories: Where, as references of which tag and digest do not matter; the image's own if empty.
        overwrite: What may become of tags that are there already; None to leave it to the policy.
        requires: What the image must have, see ``Policy``.
        ad_hoc: What people may add on the command line: ``tag``, ``repository``.
    """

    target: str
    image: str
    tags: Sequence[str]
    repositories: Sequence[ImageReference] = ()
    overwrite: Overwrite | None = None
    requires: Sequence[str] = ()
    ad_hoc: Sequence[str] = ()


def read_retag_request(path: Path, *, more_tags: Sequence[str] = (), status: Mapping[str, str]) -> RetagRequest:
    """Read what an ``image_retag`` declares.

    Args:
        path: The JSON file that the rule wrote.
        more_tags: Tags from elsewhere; they may have stamps too.
        status: The workspace status: ``{KEY}`` in a tag stands for the value of the key.

    Returns:
        The request.

    Raises:
        UsageError: A tag or a repository is none, or is there twice; one line for each.
    """
    fields = read_document(path)
    target = fields.take("target", str)
    problems: list[str] = []
    tags = [_tag(text, status, problems) for text in [*fields.take_strings("tags"), *more_tags]]
    repositories = [_repository(text, problems) for text in fields.take_strings("repositories", default=[])]
    ad_hoc = fields.take_strings("adHoc", default=[])
    request = RetagRequest(
        target=target,
        image=fields.take("image", str, default=""),
        tags=tags,
        repositories=[repository for repository in repositories if repository],
        overwrite=parse_overwrite(fields.take("overwrite", str, parse_overwrite, default="")),
        requires=fields.take_strings("requires", default=[]),
        ad_hoc=ad_hoc,
    )
    fields.nothing_else()
    problems += [f'the tag "{tag}" is there twice; keep one in tags' for tag in _repeated(tags)]
    names = [str(repository) for repository in request.repositories]
    problems += [f'the repository "{name}" is there twice; keep one in repositories' for name in _repeated(names)]
    problems += [f'"{each}" is none of {", ".join(AD_HOC)}; mend it in ad_hoc' for each in ad_hoc if each not in AD_HOC]
    if not tags:
        problems.append("there is no tag to set; add one to tags")
    if problems:
        raise UsageError("\n".join(f"{target}: {problem}" for problem in problems))
    return request


def read_status(path: Path) -> dict[str, str]:
    """Read Bazel's workspace status file: a key, a space and a value on each line."""
    pairs = (line.partition(" ") for line in read_text(path).splitlines())
    return {key: value for key, _, value in pairs}


def parse_repository(text: str) -> ImageReference:
    """Read a repository.

    Args:
        text: As ``ghcr.io/team/app`` or ``oci-layout:DIR``.

    Returns:
        A reference to it, without tag and digest.

    Raises:
        UsageError: It is none, or names an image in a repository.
    """
    try:
        reference = parse_reference(text)
    except UsageError as error:
        message = str(error).replace("is not an image reference", "is not a repository", 1)
        raise UsageError(message) from error
    if reference.digest or (reference.tag and text.endswith(f":{reference.tag}")):
        message = f'"{text}" is not a repository, but an image in one: leave out its tag and digest'
        raise UsageError(message)
    return replace(reference, tag=None)


def _tag(text: str, status: Mapping[str, str], problems: list[str]) -> str:
    """A tag with the values of its stamps."""
    unknown = [key for key in _STAMP.findall(text) if key not in status]
    if unknown:
        known = ", ".join(sorted(status)) or "nothing"
        problems.append(
            f'the tag "{text}" wants {unknown[0]}, but the stable workspace status has: {known}; {_remedy(unknown[0])}'
        )
        return text
    tag = _STAMP.sub(lambda match: status[match[1]], text)
    try:
        validate_tag(tag)
    except UsageError as error:
        problems.append(f"{error}; mend it in tags" if tag == text else f'{error}; it comes of "{text}" in tags')
    return tag


def _remedy(key: str) -> str:
    """How a key gets into the stable workspace status."""
    if key.startswith("STABLE_"):
        return f"let --workspace_status_command print {key}"
    return (
        "of what --workspace_status_command prints, only keys that start with STABLE_ are stable: let it print "
        f"STABLE_{key}, and write {{STABLE_{key}}}"
    )


def _repository(text: str, problems: list[str]) -> ImageReference | None:
    try:
        return parse_repository(text)
    except UsageError as error:
        problems.append(f"{error}; mend it in repositories")
        return None


def _repeated(values: Sequence[str]) -> list[str]:
    return sorted({value for value in values if values.count(value) > 1})
