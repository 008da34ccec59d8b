"""``Did you mean``: the nearest known word to a misspelt one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["did_you_mean", "nearest"]

SIMILAR_ENOUGH = 0.6


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that is most like this one, if any is."""
    by_lower_case: dict[str, str] = {}
    for name in known:
        by_lower_case.setdefault(name.lower(), name)
    found = difflib.get_close_matches(word.lower(), by_lower_case, n=1, cutoff=SIMILAR_ENOUGH)
    return by_lower_case[found[0]] if found else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The sentence to put behind an error, with a space before it; empty when nothing is similar."""
    found = nearest(word, known)
    return f" Did you mean {found!r}?" if found else ""
