"""The feed: the records of the log, page by page. A page that can never change may be kept by its reader for ever."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from everfold.app.application import App
from everfold.http.json_response import JsonResponse
from everfold.http.links import Links, link_header, link_to
from everfold.http.operation import Needs, Operation, Parameter
from everfold.http.parameters import Limit, Place, QueryString
from everfold.http.preconditions import POSITION, is_known
from everfold.http.record_filter import RecordFilter
from everfold.log.record import Record
from everfold.log.record_json import RecordJson, record_json

__all__ = ["EventPage", "event_operations"]

FOR_EVER = "private, max-age=31536000, immutable"
KNOWN = Parameter(name="If-None-Match", place="header", type=str, about="The ETag of a page that is at hand.")


class FeedParameters(RecordFilter, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which page."""

    after: Annotated[Place, Meta(description="Only what follows this position.")] = 0
    until: Annotated[Place | None, Meta(description="Only what was recorded up to this position.")] = None
    limit: Annotated[Limit, Meta(description="At most so many.")] = 100
    backwards: Annotated[bool, Meta(description="The newest first.")] = False


class EventPage(msgspec.Struct, frozen=True, kw_only=True):
    """Records in the order of the log, or from the newest on."""

    records: Sequence[RecordJson]
    position: int
    """Everything that is wanted up to here is on this page or on pages before it."""
    links: Links


_feed = QueryString(FeedParameters)


def event_operations(app: App) -> Iterator[Operation]:
    """Reading the log."""
    yield Operation(
        id="read-events",
        method="GET",
        path="/events",
        group="events",
        summary="The records of the log, page by page",
        about="A page that cannot change any more is immutable, and has an ETag. The last one has a link to what "
        "follows it live.",
        needs=Needs.VIEWER,
        endpoint=EventRoutes(app).read,
        parameters=(*_feed.described, KNOWN),
        replies={200: EventPage, 304: None},
        reply_headers=("ETag", "Link", "Everfold-Position"),
        problems=("invalid-parameter", "invalid-name"),
    )


class EventRoutes:
    """Answers about the log."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def read(self, request: Request) -> Response:
        """A page of the log."""
        wanted = _feed.read(request)
        selection, store = wanted.selection(), self._app.store
        head = int(await store.head())
        end = head if wanted.until is None else min(wanted.until, head)
        records: Sequence[Record] = []
        if wanted.after < end:
            records = await store.engine.read(
                selection, after=wanted.after, until=end, limit=wanted.limit, backwards=wanted.backwards
            )
        is_full = len(records) == wanted.limit
        headers = {"cache-control": "no-store"}
        if _is_final(wanted, is_full=is_full, head=head):
            headers = {"cache-control": FOR_EVER, "etag": _tag(records)}
            if is_known(request.headers, headers["etag"]):
                return Response(status_code=304, headers=headers)
        position = records[-1].position if is_full and not wanted.backwards else max(end, wanted.after)
        links = _links(request, wanted, records, position)
        page = EventPage(records=[record_json(record) for record in records], position=position, links=links)
        return JsonResponse(page, headers=headers | {"link": link_header(links), POSITION: str(position)})


def _is_final(wanted: FeedParameters, *, is_full: bool, head: int) -> bool:
    """Whether the page is the same for ever: nothing that is recorded later belongs on it."""
    if wanted.until is not None and wanted.until <= head:
        return True
    return is_full and not wanted.backwards


def _tag(records: Sequence[Record]) -> str:
    return f'"{records[0].position}-{records[-1].position}-{len(records)}"' if records else '"none"'


def _links(request: Request, wanted: FeedParameters, records: Sequence[Record], position: int) -> Links:
    query = msgspec.structs.asdict(wanted) | {"after": wanted.after or None}
    filters = {name: query[name] for name in RecordFilter.__struct_fields__} | {"limit": wanted.limit}

    def page(after: int, until: int | None, *, backwards: bool) -> str:
        return link_to(request, "/events", filters | {"after": after or None, "until": until, "backwards": backwards})

    is_full = len(records) == wanted.limit
    if wanted.backwards:
        newest, oldest = (records[0].position, records[-1].position) if records else (position, wanted.after + 1)
        return Links(
            own=link_to(request, "/events", query),
            next=page(wanted.after, oldest - 1, backwards=True) if is_full and oldest - 1 > wanted.after else None,
            prev=page(newest, None, backwards=False),
        )
    is_last = not is_full and (wanted.until is None or position < wanted.until)
    live = {name: query[name] for name in RecordFilter.__struct_fields__} | {"after": position}
    return Links(
        own=link_to(request, "/events", query),
        next=page(position, wanted.until, backwards=False) if is_full and position != wanted.until else None,
        prev=page(0, wanted.after, backwards=True) if wanted.after else None,
        live=link_to(request, "/events/live", live) if is_last else None,
    )
