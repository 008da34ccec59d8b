"""The open file of the log: beside what every file of ours has, the writer and the look-out for new heads."""

from __future__ import annotations

from contextlib import ExitStack

from everfold.clock import Clock
from everfold.engines.sqlite.database_file import DatabaseFile
from everfold.engines.sqlite.file_kind import LOG
from everfold.engines.sqlite.writer import Writer

__all__ = ["StoreFile"]

LOOK_SECONDS = 0.05


class StoreFile(DatabaseFile):
    """Everything that is open while a store is."""

    def __init__(self, path: str, *, clock: Clock, lock_timeout: float, synchronous: str, readers: int) -> None:
        super().__init__(path, kind=LOG, lock_timeout=lock_timeout, synchronous=synchronous, readers=readers)
        self._clock = clock

    def prepare(self, stack: ExitStack) -> None:
        """The writer, and the connection that only looks for the head."""
        self.writer = Writer(self.transactions, clock=self._clock)
        self.lookout = self.connect(read_only=True, lock_timeout=LOOK_SECONDS)
        stack.callback(self.lookout.close)
