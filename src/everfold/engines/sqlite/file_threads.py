"""An open file and the threads that work with it: one that writes, a few that read. Used by the engine and by views."""

from __future__ import annotations

from typing import Generic, TypeVar

from everfold.engines.sqlite.database_file import DatabaseFile
from everfold.engines.worker import Worker
from everfold.engines.worker_pool import WorkerPool

__all__ = ["FileThreads", "start_threads"]

F = TypeVar("F", bound=DatabaseFile)


class FileThreads(Generic[F]):
    """Started by ``start_threads``, ended by ``close``."""

    def __init__(self, file: F, writer: Worker, *, name: str) -> None:
        self.file = file
        self.writer = writer
        self.readers = WorkerPool(file.readers, name=f"{name}-reader")

    async def close(self) -> None:
        """Finish the transactions and pages under way, stop the threads, close the connections."""
        try:
            await self.readers.close()
            await self.writer.do(self.file.close)
        finally:
            self.writer.post(self.file.close)
            self.writer.stop()


async def start_threads(file: F, *, name: str) -> FileThreads[F]:
    """Open the file in a thread of its own, which then writes, and start those that read."""
    thread = Worker(f"{name}-writer")
    try:
        await thread.do(file.open)
    except BaseException as error:
        thread.post(file.close)
        thread.stop(wait=isinstance(error, Exception))  # a cancelled caller does not stop the opening
        raise
    return FileThreads(file, thread, name=name)
