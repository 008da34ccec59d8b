"""What a store's URL says: ``postgresql://user@host/database?schema=bank``. Read by ``engines.connect``.

The parameters ``schema`` and ``direct`` are ours; everything else is handed to libpq as it is
(https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS).
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, quote, urlencode

import msgspec

from everfold.errors import ConfigurationError

__all__ = ["SCHEMES", "StoreUrl", "hidden", "schema_named", "with_schema"]

SCHEMES = ("postgresql", "postgres")
LONGEST_NAME = 63
DEFAULT_SCHEMA = "everfold"
_PASSWORD = re.compile(r"(://[^:@/?]*:).*@|(pass?w[a-z]*=)[^&]*", re.DOTALL)


class StoreUrl(msgspec.Struct, frozen=True):
    """Where the database is, and which of its schemas is meant."""

    conninfo: str
    """For libpq."""
    schema: str
    is_schema_given: bool
    """Whether the URL named the schema, or it follows from the application's name."""
    direct: str | None = None
    """``host`` or ``host:port`` of the server itself, where ``conninfo`` leads to a pooler: to listen there."""

    @classmethod
    def parse(cls, url: str, *, name: str | None = None) -> StoreUrl:
        """``name``: the application's, whose schema is meant when the URL names none. Raises ConfigurationError."""
        address, mark, query = url.partition("?")
        if "@" in query.partition("=")[0]:
            raise ConfigurationError(f"{hidden(url)}: write characters such as % ? / @ of the password as %XX.")
        parameters = parse_qsl(query, keep_blank_values=True)
        ours = {key: value for key, value in parameters if key in {"schema", "direct"}}
        theirs = [(key, value) for key, value in parameters if key not in ours]
        conninfo = address + (mark + urlencode(theirs, quote_via=quote) if theirs else "")
        schema = ours.get("schema", schema_named(name) if name else DEFAULT_SCHEMA)
        _check_schema(schema)
        return cls(conninfo, schema, "schema" in ours, ours.get("direct") or None)

    @property
    def shown(self) -> str:
        """The URL for messages: without the password."""
        return f"{hidden(self.conninfo)} (schema {self.schema})"


def hidden(url: str) -> str:
    """The URL without its password, also where that has characters which ought to be written as %XX."""
    return _PASSWORD.sub(lambda found: f"{found[1]}***@" if found[1] else f"{found[2]}***", url)


def with_schema(url: str, schema: str) -> str:
    """The URL with this schema, unless it says another."""
    is_given = StoreUrl.parse(url).is_schema_given
    return url if is_given else f"{url}{'&' if '?' in url else '?'}schema={quote(schema)}"


def schema_named(name: str) -> str:
    """The schema of an application with this name: as it is, with underscores where SQL would need quotes."""
    return re.sub(r"[^a-z0-9_]", "_", name.lower())[:LONGEST_NAME] or DEFAULT_SCHEMA


def _check_schema(schema: str) -> None:
    is_reserved = schema.startswith("pg_") or schema in {"information_schema", "public"}
    is_awkward = any(mark in schema for mark in ("\0", "%", "$$"))  # which mean something in what we send
    if is_reserved or is_awkward or not schema or len(schema.encode()) > LONGEST_NAME:
        raise ConfigurationError(
            f"The schema {schema!r} cannot hold a store. Give one of its own to each application and tenant, of at "
            f"most {LONGEST_NAME} bytes: postgresql://.../database?schema=bank."
        )
