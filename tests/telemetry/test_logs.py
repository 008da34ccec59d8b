import io
import json
import logging
from collections.abc import Generator
from contextlib import contextmanager

import pytest

from everfold.app.settings import Settings
from everfold.codec.metadata import metadata
from everfold.telemetry.logs import JsonLines, TextLines, configure_logging


@contextmanager
def unconfigured() -> Generator[logging.Logger]:
    """The root logger, as in a program that has not configured it: without the handlers of pytest."""
    root, ours = logging.getLogger(), logging.getLogger("everfold")
    handlers, level, our_level = root.handlers[:], root.level, ours.level
    root.handlers.clear()
    try:
        yield root
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        ours.setLevel(our_level)


def logged(formatter: logging.Formatter, message: str, *values: object, **extra: object) -> str:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    logger = logging.Logger("everfold.tests")
    logger.addHandler(handler)
    is_error = bool(extra.pop("is_error", False))
    logger.log(logging.ERROR if is_error else logging.INFO, message, *values, extra=extra, exc_info=is_error or None)
    return stream.getvalue()


def test_a_line_of_json_has_the_facts_that_were_given() -> None:
    line = logged(JsonLines(), "paid %d", 5, amount=5, account=None, place=("a", 1), strange={1, 2})
    assert line.count("\n") == 1
    found = json.loads(line)
    time = found.pop("time")
    assert time.endswith("Z") and "T" in time
    assert found == {
        "level": "info",
        "logger": "everfold.tests",
        "message": "paid 5",
        "amount": 5,
        "place": ["a", 1],
        "strange": [1, 2],
    }


def test_facts_do_not_take_the_place_of_what_every_line_has() -> None:
    found = json.loads(logged(JsonLines(), "hello", time="never", level="none", logger="mine"))
    assert (found["level"], found["logger"]) == ("info", "everfold.tests")
    assert found["time"] != "never"


def test_what_json_cannot_say_is_said_nevertheless() -> None:
    class Odd:
        def __repr__(self) -> str:
            return "<odd>"

    assert json.loads(logged(JsonLines(), "hello", odd=Odd()))["odd"] == "<odd>"
    assert json.loads(logged(JsonLines(), "a lone %s", "\ud800"))["message"] == "a lone \\ud800"
    assert json.loads(logged(JsonLines(), "hello", huge=1 << 80))["message"] == "hello"


def test_an_error_comes_with_its_traceback_in_one_line() -> None:
    try:
        raise ValueError("broken\nin two")
    except ValueError:
        line = logged(JsonLines(), "it failed", is_error=True)
        text = logged(TextLines(), "it failed", is_error=True)
    assert line.count("\n") == 1
    assert "ValueError: broken\nin two" in json.loads(line)["error"]
    assert text.splitlines()[0].endswith("everfold.tests  it failed")
    assert "ValueError: broken" in text


@pytest.mark.parametrize("formatter", [JsonLines(), TextLines()])
def test_a_line_says_what_it_belongs_to(formatter: logging.Formatter) -> None:
    with metadata(correlation_id="c-1"):
        assert "c-1" in logged(formatter, "hello")
        assert "c-2" in logged(formatter, "hello", correlation_id="c-2")
    assert "correlation" not in logged(formatter, "hello")


@pytest.mark.parametrize("formatter", [JsonLines(), TextLines()])
def test_nobody_writes_lines_of_their_own(formatter: logging.Formatter) -> None:
    line = logged(formatter, "name: %s", "x\n2030-01-01T00:00:00Z ERROR \x1b[31mforged\u2028")
    assert line.count("\n") == 1
    assert "\x1b" not in line


def test_a_line_for_people_has_the_facts_that_the_message_has_not() -> None:
    line = logged(TextLines(), "paid %d", 5, amount=5, account="a1")
    assert line.partition("Z  ")[2] == "INFO    everfold.tests  paid 5  account=a1\n"


def test_the_settings_say_what_is_logged_and_how() -> None:
    stream = io.StringIO()
    with unconfigured():
        configure_logging(Settings(log_format="json"), stream)
        for name in ("everfold.access", "others"):
            logging.getLogger(name).info("of %s", name)
            logging.getLogger(name).debug("not seen")
            logging.getLogger(name).warning("warning of %s", name)
    told = [json.loads(line)["message"] for line in stream.getvalue().splitlines()]
    assert told == ["of everfold.access", "warning of everfold.access", "warning of others"]


def test_the_level_is_a_setting_too() -> None:
    stream = io.StringIO()
    with unconfigured() as root:
        root.addHandler(logging.NullHandler())  # its place is taken
        configure_logging(Settings(log_format="text", log_level="warning"), stream)
        assert len(root.handlers) == 1
        logging.getLogger("everfold.access").info("not seen")
        logging.getLogger("everfold.access").warning("seen")
    assert stream.getvalue().endswith("Z  WARNING everfold.access  seen\n")
    assert "not seen" not in stream.getvalue()


def test_without_the_setting_the_log_of_the_program_is_left_alone() -> None:
    own = logging.NullHandler()
    with unconfigured() as root:
        root.addHandler(own)
        configure_logging(Settings(log_level="debug"))
        assert root.handlers == [own]
        assert logging.getLogger("everfold").level == logging.NOTSET
