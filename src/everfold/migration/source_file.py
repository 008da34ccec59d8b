"""Files that are read line by line, gzip or not. Used by the CSV and JSON Lines sources and by restore."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TypeVar, cast

__all__ = ["MAX_LINE", "LineFile", "UnreadableFile"]

MAX_LINE = 64 * 1024 * 1024
GZIP = b"\x1f\x8b"

Line = TypeVar("Line", str, bytes)


class UnreadableFile(Exception):
    """The file cannot be read on; the text says why and what to do. Whoever reads it makes a public error of it."""


class LineFile:
    """A file, compressed when its first bytes say so, with the number of the line read last."""

    def __init__(self, place: Path | IO[bytes]) -> None:
        """``place``: a path, or a stream that is open, which stays open."""
        self.place = place
        self.line = 0
        self._raw: io.BufferedReader | None = None
        self._size = 0

    @property
    def share(self) -> float | None:
        """How much of the file's bytes has been read, from 0 to 1; None before, and for streams."""
        raw = self._raw
        if raw is None or not self._size:
            return None
        return 1.0 if raw.closed else min(raw.tell() / self._size, 1.0)

    def byte_lines(self) -> Generator[bytes]:
        """The lines with their ends."""
        with self._opened() as stream:
            yield from self._counted(stream.readline, b"\n")

    def text_lines(self, encoding: str) -> Generator[str]:
        """The lines with their ends, as csv wants them. Undecodable bytes become lone surrogates."""
        with self._opened() as stream:
            text = io.TextIOWrapper(stream, encoding, errors="surrogateescape", newline="")
            yield from self._counted(text.readline, "\n")

    @contextmanager
    def _opened(self) -> Generator[IO[bytes]]:
        self.line = 0
        try:
            with self._bytes() as raw:
                self._raw = raw
                if raw.peek(len(GZIP))[: len(GZIP)] == GZIP:
                    with gzip.GzipFile(fileobj=raw, mode="rb") as unpacked:
                        yield io.BufferedReader(unpacked, 256 * 1024)
                else:
                    yield raw
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise UnreadableFile(
                f"the compressed file is damaged or cut off behind line {self.line} ({error}). Get a whole copy."
            ) from error
        except UnicodeError as error:
            raise UnreadableFile(f"cannot be decoded behind line {self.line} ({error}). Give its encoding.") from error
        except OSError as error:
            raise UnreadableFile(f"cannot be read: {error.strerror or error}. Check the path.") from error

    @contextmanager
    def _bytes(self) -> Generator[io.BufferedReader]:
        if isinstance(self.place, Path):
            self._size = self.place.stat().st_size
            with self.place.open("rb") as raw:
                yield raw
        else:
            wrapped: io.BufferedReader = io.BufferedReader(cast("Any", self.place))
            try:
                yield wrapped
            finally:
                wrapped.detach()

    def _counted(self, readline: Callable[[int], Line], end: Line) -> Generator[Line]:
        while line := readline(MAX_LINE):
            self.line += 1
            if len(line) >= MAX_LINE and not line.endswith(end):
                raise UnreadableFile(f"line {self.line} is longer than {MAX_LINE:,} bytes. Is this the right file?")
            yield line
