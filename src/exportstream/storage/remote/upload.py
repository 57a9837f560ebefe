"""Uploads: an output under a URL, which appears whole or not at all.

Takes: the bytes of the output. Raises: `UsageError` for an output that may not or can't be written this way, `WriteError`
for any error of a backend. Holds: one part (16 MiB). S3 takes 10,000 parts, so an object can have 160 GB.

Two things here are not documented parts of fsspec. Its own way to commit a file late is a transaction, which commits all
files of a file system together. So each file is taken off the list of its transaction (`transaction.files`) and committed
here. And a discarded file has to be marked as `closed`, or closing it, at the latest when it is collected, begins a new
upload.
"""

from __future__ import annotations

from contextlib import nullcontext, suppress

from exportstream.errors import UsageError, WriteError, shown
from exportstream.storage.remote.urls import connect, has_scheme, kind_of, require_known, scheme_of, translate_errors
from exportstream.storage.transaction import ByteDestination

_PART = 16 << 20
_COMMITS = ("s3", "s3a", "gs", "gcs", "memory")  # backends whose files appear, or replace others, by a commit


def open_output(url: str, source_path: str | None = None, *, force: bool) -> RemoteDestination:
    """Open a URL for writing; see `sink.open_sink`. One whose backend might leave a part of it is refused."""
    name, scheme = shown(url), scheme_of(url)
    if scheme not in _COMMITS:
        require_known(scheme)
        what = f"{scheme}:// can't take an output whole or not at all"
        raise UsageError(what, hint="write a file (-o FILE) and copy it, or write to s3:// or gs://", source=name)
    if source_path is not None and has_scheme(source_path) and _spelling(source_path) == _spelling(url):
        raise UsageError("the output is the input", hint="choose another output", source=name)
    if url.endswith("/"):
        raise _folder(name)
    return RemoteDestination(url, force=force)


class RemoteDestination(ByteDestination):
    """An object that gets its name at the commit.

    Without `force` the commit refuses to replace an object that appeared meanwhile, unless that happens in the last instant.
    If the answer to a commit is lost, the object may be there, and is complete. A killed process leaves nothing under the
    name, but parts of the upload may stay, out of sight, until a rule of the bucket removes them.
    """

    def __init__(self, url: str, *, force: bool) -> None:
        self.name = shown(url)
        self._url = url
        self._force = force
        with translate_errors(WriteError, url):
            # memory:// shows files at once unless a transaction has begun, which holds for all files of an instance.
            in_memory = scheme_of(url) == "memory"
            self._system, self._path = connect(url, new=in_memory)
            self._is_new = False  # also if that can't be told
            with suppress(Exception) if force else nullcontext():
                self._require_free()
                self._is_new = True
            if in_memory:
                self._system.start_transaction()
            self._committed = False
            self._file = self._system.open(self._path, "wb", block_size=_PART, autocommit=False)
            self._system.transaction.files.remove(self._file)  # see above

    def write(self, data: bytes) -> None:
        """Write all of `data`; it is sent in parts."""
        with translate_errors(WriteError, self._url):
            self._file.write(data)

    def finish(self) -> None:
        """Send the last part."""
        with translate_errors(WriteError, self._url):
            self._file.close()

    def commit(self) -> None:
        """Give the object its name; raise `UsageError` if an object of that name appeared meanwhile."""
        with translate_errors(WriteError, self._url):
            if not self._force:
                self._require_free()
            self._file.commit()
            self._committed = True

    def undo_commit(self) -> None:
        """Remove what was committed, unless something stood under the name before. Never raises."""
        if self._committed and self._is_new:
            with suppress(Exception):
                self._system.rm_file(self._path)

    def abort(self) -> None:
        """Cancel the upload and remove its parts. Never raises."""
        with suppress(Exception):  # the user has to know about the first failure only
            self._file.discard()
        with suppress(AttributeError):  # or closing it, at the latest when it is collected, would begin a new upload
            self._file.closed = True

    def _require_free(self) -> None:
        kind = kind_of(self._system, self._path)
        if kind == "directory":
            raise _folder(self.name)
        if kind is not None:
            raise UsageError("the output exists", hint="force=True replaces it", source=self.name)


def _spelling(url: str) -> str:
    return f"{scheme_of(url)}://{url.partition('://')[2].lstrip('/')}"


def _folder(name: str) -> UsageError:
    return UsageError("the output is a folder", hint="name a file in it", source=name)
