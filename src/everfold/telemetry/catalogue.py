"""Every metric there is: its name, kind, labels and meaning. The endpoint, the docs and the tests are made from this.

Labels are few and bounded: names of commands, queries, events, operations, projections. Never a stream, a key, a user,
or free text.
"""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = [
    "ALL",
    "APPENDED_EVENTS",
    "APPEND_CONFLICTS",
    "APPEND_DURATION",
    "APPEND_FAILURES",
    "COMMANDS",
    "COMMAND_DURATION",
    "DEAD_LETTERS",
    "HEAD_POSITION",
    "HTTP_REQUESTS",
    "HTTP_REQUEST_DURATION",
    "INFO",
    "LIVE_CLIENTS",
    "QUERIES",
    "QUERY_DURATION",
    "REBUILD_PROGRESS",
    "STORE_BYTES",
    "STORE_FREE_BYTES",
    "STORE_READABLE",
    "SUBSCRIPTION_ATTENDED",
    "SUBSCRIPTION_BATCH_DURATION",
    "SUBSCRIPTION_EVENTS",
    "SUBSCRIPTION_FAILURES",
    "SUBSCRIPTION_LAG_EVENTS",
    "SUBSCRIPTION_LAG_SECONDS",
    "SUBSCRIPTION_PAUSED",
    "SUBSCRIPTION_POSITION",
    "WAITING_EVENTS",
    "Metric",
]

Kind = Literal["counter", "gauge", "histogram"]


class Metric(msgspec.Struct, frozen=True):
    """One metric as Prometheus knows it; a counter ends in ``_total``."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()


APPENDED_EVENTS = Metric(
    "everfold_appended_events_total", "counter", "Events that this process has recorded.", ("category", "type")
)
APPEND_DURATION = Metric(
    "everfold_append_duration_seconds",
    "histogram",
    "How long an append took, from asking for it until it was durable, or refused.",
)
APPEND_CONFLICTS = Metric(
    "everfold_append_conflicts_total",
    "counter",
    "Appends that were refused because others had written first. Most are decided again, and succeed.",
)
APPEND_FAILURES = Metric("everfold_append_failures_total", "counter", "Appends that failed in the store.", ("error",))
COMMANDS = Metric("everfold_commands_total", "counter", "Commands by what came of them.", ("command", "outcome"))
COMMAND_DURATION = Metric(
    "everfold_command_duration_seconds", "histogram", "How long a command took until its outcome.", ("command",)
)
QUERIES = Metric("everfold_queries_total", "counter", "Queries by what came of them.", ("query", "outcome"))
QUERY_DURATION = Metric(
    "everfold_query_duration_seconds", "histogram", "How long a query took until its outcome.", ("query",)
)
HTTP_REQUESTS = Metric(
    "everfold_http_requests_total", "counter", "Requests by operation and class of status.", ("operation", "status")
)
HTTP_REQUEST_DURATION = Metric(
    "everfold_http_request_duration_seconds",
    "histogram",
    "How long it took until the answer to a request began.",
    ("operation",),
)
LIVE_CLIENTS = Metric("everfold_live_clients", "gauge", "Clients that follow the log or a query of this process (SSE).")
HEAD_POSITION = Metric("everfold_head_position", "gauge", "The position of the last event in the log.")
SUBSCRIPTION_POSITION = Metric(
    "everfold_subscription_position",
    "gauge",
    "Up to where a projection, or the slowest part of a consumer, has dealt with the log.",
    ("subscription",),
)
SUBSCRIPTION_LAG_EVENTS = Metric(
    "everfold_subscription_lag_events", "gauge", "Events of the log it has not dealt with.", ("subscription",)
)
SUBSCRIPTION_LAG_SECONDS = Metric(
    "everfold_subscription_lag_seconds", "gauge", "The age of the oldest of them.", ("subscription",)
)
SUBSCRIPTION_PAUSED = Metric(
    "everfold_subscription_paused", "gauge", "1 while somebody has it wait.", ("subscription",)
)
SUBSCRIPTION_ATTENDED = Metric(
    "everfold_subscription_attended", "gauge", "1 while some process runs all of it.", ("subscription",)
)
SUBSCRIPTION_EVENTS = Metric(
    "everfold_subscription_events_total", "counter", "Events that it has dealt with in this process.", ("subscription",)
)
SUBSCRIPTION_BATCH_DURATION = Metric(
    "everfold_subscription_batch_duration_seconds",
    "histogram",
    "How long it took to deal with a batch of events and remember the position.",
    ("subscription",),
)
SUBSCRIPTION_FAILURES = Metric(
    "everfold_subscription_failures_total",
    "counter",
    "How often it failed on an event in this process, each attempt counted.",
    ("subscription",),
)
DEAD_LETTERS = Metric("everfold_dead_letters", "gauge", "Events that it has given up on.", ("subscription",))
WAITING_EVENTS = Metric(
    "everfold_waiting_events", "gauge", "Events that wait behind them in their streams.", ("subscription",)
)
REBUILD_PROGRESS = Metric(
    "everfold_rebuild_progress_ratio",
    "gauge",
    "How far the tables are that are being built to take the place of those that are read; 1: up to the head.",
    ("subscription",),
)
STORE_READABLE = Metric("everfold_store_readable", "gauge", "1 when the store could be read for this scrape.")
STORE_BYTES = Metric(
    "everfold_store_bytes", "gauge", "The size of the store: of its files, or of its tables in PostgreSQL.", ("file",)
)
STORE_FREE_BYTES = Metric("everfold_store_free_bytes", "gauge", "Room left on the disk of an SQLite store.")
INFO = Metric("everfold_info", "gauge", "Always 1; what runs here.", ("app", "version", "role"))

ALL: tuple[Metric, ...] = tuple(value for value in dict(globals()).values() if isinstance(value, Metric))
"""In the order above."""
