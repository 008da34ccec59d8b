"""A rebuild leaves time to those who append meanwhile, and none when nobody does."""

from collections.abc import Sequence

import pytest

from everfold import App
from everfold.log.record import Record
from everfold.projections import build_consumer
from everfold.projections.build_consumer import BuildConsumer
from everfold.subscriptions.follow import PAGE
from tests.app.bank import Opened, Paid
from tests.app.stores import StoreMaker
from tests.projections.ledger import GetBalance, caught_up, ledger_app

SPANS = 3


class Rests:
    """Takes the place of the factor: counts the rests, and makes them short."""

    def __init__(self) -> None:
        self.count = 0

    def __mul__(self, seconds: float) -> float:
        self.count += 1
        return 0


@pytest.fixture
def rests(monkeypatch: pytest.MonkeyPatch) -> Rests:
    """Those of the test."""
    found = Rests()
    monkeypatch.setattr(build_consumer, "REST", found)
    return found


def append_during(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody appends during each batch of the new build's first pass."""
    consume, batches = BuildConsumer.consume, iter(range(SPANS))

    async def meanwhile(self: BuildConsumer, records: Sequence[Record], position: int) -> int:
        if self.writer.build == 2 and next(batches, None) is not None:
            await app.store.append("account-a2", Paid(amount=1))
        return await consume(self, records, position)

    monkeypatch.setattr(BuildConsumer, "consume", meanwhile)


@pytest.mark.parametrize("appends", [False, True])
async def test_it_rests_while_others_append(
    store: StoreMaker, rests: Rests, monkeypatch: pytest.MonkeyPatch, appends: bool
) -> None:
    async with ledger_app(store) as app:
        await app.store.append("account-a1", Opened(owner="Ann"))
        await app.store.append("account-a1", *[Paid(amount=1)] * (PAGE * SPANS - PAGE // 2))
        await app.store.append("account-a2", Opened(owner="Bob"))
        await caught_up(app)
        if appends:
            append_during(app, monkeypatch)
        assert await app.projections.rebuild("ledger") == 2
        assert rests.count == (SPANS - 1 if appends else 0)
        await caught_up(app)
        assert (await app.ask(GetBalance(account="a1"))).balance == PAGE * SPANS - PAGE // 2
        assert (await app.ask(GetBalance(account="a2"))).balance == (SPANS if appends else 0)
