"""Temporary files: an output is written to a hidden file in the same folder until it gets its name.

Takes: the output's path. Raises: `OSError` as the system raises it. Holds: two descriptors of one file.

The file is ``.NAME.part``, or ``.NAME.2.part`` and so on if another run has that one, and is locked (`flock`) while it is in
use. The system drops the lock of a process that was killed, so a file that nobody locks is left over, and the next run that
writes the same output removes it. Only the lock decides. On a system without such locks, names are random, and later
runs remove nothing.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from contextlib import suppress
from itertools import count

_SEARCHED = 8  # numbers that are searched for leftovers
_NO_LOCKS = (errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.ENOLCK)


class Temporary:
    """A temporary file, created when this is.

    Args:
        path: the output's, without links.
        mode: the permissions, before the umask.
        by_name: whether a library will open the file once more by its name, and lock it in its own way.

    Attributes:
        name: of the file.
        kept: a name for the output's old content, until the new one is in place.
        fd: open for writing; the caller closes it. The lock stays until `remove`.
    """

    def __init__(self, path: str, mode: int, *, by_name: bool = False) -> None:
        folder, base = os.path.split(path)
        stem = os.path.join(folder, "." + os.fsencode(base)[:100].decode("utf-8", "ignore"))  # NAME_MAX counts bytes
        self.name = self.kept = ""
        self.fd = self._lock = -1
        self._file: tuple[int, int] | None = None  # device and inode, as soon as nobody else may remove it
        _in_use.add(self)
        try:
            if not self._create_locked(path, stem, mode, by_name=by_name):
                self._create(f"{stem}.{os.urandom(6).hex()}.part", mode)
                self._file = _file_of(self.fd)
            self._lock = os.dup(self.fd)  # closing the last of the two ends the lock
            self.kept = f"{self.name}.old"
        except BaseException:
            self._discard()
            self.remove()
            raise

    def remove(self) -> None:
        """Remove the file unless it was renamed, remove the old content that was kept, and end the lock. Never raises."""
        if self not in _in_use:  # by now the names may be another run's
            return
        if self.kept:
            _unlink(self.kept)
        if self._file is None:  # an interruption came before it was known to be locked
            self._discard()  # ends a lock that it had just taken
            _remove_unless_locked(self.name, self.name)
        elif _file_at(self.name) == self._file:  # after a rename the name may be another run's
            _unlink(self.name)
        _in_use.discard(self)
        if self._lock >= 0:
            with suppress(OSError):
                os.close(self._lock)

    def _create_locked(self, path: str, stem: str, mode: int, *, by_name: bool) -> bool:
        """Create the first file that is free; return False if the system has no locks."""
        for number in range(1, _SEARCHED + 1):
            _remove_leftovers(path, _numbered(stem, number))
        for number in count(1):
            try:
                self._create(_numbered(stem, number), mode)
                fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._file = _file_of(self.fd)
                # Another run may have taken the file for a leftover before it was locked, or be about to remove the old
                # content that it kept under this name.
                if _file_at(self.name) == self._file and not os.path.lexists(f"{self.name}.old"):
                    if by_name:
                        _try_other_locks(self.name)
                    return True
            except FileExistsError:
                pass
            except BlockingIOError:  # another run has just taken it for a leftover, and will remove it
                pass
            except OSError as error:
                if error.errno not in _NO_LOCKS:
                    raise
                self._file = _file_of(self.fd)
                self._discard()
                return False
            self._discard()
        raise AssertionError

    def _create(self, name: str, mode: int) -> None:
        self.name = name
        self.fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)

    def _discard(self) -> None:
        """Close the file, and remove it if nobody else may, to begin again."""
        if self._file is not None and _file_at(self.name) == self._file:
            _unlink(self.name)
        if self.fd >= 0:
            with suppress(OSError):
                os.close(self.fd)
        self.fd, self._file = -1, None


_in_use: set[Temporary] = set()
# A copy of this process, such as a worker, has no part in its outputs: when it ends, they stay.
os.register_at_fork(after_in_child=_in_use.clear)


def remove_temporary_files() -> None:
    """Remove the files of unfinished outputs: for a process that a signal ends between any two of its steps."""
    for temporary in tuple(_in_use):
        temporary.remove()


def _numbered(stem: str, number: int) -> str:
    return f"{stem}.part" if number == 1 else f"{stem}.{number}.part"


def _remove_leftovers(path: str, name: str) -> None:
    """Remove a temporary file that was left by a run that was killed."""
    if os.access(name, os.F_OK):  # a third of the time of `lexists`; a broken link is none of ours
        _remove_unless_locked(name, f"{name}.old", name)
    elif os.access(f"{name}.old", os.F_OK):  # it was killed right after the rename, and the output itself was locked
        _remove_unless_locked(path, f"{name}.old")


def _remove_unless_locked(locked: str, *names: str) -> None:
    """Remove `names` if nobody has a lock on the file `locked`; a file that can't be opened stays. Never raises."""
    with suppress(OSError):
        if not stat.S_ISREG(os.lstat(locked).st_mode):
            return
        fd = _open_to_lock(locked)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _file_at(locked) == _file_of(fd):
                for name in names:
                    _unlink(name)
        finally:
            os.close(fd)


def _open_to_lock(name: str) -> int:
    flags = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        return os.open(name, os.O_RDWR | flags)  # NFS locks only files that are open for writing
    except PermissionError:
        return os.open(name, os.O_RDONLY | flags)


def _try_other_locks(name: str) -> None:
    """Raise `OSError` if our lock keeps out SQLite's kind of lock in the same process, as on network file systems."""
    fd = os.open(name, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK)) from error
    finally:
        os.close(fd)


def _file_of(fd: int) -> tuple[int, int]:
    found = os.fstat(fd)
    return found.st_dev, found.st_ino


def _file_at(name: str) -> tuple[int, int] | None:
    try:
        found = os.lstat(name)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _unlink(name: str) -> None:
    with suppress(OSError):
        os.unlink(name)
