"""An import in a process of its own, to be killed: ``import_process.py SOURCE STORE``. Says how far it is."""

import asyncio
import sys
from pathlib import Path

from everfold.migration.import_report import ImportProgress
from everfold.migration.imports import run_import
from tests.migration.shop import lines_of, shop


async def main(source: Path, store: str) -> None:
    async with shop(store) as app:
        await run_import(app.store, lines_of(source), progress=tell)


def tell(progress: ImportProgress) -> None:
    sys.stdout.write(f"{progress.row}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
