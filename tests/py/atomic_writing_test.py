"""Files that are replaced in one step, by many threads."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from registry_client.documents import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def umask() -> Iterator[int]:
    """A mask that leaves traces, and threads that take turns as often as they can."""
    old, interval = os.umask(0o027), sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield 0o027
    sys.setswitchinterval(interval)
    os.umask(old)


def test_threads_give_new_files_the_permissions_that_new_files_get(tmp_path: Path, umask: int) -> None:
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda number: write_atomically(tmp_path / str(number), b"x"), range(1600)))
    modes = {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes == {0o666 & ~umask}
    assert os.umask(umask) == umask


@pytest.mark.parametrize("mode", [0o600, 0o666, 0o755])
def test_a_file_that_is_replaced_keeps_its_permissions(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(mode)
    write_atomically(path, b"new")
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"new", mode)
    assert os.listdir(tmp_path) == ["file"]
