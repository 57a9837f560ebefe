"""Uploads: a place to write to that a URL names, whose object appears whole or not at all.

Takes the bytes of the output. Raises `UsageError` for an output that may not or can't be written so, `WriteError` for
whatever a backend raises. Holds: one part (16 MiB). S3 takes 10,000 parts, so an object can have 160 GB.
"""

from __future__ import annotations

from contextlib import nullcontext, suppress

from exportstream.errors import UsageError, WriteError, shown
from exportstream.storage.remote.urls import connect, is_url, kind_of, require_known, scheme_of, translate_errors

__all__ = ["RemotePlace", "open_output"]

_PART = 16 << 20
_COMMITS = ("s3", "s3a", "gs", "gcs", "memory")  # backends whose files wait for a commit, and replace by it


def open_output(url: str, source_path: str | None = None, *, force: bool) -> RemotePlace:
    """Open a URL for writing; see `exportstream.storage.sink.open_sink`.

    Raises:
        UsageError: it exists, is a folder or the input itself, or its backend can't write whole or not at all.
        WriteError: the backend fails.
    """
    name, scheme = shown(url), scheme_of(url)
    if scheme not in _COMMITS:
        require_known(scheme)
        what = f"{scheme}:// can't take an output whole or not at all"
        raise UsageError(what, hint="write a file (-o FILE) and copy it, or write to s3:// or gs://", source=name)
    if source_path is not None and is_url(source_path) and _spelling(source_path) == _spelling(url):
        raise UsageError("the output is the input", hint="choose another output", source=name)
    if url.endswith("/"):
        raise _folder(name)
    return RemotePlace(url, force=force)


class RemotePlace:
    """An object that gets its name at the commit; a `Place` of `exportstream.storage.files`.

    Without `force` an object that appears meanwhile is refused at the commit, but for one of the last instant. When the
    answer to a commit gets lost, its object may be there, and is whole. A process that is killed leaves nothing under the
    name, but parts of an upload may stay where nobody sees them until the bucket's own rule removes them.
    """

    def __init__(self, url: str, *, force: bool) -> None:
        self.name = shown(url)
        self._url = url
        self._force = force
        with translate_errors(WriteError, url):
            # memory:// shows at once what is not in a transaction, which holds for all files of an instance.
            in_memory = scheme_of(url) == "memory"
            self._system, self._path = connect(url, new=in_memory)
            self._is_new = False  # not where that can't be told
            with suppress(Exception) if force else nullcontext():
                self._require_free()
                self._is_new = True
            if in_memory:
                self._system.start_transaction()
            self._file = self._system.open(self._path, "wb", block_size=_PART, autocommit=False)
            self._system.transaction.files.remove(self._file)  # it is committed here, and by nobody else

    def write(self, data: bytes) -> None:
        """Write all of `data`; it is sent in parts."""
        with translate_errors(WriteError, self._url):
            self._file.write(data)

    def commit(self) -> None:
        """Send the last part, and give the object its name.

        Raises:
            UsageError: an object of that name appeared meanwhile.
            WriteError: the backend fails.
        """
        try:
            with translate_errors(WriteError, self._url):
                self._file.close()
                if not self._force:
                    self._require_free()
                self._file.commit()
        except BaseException:
            self.abort()
            raise

    def abort(self) -> None:
        """Give up the upload and its parts. Never raises."""
        with suppress(Exception):  # whatever failed before is what the user has to know
            self._file.discard()
        with suppress(AttributeError):  # closing, at the latest when it is collected, would begin a new upload
            self._file.closed = True

    def withdraw(self) -> None:
        """Remove what was committed, where nothing stood under the name before. Never raises."""
        if self._is_new:
            with suppress(Exception):
                self._system.rm_file(self._path)

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
