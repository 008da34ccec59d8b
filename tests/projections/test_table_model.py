"""Random operations on a table, against a plain dict: equal after every flush, whatever the batches were."""

from __future__ import annotations

from decimal import Decimal

import pytest
import sqlalchemy as sa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from msgspec import field

from everfold import NotFound, ReadModel, Table
from everfold.projections.finding import sqlalchemy_connection
from everfold.projections.table import Turn
from tests.projections.tables import NAME, beside, database, dialect_of, make_table

pytestmark = pytest.mark.usefixtures("dialect")


class Item(ReadModel, key=("shop", "code")):
    shop: str
    code: Decimal
    n: int = 0
    price: Decimal = Decimal(0)
    lines: list[int] = field(default_factory=list[int])


Key = tuple[str, Decimal]
KEYS = st.tuples(st.sampled_from("ab"), st.sampled_from([Decimal(1), Decimal("1.5"), Decimal("1E+400")]))
PRICES = st.sampled_from([Decimal("0.10"), Decimal("0.1"), Decimal("123456789012345678.5"), Decimal(7)])


class Tables(RuleBasedStateMachine):
    """One rule is what a handler may do; the batch may end between any two."""

    def __init__(self) -> None:
        super().__init__()
        self.context = database()
        self.connection = self.context.__enter__()
        self.turn = Turn()
        self.table: Table[Item] = make_table(self.connection, Item, turn=self.turn)
        self.model: dict[Key, tuple[int, Decimal, list[int]]] = {}
        self.committed = dict(self.model)
        self.held: dict[Key, Item] = {}

    def teardown(self) -> None:
        self.context.__exit__(None, None, None)

    @initialize()
    def begin(self) -> None:
        self.connection.execute("COMMIT")
        self.connection.execute("BEGIN")

    def copy(self) -> dict[Key, tuple[int, Decimal, list[int]]]:
        return {key: (n, price, list(lines)) for key, (n, price, lines) in self.model.items()}

    @rule(key=KEYS, n=st.integers(0, 3), price=PRICES)
    def put(self, key: Key, n: int, price: Decimal) -> None:
        row = self.held[key] = Item(*key, n, price)
        self.table.put(row)
        self.model[key] = (n, price, [])

    @rule(key=KEYS)
    def get(self, key: Key) -> None:
        row = self.table.get(key)
        assert (row is None) == (key not in self.model)
        if row is not None:
            assert (row.n, row.price, row.lines) == self.model[key]
            self.held[key] = row
        else:
            with pytest.raises(NotFound):
                self.table[key]

    @rule(key=KEYS, n=st.integers(0, 3))
    def change(self, key: Key, n: int) -> None:
        """A row that the handler still has in its hands, perhaps from before a search."""
        row = self.held.get(key)
        if row is not None:
            row.n += n
            row.lines.append(n)
            old, price, lines = self.model[key]
            self.model[key] = (old + n, price, [*lines, n])

    @rule(key=KEYS)
    def delete(self, key: Key) -> None:
        assert self.table.delete(key) == (key in self.model)
        self.model.pop(key, None)
        self.held.pop(key, None)

    @rule(n=st.integers(0, 3), price=PRICES)
    def search(self, n: int, price: Decimal) -> None:
        assert self.table.count(n=n) == sum(row[0] == n for row in self.model.values())
        found = self.table.find(self.table.columns.price.in_([price]))
        assert {(row.shop, row.code) for row in found} == {key for key, row in self.model.items() if row[1] == price}
        for row in found:
            key = (row.shop, row.code)
            assert self.held.setdefault(key, row) is row, "one row, one object"

    @rule(n=st.integers(0, 3))
    def update_all(self, n: int) -> None:
        """SQL of one's own. Rows that were got before must be got again."""
        self.table.release()
        raw = sqlalchemy_connection(self.connection, dialect_of(self.connection))
        raw.execute(sa.update(self.table.sql).values(n=n))
        self.model = {key: (n, price, lines) for key, (_, price, lines) in self.model.items()}
        self.held.clear()

    @rule()
    def next_event(self) -> None:
        self.turn.number += 1
        self.held.clear()

    @rule()
    def end_batch(self) -> None:
        self.table.flush(is_last=True)
        self.connection.execute("COMMIT")
        self.connection.execute("BEGIN")
        self.committed = self.copy()
        self.next_event()

    @rule()
    def trim(self) -> None:
        self.end_batch()
        self.table.forget()

    @rule()
    def undo(self) -> None:
        self.connection.execute("ROLLBACK")
        self.connection.execute("BEGIN")
        self.table.forget()
        self.model = self.committed
        self.committed = self.copy()
        self.next_event()

    @rule()
    def compare(self) -> None:
        self.table.flush()
        stored = beside(self.connection, Item).find()
        assert {(row.shop, row.code): (row.n, row.price, row.lines) for row in stored} == self.model

    @invariant()
    def nothing_is_twice(self) -> None:
        count = f"SELECT count(*) - count(DISTINCT shop || '/' || code) FROM {NAME}"  # noqa: S608
        assert self.connection.execute(count).fetchone() == (0,)


def test_tables() -> None:
    run_state_machine_as_test(Tables, settings=settings(max_examples=60, stateful_step_count=30, deadline=None))
