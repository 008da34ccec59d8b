"""The kinds of files that the engine makes, how each is told from all others, and what to do about a bad one."""

from __future__ import annotations

import msgspec

from everfold.engines.statements import load_upgrades

__all__ = ["APPLICATION_ID", "LOG", "VIEWS", "FileKind"]

APPLICATION_ID = 0x45764C67
"""``EvLg`` in the file's header: tells an everfold store from any other SQLite file."""
VIEWS_APPLICATION_ID = 0x45765677
"""``EvVw``: a database of read models."""


class FileKind(msgspec.Struct, frozen=True):
    """One kind of file."""

    application_id: int
    upgrades: tuple[str, ...]
    """The scripts that make its schema, one after the other; ``user_version`` counts them."""
    name: str
    otherwise: str
    """What to do when there is a file of somebody else in its place."""
    repair: str
    """What to do when it is damaged."""


LOG = FileKind(
    application_id=APPLICATION_ID,
    upgrades=tuple(load_upgrades("everfold.engines.sqlite")),
    name="an everfold store",
    otherwise="give another path",
    repair="Stop writing, copy it, and restore a backup",
)
VIEWS = FileKind(
    application_id=VIEWS_APPLICATION_ID,
    upgrades=("",),  # its tables are made by whoever keeps read models in them
    name="a file of everfold's read models",
    otherwise="move it away",
    repair="Delete it, with its -wal file: its read models are built again",
)
