"""A disk that follows a trace: what it holds for certain, and what a power cut may keep or lose."""

from collections.abc import Mapping
from typing import NamedTuple

from tests.reliability.power_loss.trace import (
    Created,
    Deleted,
    DirectorySynced,
    Operation,
    Synced,
    Truncated,
    Wrote,
)

__all__ = ["Change", "Disk", "File", "Images", "perform"]

Images = dict[str, bytes]
"""The files a power cut left, by name."""


class File:
    """One file: its bytes at the last sync, and what was done to it since."""

    def __init__(self, durable: bytes = b"") -> None:
        self.durable = durable
        self.pending: list[Wrote | Truncated] = []

    def sync(self) -> None:
        """Everything done so far is on the disk."""
        content = bytearray(self.durable)
        for operation in self.pending:
            perform(operation, content)
        self.durable, self.pending = bytes(content), []


def perform(operation: Wrote | Truncated, content: bytearray) -> None:
    """Do to these bytes what was done to the file; a gap reads as zeros."""
    end = operation.size if isinstance(operation, Truncated) else operation.offset
    content.extend(bytes(max(0, end - len(content))))
    if isinstance(operation, Truncated):
        del content[end:]
    else:
        content[end : end + len(operation.data)] = operation.data


class Change(NamedTuple):
    """A change of the folder: the name now means this file, or none."""

    name: str
    file: File | None


class Disk:
    """The files of a store: as the running program sees them, and as the folder on the disk has them."""

    def __init__(self, images: Mapping[str, bytes] = {}) -> None:
        self.durable = {name: File(content) for name, content in images.items()}
        self.changes: list[Change] = []
        """Creations and deletions since the folder was last synced."""
        self._live = dict(self.durable)

    def apply(self, operation: Operation) -> None:
        """Follow one operation of the trace."""
        match operation:
            case Wrote() | Truncated():
                self._live[operation.name].pending.append(operation)
            case Synced():
                self._live[operation.name].sync()
            case Created():
                self._change(Change(operation.name, File()))
            case Deleted():
                self._change(Change(operation.name, None))
            case DirectorySynced():
                self.durable, self.changes = dict(self._live), []
            case _:
                pass  # a mark: nothing happens on the disk

    def _change(self, change: Change) -> None:
        self.changes.append(change)
        _enter(change, self._live)

    def folder(self, kept: list[bool]) -> dict[str, File]:
        """The folder after a cut that kept these of the changes."""
        entries = dict(self.durable)
        for change, is_kept in zip(self.changes, kept, strict=True):
            if is_kept:
                _enter(change, entries)
        return entries


def _enter(change: Change, entries: dict[str, File]) -> None:
    if change.file is None:
        entries.pop(change.name, None)
    else:
        entries[change.name] = change.file
