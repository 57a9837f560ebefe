"""The command's process: its exit codes, signals, closed pipes."""

from __future__ import annotations

import atexit
import errno
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from enum import IntEnum
from types import FrameType
from typing import Any

import click

from exportstream.cli.terminal import in_options, show_lines, tell
from exportstream.errors import (
    LONGEST_LINE,
    ExportstreamError,
    OutOfMemoryError,
    TransferError,
    UsageError,
    printable,
)
from exportstream.storage.memory import is_out_of_memory
from exportstream.storage.temporary import remove_temporary_files

_STDOUT = "<stdout>"


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
    """Standard output was closed; click would make exit code 1 of the exception itself."""


class Terminated(BaseException):
    """A signal that ends the process, raised so that everything is cleaned up on the way out."""

    def __init__(self, number: int) -> None:
        self.number = number


_received: list[int] = []  # signals; Python drops an exception that comes in a callback of its own, such as of an import


def _raise(number: int, _frame: FrameType | None) -> None:
    _received.append(number)
    raise KeyboardInterrupt if number == signal.SIGINT else Terminated(number)


def raise_on_signals() -> None:
    """Make SIGINT, SIGTERM and SIGHUP raise an exception, but for those the process was started to ignore."""
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, _raise)


def ignore_signals() -> None:
    """Let what is done end as done: the output is whole, and a code that says otherwise would make a script redo it."""
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
            signal.signal(number, signal.SIG_IGN)


def run(call: Callable[[], Any], *, debug: bool) -> int:
    """Make the call and return the exit code; what went wrong becomes one line on standard error."""
    code = _run(call, debug=debug)
    if _received:
        _die(_received[0])
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
            # Usage errors quote arguments, and a shell's * may have found any name. Older clicks did not call it final.
            error.message = printable(error.message, LONGEST_LINE)  # type: ignore[misc,unused-ignore]
        error.show()
        return error.exit_code
    except (PipeClosed, BrokenPipeError):
        _forget_stdout()  # whoever read our output has seen enough
        return 0
    except (KeyboardInterrupt, click.Abort):  # click aborts at an EOFError too, as where a helper process is hung up first
        _die(_received[0] if _received else signal.SIGINT)
    except Terminated as end:
        _die(end.number)
    except Exception as error:  # noqa: BLE001 - the last resort: no traceback reaches a user
        return _explain(error, debug)
    return 0


def _explain(error: Exception, debug: bool) -> int:
    """Print the one line of an error, and return its exit code."""
    if debug:
        show_lines("".join(traceback.format_exception(error)).splitlines(), err=True)
    if isinstance(error, ExportstreamError):
        text, code = in_options(str(error)), exit_code(error)
        if error.source == _STDOUT:
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
    """The words of an error that no stage has made one of ours."""
    words = error.strerror or str(error)
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return f"{words}; raise the limit of open files (ulimit -n), or use fewer --jobs"
    if isinstance(error.filename, (str, bytes)):
        return f"{printable(os.fsdecode(error.filename), 4096)}: {words}"
    try:
        if sys.stdout is not None:
            sys.stdout.flush()  # what could not be written is still there, and fails again
    except OSError:
        _forget_stdout()
        return f"{_STDOUT}: {words}"
    return f"the system failed: {words}"


def _forget_stdout() -> None:
    """Keep Python from complaining again when it flushes standard output at exit."""
    if sys.stdout is not None:
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _die(number: int) -> None:
    """End the way the signal would have ended us, so that the caller sees it."""
    remove_temporary_files()
    signal.signal(number, signal.SIG_DFL)
    atexit._run_exitfuncs()  # noqa: SLF001 - a signal passes over them, and worker processes have a folder in /tmp
    os.kill(os.getpid(), number)
