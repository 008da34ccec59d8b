"""What a traced store did to its files, and when it acknowledged what. Written by the recorder, read by the disk."""

from typing import NamedTuple

__all__ = [
    "Acknowledged",
    "Created",
    "Deleted",
    "DirectorySynced",
    "Operation",
    "Started",
    "Synced",
    "Trace",
    "Truncated",
    "Wrote",
]


class Created(NamedTuple):
    """A file appeared. Files are named by what follows the store's path: ``""``, ``"-wal"``, ``"-journal"``."""

    name: str


class Deleted(NamedTuple):
    """A file was deleted."""

    name: str


class Wrote(NamedTuple):
    """Bytes were handed to the operating system."""

    name: str
    offset: int
    data: bytes


class Truncated(NamedTuple):
    """A file was given this size."""

    name: str
    size: int


class Synced(NamedTuple):
    """All that was written to the file before is on the disk."""

    name: str


class DirectorySynced(NamedTuple):
    """All creations and deletions before are on the disk."""


class Started(NamedTuple):
    """The writer was given writes; this many in all since the store was made."""

    writes: int


class Acknowledged(NamedTuple):
    """The writer returned outcomes; this many in all since the store was made. They must survive from here on."""

    writes: int


Operation = Created | Deleted | Wrote | Truncated | Synced | DirectorySynced | Started | Acknowledged
Trace = list[Operation]
