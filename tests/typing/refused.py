"""What both type checkers refuse. Every line marked so must be an error, and no other line may be.

Checked by ``test_type_checkers``, never run.
"""

from everfold import Aggregate, App, Command, Event, Events, Query, decide, evolve


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


app = App("bank", Account)

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
    return reply, found
