"""Columns of many rows as PostgreSQL's array literals: one statement then writes them all. Used by ``many_rows``.

A literal is made by a few passes over text in C, which takes a fifth of the time of the driver's own lists
(https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sqlalchemy import types

__all__ = ["array_text_of"]

LEAST, MOST = -(2**63), 2**63 - 1
ArrayText = Callable[[Sequence[Any]], str]


def array_text_of(kind: types.TypeEngine[Any]) -> ArrayText:
    """What makes an array of a column of this type."""
    return _BY_TYPE[type(kind)]


def _whole_numbers(values: Sequence[Any]) -> str:
    try:
        if min(values) >= LEAST and max(values) <= MOST:
            return _array(map(int.__repr__, values))
    except TypeError:  # None, or something that is none
        pass
    return _array(_each(values, _whole_number))


def _whole_number(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int):
        raise TypeError(f"{value!r} is no whole number.")
    if not LEAST <= value <= MOST:
        raise OverflowError(f"{value} is too large for a column of whole numbers, which have 64 bits.")
    return int.__repr__(value)


def _numbers(values: Sequence[Any]) -> str:
    try:
        return _array(map(float.__repr__, values))
    except TypeError:
        return _array(_each(values, _number))


def _number(value: Any) -> str:
    if not isinstance(value, int | float):
        raise TypeError(f"{value!r} is no number.")
    return float.__repr__(float(value))


def _texts(values: Sequence[Any]) -> str:
    """No text that PostgreSQL takes has a NUL in it, so that one can stand between them."""
    try:
        joined = "\0".join(values)
    except TypeError:
        return _array(_each(values, _text))
    if joined.count("\0") != len(values) - 1:
        raise _nul()
    return '{"' + _escaped(joined).replace("\0", '","') + '"}'


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text.")
    if "\0" in value:
        raise _nul()
    return f'"{_escaped(value)}"'


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _nul() -> ValueError:
    return ValueError("Text with a NUL character (\\x00) cannot be stored in PostgreSQL. Leave it out.")


def _moment(value: Any) -> str:
    return str(value.isoformat())


def _of_each(write: Callable[[Any], str]) -> ArrayText:
    return lambda values: _array(_each(values, write))


def _each(values: Sequence[Any], write: Callable[[Any], str]) -> Iterable[str]:
    return ["NULL" if value is None else write(value) for value in values]


def _array(values: Iterable[str]) -> str:
    return "{" + ",".join(values) + "}"


_BY_TYPE: dict[type[types.TypeEngine[Any]], ArrayText] = {
    types.BigInteger: _whole_numbers,
    types.Double: _numbers,
    types.Text: _texts,
    types.Boolean: _of_each(str),
    types.LargeBinary: _of_each(lambda value: f'"\\\\x{value.hex()}"'),
    types.Numeric: _of_each(str),
    types.Uuid: _of_each(str),
    types.DateTime: _of_each(_moment),
    types.Date: _of_each(_moment),
}
