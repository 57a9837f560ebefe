"""Many inputs on the command line: which they are, what runs them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from exportstream.cli.process import Terminated
from exportstream.cli.terminal import tell
from exportstream.conversion.inputs import find_inputs
from exportstream.errors import UsageError, mask, shown
from exportstream.storage.memory import import_error

_PATIENCE = "5s"  # for the answer of a Dask scheduler
_FILES = 32  # that are open in the command's process besides those of workers; measured: 17
_FILES_OF_A_WORKER = 4  # measured: 2 to 3


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

    with Workers(jobs) as workers:
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
