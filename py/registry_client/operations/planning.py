"""Makes the plan of a promotion from what its targets declare; needs no network."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from registry_client.errors import PolicyError, UsageError
from registry_client.plan import AdHoc, Edge, Plan, merge_edges
from registry_client.reference import ImageReference, validate_tag

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from registry_client.policy import Policy
    from registry_client.retag_request import RetagRequest


@dataclass(frozen=True, kw_only=True, slots=True)
class Retag:
    """An ``image_retag`` target, with what it stands for.

    Attributes:
        request: What it declares.
        source: The image, by digest.
        policy: What holds for it.
    """

    request: RetagRequest
    source: ImageReference
    policy: Policy

    def edges(self) -> list[Edge]:
        """The edges that it asks for: each tag in each repository.

        Raises:
            PolicyError: The policy does not allow them; one line for each reason.
        """
        requires = tuple(dict.fromkeys([*self.policy.requires, *self.request.requires]))

        def edge(destination: ImageReference) -> Edge:
            return Edge(
                source=self.source,
                destination=destination,
                target=self.request.target,
                overwrite=self.policy.permit(self.source, destination, self.request.overwrite),
                requires=requires,
            )

        repositories = self.request.repositories or [self.source]
        return _each(edge, [repository.tagged(tag) for repository in repositories for tag in self.request.tags])


def make_plan(retags: Sequence[Retag], *, ad_hoc: bool = False) -> Plan:
    """Put the edges of all targets together.

    Args:
        retags: The targets.
        ad_hoc: Whether people may add what the one target lets them; that goes for its own plan, not for a promotion.

    Returns:
        The plan.

    Raises:
        UsageError: A policy does not allow an edge, or two edges contradict each other; one line for each.
    """
    edges: list[Edge] = []
    problems = []
    for retag in retags:
        try:
            edges += retag.edges()
        except UsageError as error:
            problems += [f"{retag.request.target}: {line}" for line in str(error).splitlines()]
    try:
        merged = merge_edges(edges)
    except UsageError as error:
        problems.append(str(error))
    if problems:
        raise UsageError("\n".join(problems))
    first = retags[0]
    if not ad_hoc or len(retags) > 1 or not first.request.ad_hoc:
        return Plan(edges=merged)
    allowed = AdHoc(allowed=first.request.ad_hoc, policy=first.policy, overwrite=first.request.overwrite)
    return Plan(edges=merged, ad_hoc=allowed)


def with_additions(
    plan: Plan, tags: Sequence[str], repositories: Sequence[ImageReference], *, target: str = "the plan"
) -> Plan:
    """Add to a plan what people ask for on the command line.

    Args:
        plan: The plan.
        tags: More tags, in each repository.
        repositories: More repositories, each for all tags.
        target: What made the plan, for messages.

    Returns:
        The larger plan.

    Raises:
        UsageError: The plan does not let anybody add that, or the policy does not allow it; one line for each reason.
    """
    for option, wanted in (("tag", tags), ("repository", repositories)):
        if wanted and (plan.ad_hoc is None or option not in plan.ad_hoc.allowed):
            message = f'{target} does not allow --{option}; what does is an image_retag with ad_hoc = ["{option}"]'
            raise UsageError(message)
    if plan.ad_hoc is None or not (tags or repositories):
        return plan
    if not plan.edges:
        message = "the plan has no edges, so there is no image to give a tag"
        raise UsageError(message)
    for tag in tags:
        validate_tag(tag)
    first, ad_hoc = plan.edges[0], plan.ad_hoc
    places = list(dict.fromkeys(replace(edge.destination, tag=None) for edge in plan.edges))
    every_place = dict.fromkeys([*places, *(replace(repository, tag=None) for repository in repositories)])
    every_tag = dict.fromkeys([*(edge.destination.tag for edge in plan.edges if edge.destination.tag), *tags])
    there = {edge.destination for edge in plan.edges}

    def edge(destination: ImageReference) -> Edge:
        overwrite = ad_hoc.policy.permit(first.source, destination, ad_hoc.overwrite)
        return replace(first, destination=destination, overwrite=overwrite)

    wanted = [place.tagged(tag) for place in every_place for tag in every_tag]
    return replace(plan, edges=[*plan.edges, *_each(edge, [each for each in wanted if each not in there])])


def _each(edge: Callable[[ImageReference], Edge], destinations: Sequence[ImageReference]) -> list[Edge]:
    """Make an edge for each destination; the error has all reasons why that cannot be."""
    edges, problems = [], []
    for destination in destinations:
        try:
            edges.append(edge(destination))
        except PolicyError as error:
            problems += str(error).splitlines()
    if problems:
        raise PolicyError("\n".join(dict.fromkeys(problems)))
    return edges
