"""JSON documents that people and machines hand around: strict reading, canonical text, atomic writing.

Locks, requests and plans are all read through ``Fields``, so that each says in the same way which field is wrong.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn, TypeVar

from registry_client.errors import DocumentError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_T = TypeVar("_T")
_JSON_TYPES = {str: "a string", int: "a whole number", dict: "an object", list: "a list", bool: "true or false"}
_REQUIRED: Any = object()
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)  # only Windows knows of text


class Fields:
    """A JSON object that is being read, field by field, with the path of each for the messages."""

    def __init__(self, value: object, source: str, path: str = "") -> None:
        """Start to read an object.

        Args:
            value: What should be a JSON object.
            source: The document's name.
            path: The object's place in the document; empty for the document itself.

        Raises:
            DocumentError: The value is not an object.
        """
        self._source = source
        self._path = path
        if not isinstance(value, dict):
            self.fail("", "must be an object")
        self._rest: dict[str, Any] = dict(value)

    def __bool__(self) -> bool:
        """Whether there are fields that nobody has taken yet."""
        return bool(self._rest)

    def take(
        self,
        name: str,
        kind: type[_T],
        check: Callable[[Any], object] | None = None,
        *,
        default: _T = _REQUIRED,
    ) -> _T:
        """Take one field out.

        Args:
            name: The field's name.
            kind: The Python type of its JSON type.
            check: Raises a ``UsageError`` for a value that will not do.
            default: What an absent field stands for; without it, the field must be there.

        Returns:
            The value.

        Raises:
            DocumentError: The field is missing, or its value is wrong.
        """
        if name not in self._rest:
            if default is _REQUIRED:
                self.fail(name, "is missing")
            return default
        value = self._rest.pop(name)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            self.fail(name, f"must be {_JSON_TYPES[kind]}")
        if check is not None:
            self.check(name, value, check)
        return value

    def take_strings(
        self, name: str, check: Callable[[Any], object] | None = None, *, default: list[str] = _REQUIRED
    ) -> list[str]:
        """Take out a field that is a list of strings."""
        values = self.take(name, list, default=default)
        for index, value in enumerate(values):
            if not isinstance(value, str):
                self.fail(f"{name}[{index}]", "must be a string")
            if check is not None:
                self.check(f"{name}[{index}]", value, check)
        return values

    def take_objects(self, name: str) -> list[Fields]:
        """Take out a field that is a list of objects."""
        values = self.take(name, list)
        return [Fields(value, self._source, self._join(f"{name}[{index}]")) for index, value in enumerate(values)]

    def take_optional(self, name: str, check: Callable[[Any], object] | None = None) -> str | None:
        """Take out a field that is a string or null."""
        if self._rest.get(name, "") is None:
            del self._rest[name]
            return None
        return self.take(name, str, check)

    def take_object(self, name: str) -> Fields:
        """Take out a field that is an object; an absent one is empty."""
        return Fields(self.take(name, dict, default={}), self._source, self._join(name))

    def take_named_objects(self, name: str) -> dict[str, Fields]:
        """Take out a field that is an object of objects."""
        values = self.take(name, dict)
        return {key: Fields(value, self._source, self._join(f"{name}.{key}")) for key, value in values.items()}

    def check(self, name: str, value: object, check: Callable[[Any], object]) -> None:
        """Run a check, and give its complaint the field's path.

        Raises:
            DocumentError: The check raised a ``UsageError``.
        """
        if not isinstance(value, str):
            self.fail(name, "must be a string")
        try:
            check(value)
        except UsageError as error:
            self.fail(name, str(error))

    def nothing_else(self) -> None:
        """Refuse fields that nobody took.

        Raises:
            DocumentError: There are some.
        """
        for name in sorted(self._rest):
            self.fail(name, "is not a field of this version")

    def fail(self, name: str, complaint: str) -> NoReturn:
        """Raise a ``DocumentError`` that starts with the document and the field's path."""
        path = self._join(name)
        message = f"{self._source}: {path}: {complaint}" if path else f"{self._source}: {complaint}"
        raise DocumentError(message)

    def _join(self, name: str) -> str:
        return ".".join(part for part in (self._path, name) if part)


