"""What both type checkers accept, and the types they infer. Checked by ``test_type_checkers``, never run."""

from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, assert_type

from msgspec import Meta

from everfold import (
    Aggregate,
    App,
    Command,
    DecisionModel,
    Done,
    Event,
    Events,
    Page,
    Position,
    Projection,
    Query,
    ReadModel,
    Record,
    Repository,
    SnapshotPolicy,
    Table,
    Tag,
    Version,
    answer,
    decide,
    event,
    evolve,
    project,
)
from everfold.testing import ProjectionScenario, check_projection, eventually, projecting

Cents = Annotated[int, Meta(gt=0)]
CourseId = Annotated[str, Tag("course")]


class Opened(Event, name="account-opened", version=2):
    owner: str
    balance: Cents = 1


class OrderEvent(Event, rename="camel"):
    order_id: str


class Shipped(OrderEvent, name="shipped"):
    carrier: str = "post"


@event
@dataclass(frozen=True)
class Paid:
    amount: int


@event(name="refunded", version=2)
@dataclass(frozen=True)
class Refunded:
    amount: int


class Open(Command, route="POST /accounts"):
    account_id: str
    owner: str


class Withdraw(Command[int]):
    account_id: str
    amount: Cents


class Find(Query[list[str]], name="find", route="GET /accounts"):
    text: str = ""


class Account(Aggregate, key="account_id", category="account", snapshots=SnapshotPolicy(every=500)):
    owner: str = ""
    balance: int = 0

    @decide
    def open(self, command: Open) -> Events:
        yield Opened(owner=command.owner)

    @decide
    def withdraw(self, command: Withdraw) -> Events[int]:
        yield Paid(command.amount)
        return self.balance

    @decide
    def nothing_to_record(self, command: Open) -> None:
        return None

    @evolve
    def opened(self, event: Opened) -> None:
        self.owner, self.balance = event.owner, event.balance


class Course(DecisionModel, category="course"):
    course_id: CourseId
    seats: int = 0


class AccountSummary(ReadModel, key="account_id", indexes=["owner"]):
    account_id: str
    owner: str
    balance: int = 0


class Booking(ReadModel, key=("account_id", "number"), name="bookings", indexes=[("account_id", "at")]):
    account_id: str
    number: int
    at: datetime


class GetAccount(Query[AccountSummary]):
    account_id: str


class FindAccount(Query[AccountSummary | None]):
    account_id: str


class ListAccounts(Query[Page[AccountSummary]]):
    owner: str
    limit: int = 50


class CountBookings(Query[int]):
    pass


class AccountSummaries(Projection, name="accounts", mode="inline", version=2):
    summaries: Table[AccountSummary]
    bookings: Table[Booking]

    @project
    def opened(self, event: Opened, record: Record) -> None:
        self.summaries.put(AccountSummary(record.key, event.owner, balance=event.balance))
        self.bookings.put(Booking(record.key, record.version, record.time))

    @project
    def paid(self, event: Paid | Refunded) -> None:
        self.summaries["a1"].balance += event.amount
        assert_type(self.summaries["a1"], AccountSummary)
        assert_type(self.summaries.get("a1"), AccountSummary | None)
        assert_type(self.bookings["a1", 5].at, datetime)
        assert_type(self.bookings.delete(("a1", 5)), bool)

    @answer
    def one(self, query: GetAccount) -> AccountSummary:
        return self.summaries[query.account_id]

    @answer
    def perhaps(self, query: FindAccount) -> AccountSummary | None:
        return self.summaries.get(query.account_id)

    @answer(cached=True)
    def listed(self, query: ListAccounts) -> Page[AccountSummary]:
        rich = self.summaries.columns.balance > 5
        assert_type(self.summaries.find(rich, owner=query.owner, order_by="-balance"), list[AccountSummary])
        assert_type(self.summaries.rows(self.summaries.select().where(rich)), list[AccountSummary])
        page = self.summaries.page(rich, owner=query.owner, limit=query.limit)
        assert_type(page, Page[AccountSummary])
        assert_type(page.items, list[AccountSummary])
        assert_type(page.total, int)
        return page

    @answer
    def count(self, query: CountBookings) -> int:
        return self.bookings.count()


app = App("bank", Account, Course, AccountSummaries, store="memory:")


@app.handles(Withdraw)
async def withdraw(command: Withdraw, accounts: Repository[Account]) -> int:
    account = await accounts.get(command.account_id)
    assert_type(account, Account)
    return account.balance


@app.answers(Find)
async def find(query: Find) -> list[str]:
    return [query.text]


async def use() -> None:
    opened = await app.execute(Open(account_id="a1", owner="Ann"))
    assert_type(opened, Done[None])

    done = await app.execute(Withdraw(account_id="a1", amount=5))
    assert_type(done, Done[int])
    assert_type(done.reply, int)

    names = await app.ask(Find(text="Ann"))
    assert_type(names, list[str])

    account = await app.load(Account, "a1", at=Version(3))
    assert_type(account, Account)
    assert_type(account.owner, str)

    with app.blocking() as bank:
        assert_type(bank.execute(Withdraw(account_id="a1", amount=5)), Done[int])
        assert_type(bank.ask(Find()), list[str])


async def read() -> None:
    done = await app.execute(Withdraw(account_id="a1", amount=5))
    view = await app.ask(GetAccount(account_id="a1"), after=done)
    assert_type(view, AccountSummary)
    assert_type(view.balance, int)
    assert_type(await app.ask(FindAccount(account_id="a1"), after=Position(5), timeout=1), AccountSummary | None)
    past = await app.ask(ListAccounts(owner="Ann"), as_of=datetime.now().astimezone())
    assert_type(past, Page[AccountSummary])
    assert_type(past.items[0].owner, str)
    assert_type(past.next_offset, int | None)
    assert_type(await app.ask(CountBookings()), int)

    assert_type(app.watch(GetAccount(account_id="a1")), AsyncGenerator[AccountSummary, None])
    async for page in app.watch(ListAccounts(owner="Ann")):
        assert_type(page, Page[AccountSummary])
    async for happened, record in app.follow():
        assert_type(happened, object)
        assert_type(record, Record)

    with app.blocking() as bank:
        assert_type(bank.ask(GetAccount(account_id="a1")), AccountSummary)
        assert_type(bank.watch(GetAccount(account_id="a1")), Iterator[AccountSummary])


async def check() -> None:
    scenario = projecting(AccountSummaries).given("account-a1", Opened(owner="Ann")).given_records()
    assert_type(scenario, ProjectionScenario)
    assert_type(scenario.asked(GetAccount(account_id="a1")), AccountSummary)
    scenario.answered(CountBookings(), 5).then_rows(AccountSummary, [AccountSummary("a1", "Ann")])
    check_projection(AccountSummaries, aggregates=[Account], begins_with=Opened)
    assert_type(await eventually(lambda: app.ask(CountBookings()), app=app), int)
    assert_type(await eventually(lambda: 5), int)


def make() -> None:
    assert_type(AccountSummary("a1", "Ann").balance, int)
    assert_type(Opened(owner="Ann"), Opened)
    assert_type(Shipped(order_id="o1").carrier, str)
    assert_type(Paid(5), Paid)
    assert_type(Refunded(5).amount, int)
    assert_type(Account().balance, int)
    assert_type(Course(course_id="c1").seats, int)
    Account().balance += 1
