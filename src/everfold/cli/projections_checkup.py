"""What ``doctor`` has to say about the projections of an app: paused, far behind, run by nobody, events set aside."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from everfold.cli.app_option import find_app
from everfold.cli.checkup import Finding
from everfold.cli.read_side import INLINE, LIVE, behind_text, counted, is_run, lag_of, operations_on, state_of
from everfold.errors import ConfigurationError

if TYPE_CHECKING:
    from everfold.app.application import App
    from everfold.cli.found_store import FoundStore
    from everfold.cli.read_side import Lag
    from everfold.projections.operations import ProjectionStatus

__all__ = ["FAR_EVENTS", "FAR_SECONDS", "judged", "projections"]

FAR_EVENTS, FAR_SECONDS = 10_000, 60.0


async def projections(app_name: str | None, store: FoundStore) -> list[Finding]:
    """The findings about each projection of the app. The store is open; nothing is written, nothing is run."""
    try:
        app = find_app(app_name)
    except ConfigurationError as error:
        return [Finding("app", "failed", str(error))]
    except Exception as error:
        return [Finding("app", "failed", f"it cannot be imported: {type(error).__name__}: {error}")]
    findings: list[Finding] = []
    engine = store.engine
    with operations_on(app, engine) as operations:
        for part in app.parts.projections:
            name, mode = part.__everfold__.name, part.__everfold__.mode
            if mode != LIVE and not await store.has_bookkeeping(is_inline=mode == INLINE):
                findings.append(_never_run(name))
                continue
            status = await operations.status(name)
            findings += judged(status, await lag_of(engine, status, _now(app)))
    return findings


def _now(app: App) -> int:
    return app.clock.micros()


def _never_run(name: str) -> Finding:
    return Finding(_check(name), "note", "never run", "Start the app, and it is built: everfold run.")


def _check(name: str) -> str:
    return f"projection {name}"


def judged(status: ProjectionStatus, lag: Lag) -> Iterator[Finding]:
    """What there is to say about one projection: at least that it is well."""
    check, name = _check(status.name), status.name
    if status.mode != LIVE and status.build is None:
        yield _never_run(name)
        return
    behind = behind_text(lag)
    is_well = True
    if status.paused is not None:
        is_well = False
        advice = f"Mend the cause, then: everfold projections resume {name}."
        yield Finding(check, "warning", f"paused ({status.paused}), {behind}", advice)
    elif not is_run(status):
        is_well = False
        advice = "Queries are answered from what it has. Start a process that runs projections: everfold run."
        yield Finding(check, "warning", f"nobody runs it, {behind}", advice)
    elif lag.events > FAR_EVENTS or lag.seconds > FAR_SECONDS:
        is_well = False
        advice = f"See whether it moves: everfold projections status {name}."
        yield Finding(check, "warning", behind, advice)
    if status.parked:
        is_well = False
        waiting = f", {status.waiting:,} wait behind" if status.waiting else ""
        advice = f"Mend them, retry them or skip them: everfold parked list {name}."
        yield Finding(check, "warning", f"{counted(status.parked)} set aside{waiting}", advice)
    if is_well:
        yield Finding(check, "ok", f"{state_of(status)}, {behind}")
