"""A SQLite file system layer that does what the default one does and writes it all into a trace.

The shared-memory file is left out: it holds nothing that a power cut must preserve. Randomness is seeded, so that
the same work leaves the same trace.
"""

import random
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import apsw

from tests.reliability.power_loss.trace import (
    Created,
    Deleted,
    DirectorySynced,
    Synced,
    Trace,
    Truncated,
    Wrote,
)

__all__ = ["NAME", "recording"]

NAME = "everfold-recording"
DEFAULT = apsw.vfs_names()[0]
LOGS = apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_WAL


@contextmanager
def recording(store: str, trace: Trace) -> Generator[None]:
    """Offer the layer to apsw under ``NAME``; what happens to the files of this store goes into the trace."""
    layer = RecordingVFS(store, trace)
    apsw.randomness(0)  # SQLite's generator starts anew, from the seed of this layer
    try:
        yield
    finally:
        layer.unregister()
        apsw.randomness(0)


class RecordingVFS(apsw.VFS):
    """Passes everything on to the default layer and records creations and deletions."""

    def __init__(self, store: str, trace: Trace) -> None:
        super().__init__(NAME, DEFAULT, makedefault=True)  # SQLite takes its randomness from the default layer
        self._store = store
        self._trace = trace
        self._random = random.Random(NAME)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 (SQLite's)
        """Open a file and record what is done to it."""
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        if path is None or not path.startswith(self._store):
            return apsw.VFSFile(DEFAULT, name, flags)  # a temporary file
        is_new = not Path(path).exists()
        file = RecordingFile(name, flags, path.removeprefix(self._store), self._trace)
        if is_new:
            self._trace.append(Created(file.name))
        return file

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802 (SQLite's)
        """Delete a file; ``syncdir`` asks for a durable deletion."""
        super().xDelete(filename, syncdir)
        self._trace.append(Deleted(filename.removeprefix(self._store)))
        if syncdir:
            self._trace.append(DirectorySynced())

    def xRandomness(self, numbytes: int) -> bytes:  # noqa: N802 (SQLite's)
        """The same bytes in every recording."""
        return self._random.randbytes(numbytes)


class RecordingFile(apsw.VFSFile):
    """Passes everything on to the default layer's file and records what changes it."""

    def __init__(self, name: str | apsw.URIFilename | None, flags: list[int], role: str, trace: Trace) -> None:
        # SQLite's own layer syncs the folder together with the first sync of a journal or log it may have created.
        self._syncs_folder = bool(flags[0] & LOGS and flags[0] & apsw.SQLITE_OPEN_CREATE)
        super().__init__(DEFAULT, name, flags)
        self.name = role
        self._trace = trace

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 (SQLite's)
        """Write, not yet durably."""
        super().xWrite(data, offset)  # pyright: ignore[reportUnknownMemberType] (its stub needs Python 3.12)
        self._trace.append(Wrote(self.name, offset, bytes(data)))

    def xTruncate(self, newsize: int) -> None:  # noqa: N802 (SQLite's)
        """Cut or extend, not yet durably."""
        super().xTruncate(newsize)
        self._trace.append(Truncated(self.name, newsize))

    def xSync(self, flags: int) -> None:  # noqa: N802 (SQLite's)
        """Make durable what was done to this file."""
        super().xSync(flags)
        self._trace.append(Synced(self.name))
        if self._syncs_folder:
            self._syncs_folder = False
            self._trace.append(DirectorySynced())
