"""What the tests of this room count: a small aggregate of their own."""

from everfold import Aggregate, Command, Event, Events, decide, evolve


class Counted(Event):
    pass


class CountOne(Command):
    counter: str


class Counter(Aggregate, key="counter"):
    """Counts."""

    count: int = 0

    @decide
    def one(self, command: CountOne) -> Events:
        yield Counted()

    @evolve
    def counted(self, event: Counted) -> None:
        self.count += 1
