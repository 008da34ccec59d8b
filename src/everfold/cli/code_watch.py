"""Notices that the code of an application has changed. Used by ``run --reload``."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

__all__ = ["CodeWatch"]

LOOK_SECONDS = 0.4
ENDINGS = (".py", ".toml")
PASSED_OVER = {"__pycache__", "node_modules", "site-packages"}


class CodeWatch:
    """Looks at the Python files, and the TOML files, below a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen = self._look()

    async def change(self) -> str:
        """Wait for one; the name of a file that was changed, made or deleted."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            found = await asyncio.to_thread(self._look)
            if found != self._seen:
                changed = {path for path, _ in found.items() ^ self._seen.items()}
                self._seen = found
                return str(Path(min(changed)).relative_to(self._folder))

    def _look(self) -> dict[str, int]:
        return dict(self._files(self._folder))

    def _files(self, folder: Path) -> Iterator[tuple[str, int]]:
        try:
            with os.scandir(folder) as entries:
                found = list(entries)
        except OSError:
            return
        for entry in found:
            if entry.name.startswith(".") or entry.name in PASSED_OVER:
                continue
            try:
                if entry.is_dir(follow_symlinks=False):
                    if not (Path(entry.path) / "pyvenv.cfg").exists():
                        yield from self._files(Path(entry.path))
                elif entry.name.endswith(ENDINGS):
                    yield entry.path, entry.stat().st_mtime_ns
            except OSError:  # gone meanwhile
                continue
