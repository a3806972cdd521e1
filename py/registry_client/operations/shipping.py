"""Brings cargos to where they are to be: blobs first, then manifests from the leaves up, then what refers to them.

Tags are not set here: until they are, nobody sees any of it.
"""

from __future__ import annotations

import os
import threading
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from registry_client.errors import RegistryClientError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from typing_extensions import Self

    from registry_client.descriptor import Descriptor
    from registry_client.operations.content import Cargo, Part
    from registry_client.operations.stores import AnyStore
    from registry_client.reference import ImageReference

STREAMS = min(max(2, os.cpu_count() or 2), 8)
"""How many blobs go through this machine at once: where the network is fast, each keeps a processor busy."""


@dataclass(kw_only=True, slots=True)
class Delivery:
    """What became of a cargo.

    Attributes:
        moved: Bytes of blobs that went through this machine for it.
        mounted: Bytes of blobs that the store took over by itself.
        error: Why it is not whole.
    """

    moved: int = 0
    mounted: int = 0
    error: RegistryClientError | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Load:
    """A blob that a repository may lack, where it may be had, and the first cargo that needs it there."""

    blob: Descriptor
    sources: list[ImageReference]
    destination: ImageReference
    delivery: Delivery

    @property
    def key(self) -> tuple[str, str]:
        return self.destination.name, self.blob.digest


class _Turn:
    """The turn of a blob to go through this machine, which ends when its last byte has gone.

    Only then does the registry store it, which takes time, too: meanwhile it is the next one's turn.
    """

    def __init__(self, streams: threading.BoundedSemaphore, size: int) -> None:
        self._streams = streams
        self._rest = size
        self._is_over = False

    def __enter__(self) -> Self:
        self._streams.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def moved(self, count: int) -> None:
        """Take note of bytes that have gone."""
        self._rest -= count
        if self._rest <= 0:
            self._end()

    def _end(self) -> None:
        if not self._is_over:
            self._is_over = True
            self._streams.release()


class Shipment:
    """Ships cargos together, so that what several of them need is looked for and sent once."""

    def __init__(self, cargos: Sequence[Cargo], store: AnyStore) -> None:
        """Ship nothing yet.

        Args:
            cargos: What ``Surveyor`` found.
            store: Where the images are.
        """
        self._store = store
        self._cargos = cargos
        self._deliveries = [Delivery() for _ in cargos]
        self._streams = threading.BoundedSemaphore(STREAMS)

    def ship(self) -> list[Delivery]:
        """Ship everything but the roots, which their tags bring.

        A cargo of which something fails stays behind; the others are shipped all the same.

        Returns:
            One delivery for each cargo, in order.
        """
        self._ship_blobs()
        self._put_manifests(lambda cargo: cargo.parts)
        self._put_manifests(lambda cargo: cargo.attached)
        return self._deliveries

    def _ship_blobs(self) -> None:
        loads = self._loads()
        groups: defaultdict[tuple[str, str], list[_Load]] = defaultdict(list)
        for load in loads.values():
            place = load.destination.name if load.destination.is_layout else load.destination.registry
            groups[place, load.blob.digest].append(load)
        total = sum(load.blob.size for load in loads.values())
        with self._store.progress(total, "B") as advance:
            answers = self._store.each(lambda group: self._ship_group(group, advance), list(groups.values()), unit="")
        failed: dict[tuple[str, str], RegistryClientError] = {}
        for group, answer in zip(groups.values(), answers, strict=True):
            failed |= {load.key: answer for load in group} if isinstance(answer, RegistryClientError) else answer
        for cargo, delivery in zip(self._cargos, self._deliveries, strict=True):
            keys = ((part.destination.name, blob.digest) for part in cargo.all_parts for blob in part.blobs)
            delivery.error = delivery.error or next((failed[key] for key in keys if key in failed), None)

    def _loads(self) -> dict[tuple[str, str], _Load]:
        """All blobs to look for, each once for a repository."""
        loads: dict[tuple[str, str], _Load] = {}
        for cargo, delivery in zip(self._cargos, self._deliveries, strict=True):
            for part in cargo.all_parts:
                for blob in part.blobs:
                    load = _Load(blob=blob, sources=[], destination=part.destination, delivery=delivery)
                    sources = loads.setdefault(load.key, load).sources
                    if part.source.name not in {source.name for source in sources}:
                        sources.append(part.source)
        return loads

    def _ship_group(
        self, loads: Sequence[_Load], advance: Callable[[int], object]
    ) -> dict[tuple[str, str], RegistryClientError]:
        """Ship one blob to all repositories of one registry, from outside only once; gives what failed."""
        failed: dict[tuple[str, str], RegistryClientError] = {}
        holders: list[str] = []
        for load in loads:
            try:
                self._ship_blob(load, holders, advance)
            except RegistryClientError as error:
                failed[load.key] = error
            else:
                holders.append(load.destination.repository)
        return failed

    def _ship_blob(self, load: _Load, holders: Sequence[str], advance: Callable[[int], object]) -> None:
        """Have a blob mounted from where the registry has it, or else move it, unless it is there."""
        store, blob, destination = self._store.of(load.destination), load.blob, load.destination
        beside = [source.repository for source in load.sources if source.registry == destination.registry]
        holder = next(iter([*holders, *beside]), None)
        if (holder is None or destination.is_layout) and store.has_blob(destination, blob):
            advance(blob.size)
            return
        location = ""
        if holder is not None:
            location = store.mount_blob(destination, blob, holder)
            if not location:
                load.delivery.mounted += blob.size
            if not location or store.has_blob(destination, blob):
                advance(blob.size)
                return
        self._move(load, location, advance)

    def _move(self, load: _Load, location: str, advance: Callable[[int], object]) -> None:
        """Let a blob go through this machine, from the first source that has it."""
        *others, last = load.sources
        for source in others:
            try:
                self._move_from(source, load, location, advance)
            except RegistryClientError:
                location = ""  # what came of it is not known
                continue
            return
        self._move_from(last, load, location, advance)

    def _move_from(self, place: ImageReference, load: _Load, location: str, advance: Callable[[int], object]) -> None:
        source = self._store.of(place)
        with _Turn(self._streams, load.blob.size) as turn:

            def moved(count: int) -> None:
                load.delivery.moved += count
                turn.moved(count)
                advance(count)

            self._store.of(load.destination).write_blob(
                load.destination,
                load.blob,
                lambda offset: source.stream_blob(place, load.blob, offset),
                moved,
                location=location,
            )

    def _put_manifests(self, parts_of: Callable[[Cargo], Iterable[Part]]) -> None:
        """Put manifests, level by level, so that nothing is listed before it is there."""
        pairs = list(zip(self._cargos, self._deliveries, strict=True))
        heights = sorted({part.height for cargo in self._cargos for part in parts_of(cargo)})
        for height in heights:
            parts = {
                part.destination: part
                for cargo, delivery in pairs
                if delivery.error is None
                for part in parts_of(cargo)
                if part.height == height
            }
            answers = self._store.each(self._put, list(parts.values()), unit="")
            failed = {
                place: answer
                for place, answer in zip(parts, answers, strict=True)
                if isinstance(answer, RegistryClientError)
            }
            for cargo, delivery in pairs:
                places = (part.destination for part in parts_of(cargo))
                delivery.error = delivery.error or next((failed[place] for place in places if place in failed), None)

    def _put(self, part: Part) -> None:
        store = self._store.of(part.destination)
        if part.is_listed:
            store.put_part(part.destination, part.image)
        else:
            store.put_image(part.destination, part.image)
