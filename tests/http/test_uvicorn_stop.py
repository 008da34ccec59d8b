"""Under a plain uvicorn, live answers end when it is told to stop: it would wait for them for ever."""

import signal
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from everfold.http.uvicorn_stop import when_uvicorn_stops
from tests.http.event_source import listening

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys
import uvicorn
from everfold.http.api import HttpApi
from tests.http.bank import bank

uvicorn.run(HttpApi(bank(sys.argv[2])), fd=int(sys.argv[1]), log_level="error")
"""


@contextmanager
def uvicorn_running(folder: Path) -> Generator[tuple[str, subprocess.Popen[bytes]]]:
    """The bank under uvicorn, in a process of its own; its URL."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        number = server.fileno()
        command = [sys.executable, "-c", PROGRAM, str(number), str(folder / "bank.db")]
        with subprocess.Popen(command, cwd=ROOT, pass_fds=[number]) as process:
            try:
                yield f"http://127.0.0.1:{server.getsockname()[1]}", process
            finally:
                process.kill()


async def test_live_answers_end_when_uvicorn_stops(folder: Path) -> None:
    with uvicorn_running(folder) as (url, process):
        async with listening(f"{url}/events/live") as source:
            assert (await source.next()).event == "caught-up"
            process.send_signal(signal.SIGTERM)
            assert [one async for one in source.rest()] == []
        assert process.wait(20) in {0, -signal.SIGTERM}


async def test_elsewhere_nothing_is_watched() -> None:
    async with when_uvicorn_stops(lambda: None):
        pass
