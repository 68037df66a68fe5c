"""Reads the files of an import: CSV, plain or gzip, one record at a time, each with its line."""

from __future__ import annotations

import codecs
import csv
import gzip
import hashlib
import io
import itertools
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, NoReturn, Protocol, TypeVar

from balances.importing import refusing
from balances.importing.refusing import ImportRefused, shown
from balances.importing.style import ALL_COLUMNS, INSTANTS, NUMBERS, Convert, Style

Value = TypeVar("Value")
Content = IO[bytes] | gzip.GzipFile
GZIP_MAGIC = b"\x1f\x8b"
CHUNK_BYTES = 1 << 20
MAX_LINE = 1 << 20
"""Longest line that is read, in characters, so that a file without line breaks does not fill the memory."""
MINOR_UNITS = NUMBERS - {"amount", "precision"}


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The columns that a file has, in any order: all of ``required``, one or both of ``either``, any ``optional``."""

    required: tuple[str, ...]
    either: tuple[str, str]
    optional: tuple[str, ...]

    @property
    def known(self) -> tuple[str, ...]:
        """Return every column that such a file may have."""
        return (*self.required, *self.either, *self.optional)

    def without(self, *names: str) -> Columns:
        """Return the same columns where these may be missing."""
        freed = tuple(name for name in self.required if name in names)
        return replace(
            self,
            required=tuple(name for name in self.required if name not in names),
            optional=self.optional + freed,
        )

    def complaint(self, names: list[str]) -> str | None:
        """Return what is wrong with a header, or nothing."""
        for name in names:
            if name not in self.known:
                return f"unknown column {shown(name)}; known columns: {', '.join(self.known)}"
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
    written: dict[str, str] = field(default_factory=dict)
    """The original cells, where a style turned them into canonical form."""

    def text(self, column: str) -> str:
        """Return a cell as it stands, empty where the file has no such column."""
        return self.cells.get(column, "")

    def read(self, column: str, parse: Callable[[str], Value]) -> Value:
        """Return a cell's value. Raises ``ImportRefused`` where ``parse`` raises ``ValueError``."""
        try:
            return parse(self.text(column))
        except ValueError as error:
            raise self.refusal(column, f"{error}{self._likely_cause(column)}") from error

    def refusal(self, column: str, problem: str) -> ImportRefused:
        """Return the error that names file, line, column and problem."""
        return ImportRefused(f"{self.file}, line {self.line}, column {column}: {problem}")

    def _likely_cause(self, column: str) -> str:
        if (written := self.written.get(column)) is not None:
            return f"; the file says {shown(written)}" if written != self.cells[column] else ""
        return likely_cause(column, self.text(column))


def likely_cause(column: str, cell: str) -> str:
    """Return how a refused cell seems to be written, as the end of a sentence, or an empty text."""
    if column in INSTANTS:
        return refusing.of_instant(cell)
    if column in MINOR_UNITS:
        return refusing.of_minor_units(cell)
    return refusing.of_number(cell) if column in NUMBERS else ""


class Source(Protocol):
    """A source of records. Each reading starts at the beginning."""

    path: Path
    style: Style

    @property
    def size(self) -> int:
        """Return the amount to read."""

    @property
    def position(self) -> int:
        """Return the amount that was read."""

    def records(self) -> Iterator[Record]:
        """Yield the records. Raises ``ImportRefused`` at the first that cannot be read."""

    def fingerprint(self) -> str:
        """Return the SHA-256 of the content, in hex."""


