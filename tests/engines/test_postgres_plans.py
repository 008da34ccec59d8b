"""No statement of the PostgreSQL engine walks a whole table, also when PostgreSQL plans it once for all values."""

import re

import psycopg

from everfold.engines.postgres.engine import PostgresEngine
from everfold.engines.postgres.reader import STATEMENTS, Reader
from everfold.log.record import Record
from tests.postgres.server import PostgresServer

TYPES = {
    **dict.fromkeys(("until", "limit", "oldest", "newest", "version"), "bigint"),
    **dict.fromkeys(("types", "other_tags", "streams"), "text[]"),
    **dict.fromkeys(("afters", "untils", "limits"), "bigint[]"),
}
OF_LOG = re.compile(r"FROM {schema}\.(events|everfold_tags)")
READING = [name for name, statement in STATEMENTS.items() if OF_LOG.search(statement)]


def log(count: int) -> list[Record]:
    """Streams that take turns, with a rare and a common tag each."""
    return [
        Record(
            position=number,
            stream=f"thing-{number % 500}",
            version=(number - 1) // 500 + 1,
            type=f"type-{number % 7}",
            schema_version=1,
            id=f"id-{number}",
            recorded=number,
            data="{}",
            tags=(f"rare:{number}", f"common:{number % 50}"),
        )
        for number in range(1, count + 1)
    ]


async def test_no_statement_walks_a_whole_table(postgres_url: str, postgres_server: PostgresServer) -> None:
    engine = PostgresEngine(postgres_url)
    await engine.open()
    await engine.restore(log(10_000))
    await engine.close()
    reader = Reader(engine.url.schema)
    with postgres_server.connect() as connection:
        connection.execute(f"ANALYZE {reader.schema}.events; ANALYZE {reader.schema}.everfold_tags".encode())
        connection.execute("SET plan_cache_mode = force_generic_plan")
        for name in READING:
            plan = plan_of(connection, name, reader.statement(name))
            assert not re.search(r"Seq Scan on (events|everfold_tags)", plan), f"{name}:\n{plan}"
        assert "Seq Scan on events" in plan_of(connection, "naive", f"TABLE {reader.schema}.events")


def plan_of(connection: psycopg.Connection[tuple[object, ...]], name: str, statement: str) -> str:
    kinds = TYPES | ({} if name.startswith("list_") else {"after": "bigint"})
    names = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", statement)))
    types = ", ".join(kinds.get(parameter, "text") for parameter in names)
    for number, parameter in enumerate(names, 1):
        statement = statement.replace(f"%({parameter})s", f"${number}")
    declared, given = (f"({types})", f"({', '.join(['NULL'] * len(names))})") if names else ("", "")
    connection.execute(f"PREPARE plan_{name} {declared} AS {statement}".encode())
    return "\n".join(str(line) for (line,) in connection.execute(f"EXPLAIN EXECUTE plan_{name} {given}".encode()))
