"""A source tree with a layout, a registry, and the commands that promote, run in it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from built_images import image, index, put
from registry_client.__main__ import main
from registry_client.layout import LayoutStore

if TYPE_CHECKING:
    from pathlib import Path

    from built_images import Built
    from memory_registry import MemoryRegistry

ONE, TWO = image("one"), image("two")
BOTH = index(ONE, TWO)


class Workspace:
    """A source tree with a layout of two images, and a registry with the same."""

    def __init__(self, root: Path, registry: MemoryRegistry) -> None:
        """Make it."""
        self.root = root
        self.registry = registry
        self.layouts = LayoutStore(root)
        put(self.layouts, "app", BOTH, "1")
        put(self.layouts, "app", ONE, "one")
        registry.add("app", BOTH, "1")

    @property
    def remote(self) -> str:
        """The repository on the registry."""
        return f"{self.registry.address}/app"

    def plan(self, *edges: tuple[Built, str, str], **more: Any) -> None:  # noqa: ANN401
        """Write a plan: image, repository that it is in, destination."""
        written = [
            {
                "destination": destination,
                "digest": built.digest,
                "overwrite": "moving",
                "source": f"{source}@{built.digest}",
                "target": "//:promote",
            }
            for built, source, destination in edges
        ]
        (self.root / "plan.json").write_text(json.dumps({"edges": written, "planVersion": 1, **more}))

    def promote(self, *options: str) -> int:
        """Carry the plan out."""
        return main(["promote", "--plan", "plan.json", "--retries", "0", *options])

    def receipt(self, name: str = "receipt.json") -> dict[str, Any]:
        """Read a receipt."""
        document: dict[str, Any] = json.loads((self.root / name).read_text())
        return document

    def results(self, name: str = "receipt.json") -> list[str]:
        """What became of each edge."""
        return [edge["result"] for edge in self.receipt(name)["edges"]]
