"""Many inputs on the command line: which they are, what runs them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from exportstream.cli.process import Terminated, tune
from exportstream.cli.terminal import tell
from exportstream.conversion.inputs import find_inputs
from exportstream.conversion.plan import is_current
from exportstream.errors import UsageError, mask, shown
from exportstream.storage.memory import import_error
from exportstream.writing.options import WriteOptions
from exportstream.writing.outputs import decide_outputs, looks_like_file

_PATIENCE = "5s"  # for the answer of a Dask scheduler
_FILES = 32  # that are open in the command's process besides those of workers; measured: 17
_FILES_OF_A_WORKER = 4  # measured: 2 to 3


def is_many(inputs: tuple[str, ...], output: str | None, *, merge: bool, dask: str | None) -> bool:
    """Whether outputs go into a folder (or are merged): several inputs, a folder, a glob, or `-o DIR/`."""
    if merge or (output is not None and output.endswith("/")):
        return True
    if len(inputs) > 1 or os.path.isdir(inputs[0]) or not all(found.named for found in find_inputs(inputs)):
        if output in (None, "-", "") or looks_like_file(output):
            found = "" if output is None else f", found the name of a file: {shown(output)}"
            hint = "give -o DIR/, or --merge and -o FILE"
            raise UsageError(f"expected a folder for the outputs of several inputs{found}", hint=hint)
        return True
    if dask is not None:
        raise UsageError("--dask goes with several inputs", hint="give -o DIR/")
    return False


def is_up_to_date(source: str, output: str | None, writing: WriteOptions) -> bool:
    """Whether what one input would be converted into is there, and newer than it."""
    outputs = decide_outputs(source, output, writing)
    named = all(isinstance(output.target, str) and output.target != "-" for output in outputs)
    return named and is_current(source, outputs)


@contextmanager
def hint_at_update() -> Iterator[None]:
    """Say what to do where a signal ends the work."""
    try:
        yield
    except (KeyboardInterrupt, Terminated):
        tell("interrupted; the same with --update goes on where it was")
        raise


@contextmanager
def open_executor(inputs: tuple[str, ...], jobs: int | None, dask: str | None) -> Iterator[Any]:
    """What runs the jobs: a Dask cluster, worker processes, or None for this process."""
    if dask is not None and jobs is not None:
        raise UsageError("--jobs does not go with --dask", hint="the cluster has the workers it has")
    if dask is not None:
        with _client(dask) as client, client.get_executor(pure=False) as executor:
            yield executor
        return
    jobs = _as_open_files_allow(min(jobs or os.cpu_count() or 1, len(find_inputs(inputs))))
    if jobs == 1:
        yield None
        return
    from exportstream.conversion.pool import Workers  # noqa: PLC0415 - slow to import

    with Workers(jobs, tune) as workers:
        yield workers


def _as_open_files_allow(jobs: int) -> int:
    """Return how many workers the limit of open files allows, after raising it as far as needed and allowed."""
    try:
        import resource  # noqa: PLC0415 - not on every system
    except ImportError:
        return jobs
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = _FILES + _FILES_OF_A_WORKER * jobs
    if jobs == 1 or soft == resource.RLIM_INFINITY or soft >= needed:
        return jobs
    limit = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
        soft = limit
    possible = max((soft - _FILES) // _FILES_OF_A_WORKER, 1)
    if possible < jobs:
        tell(
            f"warning: {possible} of {jobs} processes, since only {soft} files may be open; "
            "raise the limit (ulimit -n) for more"
        )
    return min(jobs, possible)


def _client(address: str) -> Any:
    try:
        from distributed import Client  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise import_error("--dask", "distributed", "dask", error) from error
    try:
        return Client(address, timeout=_PATIENCE)  # type: ignore[no-untyped-call,unused-ignore]
    except (OSError, ValueError) as error:
        raise UsageError(
            f"can't reach the Dask scheduler at {shown(address)}: {mask(str(error), address)}", hint="look at its address"
        ) from error
