"""An app for a test: in memory, checked, gone afterwards. Real bus, real codec, real log; only no file."""

from __future__ import annotations

from typing import Any

from everfold.app.application import App
from everfold.app.parts import Part

__all__ = ["memory_app"]


def memory_app(*parts: Part, name: str = "test", **options: Any) -> App:
    """An app of these parts over a log in memory, with checks; ``options`` are those of ``App``::

    with memory_app(Account, clock=clock).blocking() as bank:
        bank.execute(OpenAccount(account_id="a1", owner="Ann"))
    """
    defaults: dict[str, Any] = {"store": "memory:", "checks": True}
    return App(name, *parts, **(defaults | options))
