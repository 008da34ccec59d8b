"""The blocking app of a web server that has no start and no end: WSGI workers. Used by views, and by ``wsgi``. ::

    bank = OnePerProcess(app)

    def view(request):
        done = bank().execute(Deposit(account_id="a1", amount=5))

The first call in a process starts the app. So a server may load the module and fork afterwards: nothing that cannot be
shared (threads, connections) is there before, and each worker gets its own. The end of the process closes it.
A process that is forked while the app is running cannot use it: SQLite does not survive that, and this says so.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable
from importlib import import_module
from weakref import WeakSet

from everfold.app.application import App
from everfold.app.blocking import BlockingApp
from everfold.errors import DefinitionError

__all__ = ["OnePerProcess"]

FORKED_LATE = (
    "This process was forked while the app {!r} was running in its parent, and cannot use the store: locks and "
    "connections do not survive a fork. Have the first call come after the fork (none while modules are loaded), or "
    "call close() before it."
)


class OnePerProcess:
    """Gives every process a blocking app of its own, started when it is first asked for."""

    def __init__(self, app: App) -> None:
        self._declared = app
        self._lock = threading.Lock()
        self._running: tuple[App, BlockingApp] | None = None
        self._before_closing: list[Callable[[], None]] = []
        self._is_known_at_exit = False
        self._was_running_at_fork = False
        _all.add(self)

    def __call__(self) -> BlockingApp:
        """The app of this process, which any number of its threads may use at once."""
        return (self._running or self._start())[1]

    @property
    def app(self) -> App:
        """The running app behind it, for code that runs in its event loop."""
        return (self._running or self._start())[0]

    def _start(self) -> tuple[App, BlockingApp]:
        with self._lock:
            if self._was_running_at_fork:
                raise DefinitionError(FORKED_LATE.format(self._declared.name))
            if self._running is None:
                app = self._declared.replace()
                self._running = app, app.blocking().__enter__()
                if not self._is_known_at_exit:
                    _at_exit(self.close)
                    self._is_known_at_exit = True
            return self._running

    def before_closing(self, do: Callable[[], None]) -> None:
        """Have something ended before the app that is running is."""
        self._before_closing.append(do)

    def close(self) -> None:
        """Finish what was accepted and close the store. At the end of the process it happens by itself."""
        running = self._running
        if running is None:
            return
        while self._before_closing:
            self._before_closing.pop()()
        with self._lock:
            self._running = None
            running[1].__exit__(None, None, None)

    def forget(self) -> None:
        """Called in a process that was just forked: what was running belongs to the parent."""
        if self._running is not None:
            _of_parents.append(self._running)
            self._was_running_at_fork = True
        self._running = None
        self._before_closing = []
        self._lock = threading.Lock()


_all: WeakSet[OnePerProcess] = WeakSet()
_of_parents: list[object] = []
"""Kept for ever: nothing of the parent's is closed here."""


def _at_exit(do: Callable[[], None]) -> None:
    """Before the thread pools of this process end, without which a store cannot be closed; atexit comes after that."""
    import_module("concurrent.futures.thread")  # registers their end now; what is registered later comes first
    register: Callable[[Callable[[], None]], object] = getattr(threading, "_register_atexit", atexit.register)
    register(do)


def _forget_all() -> None:
    for one in list(_all):
        one.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