class CsvFile:
    """A CSV file with a header. Each reading starts at the beginning, and holds one line in memory."""

    def __init__(self, path: Path, columns: Columns, style: Style | None = None) -> None:
        """Keep the path, the expected columns and the style; nothing is opened yet."""
        self.path = path
        self.style = style or Style()
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

    def header(self) -> list[str]:
        """Return the names of the columns as the file has them. Raises ``ImportRefused``."""
        with self._text() as text:
            _, names = next(self._rows(text), (0, []))
        return names

    def check(self) -> None:
        """Raise ``ImportRefused`` where the header is wrong or no record follows it."""
        if next(self.records(), None) is None:
            raise ImportRefused(f"{self.path} has a header and no records")

    def records(self) -> Iterator[Record]:
        """Yield the records, blank lines left out. Raises ``ImportRefused`` at the first that cannot be read."""
        with self._text() as text:
            rows = self._rows(text)
            line, names = next(rows, (0, []))
            if not names:
                raise ImportRefused(f"{self.path} is empty")
            ours, places = self._chosen(line, names)
            converters = self.style.converters(ours)
            for line, cells in rows:
                if len(cells) != len(names):
                    self._refuse(line, f"{len(cells)} fields where the header has {len(names)}")
                if places is not None:
                    cells = [cells[place] for place in places]
                record = Record(self.path, line, dict(zip(ours, cells, strict=True)))
                yield _converted(record, converters) if converters else record

    def _chosen(self, line: int, names: list[str]) -> tuple[list[str], list[int] | None]:
        """Return our names of the columns and where they stand; no places where that is the whole header."""
        theirs = set(self.style.columns.values())
        found = [(ours, names.index(name)) for ours, name in self.style.columns.items() if name in names]
        found = [(ours, place) for ours, place in found if ours in self.columns.known]
        for place, name in enumerate(names):
            if name in theirs:
                if names.count(name) > 1:
                    self._refuse(line, f"column {shown(name)} is there twice")
            elif not (
                name in self.style.ignored or (ALL_COLUMNS in self.style.ignored and name not in self.columns.known)
            ):
                found.append((name, place))
        ours = [name for name, _ in found]
        if complaint := self.columns.complaint(ours):
            hint = refusing.of_header(names, self.style.delimiter, self.columns.known)
            if not hint and complaint.startswith("unknown"):
                hint = "; say which column it is with --map, or leave it out with --ignore"
            self._refuse(line, f"{complaint}{hint}")
        return ours, None if ours == names else [place for _, place in found]

    def _rows(self, text: io.TextIOWrapper) -> Iterator[tuple[int, list[str]]]:
        """Yield the cells with the line on which they start; a quoted cell may span lines."""
        skipped = self.style.skip_lines
        lines = itertools.islice(self._lines(text), skipped, None)
        reader = csv.reader(lines, delimiter=self.style.delimiter, strict=True)
        while True:
            line = skipped + reader.line_num + 1
            try:
                cells = next(reader, None)
            except csv.Error as error:
                self._refuse(line, f"this is not CSV ({error})")
            if cells is None:
                return
            if cells:
                yield line, cells

    def _lines(self, text: io.TextIOWrapper) -> Iterator[str]:
        for number in itertools.count(1):
            try:
                line = text.readline(MAX_LINE)
            except UnicodeDecodeError as error:
                raise self._undecodable(error) from error
            if not line:
                return
            if len(line) == MAX_LINE:
                self._refuse(number, f"the line is longer than {MAX_LINE:,} characters")
            if "\0" in line:
                hint = refusing.of_bytes(0, self.style.encoding) if line.count("\0") * 3 > len(line) else ""
                self._refuse(number, f"there is a NUL character{hint}")
            yield line

    @contextmanager
    def _text(self) -> Iterator[io.TextIOWrapper]:
        """Yield the content decoded, a byte order mark left out."""
        encoding = "utf-8-sig" if codecs.lookup(self.style.encoding).name == "utf-8" else self.style.encoding
        with self._content() as content:
            text = io.TextIOWrapper(content, encoding=encoding, errors="strict", newline="")
            try:
                yield text
            finally:
                text.detach()

    def _undecodable(self, error: UnicodeDecodeError) -> ImportRefused:
        """Return the refusal that names line and byte: the text is decoded in pieces, so the line is counted here."""
        decoder = codecs.getincrementaldecoder(self.style.encoding)()
        lines, byte, start = 1, error.object[error.start], b""
        with self._content() as content:
            while chunk := content.read(CHUNK_BYTES):
                start = start or chunk[:16]
                try:
                    lines += decoder.decode(chunk).count("\n")
                except UnicodeDecodeError as failure:
                    good = failure.object[: failure.start].decode(self.style.encoding, "replace")
                    lines, byte = lines + good.count("\n"), failure.object[failure.start]
                    break
        hint = refusing.of_content(start) or refusing.of_bytes(byte, self.style.encoding)
        name = self.style.encoding.upper()
        return ImportRefused(f"{self.path}, line {lines}: byte 0x{byte:02x} is not {name}{hint}")

    @contextmanager
    def _content(self) -> Iterator[Content]:
        """Yield the content and remember the file under it, whose position is the progress."""
        with opened(self.path, self._remember) as content:
            yield content

    def _remember(self, raw: IO[bytes]) -> None:
        self._raw = raw

    def _refuse(self, line: int, problem: str) -> NoReturn:
        raise ImportRefused(f"{self.path}, line {line}: {problem}")


@contextmanager
def opened(path: Path, remember: Callable[[IO[bytes]], None] = lambda raw: None) -> Iterator[Content]:
    """Yield the content of a file, unpacked where it is gzip, whatever its name; name what cannot be read."""
    try:
        if path.exists() and not path.is_file():
            raise ImportRefused(f"{path} is not a file")
        with path.open("rb") as raw:
            remember(raw)
            if raw.peek(len(GZIP_MAGIC)).startswith(GZIP_MAGIC):
                with gzip.GzipFile(fileobj=raw) as unpacked:
                    yield unpacked
            else:
                yield raw
    except EOFError as error:
        raise ImportRefused(f"{path} ends too early: the gzip file is not whole") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise ImportRefused(f"{path} is damaged: it cannot be unpacked ({error})") from error
    except OSError as error:
        raise ImportRefused(f"{path} cannot be read: {error.strerror or error}") from error


def _converted(record: Record, converters: dict[str, Convert]) -> Record:
    """Return the record with cells in canonical form. Raises ``ImportRefused`` for the first that has none."""
    for column, convert in converters.items():
        cell = record.cells[column]
        record.written[column] = cell
        try:
            record.cells[column] = convert(cell)
        except ValueError as error:
            raise record.refusal(column, f"{error}{likely_cause(column, cell)}") from error
    return record
