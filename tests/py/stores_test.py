"""Many things at once: one that fails, in whatever way, stops no other."""

from __future__ import annotations

from pathlib import Path

import pytest
from registry_client import Client
from registry_client.errors import RegistryClientError
from registry_client.layout import LayoutStore
from registry_client.operations.stores import AnyStore


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(28, "No space left on device", "/a"), "OSError: [Errno 28] No space left on device: '/a'"),
        (ValueError("Invalid IPv6 URL"), "ValueError: Invalid IPv6 URL"),
        (PermissionError("no"), "PermissionError: no"),
    ],
)
def test_what_nobody_foresaw_is_the_error_of_one_item(error: Exception, said: str) -> None:
    def work(item: int) -> int:
        if item == 1:
            raise error
        return item

    first, second, third = AnyStore(LayoutStore(Path()), Client).each(work, [0, 1, 2])
    assert (first, third) == (0, 2)
    assert isinstance(second, RegistryClientError)
    assert str(second) == f"it cannot be done: {said}"
    assert second.__cause__ is error


def test_the_error_of_an_item_stays_what_it_is() -> None:
    error = RegistryClientError("x")

    def work(_item: int) -> None:
        raise error

    assert AnyStore(LayoutStore(Path()), Client).each(work, [0]) == [error]
