"""Promises 1 and 2: an acknowledged append survives power loss, and an append is stored wholly or not at all."""

from collections.abc import Callable

import pytest

from tests.reliability.power_loss.campaign import BUDGET, ONLY, Campaign, first_few
from tests.reliability.power_loss.recovery import folder_in_memory
from tests.reliability.power_loss.workloads import WORKLOADS

RecordProperty = Callable[[str, object], None]
EVERY_WORKLOAD = [name for name in WORKLOADS if not ONLY or name == ONLY.split("/")[1]]
STATES_PER_RECOVERY = 2_500
"""One recovery of each workload is explored per so many states of the whole budget."""


@pytest.mark.parametrize("workload", EVERY_WORKLOAD)
def test_no_power_cut_breaks_a_promise(workload: str, record_property: RecordProperty) -> None:
    with folder_in_memory() as folder:
        campaign = Campaign(workload, folder, seed=ONLY.split("/")[0]) if ONLY else Campaign(workload, folder)
        found = campaign.finding_at(ONLY) if ONLY else campaign.findings(budget=BUDGET // len(WORKLOADS))
        account = first_few(found)
        record_property("crash_states", campaign.explored)
    assert not account, f"\n{account}"


@pytest.mark.skipif(bool(ONLY), reason="one state only")
@pytest.mark.parametrize("workload", EVERY_WORKLOAD)
def test_no_power_cut_during_recovery_breaks_a_promise(workload: str, record_property: RecordProperty) -> None:
    with folder_in_memory() as folder:
        campaign = Campaign(workload, folder)
        account = first_few(campaign.findings_in_recoveries(recoveries=-(-BUDGET // STATES_PER_RECOVERY)))
        record_property("crash_states", campaign.explored)
    assert not account, f"\n{account}"
