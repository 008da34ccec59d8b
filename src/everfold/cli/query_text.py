"""Queries as text, and back: ``account_id=a1 limit=5`` is a typed query, answers are tables. Used by ``query``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import click
import msgspec

from everfold.cli.differences import json_text
from everfold.cli.output import printable, table
from everfold.cli.suggestions import did_you_mean

if TYPE_CHECKING:
    from everfold.projections.page import Page

__all__ = ["answer_json", "answer_lines", "page_hint", "parse_query", "signature"]


def parse_query(cls: Any, words: Sequence[str]) -> Any:
    """The query that ``name=value`` words describe; UsageError for what does not fit. Values may be JSON."""
    fields = {field.name: field for field in msgspec.structs.fields(cls)}
    values: dict[str, Any] = {}
    for word in words:
        name, is_given, text = word.partition("=")
        if not is_given:
            raise click.UsageError(f"{word!r} is no field. Write name=value: {signature(cls)}.")
        if name not in fields:
            hint = did_you_mean(name, fields) or f" It takes {signature(cls)}."
            raise click.UsageError(f"The query has no field {name!r}.{hint}")
        if name in values:
            raise click.UsageError(f"{name} is given twice. Write several values as JSON: {name}='[1, 2]'.")
        values[name] = _value(name, text, fields[name].type)
    if missing := [name for name, field in fields.items() if field.required and name not in values]:
        raise click.UsageError(f"The query needs {', '.join(missing)}. It takes {signature(cls)}.")
    try:
        return cls(**values)
    except (TypeError, ValueError) as error:
        raise click.UsageError(f"{signature(cls)}: {error}") from error


def _value(name: str, text: str, hint: Any) -> Any:
    try:
        return msgspec.convert(text, hint, strict=False)
    except msgspec.ValidationError as error:
        problem = error
    try:
        return msgspec.json.decode(text.encode(), type=hint)
    except msgspec.DecodeError:
        from everfold.cli.field_text import type_text

        raise click.UsageError(f"{name}={text!r} is no {type_text(hint)}: {problem}.") from problem


def signature(cls: Any) -> str:
    """The fields of a query: ``owner: str, limit: int = 10``."""
    from everfold.cli.field_text import fields_of

    return ", ".join(map(str, fields_of(cls))) or "no fields"


def answer_json(answer: Any) -> Any:
    """The answer as JSON, that of a page with the offset of the next one."""
    page = _page(answer)
    if page is None:
        return answer
    return {**{name: getattr(page, name) for name in page.__struct_fields__}, "next_offset": page.next_offset}


def answer_lines(answer: Any) -> Iterator[str]:
    """The answer for people: a row as its fields, rows as a table, everything else as JSON."""
    page = _page(answer)
    value: object = msgspec.to_builtins(answer if page is None else page.items, enc_hook=str)
    if isinstance(value, dict):
        yield from _fields(cast("dict[str, Any]", value))
    elif isinstance(value, list):
        yield from _rows(value)  # pyright: ignore[reportUnknownArgumentType]
    else:
        yield _cell_text(value)


def page_hint(answer: Any, query: Any) -> str | None:
    """Which part of the rows a page is, and how to get the next one."""
    page = _page(answer)
    if page is None:
        return None
    if not page.items:
        return f"No row here; {page.total:,} in all."
    text = f"Rows {page.offset + 1:,} to {page.offset + len(page.items):,} of {page.total:,}."
    if page.next_offset is not None and "offset" in query.__struct_fields__:
        text += f" The next: offset={page.next_offset}"
    return text


def _page(answer: Any) -> Page[Any] | None:
    from everfold.projections.page import Page

    return answer if isinstance(answer, Page) else None  # pyright: ignore[reportUnknownVariableType]


def _fields(value: Mapping[str, Any]) -> Iterator[str]:
    width = max((len(str(name)) for name in value), default=0)
    for name, field in value.items():
        yield f"{click.style(printable(str(name)).ljust(width), dim=True)}  {_cell_text(field)}"


def _rows(rows: list[Any]) -> Iterator[str]:
    if not rows or not all(isinstance(row, dict) for row in rows):
        yield from map(_cell_text, rows)
        return
    heads = list(dict.fromkeys(str(name) for row in rows for name in row))
    yield from table(heads, [[_cell(row.get(name)) for name in heads] for row in rows])


def _cell(value: Any) -> object:
    """Numbers as they are, because they stand on the right."""
    return value if type(value) is int else _cell_text(value)


def _cell_text(value: Any) -> str:
    return printable(value) if isinstance(value, str) else json_text(value)
