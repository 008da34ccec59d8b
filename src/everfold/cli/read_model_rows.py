"""All rows of one read model, in an order of one's choice, for comparisons. Used by ``compare``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from everfold.cli.suggestions import did_you_mean
from everfold.errors import ConfigurationError, NotFound, ReadModelNotReady

if TYPE_CHECKING:
    from everfold.app.application import App
    from everfold.domain.read_model import ReadModel
    from everfold.log.read_database import ReadDatabase
    from everfold.projections.projection import Projection

__all__ = ["ReadModelRows", "find_table"]

T = TypeVar("T")


def find_table(app: App, named: str) -> tuple[type[Projection], str]:
    """The projection, and the attribute of its table, that ``PROJECTION.TABLE`` or ``TABLE`` names; NotFound."""
    there: dict[str, tuple[type[Projection], str]] = {}
    for projection in app.parts.projections:
        for attribute, model in projection.__everfold__.tables.items():
            there[f"{projection.__everfold__.name}.{model.__everfold__.name}"] = (projection, attribute)
    found = there.get(named) or next((place for name, place in there.items() if name.endswith(f".{named}")), None)
    if found is None:
        hint = did_you_mean(named, [*there, *(name.partition(".")[2] for name in there)]).strip()
        raise NotFound("read model", named, hint or f"There are: {', '.join(there) or 'none'}.")
    if found[0].__everfold__.mode == "live":
        raise ConfigurationError(f"{named} is folded when it is asked (mode='live'): nothing is kept to compare with.")
    return found


class ReadModelRows:
    """The rows of one table of a projection, of the build that is read."""

    def __init__(self, projection: type[Projection], attribute: str, database: ReadDatabase) -> None:
        self.model: type[ReadModel] = projection.__everfold__.tables[attribute]
        self._projection = projection
        self._attribute = attribute
        self._database = database

    async def read(self, job: Callable[[Callable[[Sequence[str]], Iterator[Any]]], T]) -> T:
        """Run the job in a thread of the database, on one consistent view."""
        return await self._database.read(lambda connection: job(lambda order: self._rows(connection, order)))

    def _rows(self, connection: Any, order: Sequence[str]) -> Iterator[Any]:
        from everfold.projections.bound import sql_tables
        from everfold.projections.builds import builds_of, readable
        from everfold.projections.fingerprint import fingerprint
        from everfold.projections.many_rows import stream_rows

        name, dialect, code = self._projection.__everfold__.name, self._database.dialect, fingerprint(self._projection)
        build = readable(builds_of(connection, dialect, name), code)
        if build is None or build.fingerprint != code:
            raise ReadModelNotReady(
                f"The tables of {name!r} are not those of this code yet. Have them built: everfold run."
            )
        sql = sql_tables(self._projection, dialect, build.build)[self._attribute]
        fields, keys = (", ".join(f'"{field}"' for field in named) for named in (sql.fields, order))
        statement = f'SELECT {fields} FROM "{sql.name}" ORDER BY {keys}'  # noqa: S608 (our names)
        for row in stream_rows(connection, dialect, statement):
            yield sql.loaded(row)
