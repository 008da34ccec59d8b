"""Cuts the power at every operation of a recorded trace, in many ways. Pure: what the cuts leave is judged elsewhere.

A state has an address, ``seed/workload/prefix.number``: the cut of that number behind so many operations. A second cut
during the recovery from the first adds another ``/prefix.number``. The address alone brings the state back.
"""

import random
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from tests.reliability.power_loss.disk import Disk, Images
from tests.reliability.power_loss.power_cut import cut, fixed_cuts, is_settled
from tests.reliability.power_loss.trace import Acknowledged, Started, Trace

__all__ = ["Moment", "Recording", "State", "moments", "state_at", "states"]


class Recording(NamedTuple):
    """A trace, and what was there when it began."""

    address: str
    trace: Trace
    images: Mapping[str, bytes] = {}
    started: int = 0
    acknowledged: int = 0
    beginning: int = 0
    """Cuts begin behind so many operations."""


class Moment(NamedTuple):
    """A prefix of the trace: the disk, and how many writes had been started and acknowledged by then."""

    prefix: int
    disk: Disk
    started: int
    acknowledged: int


class State(NamedTuple):
    """What one cut leaves, and what was promised by then."""

    address: str
    number: int
    images: Images
    started: int
    acknowledged: int


def moments(recording: Recording) -> Iterator[Moment]:
    """Every moment at which a cut could leave something new. The disk is always the same object, moved on."""
    _, trace, images, started, acknowledged, beginning = recording
    disk = Disk(images)
    for prefix, operation in enumerate(trace, start=1):
        disk.apply(operation)
        if isinstance(operation, Started):
            started = operation.writes
        if isinstance(operation, Acknowledged):
            acknowledged = operation.writes
        following = trace[prefix] if prefix < len(trace) else None
        if prefix >= beginning and not isinstance(following, Started | Acknowledged):  # they change no file
            yield Moment(prefix, disk, started, acknowledged)


def states(recording: Recording, *, budget: int = 0) -> Iterator[State]:
    """All fixed cuts at every moment, and random ones until the budget is used up, spread over the moments."""
    fixed = [fixed_cuts(moment.disk) for moment in moments(recording)]
    unsettled = sum(not is_settled(moment.disk) for moment in moments(recording))
    extra = -(-max(0, budget - sum(fixed)) // max(1, unsettled))
    for moment, count in zip(moments(recording), fixed, strict=True):
        for number in range(count if is_settled(moment.disk) else count + extra):
            yield _state(recording, moment, number)


def state_at(recording: Recording, prefix: int, number: int) -> State:
    """One state again."""
    moment = next(moment for moment in moments(recording) if moment.prefix == prefix)
    return _state(recording, moment, number)


def _state(recording: Recording, moment: Moment, number: int) -> State:
    address = f"{recording.address}/{moment.prefix}.{number}"
    images = cut(moment.disk, number, random.Random(address))
    return State(address, number, images, moment.started, moment.acknowledged)
