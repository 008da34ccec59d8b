"""Opens the databases as they are, with nothing but the driver, and holds every build against the fold of the log."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from tests.reliability.read_side.ledger import FOLDS, Entry, Fold, Row, Rows, Unlucky

__all__ = ["Build", "Examiner", "Expected", "fold"]

KEPT = 4
AROUND = 100
CONSUMERS = "SELECT name, build, state, position, token FROM everfold_consumers ORDER BY name, build"
PARKED = "SELECT position, state FROM everfold_parked WHERE name = ? AND build = ?"


class Build(NamedTuple):
    """A build of a projection, as it was found."""

    name: str
    build: int
    state: str
    position: int
    token: int


class Expected:
    """What a projection is at a position, and what it has set aside. Only moves forwards."""

    def __init__(self, fold: Fold) -> None:
        self.position = 0
        self.rows: Rows = {}
        self.parked: dict[int, str] = {}
        self._fold = fold
        self._waiting: set[str] = set()

    def advance(self, log: Sequence[Entry], position: int) -> "Expected":
        """Go on to this position."""
        for entry in log[self.position : position]:
            if entry.type not in self._fold.types:
                continue
            if entry.stream in self._waiting:
                self.parked[entry.position] = "waiting"
                continue
            try:
                self._fold.step(self.rows, entry)
            except Unlucky:
                self.parked[entry.position] = "parked"
                self._waiting.add(entry.stream)
        self.position = position
        return self


def fold(name: str, log: Sequence[Entry], position: int) -> Expected:
    """What a projection is at a position."""
    return Expected(FOLDS[name]).advance(log, position)


class Examiner:
    """Examines one store again and again; remembers what cannot change: the log, and what is folded of it."""

    def __init__(self, store: Path, *, is_inline: bool = False) -> None:
        self.log: list[Entry] = []
        self.builds: list[Build] = []
        """As they were found the last time."""
        self._store = store
        self._is_inline = is_inline
        self._folded: dict[str, list[Expected]] = {}
        self._tokens: dict[str, int] = {}

    def faults(self) -> list[str]:
        """Everything that is wrong now; empty when all is well."""
        path = self._store if self._is_inline else self._store.with_name(f"{self._store.stem}.views.db")
        if not path.exists():
            return []
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)) as views:
            views.execute("BEGIN")  # one view of it all; a log in another file is read later, and may only be longer
            if not views.execute("SELECT 1 FROM sqlite_schema WHERE name = 'everfold_leases'").fetchone():
                return []
            self.builds = [Build(*row) for row in views.execute(CONSUMERS)]
            if self._is_inline:
                self._read_log(views)
            else:
                with closing(sqlite3.connect(f"file:{self._store}?mode=ro", uri=True)) as log:
                    self._read_log(log)
            return [*self._faults_of_builds(views), *self._faults_of_tables(views), *self._faults_of_tokens(views)]

    def is_caught_up(self) -> bool:
        """Whether, by the last look, every projection's active build was at the end of the log."""
        active = {build.name: build.position for build in self.builds if build.state == "active"}
        return bool(self.log) and active == dict.fromkeys(FOLDS, len(self.log))

    def _read_log(self, connection: sqlite3.Connection) -> None:
        statement = "SELECT position, stream, type, data FROM events WHERE position > ? ORDER BY position"
        self.log += [Entry(*row) for row in connection.execute(statement, (len(self.log),))]
        assert not self.log or self.log[-1].position == len(self.log)

    def _faults_of_builds(self, views: sqlite3.Connection) -> Iterator[str]:
        for build in self.builds:
            where = f"{build.name} {build.build} ({build.state})"
            if build.position > len(self.log):
                yield f"A15 {where}: its checkpoint {build.position} is beyond the log, which ends at {len(self.log)}"
                continue
            expected = self._expected(build)
            table = FOLDS[build.name].table
            found = {row[0]: tuple(row) for row in _all(views, f"{table}__{build.build}")}
            if found != expected.rows:
                yield f"{self._named(build, found)} {where} at {build.position}: {_first_difference(found, expected)}"
            parked = dict(views.execute(PARKED, (build.name, build.build)).fetchall())
            if parked != expected.parked:
                yield f"A16 {where} at {build.position}: set aside {parked} instead of {expected.parked}"
            if build.state == "active" and (seen := {row[0]: tuple(row) for row in _all(views, table)}) != found:
                yield f"{where}: its plain name shows other rows: {len(seen)} instead of {len(found)}"

    def _faults_of_tables(self, views: sqlite3.Connection) -> Iterator[str]:
        """One active build of each projection, from the first one on, and no table without its build."""
        for name in sorted({build.name for build in self.builds}):
            active = [build.build for build in self.builds if build.name == name and build.state == "active"]
            if len(active) != 1:
                yield f"{name}: {'several builds are' if active else 'no build is'} active: {active}"
        wanted = {f"{FOLDS[build.name].table}__{build.build}" for build in self.builds}
        there = {name for (name,) in views.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        if orphans := {name for name in there if "__" in name} - wanted:
            yield f"tables of no build: {orphans}"

    def _faults_of_tokens(self, views: sqlite3.Connection) -> Iterator[str]:
        leases = dict(views.execute("SELECT name, token FROM everfold_leases").fetchall())
        for name, token in self._tokens.items():
            if leases.get(name, 0) < token:
                yield f"A18 the token of {name} went back from {token} to {leases.get(name)}"
        for build in self.builds:
            if build.token > leases.get(f"projection {build.name} {build.build}", 0):
                yield f"A18 {build.name} {build.build} was written with the token {build.token}, which nobody was given"
        self._tokens = leases

    def _expected(self, build: Build) -> Expected:
        kept = self._folded.setdefault(build.name, [])
        behind = [each for each in kept if each.position <= build.position]
        best = max(behind, key=lambda each: each.position, default=None)
        if best is None:
            best = Expected(FOLDS[build.name])
            kept.append(best)
            del kept[:-KEPT]
        return best.advance(self.log, build.position)

    def _named(self, build: Build, found: Rows) -> str:
        """Which anomaly it is: rows of an earlier position mean that the checkpoint is ahead of them."""
        earlier = fold(build.name, self.log, max(0, build.position - AROUND))
        for position in range(earlier.position, build.position):
            if earlier.advance(self.log, position).rows == found:
                return "A15"
        return "A16"


def _all(views: sqlite3.Connection, table: str) -> list[Row]:
    return views.execute(f'SELECT * FROM "{table}"').fetchall()  # noqa: S608 (names of our own)


def _first_difference(found: Rows, expected: Expected) -> str:
    wrong = [key for key in {**found, **expected.rows} if found.get(key) != expected.rows.get(key)]
    return f"{len(wrong)} rows, first {found.get(wrong[0])} instead of {expected.rows.get(wrong[0])}"
