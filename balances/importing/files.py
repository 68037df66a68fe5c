"""Reads the files of an import: CSV in UTF-8, plain or gzip, one record at a time, each knowing its line."""

from __future__ import annotations

import csv
import gzip
import hashlib
import itertools
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NoReturn, TypeVar

from balances.exceptions import LedgerError

Value = TypeVar("Value")
Content = IO[bytes] | gzip.GzipFile
GZIP_MAGIC = b"\x1f\x8b"
CHUNK_BYTES = 1 << 20
MAX_LINE_BYTES = 1 << 20
"""Longest line that is read, so that a file without line breaks does not fill the memory."""


class ImportRefused(LedgerError):
    """The files cannot be imported."""


def shown(value: str) -> str:
    """Return a value of the file for a message: quoted, control characters escaped, cut after 40 characters."""
    return repr(value) if len(value) <= 40 else repr(value[:40]) + "…"


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The columns that a file has, in any order: all of ``required``, one or both of ``either``, any ``optional``."""

    required: tuple[str, ...]
    either: tuple[str, str]
    optional: tuple[str, ...]

    def complaint(self, names: list[str]) -> str | None:
        """Return what is wrong with a header, or nothing."""
        known = (*self.required, *self.either, *self.optional)
        for name in names:
            if name not in known:
                return f"unknown column {shown(name)}; known columns: {', '.join(known)}"
            if names.count(name) > 1:
                return f"column {name} is there twice"
        for name in self.required:
            if name not in names:
                return f"column {name} is missing"
        if not set(self.either) & set(names):
            return f"column {self.either[0]} (or {self.either[1]}) is missing"
        return None


@dataclass(frozen=True, slots=True)
class Record:
    """One line of a file: its cells by column, and where it starts."""

    file: Path
    line: int
    cells: dict[str, str]

    def text(self, column: str) -> str:
        """Return a cell as it stands, empty where the file has no such column."""
        return self.cells.get(column, "")

    def read(self, column: str, parse: Callable[[str], Value]) -> Value:
        """Return a cell's value. Raises ``ImportRefused`` where ``parse`` raises ``ValueError``."""
        try:
            return parse(self.text(column))
        except ValueError as error:
            raise self.refusal(column, str(error)) from error

    def refusal(self, column: str, problem: str) -> ImportRefused:
        """Return the error that names file, line, column and problem."""
        return ImportRefused(f"{self.file}, line {self.line}, column {column}: {problem}")


class CsvFile:
    """A CSV file with a header. Each reading of it starts anew, and holds one line in memory."""

    def __init__(self, path: Path, columns: Columns) -> None:
        """Remember where the file is and what it should hold; nothing is opened yet."""
        self.path = path
        self.columns = columns
        self._raw: IO[bytes] | None = None

    @property
    def size(self) -> int:
        """Return the size on disk, in bytes."""
        return self.path.stat().st_size

    @property
    def position(self) -> int:
        """Return how many bytes on disk the last reading has taken."""
        return self.size if self._raw is None or self._raw.closed else self._raw.tell()

    def fingerprint(self) -> str:
        """Return the SHA-256 of the unpacked content, in hex, so that a file and its gzip are the same."""
        digest = hashlib.sha256()
        with self._content() as content:
            while chunk := content.read(CHUNK_BYTES):
                digest.update(chunk)
        return digest.hexdigest()

    def check(self) -> None:
        """Raise ``ImportRefused`` where the header is wrong or no record follows it."""
        if next(self.records(), None) is None:
            raise ImportRefused(f"{self.path} has a header and no records")

    def records(self) -> Iterator[Record]:
        """Yield the records, blank lines left out. Raises ``ImportRefused`` at the first that cannot be read."""
        with self._content() as content:
            rows = self._rows(content)
            line, names = next(rows, (0, []))
            if not names:
                raise ImportRefused(f"{self.path} is empty")
            if complaint := self.columns.complaint(names):
                self._refuse(line, complaint)
            for line, cells in rows:
                if len(cells) != len(names):
                    self._refuse(line, f"{len(cells)} fields where the header has {len(names)}")
                yield Record(self.path, line, dict(zip(names, cells, strict=True)))

    def _rows(self, content: Content) -> Iterator[tuple[int, list[str]]]:
        """Yield the cells with the line on which they start; a quoted cell may span lines."""
        reader = csv.reader(self._lines(content), strict=True)
        while True:
            line = reader.line_num + 1
            try:
                cells = next(reader, None)
            except csv.Error as error:
                self._refuse(line, f"this is not CSV ({error})")
            if cells is None:
                return
            if cells:
                yield line, cells

    def _lines(self, content: Content) -> Iterator[str]:
        for number in itertools.count(1):
            line = content.readline(MAX_LINE_BYTES)
            if not line:
                return
            if len(line) == MAX_LINE_BYTES:
                self._refuse(number, f"the line is longer than {MAX_LINE_BYTES:,} bytes")
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                self._refuse(number, f"byte 0x{line[error.start]:02x} is not UTF-8")
            if "\0" in text:
                self._refuse(number, "there is a NUL character")
            yield text

    @contextmanager
    def _content(self) -> Iterator[Content]:
        """Yield the content, unpacked where the file is gzip, whatever its name; name what cannot be read."""
        try:
            if self.path.exists() and not self.path.is_file():
                raise ImportRefused(f"{self.path} is not a file")
            with self.path.open("rb") as raw:
                self._raw = raw
                if raw.peek(len(GZIP_MAGIC)).startswith(GZIP_MAGIC):
                    with gzip.GzipFile(fileobj=raw) as unpacked:
                        yield unpacked
                else:
                    yield raw
        except EOFError as error:
            raise ImportRefused(f"{self.path} ends too early: the gzip file is not whole") from error
        except (gzip.BadGzipFile, zlib.error) as error:
            raise ImportRefused(f"{self.path} is damaged: it cannot be unpacked ({error})") from error
        except OSError as error:
            raise ImportRefused(f"{self.path} cannot be read: {error.strerror or error}") from error

    def _refuse(self, line: int, problem: str) -> NoReturn:
        raise ImportRefused(f"{self.path}, line {line}: {problem}")
