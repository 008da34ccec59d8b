"""``everfold tokens``: the API tokens that programs prove with who they are. Made, listed, revoked."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import click

from everfold.cli.app_option import app_option
from everfold.cli.command_group import Group
from everfold.cli.operator_name import operator_name
from everfold.cli.output import json_option, note, quiet_option, show, show_json, table
from everfold.cli.store_option import choose_store, engine_to_read, store_option

if TYPE_CHECKING:
    from everfold.security.audit import Audit
    from everfold.security.tokens import StoredToken, Tokens

__all__ = ["tokens"]

EXAMPLES = """\
\b
For example:
  everfold tokens create backup --role viewer --expires 90d
  everfold tokens create till-3 --role teller --only withdraw --only get-account
  everfold tokens list
  everfold tokens revoke backup

\b
Roles that everfold knows: viewer (reads everything), operator (also sends commands and operates projections),
admin. Others mean what the policies of the app say.
"""
CREATE_SHAPE = """\
\b
With --json: one object. The token is told this once: it is stored as a hash only.
  {"name": "backup", "token": "everfold_...", "roles": ["viewer"], "only": [],
   "expires": "2030-01-31T12:00:00Z"}
"""
LIST_SHAPE = """\
With --json: one object per line.

\b
  {"name": "backup", "roles": ["viewer"], "only": [], "state": "in force", "created":
   "2030-01-01T12:00:00Z", "created_by": "ann", "expires": null, "revoked": null}

\b
"state": "in force", "revoked" or "expired".
"""
REVOKE_SHAPE = 'With --json: one object: {"name": "backup", "state": "revoked"}'
UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


class Duration(click.ParamType[float]):
    """A length of time: ``90d``, ``12h``, ``30m``, ``45s``. In seconds."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read it."""
        found = re.fullmatch(r"([1-9]\d{0,5})([smhd])", str(value), re.ASCII)
        if found is None:
            self.fail(f"{value!r} is no duration. Write 90d, 12h, 30m or 45s.", param, ctx)
        return int(found[1]) * UNITS[found[2]]


@click.group(cls=Group, epilog=EXAMPLES, short_help="API tokens: create, list, revoke.")
def tokens() -> None:
    """Give programs access over HTTP, and take it away. Tokens are kept in the store, as hashes.

    A program sends its token with each request: Authorization: Bearer everfold_...
    """


@tokens.command(epilog=CREATE_SHAPE)
@click.argument("name")
@click.option("--role", "roles", multiple=True, required=True, help="What it may do; may be given several times.")
@click.option("--only", multiple=True, metavar="OPERATION", help="Restrict it to this command, query or operation.")
@click.option("--expires", type=Duration(), metavar="90d", help="Refuse it after so long; by default never.")
@click.option("--tenant", help="Whose data its commands are recorded for.")
@json_option
@store_option
@app_option
@quiet_option
def create(
    name: str,
    roles: tuple[str, ...],
    only: tuple[str, ...],
    expires: float | None,
    tenant: str | None,
    as_json: bool,
    store: str | None,
    app_name: str | None,
) -> None:
    """Make a token with a NAME, and show it this once.

    For example: everfold tokens create backup --role viewer --expires 90d
    """

    async def work() -> tuple[str, StoredToken | None]:
        from everfold.security.tokens import digest_of

        async with _opened(store, app_name) as (found, audit):
            facts = {"roles": ", ".join(sorted(roles)), "only": ", ".join(sorted(only)) or None, "tenant": tenant}
            async with audit.action("create-token", f"token {name}", facts=facts | {"seconds": _whole(expires)}):
                secret = await found.create(name, roles, only=only, seconds=expires, tenant=tenant, by=operator_name())
            return secret, await found.find(digest_of(secret))

    secret, made = asyncio.run(work())
    if as_json and made is not None:
        facts = _facts(made)
        show_json({"name": name, "token": secret} | {key: facts[key] for key in ("roles", "only", "expires")})
        return
    show(secret)
    note(f"This is the only time that the token {name!r} is shown. Take it away again: everfold tokens revoke {name}")
    if expires is None:
        note("It does not expire. Better give it an end: --expires 90d")


def _whole(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds)


@tokens.command("list", epilog=LIST_SHAPE)
@json_option
@store_option
@app_option
@quiet_option
def list_tokens(as_json: bool, store: str | None, app_name: str | None) -> None:
    """Every token that was made, and whether it is in force. None of them can be shown again."""

    async def work() -> list[StoredToken]:
        async with _opened(store, app_name) as (found, _):
            return await found.list()

    found = asyncio.run(work())
    if as_json:
        for each in found:
            show_json(_facts(each))
    elif found:
        heads = ("token", "state", "roles", "only", "created", "by", "expires")
        show("\n".join(table(heads, [_row(each) for each in found])))
    else:
        note("There are no tokens. Make one: everfold tokens create NAME --role viewer")


@tokens.command(epilog=REVOKE_SHAPE)
@click.argument("name")
@click.option("--reason", default="", help="Why, for those who wonder.")
@json_option
@store_option
@app_option
@quiet_option
def revoke(name: str, reason: str, as_json: bool, store: str | None, app_name: str | None) -> None:
    """Have the token NAME be refused by every process within a second.

    For example: everfold tokens revoke backup --reason "was in a public repository"
    """

    async def work() -> None:
        target = f"token {name}"
        async with _opened(store, app_name) as (found, audit), audit.action("revoke-token", target, reason=reason):
            await found.revoke(name)

    asyncio.run(work())
    if as_json:
        show_json({"name": name, "state": "revoked"})
    else:
        show(f"{name} is revoked.")


@asynccontextmanager
async def _opened(store: str | None, app_name: str | None) -> AsyncGenerator[tuple[Tokens, Audit]]:
    """The tokens of a store that exists, and its audit. No application is needed."""
    from everfold.clock import SystemClock
    from everfold.security.audit import audit_on
    from everfold.security.tokens import Tokens

    clock = SystemClock()
    engine = engine_to_read(choose_store(store, app_name))
    await engine.open()
    try:
        yield Tokens(engine.beside, clock), audit_on(engine, clock, actor=operator_name(), by="cli")
    finally:
        await engine.close()


def _facts(found: StoredToken) -> dict[str, Any]:
    from everfold.clock import from_micros

    return {
        "name": found.name,
        "roles": found.roles,
        "only": found.only,
        "state": _state(found),
        "created": from_micros(found.created),
        "created_by": found.created_by,
        "expires": None if found.expires is None else from_micros(found.expires),
        "revoked": None if found.revoked is None else from_micros(found.revoked),
    }


def _state(found: StoredToken) -> str:
    from everfold.clock import SystemClock

    if found.revoked is not None:
        return "revoked"
    return "in force" if found.is_in_force(SystemClock().micros()) else "expired"


def _row(found: StoredToken) -> tuple[str, ...]:
    from everfold.cli.record_text import time_text
    from everfold.clock import from_micros

    expires = "never" if found.expires is None else time_text(from_micros(found.expires))
    only = ", ".join(found.only) or "-"
    created = time_text(from_micros(found.created))
    return found.name, _state(found), ", ".join(found.roles), only, created, found.created_by, expires
