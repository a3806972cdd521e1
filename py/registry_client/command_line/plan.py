"""``registry plan``: what ``image_retag`` and ``image_promotion`` build."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from registry_client.command_line.console import DONE, layout_directory
from registry_client.documents import read_text
from registry_client.errors import UsageError
from registry_client.layout import LayoutStore
from registry_client.layout_index import MARKER
from registry_client.operations.planning import Retag, make_plan
from registry_client.policy import Policy, read_policy
from registry_client.reference import OCI_LAYOUT, ImageReference, parse_reference
from registry_client.retag_request import RetagRequest, read_retag_request, read_status

if TYPE_CHECKING:
    from collections.abc import Sequence


def add_plan_options(parser: argparse.ArgumentParser) -> None:
    """Make a parser that of ``plan``."""
    parser.set_defaults(run=_plan, retags=[])
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--ad-hoc", action="store_true", help="let people add what the target allows")
    parser.add_argument("--status", type=Path, help="the stable workspace status, for stamps in tags")
    parser.add_argument("--retag", action=_NewRetag, metavar="REQUEST", required=True, help="what a target declares")
    group = parser.add_argument_group("for the target before")
    group.add_argument("--image", action=_OfRetag, metavar="FILE", help="its image: a file with the pinned reference")
    group.add_argument("--layout", action=_OfRetag, nargs=2, metavar=("NAME", "DIR"), help="its image: an OCI layout")
    group.add_argument("--tags", action=_OfRetag, metavar="FILE", help="more tags, one a line")
    group.add_argument("--policy", action=_OfRetag, metavar="FILE", help="the policy that holds for it")


@dataclass(kw_only=True, slots=True)
class _Arguments:
    """What the command line says of one target."""

    request: Path
    files: dict[str, Sequence[str]] = field(default_factory=dict)

    def path(self, option: str) -> Path | None:
        return Path(self.files[option][0]) if option in self.files else None


class _NewRetag(argparse.Action):
    """Starts the arguments of another target."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        """Take the option's value."""
        del parser, option_string
        namespace.retags = [*namespace.retags, _Arguments(request=Path(str(values)))]


class _OfRetag(argparse.Action):
    """Adds to the arguments of the target that was started last."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        """Take the option's values."""
        if not namespace.retags:
            parser.error(f"{option_string} needs a --retag before it")
        namespace.retags[-1].files[self.dest] = values if isinstance(values, list) else [str(values)]


def _plan(options: argparse.Namespace) -> int:
    status = read_status(options.status) if options.status else {}
    plan = make_plan([_read(arguments, status) for arguments in options.retags], ad_hoc=options.ad_hoc)
    options.output.write_text(plan.to_text(), encoding="utf-8")
    return DONE


def _read(arguments: _Arguments, status: dict[str, str]) -> Retag:
    tags, policy = arguments.path("tags"), arguments.path("policy")
    more_tags = read_text(tags).split() if tags else []
    request = read_retag_request(arguments.request, more_tags=more_tags, status=status)
    source = _source(arguments, request)
    if source.is_layout and "layout" in arguments.files and not request.repositories:
        message = f"{request.target}: an image that a rule has built is in no repository yet; add one to repositories"
        raise UsageError(message)
    return Retag(request=request, source=source, policy=read_policy(policy) if policy else Policy())


def _pinned(path: Path, request: RetagRequest) -> ImageReference:
    reference = parse_reference(read_text(path).strip())
    if reference.digest is None:
        message = (
            f"{request.target}: {path.name} names {reference} without a digest, so that nobody knows what would be "
            "promoted; name an image of an image_lock as image"
        )
        raise UsageError(message)
    return reference.pinned(reference.digest)


def _source(arguments: _Arguments, request: RetagRequest) -> ImageReference:
    image = arguments.path("image")
    if image is not None:
        return _pinned(image, request)
    name, directory = arguments.files.get("layout", ("", ""))
    if not name or not (Path(directory).is_dir() or Path(directory).name == MARKER):
        message = (
            f"{request.target}: {request.image} is neither an image of an image_lock nor one OCI layout; name a target "
            "that gives one directory, or all files of one, as image"
        )
        raise UsageError(message)
    layout = parse_reference(f"{OCI_LAYOUT}:{name}")
    store = LayoutStore(Path(), {layout.repository: layout_directory(directory)})
    return layout.pinned(store.resolve(layout).digest)
