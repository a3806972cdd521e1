"""What tests share: a source tree with images, a folder of layouts, a registry in memory, and the store of all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from built_images import any_store
from faults import served
from lock_workspace import Workspace
from memory_registry import MemoryRegistry
from registry_client.layout import LayoutStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from registry_client.operations.stores import AnyStore


@pytest.fixture
def layouts(tmp_path: Path) -> LayoutStore:
    return LayoutStore(tmp_path)


@pytest.fixture
def store(tmp_path: Path) -> AnyStore:
    return any_store(tmp_path)


@pytest.fixture
def registry() -> Iterator[MemoryRegistry]:
    registry = MemoryRegistry()
    with served(registry):
        yield registry


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.chdir(tmp_path)
    return Workspace(tmp_path)
