"""Whom the hosts of these examples know. A real one looks into its sessions, or asks who issued a token."""

from starlette.requests import Request

from everfold.security.principal import Principal

BY_KEY = {
    "key-of-ann": Principal(name="ann", roles=frozenset({"operator"})),
    "key-of-bob": Principal(name="bob", roles=frozenset({"viewer"})),
}


def who(request: Request) -> Principal | None:
    return BY_KEY.get(request.headers.get("x-api-key", ""))
