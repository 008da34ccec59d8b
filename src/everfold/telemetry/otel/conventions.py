"""The names that spans, attributes and measurements have: OpenTelemetry's semantic conventions, 1.44, in one place.

Those of messaging are still in development. When they change, this module does, and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = [
    "BATCH_COUNT",
    "CLIENT_DURATION",
    "CONSUMED_MESSAGES",
    "ERROR_TYPE",
    "HTTP_DURATION",
    "HTTP_METHOD",
    "HTTP_ROUTE",
    "HTTP_STATUS",
    "MESSAGE_KIND",
    "MESSAGE_NAME",
    "OUTCOME",
    "POSITION",
    "PROCESS_DURATION",
    "SCHEME",
    "SENT_MESSAGES",
    "SUBSCRIPTION",
    "processing",
    "sending",
]

SYSTEM, EVERFOLD = "messaging.system", "everfold"
OPERATION_NAME, OPERATION_TYPE = "messaging.operation.name", "messaging.operation.type"
DESTINATION = "messaging.destination.name"
SUBSCRIPTION = "messaging.destination.subscription.name"
BATCH_COUNT = "messaging.batch.message_count"
ERROR_TYPE = "error.type"

HTTP_METHOD, HTTP_ROUTE, HTTP_STATUS = "http.request.method", "http.route", "http.response.status_code"
SCHEME = "url.scheme"

CLIENT_DURATION = "messaging.client.operation.duration"
SENT_MESSAGES = "messaging.client.sent.messages"
CONSUMED_MESSAGES = "messaging.client.consumed.messages"
PROCESS_DURATION = "messaging.process.duration"
HTTP_DURATION = "http.server.request.duration"

MESSAGE_KIND, MESSAGE_NAME, OUTCOME = "everfold.message.kind", "everfold.message.name", "everfold.outcome"
POSITION = "everfold.position"
"""Ours, where there is no convention."""


def sending(category: str) -> Mapping[str, str]:
    """Of an append to streams of this category."""
    return {SYSTEM: EVERFOLD, OPERATION_NAME: "append", OPERATION_TYPE: "send", DESTINATION: category}


def processing(subscription: str) -> Mapping[str, str]:
    """Of a batch of events that a projection or consumer deals with."""
    return {
        SYSTEM: EVERFOLD,
        OPERATION_NAME: "process",
        OPERATION_TYPE: "process",
        DESTINATION: "$all",
        SUBSCRIPTION: subscription,
    }
