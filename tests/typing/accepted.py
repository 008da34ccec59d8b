"""What both type checkers accept, and the types they infer. Checked by ``test_type_checkers``, never run."""

from dataclasses import dataclass
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
    Query,
    Repository,
    SnapshotPolicy,
    Tag,
    Version,
    decide,
    event,
    evolve,
)

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


app = App("bank", Account, Course, store="memory:")


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


def make() -> None:
    assert_type(Opened(owner="Ann"), Opened)
    assert_type(Shipped(order_id="o1").carrier, str)
    assert_type(Paid(5), Paid)
    assert_type(Refunded(5).amount, int)
    assert_type(Account().balance, int)
    assert_type(Course(course_id="c1").seats, int)
    Account().balance += 1
