"""Destinations of bytes: a file that appears whole or not at all, a device, a stream.

Takes: a path, a URL (see `remote.upload`), ``-`` or a file object. Returns: a destination (see `transaction`).
Raises: on opening `UsageError` for an output that may not be written, `WriteError` if the system fails; later
`OSError` as the system raises it, and `UsageError` if a file appears under the name before the commit.
Holds: nothing.

A file is written under a hidden temporary name in its own folder (see `temporary`), and gets its name when everything is
on the disk. Standard output, FIFOs, devices and file objects are written directly: an abort leaves what was written.
"""

from __future__ import annotations

import errno
import io
import os
import stat
import sys
from contextlib import suppress
from typing import IO, Protocol

from exportstream.errors import UsageError, WriteError, hint_of
from exportstream.storage.names import is_stream, refuse_empty
from exportstream.storage.remote.urls import is_remote, local_path
from exportstream.storage.temporary import Temporary
from exportstream.storage.transaction import ByteDestination

_CAN_NOT_SYNC = (errno.EINVAL, errno.ENOTSUP)
_NO_HARD_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK)


def open_destination(target: str | os.PathLike[str] | IO[bytes], source_path: str | None, *, force: bool) -> ByteDestination:
    """Open a path, ``-`` for standard output, or a binary file object, which stays open; see `open_sink`."""
    if is_stream(target):
        if sys.stdout is None:
            raise WriteError("standard output is closed", source="<stdout>")
        return _Stream(sys.stdout.buffer, "<stdout>", sync=True)
    if isinstance(target, (str, os.PathLike)):
        refuse_empty(target)
        path = os.fsdecode(target)
        if is_remote(path):
            from exportstream.storage.remote.upload import open_output  # noqa: PLC0415 - only for URLs

            return open_output(path, source_path, force=force)
        return _open_path(path, source_path, force=force)
    if isinstance(target, io.TextIOBase) or not hasattr(target, "write"):
        raise TypeError(f"expected a path, '-' or a file opened for bytes, got {type(target).__name__}")
    name = getattr(target, "name", None)
    return _Stream(target, name if isinstance(name, str) else "<stream>")


def open_file(path: str, source_path: str | None, *, force: bool) -> File:
    """Open a path that has to be a file, for a library that writes it by its `temporary` name until it is finished."""
    if is_remote(path):
        raise UsageError("this format can't be written to a URL", hint="write a file, and copy it there", source=path)
    file = _open_path(path, source_path, force=force, direct=False)
    assert isinstance(file, File)
    return file


def _open_path(path: str, source_path: str | None, *, force: bool, direct: bool = True) -> Device:
    path = local_path(path)
    try:
        try:
            old = os.stat(path)
        except FileNotFoundError:
            old = None
        if old is not None and source_path is not None:
            with suppress(OSError):
                if os.path.samestat(os.stat(local_path(source_path)), old):
                    raise UsageError("the output is the input", hint="choose another output", source=path)
        if path.endswith("/") or (old is not None and stat.S_ISDIR(old.st_mode)):
            raise UsageError("the output is a folder", hint="name a file in it", source=path)
        if old is not None and not stat.S_ISREG(old.st_mode):
            if not direct:
                raise UsageError("the output is a device or a pipe", hint="name a file", source=path)
            return Device(os.open(path, os.O_WRONLY | os.O_CLOEXEC), path)
        if old is not None and not force:
            raise _exists(path)
        return File(path, old, force=force, by_name=not direct)
    except FileNotFoundError as error:
        raise WriteError("its folder does not exist", source=path, hint=hint_of(path) or "make the folder first") from error
    except OSError as error:
        raise WriteError.of(error, path) from error


def _exists(name: str) -> UsageError:
    return UsageError("the output exists", hint="force=True replaces it", source=name)


class Writable(Protocol):
    """A binary file object, such as an open file or the body of an upload."""

    def write(self, data: bytes, /) -> int | None:
        """Write some of `data`, and return how much; None for all."""


