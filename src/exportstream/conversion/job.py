"""One input and what to do with it, in a form that can be sent to another process.

Takes: an `Input` and options. Raises: nothing. Holds: names and options, no bytes of the input.
"""

from __future__ import annotations

import os
from typing import Any, ClassVar, Self

from msgspec import Struct, field
from msgspec.structs import replace

from exportstream.conversion.inputs import Input
from exportstream.conversion.manifest import Manifest
from exportstream.reading.options import ReadOptions
from exportstream.storage.names import is_url
from exportstream.writing.options import WriteOptions
from exportstream.writing.outputs import Output


class Job(Struct):
    """Something to do with one input.

    Attributes:
        hint: what to do if the process that did it failed.
        input: what is read.
        reading: how.
        token: random, so that no two jobs are equal: Dask does not run a job again that it takes for the same.
    """

    hint: ClassVar[str] = ""

    input: Input
    reading: ReadOptions = ReadOptions()
    token: str = ""

    @property
    def source(self) -> str:
        """The input's name."""
        return self.input.source

    def elsewhere(self) -> Self:
        """Return the same job for a process with a working folder of its own."""
        one = self.input
        return replace(
            self,
            input=replace(one, source=_absolute(one.source), parts=tuple(map(_absolute, one.parts))),
            token=os.urandom(8).hex(),
        )


class ConvertJob(Job):
    """One input to convert.

    Attributes:
        outputs: where its rows go.
        writing: how rows are written.
        rejects: a list or a function that gets each `Reject`; it can't reach another process.
        manifest: records the outputs; None for none.
    """

    hint: ClassVar[str] = "update=True goes on where it was"

    outputs: list[Output] = field(default_factory=list)
    writing: WriteOptions = WriteOptions()
    rejects: Any = None
    manifest: Manifest | None = None

    def elsewhere(self) -> Self:
        """Return the same job for a process with a working folder of its own."""
        return replace(
            super().elsewhere(),
            outputs=[Output(_absolute(one.target), one.format, one.compression, one.tables) for one in self.outputs],
            manifest=None if self.manifest is None else Manifest(_absolute(self.manifest.folder)),
        )


def _absolute(name: str) -> str:
    return name if is_url(name) else os.path.abspath(name)
