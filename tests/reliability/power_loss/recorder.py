"""Runs the engine's own store file over the recording layer, and marks what it was given and what it acknowledged."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from unittest.mock import patch

from everfold.engines.sqlite import writer as writing
from everfold.engines.sqlite.store_file import StoreFile
from everfold.log.write import Outcome, Write
from everfold.testing.frozen_clock import FrozenClock
from tests.reliability.power_loss.apsw_connection import ApswConnection, through_apsw
from tests.reliability.power_loss.history import History
from tests.reliability.power_loss.recording_vfs import recording
from tests.reliability.power_loss.trace import Acknowledged, Started, Trace

__all__ = ["PATIENCE", "Recorder", "recorder"]

PATIENCE = 5.0


class Recorder:
    """A store at work. Workloads tell it what to do."""

    def __init__(self, path: str, *, synchronous: str) -> None:
        self.trace: Trace = []
        self.history = History()
        self.beginning = 0
        """How much of the trace came before the workload itself."""
        self._path = path
        self._synchronous = synchronous
        self._clock = FrozenClock()

    def open(self) -> None:
        """Open or create the store."""
        self._file = StoreFile(
            self._path, clock=self._clock, lock_timeout=PATIENCE, synchronous=self._synchronous, readers=1
        )
        self._file.open()

    def open_existing(self) -> None:
        """Open a store that has been there for a while: power cuts during its creation are not of interest."""
        self.open()
        self.reopen()
        self.beginning = len(self.trace)

    def append(self, *writes: Write) -> list[Outcome]:
        """One batch."""
        self._clock.advance(1)
        self.trace.append(Started(len(self.history.writes) + len(writes)))
        outcomes = self._file.writer.append(writes)
        self.history.add(writes, outcomes)
        self.trace.append(Acknowledged(len(self.history.writes)))
        return outcomes

    def checkpoint(self, *, restart: bool = False) -> None:
        """Move the write-ahead log into the file; ``restart``: as if the log were very long."""
        pages = 0 if restart else writing.LONG_LOG_PAGES
        with patch.multiple(writing, CHECKPOINT_BYTES=-1, LONG_LOG_PAGES=pages):
            self._file.writer.checkpoint()

    def close(self) -> None:
        """Close the store."""
        self._file.close()

    def reopen(self) -> None:
        """Close the store and open it again."""
        self.close()
        self.open()


@contextmanager
def recorder(
    path: str, *, synchronous: str = "full", kind: Callable[[str], ApswConnection] = ApswConnection
) -> Generator[Recorder]:
    """A recorder for the store at this path, whose connections are of this kind."""
    store = Recorder(path, synchronous=synchronous)
    with recording(path, store.trace), through_apsw(kind):
        yield store
