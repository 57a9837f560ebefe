"""The command in forks of one process that has everything imported: as ``python -m exportstream``, in a tenth of the time.

A fork gets descriptors, folder, arguments and environment of its own, runs the package as Python itself would, and ends as a
process does. What Python reads when it starts (its own variables, the locale) is that of the first process, so a run that
changes these, and one beside another, needs a process of its own.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress

_LONGEST = 60  # seconds that a command may take
_SERVER = """
import gc, json, os, runpy, socket, sys
import exportstream.cli.commands, exportstream.cli.convert, exportstream.cli.totals, exportstream.cli.check, exportstream.cli.verify
import exportstream.conversion.merge, exportstream.reading.formats.codex.reader, exportstream.reading.formats.claude_code.reader
import exportstream.reading.formats.chats.chatgpt, exportstream.writing.formats.ndjson, exportstream.writing.formats.csv

gc.freeze()  # a fork need not copy what it would only look through
channel = socket.socket(fileno=int(sys.argv[1]))
while True:
    request, given, _, _ = socket.recv_fds(channel, 1 << 20, 3)
    if not request:
        channel.close()
        sys.exit()
    child = os.fork()
    if child == 0:
        break
    for fd in given:
        os.close(fd)
    channel.send(str(child).encode())
    channel.send(str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])).encode())

channel.close()
folder, arguments, environment = json.loads(request)
os.chdir(folder)
os.environ.clear()
os.environ.update(environment)
for number, fd in enumerate(given):
    os.dup2(fd, number)
    os.close(fd)
name = {"encoding": sys.stdout.encoding, "closefd": False}
sys.stdin = sys.__stdin__ = open(0, errors=sys.stdin.errors, **name)
sys.stdout = sys.__stdout__ = open(1, "w", errors=sys.stdout.errors, **name)
sys.stderr = sys.__stderr__ = open(2, "w", 1, errors=sys.stderr.errors, **name)
sys.argv = ["exportstream", *arguments]
runpy.run_module("exportstream", run_name="__main__", alter_sys=True)
"""
_AT_START = ("PYTHON", "LANG", "LC_")


class Forks:
    """A process that forks the command, started when it is needed first, and ended with this one."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)
        self._lock = threading.Lock()
        self._channel: socket.socket | None = None

    def run(
        self, arguments: Sequence[str], cwd: str, environment: Mapping[str, str], stdin: int | bytes
    ) -> tuple[int, bytes, bytes] | None:
        """Run the command and return its exit code, output and errors; None if a fork would not be the same.

        Args:
            arguments: without the command's name.
            cwd: the folder to run in.
            environment: what is added to that of the first process.
            stdin: a descriptor, or the bytes that a pipe shall give.
        """
        if any(name.startswith(_AT_START) for name in environment) or not self._lock.acquire(blocking=False):
            return None
        with ExitStack() as after, ThreadPoolExecutor(3) as pool:
            after.callback(self._lock.release)
            pipes = [os.pipe(), os.pipe()]
            theirs = [write for _, write in pipes]
            if isinstance(stdin, bytes):
                read, write = os.pipe()
                theirs.insert(0, read)
                pool.submit(_feed, write, stdin)
            else:
                theirs.insert(0, os.dup(stdin))
            if self._channel is None:
                self._channel = self._start()
            request = json.dumps([cwd, list(arguments), self._environment | dict(environment)]).encode()
            socket.send_fds(self._channel, [request], theirs)
            for fd in theirs:
                os.close(fd)
            stdout, stderr = (pool.submit(_read, read) for read, _ in pipes)
            killer = threading.Timer(_LONGEST, os.kill, (int(self._channel.recv(64)), signal.SIGKILL))
            killer.start()
            after.callback(killer.cancel)
            return int(self._channel.recv(64)), stdout.result(), stderr.result()

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-c", _SERVER, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=self._environment,
                pass_fds=[theirs.fileno()],
            )
        atexit.register(lambda: (ours.close(), process.wait()))
        return ours


def _feed(fd: int, data: bytes) -> None:
    with suppress(BrokenPipeError), open(fd, "wb", buffering=0) as pipe:
        rest = memoryview(data)
        while rest:
            rest = rest[pipe.write(rest) :]


def _read(fd: int) -> bytes:
    with open(fd, "rb") as pipe:
        return pipe.read()
