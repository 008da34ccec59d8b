"""The fingerprint of a projection: another one when its rows may be others, and the same when they cannot be."""

from __future__ import annotations

import enum
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from everfold import Projection
from everfold.projections.fingerprint import fingerprint

BASE = '''
    import enum
    import msgspec
    from everfold import Event, Projection, Query, ReadModel, Record, Table, answer, project

    class Kind(enum.Enum):
        GOOD = "good"

    class Line(msgspec.Struct):
        text: str

    class Opened(Event):
        owner: str

    class Paid(Event):
        amount: int

    class Row(ReadModel, key="id", indexes=["owner"]):
        id: str
        owner: str = ""
        kind: Kind = Kind.GOOD
        lines: list[Line] = []

    class Get(Query[Row]):
        id: str

    class Opened2(Event):
        owner: str

    class Every(Query[list[Row]]):
        pass

    def helper(name: str) -> str:
        return name

    class Rows(Projection):
        """Rows."""

        rows: Table[Row]

        @project
        def opened(self, event: Opened, record: Record) -> None:
            """Opened."""
            self.rows.put(Row(record.key, self.named(event.owner)))  # a comment

        @project
        def paid(self, event: Paid) -> None:
            pass

        def named(self, name: str) -> str:
            return {"a", "b", "c"}.__contains__(name) and "d" or helper(name)

        @answer
        def get(self, query: Get) -> Row:
            return self.rows[query.id]
'''

DIFFERENT: dict[str, tuple[str, str]] = {
    "a handler": ("self.rows.put(Row(record.key,", "self.rows.put(Row(record.stream,"),
    "a handler that did nothing": ("            pass", "            self.rows.delete('x')"),
    "a constant of a handler": ("            pass", "            'text'; self.rows.get('x')"),
    "a method that handlers call": ('and "d"', 'and "e"'),
    "a new method": ("        @answer", "        def other(self) -> None: ...\n\n        @answer"),
    "a missing handler": ("        @project\n        def paid", "        def paid"),
    "another event": ("event: Paid", "event: Paid | Opened2"),
    "the name of a field": ('        owner: str = ""', '        holder: str = ""\n        owner: str = ""'),
    "the type of a field": ('        owner: str = ""', '        owner: str | None = ""'),
    "the default of a field": ('        owner: str = ""', '        owner: str = "x"'),
    "the order of fields": (
        '        owner: str = ""\n        kind: Kind = Kind.GOOD\n',
        '        kind: Kind = Kind.GOOD\n        owner: str = ""\n',
    ),
    "a nested struct": ("        text: str", "        text: str\n        price: int"),
    "an enum": ('        GOOD = "good"', '        GOOD = "fine"'),
    "an index": ('indexes=["owner"]', 'indexes=["kind"]'),
    "no index": (', indexes=["owner"]', ""),
    "the key": ('key="id"', 'key=("id", "owner")'),
    "the name of a table": ('key="id", indexes', 'name="line", key="id", indexes'),
    "the attribute of a table": ("        rows: Table[Row]", "        other: Table[Row]"),
    "the name of the projection": ("class Rows(Projection)", 'class Rows(Projection, name="others")'),
    "the version of the projection": ("class Rows(Projection)", "class Rows(Projection, version=2)"),
    "the name of an event": ("class Opened(Event)", 'class Opened(Event, name="was-opened")'),
    "the version of an event": ("class Opened(Event)", "class Opened(Event, version=2)"),
}
EVERY = "        @answer\n        def every(self, query: Every) -> list[Row]:\n            return []\n"
SAME: dict[str, tuple[str, str]] = {
    "nothing": ("", ""),
    "a comment": ("# a comment", "# another comment"),
    "a docstring": ('"""Opened."""', '"""The account\n\n            was opened.\n            """'),
    "no docstring": ('            """Opened."""\n', ""),
    "line breaks": ("self.named(event.owner)", "self.named(\n                event.owner,\n            )"),
    "an answer": ("return self.rows[query.id]", "return self.rows.find(id=query.id)[0]"),
    "a new answer": ("        @answer", f"{EVERY}\n        @answer"),
    "the mode": ("class Rows(Projection)", 'class Rows(Projection, mode="live")'),
    "code outside of the class": ("return name", "return name.upper()"),
    "the place of a handler": (
        "        @project\n        def paid(self, event: Paid) -> None:\n            pass\n",
        "",
    ),
    "the prose of a read model": (
        "        id: str\n        owner",
        "        'A row.'\n\n        id: str\n        owner",
    ),
}
TABLE = "        rows: Table[Row]\n"
PAID = "        @project\n        def paid(self, event: Paid) -> None:\n            pass\n"

