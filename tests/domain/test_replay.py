"""Replaying the events of any sequence of decisions gives the state that the decisions left."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from everfold.codec.pipeline import Codec
from everfold.domain.decision import Decided, apply, run_decision
from everfold.errors import Rejected
from everfold.log.record import Record
from examples.accounts.domain import Account, CloseAccount, Deposit, OpenAccount, Withdraw

amounts = st.integers(1, 50)
commands = st.one_of(
    st.builds(OpenAccount, account_id=st.just("a1"), owner=st.text(max_size=5), initial_balance=st.integers(0, 50)),
    st.builds(Deposit, account_id=st.just("a1"), amount=amounts),
    st.builds(Withdraw, account_id=st.just("a1"), amount=amounts),
    st.builds(CloseAccount, account_id=st.just("a1")),
)


@pytest.mark.parametrize("checked", [True, False])
@settings(deadline=None, max_examples=100)
@given(st.lists(commands, max_size=30))
def test_replay_equals_the_live_state(checked: bool, commands: list[object]) -> None:
    definition = Account.__everfold__
    live, log = Account(), list[object]()
    for command in commands:
        decided = Decided()
        try:
            decision = definition.decisions[type(command)]
            run_decision(decision, live, command, definition.evolutions, decided=decided, checked=checked)
        except Rejected:
            assert decided.events == []  # these decisions refuse before they yield
        log += decided.events
        assert live.balance >= 0
    codec = Codec(definition.evolutions, new_id=lambda: "id")
    replayed = Account()
    for position, event in enumerate(log, 1):
        new = codec.encode(event)
        stored = Record(position, "account-a1", position, new.type, new.schema_version, new.id, 0, new.data)
        for read in codec.decode(stored):
            apply(replayed, read, definition.evolutions)
    assert replayed == live