class _Stream(ByteDestination):
    """A file object that was given, and stays open. It is written directly."""

    def __init__(self, file: IO[bytes], name: str, *, sync: bool = False) -> None:
        self.name = name
        self._file = file
        self._sync = sync

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            count = self._file.write(view)
            if count == 0 or (count is None and isinstance(self._file, io.RawIOBase)):
                raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
            view = view[len(view) if count is None else count :]

    def finish(self) -> None:
        if hasattr(self._file, "flush"):
            self._file.flush()
        if self._sync:
            with suppress(io.UnsupportedOperation):
                _sync(self._file.fileno())


class Device(ByteDestination):
    """A FIFO or device, opened here and written directly."""

    def __init__(self, fd: int, name: str) -> None:
        self.name = name
        self._fd = fd

    def write(self, data: bytes) -> None:
        """Write all of `data`."""
        view = memoryview(data)
        while view:
            view = view[os.write(self._fd, view) :]

    def finish(self) -> None:
        """Bring everything to the disk, and close it."""
        _sync(self._fd)
        self._close()

    def abort(self) -> None:
        """Close it. Never raises."""
        with suppress(OSError):
            self._close()

    def _close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


class File(Device):
    """A file under a temporary name in the same folder.

    Attributes:
        path: its own name; of a link, the name of the link's target.
        temporary: the temporary name; nobody else writes or removes the file there until the commit or abort.
    """

    def __init__(self, name: str, old: os.stat_result | None, *, force: bool, by_name: bool) -> None:
        self.path = os.path.realpath(name)
        self._old = old
        self._force = force
        self._installed = False
        self._folder = os.path.dirname(self.path)
        self._part = Temporary(self.path, 0o666 if old is None else stat.S_IMODE(old.st_mode) & 0o777, by_name=by_name)
        self.temporary = self._part.name
        super().__init__(self._part.fd, name)
        if old is not None:
            try:
                with suppress(OSError):  # only root may give a file away
                    os.fchown(self._fd, old.st_uid, old.st_gid)
                os.fchmod(self._fd, stat.S_IMODE(old.st_mode))
            except BaseException:
                self.abort()
                raise

    def commit(self) -> None:
        """Give the file its name; if that fails, put the old content back."""
        kept = False
        try:
            if self._old is not None:
                with suppress(OSError):
                    os.link(self.path, self._part.kept)
                    kept = True
            self._install()
            self._sync_folder()
        except BaseException:
            if kept and self._installed:
                with suppress(OSError):
                    os.replace(self._part.kept, self.path)
            self.undo_commit()
            raise
        finally:
            self._part.remove()

    def undo_commit(self) -> None:
        """Remove the file if it has its name and replaced nothing. Never raises."""
        if self._old is None and self._installed:
            self._installed = False
            with suppress(OSError):
                os.unlink(self.path)

    def abort(self) -> None:
        """Remove the temporary file. Never raises."""
        super().abort()
        self._part.remove()

    def _install(self) -> None:
        if not self._force:
            try:
                os.link(self.temporary, self.path)  # unlike a rename, it refuses a file that appeared meanwhile
            except FileExistsError as error:
                raise _exists(self.name) from error
            except OSError as error:
                if error.errno not in _NO_HARD_LINKS:
                    raise
                if os.path.lexists(self.path):
                    raise _exists(self.name) from error
            else:
                self._installed = True
                return
        os.replace(self.temporary, self.path)
        self._installed = True

    def _sync_folder(self) -> None:
        try:
            fd = os.open(self._folder, os.O_RDONLY | os.O_CLOEXEC)
        except PermissionError:  # a folder may be writable without being readable
            return
        try:
            _sync(fd)
        finally:
            os.close(fd)


def _sync(fd: int) -> None:
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in _CAN_NOT_SYNC:
            raise
