"""Real input: 3,860 transactions of 100 bank accounts end with the balances that the bank itself had."""

import csv
from decimal import Decimal
from pathlib import Path

import pytest

from examples.accounts.import_history import book, cents, ledger_app, main, read
from examples.accounts.ledger import Ledger

HISTORY = Path(__file__).parents[3] / "shared" / "data" / "trans_ordered_sample_100_accounts.csv"
needs_history = pytest.mark.skipif(
    not HISTORY.exists(), reason="the bank's file lies beside the repository, in CI only"
)


@needs_history
async def test_every_account_ends_with_its_balance_in_the_file(tmp_path: Path) -> None:
    with HISTORY.open(newline="", encoding="utf-8") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: int(row["account_version"]))
    expected = {row["account_id"]: cents(row["balance"]) for row in rows}
    async with ledger_app(str(tmp_path / "ledger.db")) as app:
        assert await book(app, read(HISTORY)) == 3_860
        balances = {key: (await app.load(Ledger, key)).balance for key in expected}
        head = await app.store.head()
        assert balances == expected
        assert sum(balances.values()) == Decimal("3269694.10") * 100

        assert await book(app, read(HISTORY)) == 0  # a second run adds nothing
        assert await app.store.head() == head


@needs_history
async def test_every_past_balance_is_the_one_in_the_file(tmp_path: Path) -> None:
    with HISTORY.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["account_id"] == "1844"]
    async with ledger_app(str(tmp_path / "ledger.db")) as app:
        await book(app, [one for one in read(HISTORY) if one.account_id == "1844"])
        state = Ledger()
        seen: dict[int, int] = {}
        async for event, _ in app.store.read_stream("ledger-1844"):
            Ledger.__everfold__.evolutions[type(event)](state, event)
            seen[state.transactions] = state.balance
    assert seen == {int(row["account_version"]): cents(row["balance"]) for row in rows}


@needs_history
async def test_it_says_what_it_did(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    await main(HISTORY, str(tmp_path / "ledger.db"))
    assert "3,860 transactions of 100 accounts, 3,860 of them new" in capsys.readouterr().out


def test_fractions_of_a_cent_are_refused() -> None:
    assert cents("-12.30") == -1230
    with pytest.raises(ValueError, match="whole number of cents"):
        cents("0.001")
