"""Writing a whole store to one file, from which ``restore`` makes it again. Used by the command line and by scripts.

The file holds records, idempotency replies and consumers' checkpoints. Not snapshots and read models: they are made
from the records anew.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import IO, cast

import msgspec

from everfold.clock import Clock, SystemClock, from_micros
from everfold.errors import ConfigurationError, NotFound
from everfold.log.checkpoint import Checkpoint
from everfold.log.engine import Engine
from everfold.log.idempotency import StoredReply
from everfold.log.selection import EVERYTHING
from everfold.migration.export_format import (
    FORMAT_VERSION,
    Digest,
    Header,
    Line,
    Trailer,
    checkpoint_line,
    encode_line,
    record_line,
    reply_line,
)
from everfold.migration.one_thread import OneThread
from everfold.store.event_store import EventStore

__all__ = ["ExportReport", "export_store"]

PAGE = 1_000
COMPRESSION = 6
ATTEMPTS = 100


class ExportReport(msgspec.Struct, frozen=True):
    """What was written: the records with after < position <= head, and what belongs to them."""

    after: int
    head: int
    records: int
    replies: int
    checkpoints: int
    sha256: str
    """Of the file's content, uncompressed and without its last line."""


async def export_store(
    store: EventStore,
    target: str | Path | IO[bytes],
    *,
    after: int = 0,
    clock: Clock | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ExportReport:
    """Write the log as it is now to a file, while others go on writing to the store.

    ``target``: a path, compressed when it ends in ``.gz``, or a binary stream. A file appears under its name when it is
    whole and on the disk; one that exists is never overwritten (ConfigurationError). ``after``: only what came behind
    this position, for a store that was restored up to there; NotFound when the log is shorter. ``progress`` is
    called with a position and the last one. Raises StoreError, and OSError when the file cannot be written.
    """
    checkpoints, head = await _moment(store.engine)
    if not 0 <= after <= head:
        raise NotFound("position", str(after), f"The log ends at position {head}.")
    with _opened(target) as stream, OneThread("everfold-export") as thread:
        lines = _Lines(stream)
        header = await _header(store.engine, after, head, clock or SystemClock())
        await thread.do(partial(lines.write, [header]))
        async for page in store.pages(after=after, until=head, page=PAGE):
            await thread.do(partial(lines.write, map(record_line, page)))
            if progress:
                progress(page[-1].position, head)
        async for replies in _replies(store.engine, after, head):
            await thread.do(partial(lines.write, map(reply_line, replies)))
        await thread.do(partial(lines.write, map(checkpoint_line, checkpoints)))
        trailer = await thread.do(lines.end)
    return ExportReport(after, head, trailer.records, trailer.replies, trailer.checkpoints, trailer.sha256)


async def _moment(engine: Engine) -> tuple[Sequence[Checkpoint], int]:
    """Checkpoints and the head of one moment; under heavy writing, checkpoints of shortly before: never of after."""
    head = await engine.wait(-1)
    for _ in range(ATTEMPTS):
        checkpoints = await engine.checkpoints()
        before, head = head, await engine.wait(-1)
        if before == head:
            break
    else:
        checkpoints = await engine.checkpoints()
        head = await engine.wait(-1)
    return checkpoints, head


async def _header(engine: Engine, after: int, head: int, clock: Clock) -> Header:
    found = await engine.read(EVERYTHING, after=after - 1, until=after, limit=1) if after else ()
    return Header(
        format=FORMAT_VERSION,
        after=after,
        after_id=found[0].id if found else None,
        head=head,
        written=from_micros(clock.micros()).isoformat().replace("+00:00", "Z"),
    )


async def _replies(engine: Engine, after: int, head: int) -> AsyncGenerator[Sequence[StoredReply]]:
    """Those of writes up to the head. At ``after`` itself too: one without records may have come later."""
    key = ""
    while page := await engine.replies(after=key, limit=PAGE):
        yield [reply for reply in page if after <= reply.last <= head]
        key = page[-1].key


class _Lines:
    """Writes lines and keeps their digest. Called by one thread at a time."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._digest = Digest()

    def write(self, lines: Iterable[Line]) -> None:
        encoded: list[bytes] = []
        for line in lines:
            text = encode_line(line) + b"\n"
            self._digest.add(line, text)
            encoded.append(text)
        self._stream.write(b"".join(encoded))

    def end(self) -> Trailer:
        trailer = self._digest.trailer()
        self._stream.write(encode_line(trailer) + b"\n")
        self._stream.flush()
        return trailer


@contextmanager
def _opened(target: str | Path | IO[bytes]) -> Generator[IO[bytes]]:
    if not isinstance(target, str | Path):
        yield target
        return
    path = Path(target)
    if path.exists():
        raise ConfigurationError(f"{path} exists already. Nothing was written; give another name or remove it.")
    partial = path.with_name(f"{path.name}.partial")
    try:
        with partial.open("wb") as file:
            with ExitStack() as stack:
                compressed = gzip.GzipFile(path.stem, "wb", COMPRESSION, file) if path.suffix == ".gz" else None
                yield cast("IO[bytes]", stack.enter_context(compressed)) if compressed else file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
