"""Verifies outputs: each is read again and compared with what was recorded when it was written.

Takes: files and folders of outputs. Yields: a `Verified` for each output. Raises: `UsageError` for what is no output at all.
Holds: the names of the outputs of a folder, and one block of rows.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Literal

import msgspec
from msgspec import Struct, field

from exportstream.conversion.manifest import Manifest, Record
from exportstream.conversion.recorded import has_changed_input, input_names
from exportstream.conversion.unrecorded import is_described, is_output
from exportstream.errors import ExportstreamError, MissingExtraError, ReadError, UsageError
from exportstream.models.names import camel
from exportstream.storage.names import Name, is_name, is_stream, is_url, refuse_empty
from exportstream.storage.remote.urls import local_path
from exportstream.totals.figures import Cost, Count
from exportstream.totals.sums import Counted
from exportstream.writing.formats import FORMATS
from exportstream.writing.formats.recount import Recount
from exportstream.writing.outputs import MANIFEST, REJECTS, format_of

NO_RECORD = "expected a record in a manifest, got none"
NO_FILE = "expected an output, got no such file, and no record of one"


class _Options(Struct):
    format: str
    tables: tuple[Literal["messages", "tool-calls", "sessions"], ...]


class _Priced(Struct):
    cost: Cost


class _Totals(Struct):
    counted: Counted
    priced: _Priced | None = None


class _About(Struct):
    """What has to be known of an output to verify it, from its record or from itself."""

    options: _Options
    rows: dict[str, int]
    totals: _Totals


class Verified(Struct, frozen=True):
    """One output that was read again.

    Attributes:
        output: its name.
        findings: what differs from its record, in words; none if nothing does.
        rows: rows of each table as they were counted, if they could be.
        outdated: whether its input has changed since, by the manifest. That is no finding: the output is what was written.
    """

    output: str
    findings: list[str] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)
    outdated: bool = False

    @property
    def ok(self) -> bool:
        """Whether the output is what was written."""
        return not self.findings


def verify(outputs: Name | Iterable[Name]) -> Iterator[Verified]:
    """Read outputs again, and compare them with what was recorded when they were written.

    The manifest of their folder has the SHA-256, the rows and the totals of each output. Parquet and SQLite files have their
    rows and totals inside, so they can be verified on their own.

    Args:
        outputs: files, and folders of outputs; one name alone is one of them. Of a folder all outputs in its manifest are
            verified, and all other files that are outputs by what they say about themselves or by their columns.

    Yields:
        One for each output: a missing one, one that changed, and one without a record have findings.

    Raises:
        UsageError: a name is a URL or ``-``, or a folder has no outputs.
        ReadError: a folder can't be read.
        MissingExtraError: Parquet files need pyarrow.
    """
    for given in outputs if hasattr(outputs, "__iter__") and not isinstance(outputs, str) else [outputs]:
        if not is_name(given):
            raise TypeError(f"expected a path of an output or a folder, got {type(given).__name__}")
        refuse_empty(given)
        name = local_path(os.fsdecode(given))
        if is_stream(name) or is_url(name):
            raise UsageError("expected a file or a folder, got a URL or a stream", hint="verify a copy of it", source=name)
        if os.path.isdir(name):
            found = False
            for verified in _verify_folder(name):
                found = True
                yield verified
            if not found:
                raise UsageError("expected a folder of outputs, got one without any", source=name)
        else:
            yield _verify_file(name)


def _verify_folder(folder: str) -> Iterator[Verified]:
    above = [(Manifest(name), folder) for name in _manifests_above(folder)]
    below = [(Manifest(inner), inner) for inner, files in _walk(folder) if MANIFEST in files and inner != folder]
    manifests = [*reversed(above), *below]
    nearest: dict[str, int] = {}  # which of them has an output; its own folder knows it best
    for number, (manifest, inner) in enumerate(manifests):
        with manifest.open() as records:
            nearest |= dict.fromkeys((path for path in map(_place_in(manifest, inner), records.positions) if path), number)
    inputs: set[str] = set()  # they may be in the folder too
    for number, (manifest, inner) in enumerate(manifests):
        place = _place_in(manifest, inner)
        with manifest.open() as records:
            for output in sorted(records.positions):
                record = records.get(output)
                if record is not None:
                    above_it = os.path.abspath(manifest.folder)
                    inputs |= {os.path.normpath(os.path.join(above_it, name)) for name in input_names(record)}
                if (path := place(output)) is not None and nearest[path] == number:
                    yield _verify(path, record, outdated=record is not None and has_changed_input(manifest, record))
    for inner, files in _walk(folder):
        for path in (os.path.join(inner, name) for name in sorted(files) if _looks_like_output(name)):
            if path in nearest or os.path.abspath(path) in inputs:
                continue
            # What can't tell may be the rest of an output where there are others, or of one that describes itself.
            if (is_ours := is_output(path)) or (is_ours is None and (nearest or is_described(path))):
                yield _verify(path, None)


def _place_in(manifest: Manifest, folder: str) -> Callable[[str], str | None]:
    """Return what makes the path of an output of its name in a manifest, None for one outside of a folder."""
    inside = manifest.name_of(folder)
    start = "" if inside == "." else os.path.join(inside, "")
    return lambda output: os.path.join(folder, output.removeprefix(start)) if output.startswith(start) else None


def _verify_file(path: str) -> Verified:
    for folder in _manifests_above(os.path.dirname(os.path.abspath(path))):
        manifest = Manifest(folder)
        with manifest.open() as records:
            if (record := records.get(manifest.name_of(path))) is not None:
                return _verify(path, record, outdated=has_changed_input(manifest, record))
    return _verify(path, None)


def _manifests_above(folder: str) -> Iterator[str]:
    """Yield the folders with a manifest, from a folder upwards."""
    above = os.path.abspath(folder)
    while True:
        if os.path.exists(os.path.join(above, MANIFEST)):
            yield above
        if (parent := os.path.dirname(above)) == above:
            return
        above = parent


def _walk(folder: str) -> Iterator[tuple[str, list[str]]]:
    def fail(error: OSError) -> None:
        raise ReadError.of(error, error.filename) from error

    for inner, folders, files in os.walk(folder, onerror=fail):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield inner, files


def _looks_like_output(name: str) -> bool:
    return not name.startswith(".") and not name.endswith(REJECTS) and format_of(name) is not None


def _verify(path: str, record: Record | None, *, outdated: bool = False) -> Verified:
    """Verify one output by its record, or without one by what its file says about itself."""
    findings: list[str] = []
    rows: dict[str, int] = {}
    try:
        if record is not None:
            findings += _compare_bytes(path, record)
        about = _read_about(path) if record is None else msgspec.convert(msgspec.structs.asdict(record), _About)
        if about is None:
            return Verified(path, [NO_RECORD])
        recount = _recount(path, about.options)
        rows = recount.rows
        findings += [
            f"expected {count:,} rows of {table}, got {rows.get(table, 0):,}"
            for table, count in about.rows.items()
            if count != rows.get(table, 0)
        ]
        findings += _compare_totals(recount, about)
    except msgspec.ValidationError as error:
        findings.append(f"expected a record that this version understands, got another: {error}")
    except MissingExtraError:
        raise
    except ExportstreamError as error:
        findings.append(error.what if error.position is None else f"{error.what} (near byte {error.position})")
    except OSError as error:
        missing = NO_FILE if record is None else "it is missing"
        findings = [missing] if isinstance(error, FileNotFoundError) else [error.strerror or str(error)]
    return Verified(path, findings, rows, outdated)


def _compare_bytes(path: str, record: Record) -> list[str]:
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if record.bytes is not None and size != record.bytes:
        return [f"expected {record.bytes:,} bytes, got {size:,}"]
    if record.sha256 is not None and found != record.sha256:
        return [f"expected SHA-256 {record.sha256}, got {found}"]
    return []


def _read_about(path: str) -> _About | None:
    """Return what a file says about itself; None if it can't, or does not."""
    os.stat(path)
    format_ = format_of(path)
    about = format_.load().read_about(path) if format_ is not None and format_.described else None
    return None if about is None else msgspec.convert(about, _About)


def _recount(path: str, options: _Options) -> Recount:
    format_ = FORMATS.get(options.format)
    if format_ is None or (len(options.tables) != 1 and not format_.all_tables):
        raise msgspec.ValidationError(f"{options.format!r} of {len(options.tables)} tables")
    found: Recount = format_.load().recount(path, options.tables)
    return found


def _compare_totals(found: Recount, about: _About) -> list[str]:
    """Compare the figures of messages, if the totals are those of the rows."""
    counted, priced = about.totals.counted, about.totals.priced
    if priced is not None:  # rows have prices where no cost was recorded
        counted.cost.merge(priced.cost)
    if about.rows.get("messages") != counted.messages:
        return []
    findings = [
        f"expected {_words(getattr(counted, name))} as {camel(name)}, got {_words(figure)}"
        for name, figure in found.figures.items()
        if figure != getattr(counted, name)
    ]
    if found.tool_calls not in (None, counted.tool_calls):
        findings.append(f"expected {counted.tool_calls:,} tool calls, got {found.tool_calls:,}")
    return findings


def _words(figure: Count | Cost) -> str:
    return "none" if figure.sum is None else f"{figure.sum} in {figure.count:,} messages"
