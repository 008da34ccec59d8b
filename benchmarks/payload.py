"""The data that is equal on all sides: a 150-byte event, and metadata of the size that the command bus writes."""

from __future__ import annotations

import uuid

import msgspec

from everfold import Metadata
from everfold.codec.metadata import encode_metadata
from examples.accounts.domain import AccountOpened, MoneyDeposited

BALANCE = 100
_ID = str(uuid.UUID(int=0x019A_0000_0000_7000_8000_0000_0000_0001))
_BYTES = 150


def _owner() -> str:
    """A name that makes the stored JSON text 150 bytes long."""
    bare = len(msgspec.json.encode(AccountOpened(owner="", initial_balance=BALANCE)))
    return ("Ann Example of the long name " * 6)[: _BYTES - bare]


OWNER = _owner()
OPENED = AccountOpened(owner=OWNER, initial_balance=BALANCE)
OPENED_TYPE = "account-opened"
OPENED_JSON = msgspec.json.encode(OPENED).decode()

AMOUNT = 5
DEPOSITED_TYPE = "money-deposited"
DEPOSITED_JSON = msgspec.json.encode(MoneyDeposited(amount=AMOUNT)).decode()

METADATA = Metadata(correlation_id=_ID, causation_id=_ID, command="deposit")
METADATA_JSON = encode_metadata(METADATA)


def account_ids(count: int) -> list[str]:
    """The keys of so many accounts."""
    return [f"a{number:06d}" for number in range(count)]


def stream_of(account_id: str) -> str:
    """The stream of an account, as everfold names it."""
    return f"account-{account_id}"
