"""What the judge remembers is bounded, and forgetting it changes no verdict."""

from pathlib import Path

import pytest

from everfold.engines.sqlite import judge
from everfold.engines.sqlite.engine import SqliteEngine
from everfold.log.condition import Condition
from everfold.log.selection import Selection
from everfold.log.write import Appended, Conflicted, StreamAppend, Write
from everfold.testing.contracts.engine_case import fresh, one, stored, to_stream


async def test_verdicts_do_not_depend_on_what_is_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge, "REMEMBERED", 3)
    engine = SqliteEngine(tmp_path / "log.db")
    await engine.open()
    for number in range(20):
        tags = (f"tag:{number}",)
        await stored(engine, to_stream(f"thing-{number}", *fresh(f"type-{number}", tags=tags), expected=0))
    for number in range(20):
        assert isinstance(await one(engine, to_stream(f"thing-{number}", expected=0)), Conflicted)
        for selection in (Selection(tags=(f"tag:{number}",)), Selection(types=(f"type-{number}",))):
            for after, kind in ((number, Conflicted), (number + 1, Appended)):
                write = Write(appends=(StreamAppend("other-1", fresh()),), condition=Condition(selection, after))
                assert isinstance(await one(engine, write), kind)
    await engine.close()
