"""Sockets that have something to tell are found, whatever their numbers are."""

import os
import resource
import socket
from collections.abc import Generator

import pytest

from everfold.engines.postgres.readiness import readable


@pytest.fixture
def pair() -> Generator[tuple[socket.socket, socket.socket]]:
    here, there = socket.socketpair()
    with here, there:
        yield here, there


def test_what_was_sent_is_seen(pair: tuple[socket.socket, socket.socket]) -> None:
    here, there = pair
    assert not readable([here.fileno(), there.fileno()], 0)
    there.send(b"x")
    assert list(readable([here.fileno(), there.fileno()], 10)) == [here.fileno()]


def test_the_end_of_a_connection_is_seen(pair: tuple[socket.socket, socket.socket]) -> None:
    here, there = pair
    there.close()
    assert list(readable([here.fileno()], 10)) == [here.fileno()]


@pytest.mark.skipif(resource.getrlimit(resource.RLIMIT_NOFILE)[0] <= 2_000, reason="too few open files are allowed")
def test_a_high_number_is_no_problem(pair: tuple[socket.socket, socket.socket]) -> None:
    here, there = pair
    high = os.dup2(here.fileno(), 1_999)
    try:
        there.send(b"x")
        assert list(readable([high], 10)) == [high]
    finally:
        os.close(high)
