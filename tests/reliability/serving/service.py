"""The demo's bank as a service in processes of its own, and clients that send commands until it is gone."""

import asyncio
import itertools
import os
import re
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx

from everfold.app.application import App
from everfold.cli.demo_bank import Account, Deposit
from tests.reliability.processes import unmeasured

__all__ = ["Clients", "Service", "check", "is_alive", "service"]

PATIENCE = 60.0
ACCOUNTS = 4


class Service:
    """``everfold run`` as a process, possibly with workers."""

    def __init__(self, process: subprocess.Popen[str], banner: list[str]) -> None:
        self.process = process
        self.url = re.findall(r"http://[^\s,]+", "".join(banner))[0]
        self.processes = [int(number) for number in re.findall(r"\d+", banner[0].partition("(")[2])]

    def stop(self, number: signal.Signals) -> None:
        """As others do it: Ctrl-C at a terminal is for all processes, and SIGTERM for the first one."""
        if number is signal.SIGINT:
            os.killpg(self.process.pid, number)
        else:
            self.process.send_signal(number)

    def until_said(self, words: str) -> None:
        """Wait until it says this on standard error."""
        assert self.process.stderr
        assert any(words in line for line in self.process.stderr), f"it never said {words!r}"

    def ended(self) -> tuple[int, str]:
        """Its exit code, and what it has said meanwhile on standard error."""
        _, errors = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, errors


@contextmanager
def service(store: Path | str, *options: str, **settings: str) -> Generator[Service]:
    """Runs as long as the block, unless it is stopped before. ``store``: a file, in whose folder it runs, or a URL."""
    command = [sys.executable, "-c", "from everfold.cli.main import main; main()", "run", "everfold.cli.demo_bank:app"]
    variables = {"store": str(store), "authentication": "false", **settings}
    environment = unmeasured() | {f"EVERFOLD_{name.upper()}": value for name, value in variables.items()}
    with subprocess.Popen(
        [*command, "--port", "0", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=store.parent if isinstance(store, Path) else None,
        env=environment,
        start_new_session=True,
    ) as process:
        timer = threading.Timer(2 * PATIENCE, process.kill)
        timer.start()
        try:
            yield Service(process, list(_banner(process)))
        finally:
            timer.cancel()
            process.kill()


def _banner(process: subprocess.Popen[str]) -> Generator[str]:
    assert process.stdout
    for line in process.stdout:
        yield line
        if line.startswith("Stop with"):
            return
    raise AssertionError(f"it did not start: {process.communicate()[1]}")


class Clients:
    """Send deposits over connections that are kept, each under a key of its own, and note what they are told."""

    def __init__(self, *urls: str) -> None:
        """``urls``: of processes that serve the same, any of them."""
        self.urls = list(urls)
        self.acknowledged: set[str] = set()
        self.unknown: set[str] = set()
        """Sent, and no answer came."""
        self.refused: list[tuple[int, str]] = []
        self._is_over = False

    @asynccontextmanager
    async def at_work(self, count: int) -> AsyncGenerator[None]:
        """They begin with the block, and end by themselves once nobody is there any more."""
        async with httpx.AsyncClient(base_url=self.urls[0]) as client:
            for number in range(ACCOUNTS):
                answer = await client.post("/commands/open-account", json={"account_id": f"a{number}", "owner": "Ann"})
                assert answer.status_code == 200, answer.text
        working = asyncio.gather(*(self._work(number) for number in range(count)))
        try:
            yield
            async with asyncio.timeout(PATIENCE):
                await working
        finally:
            self._is_over = True
            await asyncio.gather(working, return_exceptions=True)

    async def until(self, count: int) -> None:
        """Wait until so many were acknowledged."""
        async with asyncio.timeout(PATIENCE):
            while len(self.acknowledged) < count:  # noqa: ASYNC110
                await asyncio.sleep(0.005)

    def end(self) -> None:
        """Send no more."""
        self._is_over = True

    async def _work(self, number: int) -> None:
        async with httpx.AsyncClient(base_url=self.urls[number % len(self.urls)], timeout=PATIENCE) as client:
            for count in itertools.count():
                if self._is_over or not await self._deposit(client, f"client-{number}-{count}"):
                    return

    async def _deposit(self, client: httpx.AsyncClient, key: str) -> bool:
        """Whether anybody is there."""
        headers = {"Idempotency-Key": key, "X-Correlation-Id": key}
        try:
            answer = await client.post("/commands/deposit", json=vars_of(key), headers=headers)
        except httpx.ConnectError:
            return False
        except httpx.TransportError:
            self.unknown.add(key)
            return True
        if answer.status_code == 200:
            self.acknowledged.add(key)
        else:
            self.refused.append((answer.status_code, answer.text))
        return True


def vars_of(key: str) -> dict[str, object]:
    """The deposit that goes with a key."""
    return {"account_id": f"a{int(key.rpartition('-')[2]) % ACCOUNTS}", "amount": 1}


async def check(store: Path | str, clients: Clients) -> None:
    """Every acknowledged command is in the log, none is there twice; those without an answer can be sent again."""
    async with App("everfold-demo", Account, store=str(store)) as app:
        found = await _found(app)
        assert clients.acknowledged <= found.keys()
        assert found.keys() <= clients.acknowledged | clients.unknown
        assert set(found.values()) <= {1}
        for key in clients.unknown:
            done = await app.execute(Deposit(**vars_of(key)), idempotency_key=key)  # type: ignore[arg-type]
            assert done.repeated == (key in found)
        accounts = [await app.load(Account, f"a{number}") for number in range(ACCOUNTS)]
        assert sum(account.balance for account in accounts) == len(clients.acknowledged | clients.unknown)


async def _found(app: App) -> Counter[str]:
    return Counter(
        [
            record.metadata.correlation_id or ""
            async for record in app.store.records()
            if record.type == "money-deposited"
        ]
    )


def is_alive(process: int) -> bool:
    """Whether there is such a process, and it has not ended."""
    try:
        os.kill(process, 0)
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
