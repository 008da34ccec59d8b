"""Snapshots of aggregates: their encoding, when to take one, and the fingerprint that tells whether one still fits."""

from __future__ import annotations

import hashlib
import logging
import types
from collections.abc import Iterator
from typing import Any, Generic, TypeVar, cast

import msgspec

from everfold.domain.aggregate import Aggregate, SnapshotPolicy
from everfold.domain.message import message_definition
from everfold.log.snapshot import Snapshot

__all__ = ["Snapshotter"]

A = TypeVar("A", bound=Aggregate)
_log = logging.getLogger("everfold.snapshots")


class Snapshotter(Generic[A]):
    """Makes and reads the snapshots of one aggregate class."""

    def __init__(self, aggregate: type[A]) -> None:
        self._encode = msgspec.json.Encoder().encode
        self._decode = msgspec.json.Decoder(aggregate).decode
        self._policy = aggregate.__everfold__.snapshots
        self.fingerprint = fingerprint(aggregate)
        self._has_warned = False

    def take(self, stream: str, version: int, state: A) -> Snapshot | None:
        """The snapshot to store with the append that reaches this version; None if the state would not come back."""
        try:
            encoded = self._encode(state)
            if self._decode(encoded) == state:
                return Snapshot(stream, version, self.fingerprint, encoded.decode())
        except (msgspec.MsgspecError, TypeError, ValueError, OverflowError, RecursionError) as error:
            _log.debug("no snapshot of %s: %s", stream, error)
        if not self._has_warned:
            self._has_warned = True
            _log.warning(
                "%s keeps no snapshots: its state does not come back equal from JSON. Look for fields of the type Any "
                "or object, and for values that are not of their field's type.",
                type(state).__qualname__,
            )
        return None

    def restore(self, snapshot: Snapshot | None) -> A | None:
        """The state, or None when there is no snapshot, or one of other code or another shape: it is ignored."""
        if snapshot is None or snapshot.fingerprint != self.fingerprint:
            return None
        try:
            return self._decode(snapshot.state)
        except msgspec.MsgspecError:
            return None

    def is_due(self, *, version: int, last_version: int, now: int, last_taken: int) -> bool:
        """Whether a snapshot should be taken now. ``now`` and ``last_taken`` are microseconds since 1970 UTC."""
        policy: SnapshotPolicy | None = self._policy
        if policy is None:
            return False
        if policy.every is not None and version - last_version >= policy.every:
            return True
        return policy.older_than is not None and now - last_taken >= policy.older_than.total_seconds() * 1_000_000


def fingerprint(aggregate: type[Aggregate]) -> str:
    """Identifies the shape of the state and the code of its evolutions, and the versions of their events.

    Functions that an evolve calls are not looked into: change the aggregate's fields, or drop the
    snapshots, when only those changed. Another Python version has another fingerprint, which only costs a replay.
    """
    definition = aggregate.__everfold__
    digest = hashlib.sha256(msgspec.json.encode(msgspec.json.schema(aggregate), order="deterministic"))
    for field in msgspec.structs.fields(aggregate):
        digest.update(f"{field.name}:{field.type!r}:{field.default!r};".encode())
    for event, function in sorted(definition.evolutions.items(), key=lambda item: item[0].__qualname__):
        named = message_definition(event)
        digest.update(f"{named.name if named else event.__qualname__}/{named.version if named else 1}:".encode())
        for part in _code(function.__code__):
            digest.update(part)
    return digest.hexdigest()[:32]


def _code(code: types.CodeType) -> Iterator[bytes]:
    yield code.co_code
    yield repr(code.co_names).encode()
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _code(constant)
        else:
            yield repr(_stable(constant)).encode()


def _stable(constant: Any) -> Any:
    return sorted(map(repr, cast("frozenset[object]", constant))) if isinstance(constant, frozenset) else constant