def read_text(path: Path, source: str = "") -> str:
    """Read a text.

    Args:
        path: The file.
        source: Its name for messages, if that is another than the file's.

    Returns:
        Its content.

    Raises:
        DocumentError: It is not UTF-8; the message starts with the file's name.
        OSError: It cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        message = f"{source or path.name}: not a text in UTF-8"
        raise DocumentError(message) from error


def read_document(path: Path) -> Fields:
    """Start to read a JSON document on disk.

    Args:
        path: The file.

    Returns:
        Its fields.

    Raises:
        DocumentError: It is no JSON object; the message starts with the file's name.
        OSError: It cannot be read.
    """
    return Fields(load_json(read_text(path), path.name), path.name)


def load_json(text: str, source: str) -> object:
    """Decode JSON, strictly: a key that stands twice in an object is an error.

    Args:
        text: The text.
        source: The document's name, for messages.

    Returns:
        The value.

    Raises:
        DocumentError: It is not JSON, a key is there twice, or a character is there by half only.
    """

    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        value = dict(pairs)
        if len(value) != len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            message = f'{source}: "{twice}" stands there twice'
            raise DocumentError(message)
        return value

    try:
        value: object = json.loads(text, object_pairs_hook=unique)
        if "\\u" in text:
            # only an escape can stand for half a character, and nothing that has one can be written again
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        message = f"{source}: has half a character, a surrogate without its other half"
        raise DocumentError(message) from error
    except ValueError as error:
        markers = ("<<<<<<<", "=======", ">>>>>>>")
        if any(line.startswith(markers) for line in text.splitlines()):
            message = f"{source}: has the marks of a merge conflict"
        else:
            message = f"{source}: not JSON: {error}"
        raise DocumentError(message) from error
    except RecursionError as error:
        message = f"{source}: nested too deeply"
        raise DocumentError(message) from error
    return value


def canonical_json(value: object) -> str:
    """The one text for a value: keys sorted, two spaces, a newline at the end."""
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def write_atomically(path: Path, data: bytes) -> None:
    """Replace a file in one step, see ``writing_atomically``.

    Args:
        path: The file; its directory must be there.
        data: The new content.

    Raises:
        OSError: The file cannot be written; what was there before is still there.
    """
    with writing_atomically(path) as file:
        file.write(data)


@contextlib.contextmanager
def writing_atomically(path: Path) -> Iterator[BinaryIO]:
    """Replace a file in one step, so that nobody ever sees half of it.

    A symbolic link is followed; the file's permissions stay as they are.

    Args:
        path: The file; its directory must be there.

    Yields:
        A file for the new content, which takes the place of the old one at the end.

    Raises:
        OSError: The file cannot be written; what was there before is still there.
    """
    path = Path(os.path.realpath(path))
    mode = _mode(path)
    # a new file gets its permissions from the system: to ask for the umask is to change it, for all threads
    temporary = path.parent / f".{path.name}.{secrets.token_urlsafe(6)}"
    descriptor = os.open(temporary, _CREATE, 0o666 if mode is None else 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if mode is not None:
            os.chmod(temporary, mode)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


@contextlib.contextmanager
def alone(directory: Path) -> Iterator[None]:
    """Keep other processes that ask the same out of a directory; leaves nothing in it.

    Args:
        directory: The directory.

    Yields:
        When it is our turn. Where the system has no such locks, that is at once.
    """
    try:
        import fcntl  # noqa: PLC0415 - Windows has none
    except ImportError:
        yield
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some network file systems have no locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _mode(path: Path) -> int | None:
    """The permissions of a file; None if there is none."""
    try:
        return path.stat().st_mode & 0o777
    except FileNotFoundError:
        return None
