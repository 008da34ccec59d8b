"""``everfold describe``: what an application consists of."""

import dataclasses
import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import attrs
import pydantic
from msgspec import Meta

from everfold import Command, Tag, event
from everfold.cli.field_text import fields_of
from tests.cli.conftest import Invoke

APP = '''
from datetime import timedelta
from typing import Annotated
from everfold import (
    Aggregate, App, Command, Data, DecisionModel, Event, Events, Query, Repository, Shape, SnapshotPolicy, Tag,
    Page, Projection, ReadModel, Table, answer, decide, evolve, merge, project, upcast,
)

class Opened(Event, version=2):
    """A box was opened."""
    box: Annotated[str, Tag("box")]

class Open(Command[int], route="POST /boxes"):
    """Open a box."""
    box: Annotated[str, Tag("box")]
    force: int = 1

class Shake(Command):
    box: str

class Look(Query[int]):
    box: str

class Box(Aggregate, key="box", snapshots=SnapshotPolicy(every=5, older_than=timedelta(hours=1))):
    """A box."""
    opened: int = 0

    @decide
    def open(self, command: Open) -> Events[int]:
        yield Opened(box=command.box)
        return 1

    @evolve
    def was_opened(self, event: Opened) -> None:
        self.opened += 1

class Opening(ReadModel, key=("box", "number"), indexes=["number"]):
    """When it was opened."""
    box: str
    number: int = 1

class FindOpenings(Query[Page[Opening]]):
    """All of them."""
    number: int

class Openings(Projection, mode="inline", version=3):
    """Counts."""
    rows: Table[Opening]

    @project
    def opened(self, event: Opened) -> None:
        self.rows.put(Opening(event.box))

    @answer
    def find(self, query: FindOpenings) -> Page[Opening]:
        return self.rows.page(number=query.number)

class Shelf(DecisionModel):
    box: Annotated[str, Tag("box")]

    @evolve
    def was_opened(self, event: Opened) -> None: ...

@upcast("opened", from_version=1)
def newer(data: Data) -> Data:
    return data

@upcast("forgotten", from_version=1, into=[])
def forget(data: Data) -> None:
    return None

@upcast("half", from_version=1, into=[("opened", 2)])
def first_half(data: Data) -> Shape:
    return Shape("opened", 2, data)

@upcast("rest", from_version=1, into=[("opened", 2)])
def second_half(data: Data) -> Shape:
    return Shape("opened", 2, data)

@merge(("half", 1), ("rest", 1), into=("opened", 2))
def join(first: Data, second: Data) -> Data:
    return first | second

app = App("boxes", Box, Shelf, Openings, newer, forget, first_half, second_half, join, max_event_bytes=5_000)

@app.handles(Shake)
async def shake(command: Shake) -> None: ...

@app.answers(Look)
async def look(query: Look) -> int:
    return 1
'''


def describe(invoke: Invoke, folder: Path) -> Any:
    (folder / "described_boxes.py").write_text(APP)
    result = invoke("describe", "--json", "--app", "described_boxes:app")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_json(invoke: Invoke, folder: Path) -> None:
    found = describe(invoke, folder)
    assert found["app"] == "boxes"
    assert found["aggregates"] == [
        {
            "name": "Box",
            "category": "box",
            "about": "A box.",
            "fields": [{"name": "opened", "type": "int", "required": False, "default": "0"}],
            "decides": ["open"],
            "evolves": ["opened"],
            "key": "box",
            "snapshots": {"every": 5, "older_than_seconds": 3600.0},
        }
    ]
    assert found["decision_models"][0]["tags"] == [{"field": "box", "tag": "box"}]
    commands = {command["name"]: command for command in found["commands"]}
    assert (commands["open"]["handler"], commands["open"]["reply"]) == ("Box.open", "int")
    assert (commands["open"]["route"], commands["open"]["about"]) == ("POST /boxes", "Open a box.")
    assert (commands["shake"]["handler"], commands["shake"]["reply"]) == ("shake", "Any")
    queries = {query["name"]: (query["handler"], query["reply"]) for query in found["queries"]}
    assert queries == {"find-openings": ("Openings.find", "Page[Opening]"), "look": ("look", "int")}
    assert found["projections"] == [
        {
            "name": "openings",
            "class": "Openings",
            "mode": "inline",
            "version": 3,
            "about": "Counts.",
            "read_models": [
                {
                    "name": "opening",
                    "class": "Opening",
                    "about": "When it was opened.",
                    "key": ["box", "number"],
                    "indexes": [["number"]],
                    "columns": [
                        {"name": "box", "type": "str", "required": True, "default": None},
                        {"name": "number", "type": "int", "required": False, "default": "1"},
                    ],
                }
            ],
            "events": ["opened"],
            "queries": ["find-openings"],
        }
    ]
    assert (found["events"][0]["name"], found["events"][0]["version"]) == ("opened", 2)
    old, new = ({"type": "opened", "version": version} for version in (1, 2))
    assert found["upcasters"][0] == {"from": old, "into": [new]}
    settings = {setting["name"]: (setting["value"], setting["source"]) for setting in found["settings"]}
    assert settings["store"] == ("boxes.db", "default")
    assert settings["max_event_bytes"] == (5_000, "argument")


