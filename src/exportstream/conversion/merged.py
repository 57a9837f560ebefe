"""What the output of a merge was made of, as its folder's manifest has it: its inputs, those that failed, what was noted.

Takes: the manifest, and the names of inputs. Returns: those of the time when the output was written. Raises: `ReadError`.
Holds: a name for each input.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from exportstream.conversion.manifest import Manifest, Record, notes_of
from exportstream.models.notes import Notes
from exportstream.storage.names import state_of


class MadeOf(Struct):
    """The inputs of a merge.

    Attributes:
        inputs: names of those that were read, relative to the folder.
        failed: names of those that failed, and have no rows.
    """

    inputs: list[str]
    failed: list[str]


class Before(Struct):
    """The last merge to an output.

    Attributes:
        inputs: names of those that were read, relative to the folder.
        notes: what was refused of them and is in no row, or may be wrong.
    """

    inputs: list[str]
    notes: Notes


def made_of(manifest: Manifest, sources: Iterable[str], failed: Iterable[str]) -> MadeOf:
    """Return what an output is made of, under the names that the manifest has."""
    return MadeOf([*map(manifest.name_of_input, sources)], [*map(manifest.name_of_input, failed)])


def was_made_of(manifest: Manifest, output: str, options: dict[str, Any]) -> Before | None:
    """Return what an output was made of; None if that is not recorded, as of a merge without ``update``.

    There are no inputs if it was made with other options than these, as of `manifest.options_of`, or has another size: it
    was written again since, and nobody knows of what.
    """
    with manifest.open() as records:
        record = records.get(manifest.name_of(output))
    if record is None:
        return None
    if record.options != options or (state_of(output) or {}).get("size") != record.bytes:
        return Before([], Notes())
    return Before(input_names(record), notes_of(record))


def input_names(record: Record) -> list[str]:
    """Return the names of all inputs of an output."""
    return _texts(record.input.get("inputs")) or _texts([record.input.get("name")])


def _texts(names: Any) -> list[str]:
    """Return what is text: anybody may have written the manifest."""
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
