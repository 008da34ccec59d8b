"""The accounts application: ``everfold run examples.accounts.app:app``."""

from everfold import App, Command, Query, Repository
from examples.accounts.domain import Account, Cents, Deposit, Withdraw
from examples.accounts.views import Accounts


class GetBalance(Query[int]):
    """The balance in cents."""

    account_id: str


class Transfer(Command):
    """Money from one account to another, at once: both streams are written by one atomic append."""

    source: str
    target: str
    amount: Cents


app = App("bank", Account, Accounts)


@app.handles(Transfer)
async def transfer(command: Transfer, accounts: Repository[Account]) -> None:
    await accounts.decide(Withdraw(account_id=command.source, amount=command.amount))
    await accounts.decide(Deposit(account_id=command.target, amount=command.amount))


@app.answers(GetBalance)
async def balance(query: GetBalance, accounts: Repository[Account]) -> int:
    return (await accounts.get(query.account_id)).balance
