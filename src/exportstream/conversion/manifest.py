"""The manifest of a folder of outputs: a record of each output, a line of JSON in a hidden file.

Takes: finished outputs, and what they were made of. Returns: records, and whether an output is still what it would be made
anew. Raises: `ReadError`, `WriteError`. Holds: a name and a position for each output.

A line is appended when its outputs have their names, so a run that is killed between the two leaves outputs without a
record, or with an old one: they are converted again. The last line of an output is its record.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, BinaryIO

import msgspec
from msgspec import Raw, Struct, field
from msgspec.structs import replace

from exportstream.errors import NotAnExportError, shown
from exportstream.models.names import camel, fields_of
from exportstream.models.notes import Notes
from exportstream.models.version import __version__
from exportstream.reading.options import ReadOptions
from exportstream.reading.price_lists import load_prices
from exportstream.storage.joined_files import FileWithParts, with_parts
from exportstream.storage.journal import Journal, complete_lines
from exportstream.storage.names import RealPaths, RelativePaths, has_name, is_direct, is_stream, is_url, state_of
from exportstream.storage.transaction import Destination
from exportstream.totals.sums import Totals
from exportstream.writing.formats.json import ENCODER, read_json
from exportstream.writing.options import WriteOptions
from exportstream.writing.outputs import MANIFEST, Output
from exportstream.writing.writers import Written

SCHEMA = 1
_NOTED = ("rejected", "damaged", "damaged_bytes", "doubtful")  # of `Notes`
# Options that decide whether there is an output, not what is in it.
_NOT_COMPARED = {"force", "max_message_size", "max_window"}


class Record(Struct, rename="camel"):
    """The record of one output.

    Attributes:
        output: its name within the folder.
        input: the input: its `name`, and the `size` and `modified` (nanoseconds since 1970) of a file as it was read, or the
            `version` of a URL; of a merge, see `recorded.made_of`.
        options: those that shape the output, without those that have their default.
        version: of exportstream.
        rows: rows of each table.
        bytes: of the output as stored.
        sha256: of those.
        totals: declared and counted, as of `totals --json`.
        rejected, damaged, damaged_bytes, doubtful: what was refused and is in no row, or may be wrong, as of `Notes`.
        schema: of these keys.
    """

    output: str
    input: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    version: str = ""
    rows: dict[str, int] = field(default_factory=dict)
    bytes: int | None = None
    sha256: str | None = None
    totals: dict[str, Any] = field(default_factory=dict)
    rejected: int = 0
    damaged: int = 0
    damaged_bytes: int = 0
    doubtful: int = 0
    schema: int = SCHEMA


class _Name(Struct):
    """What has to be decoded of a line to know the output that it is about."""

    output: str


_NAMES = msgspec.json.Decoder(_Name)


def notes_of(record: Record) -> Notes:
    """Return what a record has of the notes of its inputs."""
    return Notes(**{name: getattr(record, name) for name in _NOTED})


def options_of(output: Output, reading: ReadOptions, writing: WriteOptions) -> dict[str, Any]:
    """Return the options that shape an output; those that have their default are left out, so new ones change no record."""
    prices = load_prices(reading.prices)
    version = None
    if prices is not None:
        version, reading = prices.list.version, replace(reading, prices=None)  # that of a file is of its content
    return _options_of(output.format, output.compression, output.tables, version, reading, writing)


@lru_cache(16)  # many inputs have the same ones
def _options_of(
    name: str, compression: str, tables: tuple[str, ...], prices: Any, reading: ReadOptions, writing: WriteOptions
) -> dict[str, Any]:
    given = {
        camel(one.name): getattr(options, one.name)
        for options in (reading, writing)
        for one in fields_of(type(options))
        if one.name not in _NOT_COMPARED and getattr(options, one.name) != one.default
    }
    decided: dict[str, Any] = {"format": name, "compression": compression, "tables": tables}
    if prices is not None:
        decided["prices"] = prices
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(given | decided))  # as it is read again: no tuples
    return dict(sorted(plain.items()))


def describe(output: Output, reading: ReadOptions, writing: WriteOptions, totals: Totals) -> dict[str, Any]:
    """Return the description that an output carries inside, where its format has a place for it."""
    return {
        "schema": SCHEMA,
        "version": __version__,
        "options": options_of(output, reading, writing),
        "totals": totals.to_dict(),
    }


class Manifest:
    """The manifest of a folder.

    Args:
        folder: of the outputs; they may be in folders of it. Keep the manifest for one run only.

    Attributes:
        real_path: finds the paths of inputs and outputs without links.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._real_folder = os.path.realpath(folder)
        self.real_path = RealPaths()
        self._relative = RelativePaths()
        self.journal = Journal(os.path.join(folder, MANIFEST))

    def record(self, written: Written, source: str, state: dict[str, Any], about: dict[str, Any], notes: Notes) -> Record:
        """Return the record of an output.

        Args:
            written: the output in figures.
            source: the input's name.
            state: the input's, as of `storage.names.state_of`; of a merge the `inputs` and those that `failed`.
            about: what `describe` returns.
            notes: of the input.
        """
        return Record(
            output=self.name_of(written.target),
            input={"name": self.name_of_input(source), **state},
            options=about["options"],
            version=about["version"],
            rows=written.table_rows,
            bytes=written.bytes_written,
            sha256=written.sha256,
            totals=about["totals"],
            **{name: getattr(notes, name) for name in _NOTED},
        )

    @contextmanager
    def open(self) -> Iterator[ManifestIndex]:
        """Open the manifest as it is now."""
        with self.journal.open() as file:
            yield ManifestIndex(file)

    def compact_if_stale(self) -> None:
        """Write the manifest anew if more than half of its lines are of no use any more."""
        with self.open() as records:
            stale = records.lines > 2 * len(records)
        if stale:
            self.journal.compact(lambda file: sorted(ManifestIndex(file).positions.values()))

    def is_current(self, records: ManifestIndex, source: Any, outputs: Iterable[Output], reading: Any, writing: Any) -> bool:
        """Whether each output is there, and was made of the input as it is now, with the same options."""
        name = os.fspath(source)
        state = None if is_stream(name) else state_of(name)
        if state is None:
            return False
        if isinstance(source, FileWithParts):
            state = with_parts(state, map(state_of, source.parts))
        made_of = {"name": self.name_of_input(name), **state}
        for output in outputs:
            record = records.get(self.name_of(output.target))
            if (
                record is None
                or record.input != made_of
                or record.options != options_of(output, reading, writing)
                or _size(output.target) != record.bytes
            ):
                return False
        return True

    def name_of(self, output: str) -> str:
        """Return the name of an output within the folder."""
        return self._relative(output, self.folder)

    def name_of_input(self, source: str) -> str:
        """Return the name of an input relative to the folder, so that both can move together; a URL without its secrets."""
        if is_stream(source) or is_url(source):
            return shown(source)
        return self._relative(self.real_path(source), self._real_folder)