def test_text(invoke: Invoke, folder: Path) -> None:
    describe(invoke, folder)
    text = invoke("describe", "--app", "described_boxes").stdout
    assert "Aggregate Box  A box.\n  streams  box-<box>\n  state    opened: int = 0\n" in text
    assert "Decision model Shelf\n  tags     box:<box>\n" in text
    assert (
        "Projection openings  inline  Counts.\n"
        "  table    opening, key (box, number), index (number)\n"
        "           box: str, number: int = 1\n"
        "  events   opened\n"
        "  queries  find-openings\n"
    ) in text
    assert "open   (box: str (tag box), force: int = 1) -> int  Box.open" in text
    assert "forgotten v1 -> nothing" in text
    assert "half v1 + rest v1 -> opened v2" in text
    assert re.search(r"max_event_bytes +5000  \(argument\)", text)


def test_no_store_is_opened(invoke: Invoke, folder: Path) -> None:
    describe(invoke, folder)
    assert list(folder.glob("*.db*")) == []


def test_a_broken_application_is_told(invoke: Invoke, folder: Path) -> None:
    (folder / "described_twice.py").write_text(APP.replace("newer, forget, first_half, second_half, join", "forget"))
    result = invoke("describe", "--app", "described_twice:app")
    assert result.exit_code == 1
    assert "[definition-error]" in result.stderr


def test_an_engine_of_its_own(invoke: Invoke, folder: Path) -> None:
    (folder / "described_engine.py").write_text(
        "from everfold import App\nfrom everfold.engines.memory.engine import MemoryEngine\n"
        "app = App('own', store=MemoryEngine())\n"
    )
    assert re.search(r"store +MemoryEngine", invoke("describe", "--app", "described_engine").stdout)
    result = invoke("events", "read", "--app", "described_engine")
    assert "brings an engine of its own" in result.stderr


@event(name="data")
@dataclasses.dataclass(frozen=True)
class Data:
    a: int
    b: str = "x"
    c: list[int] = dataclasses.field(default_factory=list[int])


@event(name="attrs")
@attrs.frozen
class Attrs:
    a: Literal["x", "y"]
    b: int | None = None


@event(name="model")
class Model(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True)
    a: dict[str, int]
    b: tuple[int, ...] = ()


class Limited(Command):
    a: Annotated[int, Meta(gt=0, le=9)]
    b: Annotated[tuple[str, ...], Tag("box")] = ()


def texts(cls: type) -> list[str]:
    return [str(field) for field in fields_of(cls)]


def test_fields_of_every_kind_of_class() -> None:
    assert texts(Data) == ["a: int", 'b: str = "x"', "c: list[int] = []"]
    assert texts(Attrs) == ["a: 'x' | 'y'", "b: int | None = null"]
    assert texts(Model) == ["a: dict[str, int]", "b: tuple[int, ...] = []"]
    assert texts(Limited) == ["a: int > 0 <= 9", "b: tuple[str, ...] (tag box) = []"]
