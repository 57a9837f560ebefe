"""What the output of a merge was made of, as its folder's manifest has it: its inputs, and those that failed.

Takes: the manifest, and the names of inputs. Returns: those of the time when the output was written. Raises: `ReadError`.
Holds: a name for each input.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from exportstream.conversion.manifest import Manifest, Record
from exportstream.storage.names import state_of


class MadeOf(Struct):
    """The inputs of a merge.

    Attributes:
        inputs: names of those that were read, relative to the folder.
        failed: names of those that failed, and have no rows.
    """

    inputs: list[str]
    failed: list[str]


def made_of(manifest: Manifest, sources: Iterable[str], failed: Iterable[str]) -> MadeOf:
    """Return what an output is made of, under the names that the manifest has."""
    return MadeOf([*map(manifest.name_of_input, sources)], [*map(manifest.name_of_input, failed)])


def was_made_of(manifest: Manifest, output: str, options: dict[str, Any]) -> MadeOf | None:
    """Return what an output was made of; None if that is not recorded, as of a merge without ``update``.

    If it was made with other options than these, as of `manifest.options_of`, there are no inputs; nor if it has another size:
    it was written again since, and nobody knows of what.
    """
    with manifest.open() as records:
        record = records.get(manifest.name_of(output))
    if record is None:
        return None
    if record.options != options or (state_of(output) or {}).get("size") != record.bytes:
        return MadeOf([], [])
    return MadeOf(input_names(record), _texts(record.input.get("failed")))


def input_names(record: Record) -> list[str]:
    """Return the names of all inputs of an output."""
    return _texts(record.input.get("inputs")) or _texts([record.input.get("name")])


def _texts(names: Any) -> list[str]:
    """Return what is text: anybody may have written the manifest."""
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
