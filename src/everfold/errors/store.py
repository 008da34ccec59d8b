"""What a store cannot do. Raised by the engines, in which drivers' errors are translated."""

from __future__ import annotations

from everfold.errors.root import EverfoldError

__all__ = [
    "NotAStore",
    "RestoreRefused",
    "StoreBusy",
    "StoreClosed",
    "StoreCorrupt",
    "StoreError",
    "StoreFull",
    "StoreReadOnly",
    "StoreTooNew",
    "StoreUnavailable",
]


class StoreError(EverfoldError):
    """The store cannot do it. Nothing of the append in question was stored."""

    code = "store-error"


class StoreClosed(StoreError):
    """The store is not open: use it inside ``async with app`` (or ``app.blocking()``)."""

    code = "store-closed"


class StoreBusy(StoreError):
    """Another process kept the write lock for longer than ``lock_timeout`` seconds. Retry later."""

    code = "store-busy"


class StoreFull(StoreError):
    """The disk, or the size limit of the file, is full. Free space; the store goes on without a restart."""

    code = "store-full"


class StoreReadOnly(StoreError):
    """The file or its folder cannot be written. Mend the permissions or open another store."""

    code = "store-read-only"


class StoreUnavailable(StoreError):
    """The store cannot be reached or opened: no such folder, connection refused, input/output error."""

    code = "store-unavailable"


class NotAStore(StoreError):
    """The file exists and is not an everfold store. It was left untouched; give another path."""

    code = "not-a-store"


class StoreCorrupt(StoreError):
    """Stored bytes are damaged. ``position`` is the first damaged record, where it is known."""

    code = "store-corrupt"

    def __init__(self, message: str, *, position: int | None = None) -> None:
        super().__init__(message)
        self.position = position


class StoreTooNew(StoreError):
    """The store was written by a newer everfold. Nothing was touched; upgrade this program."""

    code = "store-too-new"

    def __init__(self, found: int, known: int) -> None:
        super().__init__(
            f"The store has schema version {found} and this everfold knows up to {known}. "
            "Nothing was touched. Upgrade everfold to open it."
        )
        self.found = found
        self.known = known


class RestoreRefused(StoreError):
    """The store holds something else than the exported file begins with. It was left as it is; give another store."""

    code = "restore-refused"
