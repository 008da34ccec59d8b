"""The log of messages: one line each, with facts and never with the message's own fields."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from everfold import App, metadata
from everfold.app.middleware import Envelope
from everfold.app.middlewares.logging import Logging
from everfold.errors import InvalidMessage, InvalidName, OutcomeUnknown, StoreFull
from everfold.log.record import Metadata
from tests.app.bank import Break, Open, Pay, Take, bank
from tests.app.stores import StoreMaker


def envelope() -> Envelope:
    return Envelope(message=None, kind="command", name="pay", id="i1", metadata=Metadata(actor="ann"))


async def line(app: App, caplog: pytest.LogCaptureFixture, command: Any, error: type[Exception] | None) -> Any:
    caplog.clear()
    with caplog.at_level(logging.INFO, logger="everfold.messages"), metadata(actor="ann", tenant="north"):
        if error is None:
            await app.execute(command)
        else:
            with pytest.raises(error):
                await app.execute(command)
    (record,) = (record for record in caplog.records if record.name == "everfold.messages")
    return record


async def test_a_message_that_was_handled_is_one_line_at_info(
    store: StoreMaker, caplog: pytest.LogCaptureFixture
) -> None:
    async with bank(store) as app:
        record = await line(app, caplog, Pay(account="a1", amount=47_110), None)
        assert (record.levelname, record.getMessage()) == ("INFO", "command pay: done")
        assert (record.outcome, record.message_name, record.message_kind) == ("done", "pay", "command")
        assert (record.actor, record.tenant) == ("ann", "north")
        assert record.message_id == record.correlation_id
        assert record.milliseconds >= 0
        assert "47110" not in str(record.__dict__)


async def test_answers_to_the_sender_are_no_failures(store: StoreMaker, caplog: pytest.LogCaptureFixture) -> None:
    async with bank(store) as app:
        await app.execute(Open(account="a1"))
        record = await line(app, caplog, Open(account="a1"), Exception)
        assert (record.levelname, record.outcome, record.reason) == ("INFO", "rejected", "is-open")
        for command, outcome, error in (
            (Open(account="a b"), "invalid-name", InvalidName),
            (Pay(account="a1", amount=0), "invalid-message", InvalidMessage),
        ):
            record = await line(app, caplog, command, error)
            assert (record.levelname, record.outcome, record.exc_info) == ("INFO", outcome, None)


async def test_a_failure_of_the_application_is_an_error_with_its_traceback(
    store: StoreMaker, caplog: pytest.LogCaptureFixture
) -> None:
    async with bank(store) as app:
        record = await line(app, caplog, Break(account="a1", how="bug"), ZeroDivisionError)
        assert (record.levelname, record.outcome) == ("ERROR", "error")
        kind: object = record.exc_info[0]
        assert kind is ZeroDivisionError


@pytest.mark.parametrize("error", [StoreFull("The disk is full."), OutcomeUnknown("Lost.")])
async def test_a_failure_that_everfold_explains_is_an_error_without_traceback(
    caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    async def fail(_: Envelope) -> None:
        raise error

    with pytest.raises(type(error)):
        await Logging()(envelope(), fail)
    (record,) = caplog.records
    assert (record.levelname, record.exc_info) == ("ERROR", None)
    assert vars(record)["problem"] == str(error)


async def test_a_logger_of_ones_own_is_used() -> None:
    seen: list[logging.LogRecord] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(record)

    async def answer(_: Envelope) -> str:
        return "yes"

    for level in (logging.INFO, logging.WARNING):
        logger = logging.Logger("mine", level)
        logger.addHandler(Keep())
        assert await Logging(logger)(envelope(), answer) == "yes"
    assert [record.getMessage() for record in seen] == ["command pay: done"]


@pytest.fixture
def without_structlog() -> Iterator[None]:
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()


@pytest.mark.usefixtures("without_structlog")
async def test_a_configured_structlog_gets_the_facts_as_keys() -> None:
    async def fail(_: Envelope) -> None:
        raise ValueError("a bug")

    structlog.configure()
    with capture_logs() as entries, pytest.raises(ValueError, match="a bug"):
        await Logging()(envelope(), fail)
    (entry,) = entries
    assert (entry["event"], entry["log_level"], entry["exc_info"]) == ("command pay: error", "error", True)
    assert (entry["actor"], entry["message_name"], entry["outcome"]) == ("ann", "pay", "error")


@pytest.mark.usefixtures("without_structlog")
async def test_a_structlog_logger_may_be_given() -> None:
    async def answer(_: Envelope) -> None: ...

    with capture_logs() as entries:
        await Logging(structlog.get_logger())(envelope(), answer)
    assert entries[0]["outcome"] == "done"


@pytest.mark.usefixtures("without_structlog")
async def test_a_structlog_that_nobody_configured_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    async def answer(_: Envelope) -> None: ...

    with caplog.at_level(logging.INFO), capture_logs() as entries:
        structlog.reset_defaults()
        await Logging()(envelope(), answer)
    assert entries == []
    assert [record.getMessage() for record in caplog.records] == ["command pay: done"]


async def test_a_recorded_refusal_is_logged_as_a_refusal(store: StoreMaker, caplog: pytest.LogCaptureFixture) -> None:
    async with bank(store) as app:
        record = await line(app, caplog, Take(account="a1", amount=1), Exception)
        assert (record.levelname, record.reason) == ("INFO", "too-much")
