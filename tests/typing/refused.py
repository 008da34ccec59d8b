"""What both type checkers refuse. Every line marked so must be an error, and no other line may be.

Checked by ``test_type_checkers``, never run.
"""

from collections.abc import AsyncGenerator

from everfold import (
    Aggregate,
    App,
    Command,
    Event,
    Events,
    Page,
    Projection,
    Query,
    ReadModel,
    Record,
    Table,
    answer,
    decide,
    evolve,
    project,
)
from everfold.testing import projecting


class Opened(Event):
    owner: str
    balance: int = 0


class Open(Command):
    account_id: str
    owner: str


class Count(Command[int]):
    account_id: str


class Find(Query[list[str]]):
    text: str


class Account(Aggregate, key="account_id"):
    balance: int = 0

    @decide
    def open(self, command: Open) -> Events:
        yield Opened(owner=command.name)  # refused: no such field

    @decide
    def count(self, command: Count) -> Events[int]:
        yield Opened(owner="Ann")
        return "many"  # refused: another reply

    @evolve
    def opened(self, event: Opened) -> None:
        self.balance = event.owner  # refused: another type
        event.balance = 5  # refused: events do not change


class Positional(Event):
    first: int
    second: int


class Row(ReadModel, key="account_id"):
    account_id: str
    owner: str
    balance: int = 0


class Other(ReadModel, key="account_id"):
    account_id: str


class GetRow(Query[Row]):
    account_id: str


class ListRows(Query[Page[Row]]):
    owner: str


class Eager(Projection, mode="eager"):  # refused: no such mode
    pass


class Rows(Projection):
    rows: Table[Row]
    numbers: Table[int]  # refused: not a read model

    @project
    def opened(self, event: Opened, record: Record) -> None:
        self.rows.put(Row(record.key, event.owner, "0"))  # refused: another type
        self.rows.put(Other(record.key))  # refused: another row class
        self.rows[record.key].owner = event.balance  # refused: another type
        self.rows[record.key].name = event.owner  # refused: no such field
        self.rows.get(record.key).balance += 1  # refused: there may be none
        self.rows[record.key] = Row(record.key, event.owner)  # refused: put(...) does that

    @answer
    def one(self, query: GetRow) -> Row:
        return self.rows.find(account_id=query.account_id)  # refused: another type

    @answer
    def listed(self, query: ListRows) -> Page[Row]:
        page: Page[Other] = self.rows.page(owner=query.owner)  # refused: another type
        page.rows.clear()  # refused: no such field
        return self.rows.page(owner=query.name)  # refused: no such field


app = App("bank", Account)
Row("a1")  # refused: a field is missing

Opened(owner="Ann", initial=5)  # refused: no such field
Opened(balance=5)  # refused: a field is missing
Opened(owner=5)  # refused: another type
Opened("Ann")  # refused: positional
Positional(1, 2)  # refused: positional
Open(account_id="a1")  # refused: a field is missing
Open("a1", "Ann")  # refused: positional
Find(text=None)  # refused: another type
Account(5)  # refused: positional
Account(amount=5)  # refused: no such field


async def use() -> tuple[object, ...]:
    reply: str = (await app.execute(Count(account_id="a1"))).reply  # refused: another reply
    found: str = await app.ask(Find(text="x"))  # refused: another answer
    account = await app.load(Account, "a1")
    account.owner = "Ann"  # refused: no such field
    await app.execute(Find(text="x"))  # refused: not a command
    await app.ask(Open(account_id="a1", owner="Ann"))  # refused: not a query
    await app.load(Opened, "a1")  # refused: not an aggregate
    row = await app.ask(GetRow(account_id="a1"))
    other: Other = row  # refused: another answer
    listed: list[Row] = await app.ask(ListRows(owner="Ann"))  # refused: another answer
    row.name.upper()  # refused: no such field
    await app.ask(GetRow(account_id="a1"), after="now")  # refused: not a place
    await app.ask(GetRow(account_id="a1"), as_of=5)  # refused: not a place
    watched: AsyncGenerator[Other, None] = app.watch(GetRow(account_id="a1"))  # refused: another answer
    async for seen in app.watch(ListRows(owner="Ann")):
        seen.items[0].name.upper()  # refused: no such field
    return reply, found, other, listed, watched


def check() -> None:
    projecting(Rows).then("a1")  # refused: not a row
    projecting(Account)  # refused: not a projection
