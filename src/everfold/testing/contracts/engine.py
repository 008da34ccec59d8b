"""All promises of an engine together: what an engine's test class inherits from."""

from __future__ import annotations

from everfold.testing.contracts.append_hooks import AppendHooks, SharedAppendHooks
from everfold.testing.contracts.atomicity import Atomicity
from everfold.testing.contracts.catalogue import StreamCatalogue
from everfold.testing.contracts.checkpoints import ConsumerCheckpoints
from everfold.testing.contracts.conditions import Conditions
from everfold.testing.contracts.idempotency import Idempotency
from everfold.testing.contracts.life_cycle import LifeCycle
from everfold.testing.contracts.order import Order
from everfold.testing.contracts.pages import LogPages, StreamPages
from everfold.testing.contracts.read_databases import DurableReadDatabases, ReadJobs
from everfold.testing.contracts.reopening import Reopening, SharedStorage
from everfold.testing.contracts.selections import Selections
from everfold.testing.contracts.snapshots import KeptSnapshots
from everfold.testing.contracts.transfer import Transfers
from everfold.testing.contracts.unstorable import UnstorableWrites
from everfold.testing.contracts.verification import Verification
from everfold.testing.contracts.versions import Versions
from everfold.testing.contracts.waiting import Waiting

__all__ = ["DurableEngineContract", "EngineContract"]


class EngineContract(
    Order,
    Atomicity,
    Versions,
    Conditions,
    Idempotency,
    UnstorableWrites,
    LogPages,
    StreamPages,
    Selections,
    Waiting,
    KeptSnapshots,
    ConsumerCheckpoints,
    StreamCatalogue,
    Verification,
    ReadJobs,
    AppendHooks,
    Transfers,
    LifeCycle,
):
    """What every engine promises, whether or not it outlives its process."""


class DurableEngineContract(EngineContract, Reopening, SharedStorage, DurableReadDatabases, SharedAppendHooks):
    """What an engine promises whose storage is found again by the next engine, here or in another process."""