Load = Callable[..., type[Projection]]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Imports the module with this replaced by that; with its source, or without."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    number = 0

    def load(old: str = "", new: str = "", *, further: tuple[str, str] | None = None, has_source: bool = True) -> type:
        nonlocal number
        number += 1
        assert old in BASE
        text = BASE.replace(old, new, 1) if old else BASE
        if further:
            text = text.replace(*further, 1)
        text = textwrap.dedent(text)
        file = tmp_path / f"module_{number}.py"
        file.write_text(text)
        module = ModuleType(file.stem)
        monkeypatch.setitem(sys.modules, file.stem, module)
        name = str(file) if has_source else "<not a file>"
        exec(compile(text, name, "exec"), module.__dict__)  # noqa: S102
        projection: type = module.Rows
        return projection

    return load


@pytest.mark.parametrize(("old", "new"), DIFFERENT.values(), ids=list(DIFFERENT))
def test_it_changes_with_whatever_can_change_rows(load: Load, old: str, new: str) -> None:
    assert fingerprint(load(old, new)) != fingerprint(load())


@pytest.mark.parametrize(("old", "new"), SAME.values(), ids=list(SAME))
def test_it_stays_where_rows_cannot_change(load: Load, old: str, new: str) -> None:
    further = (TABLE, f"{TABLE}\n{PAID}") if old.startswith("        @project\n        def paid") else None
    assert fingerprint(load(old, new, further=further)) == fingerprint(load())


@pytest.mark.parametrize("what", ["a handler", "a method that handlers call", "a new method"])
def test_without_source_the_instructions_are_compared(load: Load, what: str) -> None:
    """Made by exec, or shipped without."""
    old, new = DIFFERENT[what]
    first = fingerprint(load(has_source=False))
    assert first == fingerprint(load(has_source=False))
    assert first != fingerprint(load(old, new, has_source=False))
    assert first != fingerprint(load()), "it is read otherwise"


@pytest.mark.parametrize("has_source", [True, False])
def test_it_is_the_same_in_every_process(load: Load, tmp_path: Path, has_source: bool) -> None:
    """Sets have another order in each."""
    load(has_source=has_source)
    name = str(tmp_path / "module_1.py") if has_source else "<not a file>"
    text = (
        "import sys; from everfold.projections.fingerprint import fingerprint; module = type(sys)('module_1');"
        "sys.modules['module_1'] = module;"
        f"exec(compile(open({str(tmp_path / 'module_1.py')!r}).read(), {name!r}, 'exec'), vars(module));"
        "print(fingerprint(module.Rows))"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", text], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(found) == 1


def test_enums_and_helpers_of_base_classes_count() -> None:
    class Base(Projection):
        def helps(self) -> int:
            return 1

    class First(Base, name="same"):
        pass

    class Other(Projection):
        def helps(self) -> int:
            return 2

    class Second(Other, name="same"):
        pass

    class Third(Base, name="same"):
        class State(enum.Enum):
            A = 1

    assert fingerprint(First) != fingerprint(Second)
    assert fingerprint(First) == fingerprint(Third)
