"""The command's process: its exit codes, signals, closed pipes and tuning."""

from __future__ import annotations

import atexit
import errno
import gc
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from enum import IntEnum
from types import FrameType
from typing import Any

import click

from exportstream.cli.terminal import STDOUT, in_options, show_lines, tell
from exportstream.errors import LONGEST_LINE, ExportstreamError, OutOfMemoryError, TransferError, UsageError, printable
from exportstream.storage.memory import is_out_of_memory
from exportstream.storage.temporary import remove_temporary_files

_KEPT = 8 << 20  # bytes
_MOMENT = 0.05  # seconds


class Exit(IntEnum):
    """Exit codes. A signal ends the process as it would have without us, so that a shell sees 128 and its number."""

    DONE = 0
    BUG = 1
    USAGE = 2
    INPUT = 3
    SYSTEM = 4
    PARTIAL = 5


def exit_code(error: ExportstreamError) -> Exit:
    """Return the exit code of an error."""
    return Exit.USAGE if isinstance(error, UsageError) else Exit.SYSTEM if isinstance(error, TransferError) else Exit.INPUT


class PipeClosed(BaseException):
    """Standard output was closed. Click would turn a BrokenPipeError into exit code 1."""


class Terminated(BaseException):
    """A signal that ends the process, raised so that everything is cleaned up on the way out."""

    def __init__(self, number: int, hint: str = "") -> None:
        self.number = number
        self.hint = hint


_received: list[int] = []  # signals: Python drops an exception raised inside a callback of its own, as while it imports
_ended_by: list[int] = []  # the signal that ends the process


def tune() -> None:
    """Tune the garbage collector and the memory allocator of this process; the library leaves both alone.

    Reading makes no cycles, but hundreds of messages at once make the collector look for them all the time. When Python
    exits it looks for them twice more, in everything that was imported: that takes a tenth of the time of a small input.

    glibc gives the free top of its memory back to the system at once, and takes it again page by page. After a larger piece
    was freed it keeps up to twice as much (mallopt(3), M_TRIM_THRESHOLD). The piece is never touched, so it takes no memory.
    Other allocators don't mind.
    """
    gc.set_threshold(100_000, 50, 100)
    atexit.register(gc.freeze)
    bytes(_KEPT)


def _raise(number: int, _frame: FrameType | None) -> None:
    _received.append(number)
    raise KeyboardInterrupt if number == signal.SIGINT else Terminated(number)


def raise_dropped() -> None:
    """Raise the exception of a signal that came before, and that Python dropped; to be called now and then."""
    if _received:
        raise KeyboardInterrupt if _received[0] == signal.SIGINT else Terminated(_received[0])


def _raise_again(dropped: Any) -> None:
    """Raise the exception of a signal once more that Python dropped, a moment later: a read of a pipe may wait for ever.

    What else Python drops after a signal, as while it exits in the middle of something, is of no use to anybody.
    """
    if not _received:
        sys.__unraisablehook__(dropped)
    elif isinstance(dropped.exc_value, (KeyboardInterrupt, Terminated)) and hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, _MOMENT)


def raise_on_signals() -> None:
    """Make SIGINT, SIGTERM and SIGHUP raise an exception, except those that the process was started to ignore."""
    atexit.register(_kill)  # first of all: the last to be registered is the first to be called
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, _raise)
        if hasattr(signal, "SIGALRM"):
            signal.signal(signal.SIGALRM, lambda _number, _frame: raise_dropped())
        sys.unraisablehook = _raise_again


def ignore_signals() -> None:
    """Ignore signals from here on: the output is complete, and a failing exit code would make a script redo the work."""
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
            signal.signal(number, signal.SIG_IGN)


def run(call: Callable[[], Any], *, debug: bool) -> int:
    """Make the call and return the exit code. An error becomes one line on standard error.

    After a signal, the exit of Python kills the process by that signal, so that its parent sees it.
    """
    code = _run(call, debug=debug)
    if _received:
        _end_by(_received[0])
    return code


def _run(call: Callable[[], Any], *, debug: bool) -> int:
    try:
        call()
        if sys.stdout is not None:
            sys.stdout.flush()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        if not isinstance(error, getattr(click.exceptions, "NoArgsIsHelpError", ())):
            # Usage errors quote arguments, which may be any file name that a shell's * found. Newer clicks call it final.
            error.message = printable(error.message, LONGEST_LINE)  # type: ignore[misc,unused-ignore]
        error.show()
        return error.exit_code
    except (PipeClosed, BrokenPipeError):
        _forget_stdout()  # its reader has seen enough
        return 0
    except (KeyboardInterrupt, click.Abort):  # click aborts at an EOFError too, as if a worker is hung up first
        _interrupt(Terminated(_received[0] if _received else signal.SIGINT))
    except Terminated as end:
        _interrupt(end)
    except Exception as error:  # noqa: BLE001 - the last resort: no traceback reaches a user
        return _explain(error, debug)
    return 0


def _explain(error: Exception, debug: bool) -> int:
    """Print the one line of an error, and return its exit code."""
    if debug:
        import traceback  # noqa: PLC0415 - slow to import

        show_lines("".join(traceback.format_exception(error)).splitlines(), err=True)
    if isinstance(error, ExportstreamError):
        text, code = in_options(str(error)), exit_code(error)
        if error.source == STDOUT:
            _forget_stdout()
    elif is_out_of_memory(error):
        text, code = str(OutOfMemoryError()), Exit.SYSTEM
    elif isinstance(error, OSError):
        text, code = _explain_system(error), Exit.SYSTEM
    else:
        name = type(error).__name__
        text, code = f"a bug in exportstream: {name}: {error}; please report it with --debug", Exit.BUG
    tell(text)
    return code


def _explain_system(error: OSError) -> str:
    """Return the words for an error of the system that no stage has turned into one of ours."""
    words = error.strerror or str(error)
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return f"{words}; raise the limit of open files (ulimit -n), or use fewer --jobs"
    if isinstance(error.filename, (str, bytes)):
        return f"{printable(os.fsdecode(error.filename), 4096)}: {words}"
    try:
        if sys.stdout is not None:
            sys.stdout.flush()  # unwritten output is still buffered, and fails again
    except OSError:
        _forget_stdout()
        return f"{STDOUT}: {words}"
    return f"the system failed: {words}"


def _forget_stdout() -> None:
    """Keep Python from complaining again when it flushes standard output at exit."""
    if sys.stdout is not None:
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _interrupt(end: Terminated) -> None:
    """Say that the command was interrupted, and let the signal end it."""
    with suppress(OSError):  # the terminal may be gone
        tell("; ".join(filter(None, ("interrupted", end.hint))), over=True)
    _end_by(end.number)


def _end_by(number: int) -> None:
    """Let a signal end the process when Python exits: workers and temporary files go first."""
    remove_temporary_files()
    _ended_by.append(number)


def _kill() -> None:
    """End the process as the signal would have ended it."""
    if _ended_by:
        signal.signal(_ended_by[0], signal.SIG_DFL)
        os.kill(os.getpid(), _ended_by[0])
