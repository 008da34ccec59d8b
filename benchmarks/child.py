"""Processes of our own that take part in a work and talk in lines: ``rebuild``, ``lag``, ``sse``, ``web``, others."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

__all__ = ["Child", "child", "heard", "say"]

ROOT = Path(__file__).parents[1]


class Child:
    """A program that was started."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.first = ""
        """The line that said that it was ready."""

    async def line(self) -> str:
        """The next line that it prints."""
        assert self._process.stdout
        line = await self._process.stdout.readline()
        if not line:
            raise SystemExit(f"A process of the benchmarks ended with code {await self._process.wait()}.")
        return line.decode().strip()

    def tell(self, text: str) -> None:
        """Send it a line."""
        assert self._process.stdin
        self._process.stdin.write(f"{text}\n".encode())


@asynccontextmanager
async def child(module: str, *arguments: str) -> AsyncGenerator[Child]:
    """Start a module of the benchmarks, wait for its first line (that it is ready), and for its end."""
    pipe = asyncio.subprocess.PIPE
    command = [sys.executable, "-m", f"benchmarks.{module}", *arguments]
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdin=pipe, stdout=pipe)
    started = Child(process)
    try:
        started.first = await started.line()
        yield started
        await process.communicate(b"")  # closes what it listens to
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def say(text: str) -> None:
    """In the child: print a line at once."""
    print(text, flush=True)


async def heard() -> str:
    """In the child: the next line it is told; nothing when there will be no more."""
    line: str = await asyncio.to_thread(sys.stdin.readline)
    return line.strip()