def manifest_of(target: Any, *, make: bool = False) -> Manifest | None:
    """Return the manifest of the folder of an output; None if it is no file, or has none and none is to be made."""
    if not has_name(target) or is_url(name := os.fsdecode(target)) or is_direct(name):
        return None
    found = Manifest(os.path.dirname(name) or ".")
    return found if make or os.path.lexists(found.journal.path) else None


class ManifestIndex:
    """The records in a file, found once by their names and read as they are asked for.

    Args:
        file: the manifest; None if there is none.

    Attributes:
        positions: of the last line of each output.
        lines: how many lines there are.
    """

    def __init__(self, file: BinaryIO | None) -> None:
        self._file = file
        self.positions: dict[str, int] = {}
        self.lines = 0
        for position, line in complete_lines(file) if file is not None else ():
            self.lines += 1
            try:
                self.positions[_decode_name(line)] = position
            except (NotAnExportError, ValueError, KeyError, TypeError):  # a line that was cut, and another begun
                continue

    def __len__(self) -> int:
        return len(self.positions)

    def get(self, output: str) -> Record | None:
        """Return the record of an output, None if it has none."""
        position = self.positions.get(output)
        if position is None:
            return None
        assert self._file is not None
        self._file.seek(position)
        return _decode(self._file.readline())


class Recording(Destination):
    """A destination of records, the first of its transaction: they are appended when all others have their names."""

    def __init__(self, journal: Journal) -> None:
        self.name = journal.path
        self.records: list[Record] = []
        self._journal = journal

    def commit(self) -> None:
        """Append the records."""
        self._journal.append([_encode(record) for record in self.records])


def _encode(record: Record) -> bytes:
    """Return a record as JSON. Names of files may hold bytes that are not UTF-8, which become lone surrogates."""
    from json import dumps  # noqa: PLC0415 - few need it, and it slows the command's start

    plain: dict[str, Any] = {"schema": record.schema}
    plain |= {one.encode_name: getattr(record, one.name) for one in fields_of(Record)}
    plain["output"] = Raw(dumps(record.output).encode())
    plain["input"] = Raw(dumps(record.input, separators=(",", ":")).encode())
    return ENCODER.encode(plain)


def _decode_name(line: bytes) -> str:
    try:
        return _NAMES.decode(line).output
    except msgspec.DecodeError:  # as for lone surrogates
        name = read_json(line)["output"]
        return name if isinstance(name, str) else ""


def _decode(line: bytes) -> Record | None:
    """Return a record; None if it is not one that this version understands."""
    try:
        return msgspec.convert(read_json(line), Record)
    except (NotAnExportError, msgspec.ValidationError):
        return None


def _size(name: str) -> int | None:
    try:
        return os.stat(name).st_size
    except OSError:
        return None
