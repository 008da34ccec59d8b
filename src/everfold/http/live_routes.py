"""Live routes: events as they happen, and the answer to a query whenever it changes, as server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import Annotated, Any, Literal

from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from everfold.app.application import App
from everfold.app.done import Answered
from everfold.errors import InvalidParameter
from everfold.http.json_response import encode
from everfold.http.live_events import LiveEvents
from everfold.http.live_tail import LiveTail
from everfold.http.message_reader import MessageReader
from everfold.http.message_texts import summary_of
from everfold.http.operation import Needs, Operation, Parameter
from everfold.http.parameters import HIGHEST, Place, QueryString
from everfold.http.query_routes import query_parameter
from everfold.http.quick_request import query_pairs
from everfold.http.record_filter import RecordFilter
from everfold.http.server_sent_events import RETRY, EventStream, LiveClients, Reset, frame, reset_frame
from everfold.identifiers import Position

__all__ = ["Live", "live_operations"]

LAST = Parameter(
    name="Last-Event-ID",
    place="header",
    type=Place | Literal[""],
    about="The id of the last event received: what follows is sent. Empty: there was none.",
)
WATCH_PROBLEMS = (
    "invalid-message", "invalid-name", "invalid-parameter", "not-found", "read-model-behind", "read-model-not-ready",
    "timed-out", "too-many-live-clients",
)  # fmt: skip
TICKS = 5
"""How often within the time of a heartbeat it is looked who has not heard anything for long."""
EVENTS_ABOUT = """\
Server-sent events. `event`: a record, as in the feed, with its position as id. `caught-up`: everything there was has
been sent. `heartbeat`: nothing happened. `reset`: the service ends the stream, because the client receives too slowly,
or its position is beyond the log; connect again. A connection that was lost goes on with `Last-Event-ID`: nothing is
missed, and nothing sent twice.
"""
QUERY_ABOUT = """\
Server-sent events. `answer`: the answer, and a new one whenever it has changed; its id is the position it knows.
Changes that follow each other quickly may come as one. `heartbeat`: nothing happened. `reset`: the service ends the
stream; connect again.
"""


class LiveParameters(RecordFilter, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which events."""

    after: Annotated[Place | None, Meta(description="Begin behind this position; by default with what comes.")] = None


_live = QueryString(LiveParameters)


def live_operations(app: App, live: Live) -> Iterator[Operation]:
    """Following the log, and each query."""
    yield Operation(
        id="follow-events",
        method="GET",
        path="/events/live",
        group="events",
        summary="Events as they happen",
        about=EVENTS_ABOUT,
        needs=Needs.VIEWER,
        endpoint=live.events,
        parameters=(*_live.described, LAST),
        replies={200: "text/event-stream"},
        problems=("invalid-parameter", "invalid-name", "too-many-live-clients"),
    )
    for name, query in sorted(app.queries().items()):
        reader = MessageReader(query)
        yield Operation(
            id=f"watch-{name}",
            method="GET",
            path=f"/queries/{name}/live",
            group="queries",
            summary=f"{summary_of(query)}: the answer, and each new one",
            about=QUERY_ABOUT,
            needs=Needs.POLICY,
            endpoint=_Watched(live, reader),
            parameters=(*[query_parameter(field, reader) for field in reader.rest_fields], LAST),
            replies={200: "text/event-stream"},
            problems=WATCH_PROBLEMS,
            message=query,
        )


class Live:
    """Everybody who follows the log or a query through one API."""

    def __init__(self, app: App) -> None:
        settings = app.settings().values
        self._app = app
        self._heartbeat = settings.heartbeat_seconds
        self._tail: LiveTail | None = None
        self.clients = LiveClients(limit=settings.live_clients, patience=settings.slow_client_seconds)

    async def events(self, request: Request) -> Response:
        """Follow the log."""
        wanted, last = _live.read(request), _last_event_id(request)
        selection, engine = wanted.selection(), self._app.store.engine
        self.clients.check()
        head = await engine.wait(-1)
        if last is None and wanted.after is not None and wanted.after > head:
            raise InvalidParameter(f"The position {wanted.after} is beyond the log, which ends at {head}.")
        if self._tail is None or self._tail.engine is not engine:
            self._tail = LiveTail(engine, tick=self._heartbeat / TICKS)
        after = next(place for place in (last, wanted.after, head) if place is not None)
        events = LiveEvents(self._tail, selection, after=after, heartbeat=self._heartbeat * (1 - 1 / TICKS))
        return EventStream(events.frames(), self.clients)

    async def watch(self, request: Request, reader: MessageReader) -> Response:
        """Follow a query. What is wrong with it is told before the stream begins."""
        query, last = reader.from_query_string(query_pairs(request), {}), _last_event_id(request)
        self.clients.check()
        head = await self._app.store.head()
        if last is not None and last > head:
            detail = f"Position {last} is beyond the log, which ends at {head}."
            return EventStream(_only(reset_frame(Reset("beyond-the-log", detail), head)), self.clients)
        answers = self._app.watch_answers(query, after=None if last is None else Position(last))
        try:
            first = await anext(answers)
        except BaseException:
            await answers.aclose()
            raise
        return EventStream(self._answers(first, answers), self.clients)

    async def _answers(
        self, first: Answered[Any], answers: AsyncGenerator[Answered[Any], None]
    ) -> AsyncGenerator[bytes, None]:
        position = first.position
        async with aclosing(answers):
            yield RETRY + _answer(first)
            coming = asyncio.ensure_future(anext(answers))
            try:
                while True:
                    done, _ = await asyncio.wait({coming}, timeout=self._heartbeat)
                    if not done:
                        yield frame("heartbeat", b"{}", position)
                        continue
                    found = coming.result()
                    position = found.position
                    yield _answer(found)
                    coming = asyncio.ensure_future(anext(answers))
            except Exception as error:
                yield reset_frame(error, position)
            finally:
                coming.cancel()
                await asyncio.gather(coming, return_exceptions=True)


class _Watched:
    """The endpoint of one query."""

    def __init__(self, live: Live, reader: MessageReader) -> None:
        self._live = live
        self._reader = reader

    async def __call__(self, request: Request) -> Response:
        return await self._live.watch(request, self._reader)


async def _only(body: bytes) -> AsyncGenerator[bytes, None]:
    yield body


def _answer(answered: Answered[Any]) -> bytes:
    return frame("answer", encode(answered.value), answered.position)


def _last_event_id(request: Request) -> int | None:
    """Where the client has got to. An empty one is what a browser has before its first event."""
    given = request.headers.get("last-event-id", "").strip()
    if not given:
        return None
    if not given.isascii() or not given.isdigit() or int(given[:20]) > HIGHEST:
        raise InvalidParameter(f"Last-Event-ID: {given[:50]!r} is no id of an event of this service.")
    return int(given)
