"""The exploration is able to fail: it finds what each planted defect does to the promises."""

from collections.abc import Callable

import pytest

from tests.reliability.power_loss.apsw_connection import ApswConnection
from tests.reliability.power_loss.campaign import Campaign
from tests.reliability.power_loss.recovery import folder_in_memory
from tests.reliability.power_loss.sabotage import ForgetfulConnection, HastyConnection, SplitConnection
from tests.reliability.power_loss.verdict import Kind


def has(kind: Kind, campaign: Campaign) -> bool:
    """Whether some cut shows this anomaly."""
    return any(violation.kind is kind for found in campaign.findings() for violation in found.violations)


@pytest.mark.parametrize("workload", ["singles", "batches", "checkpoints"])
def test_less_than_full_synchronisation_loses_acknowledged_appends(workload: str) -> None:
    with folder_in_memory() as folder:
        assert has(Kind.LOST, Campaign(workload, folder, synchronous="normal"))


@pytest.mark.parametrize(
    ("workload", "kind", "anomaly"),
    [
        ("singles", HastyConnection, Kind.LOST),
        ("batches", HastyConnection, Kind.LOST),
        ("checkpoints", SplitConnection, Kind.TORN),
        ("companions", ForgetfulConnection, Kind.TORN),
    ],
)
def test_a_sabotaged_writer_is_found_out(workload: str, kind: Callable[[str], ApswConnection], anomaly: Kind) -> None:
    with folder_in_memory() as folder:
        assert has(anomaly, Campaign(workload, folder, kind=kind))
