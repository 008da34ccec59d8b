"""A bank with a projection of every kind, of which one fails on deposits of 13. An app for the command line's tests."""

from everfold import App, NotFound, Page, Projection, Query, ReadModel, Record, Table, answer, project
from everfold.cli.demo_bank import Account, AccountOpened, MoneyDeposited

UNLUCKY = {13}


class Summary(ReadModel, key="account_id", indexes=["owner"]):
    """What is in an account."""

    account_id: str
    owner: str
    balance: int


class GetSummary(Query[Summary]):
    """One account."""

    account_id: str


class ListSummaries(Query[Page[Summary]]):
    limit: int = 2
    offset: int = 0


class OwnersOf(Query[list[str]]):
    accounts: list[str]


class Summaries(Projection):
    """Balances."""

    rows: Table[Summary]

    @project
    def opened(self, event: AccountOpened, record: Record) -> None:
        self.rows.put(Summary(record.key, event.owner, event.initial_balance))

    @project
    def deposited(self, event: MoneyDeposited, record: Record) -> None:
        if event.amount in UNLUCKY:
            raise ValueError("unlucky")
        self.rows[record.key].balance += event.amount

    @answer
    def one(self, query: GetSummary) -> Summary:
        return self.rows[query.account_id]

    @answer
    def all(self, query: ListSummaries) -> Page[Summary]:
        return self.rows.page(limit=query.limit, offset=query.offset)

    @answer
    def owners(self, query: OwnersOf) -> list[str]:
        return [self.rows[account].owner for account in query.accounts]


class Opened(ReadModel, key="owner"):
    owner: str
    count: int


class CountOpened(Query[Opened]):
    owner: str


class OpenedByOwner(Projection, mode="inline"):
    opened: Table[Opened]

    @project
    def count(self, event: AccountOpened) -> None:
        row = self.opened.get(event.owner)
        self.opened.put(Opened(event.owner, row.count + 1 if row else 1))

    @answer
    def one(self, query: CountOpened) -> Opened:
        return self.opened[query.owner]


class Deposits(ReadModel, key="account_id"):
    account_id: str
    count: int


class CountDeposits(Query[int]):
    account_id: str


class DepositsByAccount(Projection, mode="live"):
    deposits: Table[Deposits]

    @project
    def count(self, event: MoneyDeposited, record: Record) -> None:
        row = self.deposits.get(record.key)
        self.deposits.put(Deposits(record.key, row.count + 1 if row else 1))

    @answer
    def one(self, query: CountDeposits) -> int:
        return self.deposits[query.account_id].count


class Greeting(Query[str]):
    name: str


app = App("projected-bank", Account, Summaries, OpenedByOwner, DepositsByAccount)


@app.answers(Greeting)
async def greet(query: Greeting) -> str:
    if query.name == "nobody":
        raise NotFound("name", query.name)
    return f"Good day, {query.name}"
