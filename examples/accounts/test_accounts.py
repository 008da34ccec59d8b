"""The accounts example, as its users would test it: decisions by scenario, the rest through the app."""

import asyncio
from pathlib import Path

import pytest

from everfold import Conflict, NotFound, Rejected, Version
from everfold.testing import scenario
from examples.accounts.app import GetBalance, Transfer, app
from examples.accounts.domain import (
    Account,
    AccountClosed,
    AccountOpened,
    CloseAccount,
    Deposit,
    MoneyDeposited,
    MoneyWithdrawn,
    OpenAccount,
    Withdraw,
)
from examples.accounts.views import AccountSummary, GetAccount, GetAccountsOf, GetStatement

OPENED = AccountOpened(owner="Ann", initial_balance=100)


@pytest.fixture(autouse=True, params=["sqlite", "postgres"])
def stored(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a file of its own, or in the database that the environment names."""
    monkeypatch.chdir(tmp_path)
    if request.param == "postgres":
        monkeypatch.setenv("EVERFOLD_STORE", request.getfixturevalue("postgres_url"))


def test_an_account_is_opened_once() -> None:
    scenario(Account).when(OpenAccount(account_id="a1", owner="Ann", initial_balance=100)).then(OPENED)
    scenario(Account).given(OPENED).when(OpenAccount(account_id="a1", owner="Ann")).rejected("account-exists")


def test_a_withdrawal_replies_with_what_is_left() -> None:
    scenario(Account).given(OPENED).when(Withdraw(account_id="a1", amount=30)).then(MoneyWithdrawn(amount=30)).replied(
        70
    )


def test_the_balance_never_falls_below_zero() -> None:
    scenario(Account).given(OPENED).when(Withdraw(account_id="a1", amount=101)).rejected("insufficient-funds")


def test_only_an_empty_account_is_closed_and_only_once() -> None:
    scenario(Account).given(OPENED).when(CloseAccount(account_id="a1")).rejected("balance-left")
    emptied = (OPENED, MoneyWithdrawn(amount=100))
    scenario(Account).given(*emptied).when(CloseAccount(account_id="a1")).then(AccountClosed())
    scenario(Account).given(*emptied, AccountClosed()).when(CloseAccount(account_id="a1")).nothing()


def test_a_closed_account_takes_no_money() -> None:
    scenario(Account).when(Deposit(account_id="a1", amount=1)).rejected("account-not-open")


def test_deposits_add_up() -> None:
    scenario(Account).given(OPENED).when(Deposit(account_id="a1", amount=5)).then(MoneyDeposited(amount=5))


async def test_a_transfer_moves_money_at_once_or_not_at_all() -> None:
    async with app:
        await app.execute(OpenAccount(account_id="a1", owner="Ann", initial_balance=100))
        await app.execute(OpenAccount(account_id="b1", owner="Bob"))
        done = await app.execute(Transfer(source="a1", target="b1", amount=60))
        assert done.events == (MoneyWithdrawn(amount=60), MoneyDeposited(amount=60))
        with pytest.raises(Rejected, match="The balance is 40"):
            await app.execute(Transfer(source="a1", target="b1", amount=60))
        with pytest.raises(Rejected, match="not open"):
            await app.execute(Transfer(source="a1", target="nobody", amount=1))
        assert [await app.ask(GetBalance(account_id=key)) for key in ("a1", "b1")] == [40, 60]
        assert (await app.load(Account, "a1", at=Version(1))).balance == 100


async def test_transfers_that_all_touch_the_same_accounts_all_succeed() -> None:
    async with app:
        await app.execute(OpenAccount(account_id="a1", owner="Ann", initial_balance=120))
        await app.execute(OpenAccount(account_id="b1", owner="Bob"))
        await asyncio.gather(*(app.execute(Transfer(source="a1", target="b1", amount=1)) for _ in range(120)))
        assert [await app.ask(GetBalance(account_id=key)) for key in ("a1", "b1")] == [0, 120]


async def test_the_store_is_the_same_after_a_restart() -> None:
    async with app:
        await app.execute(OpenAccount(account_id="a1", owner="Ann", initial_balance=7))
    async with app:
        assert (await app.load(Account, "a1")).balance == 7
        with pytest.raises(Conflict):
            await app.store.append("account-a1", MoneyDeposited(amount=1), expected=0)


async def test_a_query_reads_what_a_command_has_just_written() -> None:
    async with app:
        await app.execute(OpenAccount(account_id="a1", owner="Ann", initial_balance=100))
        done = await app.execute(Withdraw(account_id="a1", amount=30))
        assert await app.ask(GetAccount(account_id="a1"), after=done) == AccountSummary("a1", "Ann", 70)
        with pytest.raises(NotFound, match="no AccountSummary 'a2'"):
            await app.ask(GetAccount(account_id="a2"))


async def test_the_statement_of_an_account_and_the_accounts_of_an_owner() -> None:
    async with app:
        await app.execute(OpenAccount(account_id="a1", owner="Ann", initial_balance=100))
        await app.execute(OpenAccount(account_id="a2", owner="Ann", initial_balance=500))
        await app.execute(Transfer(source="a1", target="a2", amount=10))
        await app.execute(Transfer(source="a1", target="a2", amount=10))
        done = await app.execute(Transfer(source="a1", target="a2", amount=10))
        statement = await app.ask(GetStatement(account_id="a1", limit=2), after=done)
        assert [(line.amount, line.balance) for line in statement.items] == [(-10, 70), (-10, 80)]
        assert (statement.total, statement.next_offset) == (4, 2)
        assert [row.balance for row in await app.ask(GetAccountsOf(owner="Ann"))] == [530, 70]


async def test_a_query_can_be_asked_of_the_past() -> None:
    async with app:
        done = await app.execute(OpenAccount(account_id="a1", owner="Ann", initial_balance=100))
        await app.execute(Deposit(account_id="a1", amount=1))
        assert (await app.ask(GetAccount(account_id="a1"), as_of=done.position)).balance == 100
