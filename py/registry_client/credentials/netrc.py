"""Credentials in ``~/.netrc``."""

from __future__ import annotations

import netrc
import threading
from typing import TYPE_CHECKING

from registry_client.credentials import Credential
from registry_client.errors import CredentialError

if TYPE_CHECKING:
    from pathlib import Path

    from registry_client.credentials import Target


class Netrc:
    """The ``machine`` entries of a netrc file. Its ``default`` is not used: nobody means it for every registry."""

    def __init__(self, path: Path) -> None:
        """Read nothing yet.

        Args:
            path: The file; it need not exist.
        """
        self._path = path
        self._lock = threading.Lock()
        self._hosts: dict[str, tuple[str, str | None, str | None]] | None = None

    def find(self, target: Target) -> Credential | None:
        """See ``Keychain``."""
        with self._lock:
            if self._hosts is None:
                self._hosts = self._read()
        host, colon, port = target.registry.rpartition(":")
        name = host if colon and port.isdecimal() else target.registry
        login, _, password = self._hosts.get(target.registry) or self._hosts.get(name.strip("[]")) or ("", None, None)
        return Credential(source=str(self._path), username=login, password=password or "") if login else None

    def _read(self) -> dict[str, tuple[str, str | None, str | None]]:
        try:
            hosts = dict(netrc.netrc(str(self._path)).hosts)
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except OSError as error:
            message = f"{self._path} cannot be read: {error.strerror}"
            raise CredentialError(message) from error
        except (netrc.NetrcParseError, UnicodeDecodeError) as error:
            line = f" (line {error.lineno})" if isinstance(error, netrc.NetrcParseError) else ""
            message = f"{self._path} is not a netrc file{line}: mend it, or set NETRC to another"
            # the cause would quote the file
            raise CredentialError(message) from None
        hosts.pop("default", None)
        return hosts
