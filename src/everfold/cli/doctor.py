"""``everfold doctor``: is this machine, this setup and this store sound? Says what it found, and what to do."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from everfold.cli.app_option import app_option, configured_app
from everfold.cli.failures import CHECK_FAILED, OK
from everfold.cli.found_store import find_store
from everfold.cli.output import json_option, progress, quiet_option, show, show_json
from everfold.cli.store_option import choose_store, shown_store, store_option
from everfold.errors import EverfoldError, StoreUnavailable

if TYPE_CHECKING:
    from everfold.cli.checkup import Finding
    from everfold.log.engine import Engine

__all__ = ["doctor"]

SHAPE = """\
\b
With --json: one object. Status: ok, note, warning or failed. Exit code 3 when a check failed.
  {"healthy": true, "store": "/data/bank.db",
   "findings": [{"check": "synchronous", "status": "ok", "found": "full", "advice": ""}],
   "verified": {"records": 20200, "damages": [{"position": 7, "problem": "..."}]}}
"verified" is null without --verify; it lists the first 100 damages.
"""
PAGE = 5_000
MAX_DAMAGES = 100
MARKS = {"ok": ("ok", "green"), "note": ("note", "cyan"), "warning": ("warn", "yellow"), "failed": ("FAIL", "red")}


@click.command(short_help="Is everything sound?", epilog=SHAPE)
@click.option("--verify", is_flag=True, help="Also read every record and compare its checksum, position and version.")
@json_option
@store_option
@app_option
@quiet_option
def doctor(verify: bool, as_json: bool, store: str | None, app_name: str | None) -> int:
    """Check Python, the settings, the store and its database, the projections of the app. Changes nothing.

    Without any store it checks the rest.
    """
    from everfold.cli.checkup import machine, settings

    findings = [*machine(), *settings()]
    place, verified = None, None
    if store or app_name or _is_configured(findings):
        url = choose_store(store, app_name)
        place, found, verified = asyncio.run(_look_at(url, app_name, verify=verify, is_asked_for=bool(store)))
        findings += found
    is_healthy = all(finding.status != "failed" for finding in findings)
    if as_json:
        show_json({"healthy": is_healthy, "store": place, "findings": findings, "verified": verified})
    else:
        for line in _lines(findings, place):
            show(line)
    return OK if is_healthy else CHECK_FAILED


def _is_configured(findings: list[Finding]) -> bool:
    from everfold.app.settings import load_settings

    if any(finding.status == "failed" for finding in findings):
        return False  # settings that cannot be read name no store
    return bool(configured_app() or load_settings({}).values.store)


async def _look_at(
    url: str, app_name: str | None, *, verify: bool, is_asked_for: bool
) -> tuple[str, list[Finding], dict[str, object] | None]:
    from everfold.cli.checkup import Finding
    from everfold.cli.projections_checkup import projections

    try:
        store = find_store(url)
        missing = store.missing()
    except EverfoldError as error:
        if is_asked_for:
            raise
        return shown_store(url), [Finding("store", "failed", str(error))], None
    if missing is not None:
        if is_asked_for:
            raise StoreUnavailable(missing)
        note = Finding("store", "note", f"not there yet: {missing}", "Start the app once, and it is made.")
        return store.place, [note], None
    findings = list(store.at_rest())
    try:
        await store.engine.open()
    except EverfoldError as error:
        return store.place, [*findings, Finding("store", "failed", str(error))], None
    try:
        findings += await store.opened()
        if app_name or configured_app():
            findings += await projections(app_name, store)
        if not verify:
            return store.place, findings, None
        verified, finding = await _verify(store.engine)
        return store.place, [*findings, finding], verified
    finally:
        await store.engine.close()


async def _verify(engine: Engine) -> tuple[dict[str, object], Finding]:
    from everfold.cli.checkup import Finding
    from everfold.errors import StoreCorrupt
    from everfold.log.integrity import Damage

    damages: list[Damage] = []
    count, after = 0, 0
    with progress("verifying", await engine.wait(-1)) as advance:
        while True:
            try:
                span = await engine.verify(after=after, limit=PAGE)
            except StoreCorrupt as error:
                damages.append(Damage(error.position or after + 1, str(error)))
                count += 1
                break
            count += len(span.damages)
            damages += span.damages[: MAX_DAMAGES - len(damages)]
            if span.position <= after:
                break
            advance(span.position - after)
            after = span.position
    verified: dict[str, object] = {"records": after, "damages": damages}
    if not count:
        return verified, Finding("records", "ok", f"all {after:,} verified")
    places = "; ".join(f"position {damage.position}: {damage.problem}" for damage in damages[:10])
    more = f" (and {count - 10} more: see --json)" if count > 10 else ""
    advice = "Stop writing, keep a copy of the file, and restore a backup."
    return verified, Finding("records", "failed", f"{count:,} damaged. {places}{more}", advice)


def _lines(findings: list[Finding], place: str | None) -> Iterator[str]:
    width = max(len(finding.check) for finding in findings)
    for finding in findings:
        mark, colour = MARKS[finding.status]
        yield f"{click.style(f'{mark:<4}', fg=colour)}  {finding.check:<{width}}  {finding.found}"
        if finding.advice:
            yield f"{'':{width + 8}}{finding.advice}"
    failed = sum(finding.status == "failed" for finding in findings)
    warned = sum(finding.status == "warning" for finding in findings)
    yield ""
    yield f"{failed} failed, {warned} warnings, {len(findings)} checks" + (
        f" of {place}" if place else ". No store chosen."
    )
