"""Settings: from arguments, then the environment (``EVERFOLD_STORE=...``), then a TOML file, then the defaults.

The file is ``everfold.toml`` in the working directory, or what ``EVERFOLD_CONFIG`` names. A name that is no setting
is an error in an argument and in the file. In the environment it is only listed: other programs have variables too.
Several values are written with commas between them where there are no lists.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from everfold.codec.registry import DEFAULT_MAX_EVENT_BYTES
from everfold.errors import ConfigurationError

__all__ = ["LoadedSettings", "Settings", "load_settings"]

PREFIX = "EVERFOLD_"
CONFIG_VARIABLE = "EVERFOLD_CONFIG"
CONFIG_FILE = "everfold.toml"
NOT_IN_FILE = {"app"}
"""What else a file may say: which application the command line means, as ``app = "shop.app:app"``."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that can be set, with its default."""

    store: str | None = None
    """The store's URL or file path; by default ``./<app name>.db``, an SQLite file. In PostgreSQL
    (``postgresql://user@host/database``) the application has the schema of its name, unless ``?schema=`` names one."""
    pool_size: Annotated[int, Meta(ge=1, le=1_000)] = 4
    """How many connections a process reads with (PostgreSQL); two or three more write and listen."""
    max_event_bytes: Annotated[int, Meta(ge=1)] = DEFAULT_MAX_EVENT_BYTES
    """The largest event, in bytes of JSON."""
    hot_aggregates: Annotated[int, Meta(ge=0)] = 10_000
    """How many aggregate states are kept between commands."""
    lock_timeout: Annotated[float, Meta(ge=0)] = 30.0
    """Seconds to wait for other processes that write to the same store."""
    command_timeout: Annotated[float, Meta(gt=0)] | None = None
    """Seconds after which a command or query is given up; none by default."""
    retry_attempts: Annotated[int, Meta(ge=1)] = 30
    """How often a command is decided at most when others write to the same streams."""
    role: Literal["all", "server", "worker"] = "all"
    """What this process does: ``worker`` keeps read models up to date, ``server`` leaves that to others, ``all`` does
    both."""
    lease_seconds: Annotated[float, Meta(ge=0.1)] = 10.0
    """How long a process that runs a projection may be silent before another takes over."""
    read_timeout: Annotated[float, Meta(ge=0)] = 5.0
    """Seconds that a query waits at most for the position that it was given (``after=``)."""
    query_cache: Annotated[int, Meta(ge=0)] = 1_000
    """How many answers of each projection are kept, of those marked ``@answer(cached=True)``."""
    host: str = "127.0.0.1"
    """The address that the HTTP service listens on. The default is reached from this machine only."""
    port: Annotated[int, Meta(ge=0, le=65_535)] = 8_000
    """Its port; 0: any that is free."""
    workers: Annotated[int, Meta(ge=1)] = 1
    """How many processes ``everfold run`` starts."""
    allowed_hosts: tuple[str, ...] = ()
    """The names under which it may be addressed (the Host header), besides localhost and ``host``; ``*`` for all."""
    authentication: bool = True
    """Whether callers over HTTP have to say who they are. Without it everybody may do everything."""
    jwt_keys: str | None = None
    """The keys that bearer tokens (JWT) may be signed with: a JWKS file, or its JSON when all of them are public."""
    jwt_issuer: str | None = None
    """Who issues them (``iss``). Needed with ``jwt_keys``."""
    jwt_audience: str | None = None
    """Whom they have to be meant for (``aud``). Needed with ``jwt_keys``."""
    jwt_roles: str = "roles"
    """The claim with the roles; dots lead into objects, as in ``realm_access.roles``."""
    jwt_leeway: Annotated[int, Meta(ge=0, le=300)] = 30
    """Seconds by which the clocks of issuer and service may differ."""
    rate_limit: Annotated[float, Meta(ge=0)] = 0
    """Requests a second that each principal (else each address) may send on average; 0: no limit."""
    max_request_bytes: Annotated[int, Meta(ge=1)] = 1_048_576
    """The largest body of a request."""
    request_timeout: Annotated[float, Meta(gt=0)] = 30.0
    """Seconds that a request may take: to arrive, and to be dealt with."""
    shutdown_timeout: Annotated[float, Meta(ge=0)] = 30.0
    """Seconds that requests under way have to end in when the service is stopped."""
    ready_lag: Annotated[float, Meta(gt=0)] = 30.0
    """How many seconds a projection may be behind before the service calls itself not ready (``/readyz``)."""
    max_connections: Annotated[int, Meta(ge=1)] = 10_000
    """How many connections are served at a time; more are told to come again later."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses or networks of proxies that are believed who the client is (X-Forwarded-For and -Proto)."""
    live_clients: Annotated[int, Meta(ge=0)] = 1_000
    """How many clients may follow the log or a query at once (SSE); others are told to come later."""
    heartbeat_seconds: Annotated[float, Meta(gt=0)] = 15.0
    """How long such a client hears nothing at most."""
    slow_client_seconds: Annotated[float, Meta(gt=0)] = 10.0
    """How long it may take to receive what is sent to it, before it is told to begin anew."""
    log_format: Literal["text", "json"] | None = None
    """How ``everfold run`` writes the log to standard error; by default as the application configured it, if it did."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """From which level on it then writes what everfold logs. ``info``: every request, command and query."""
    opentelemetry: bool = False
    """Whether spans and measurements are given to OpenTelemetry, as the program or its environment configured that."""
    checks: bool | None = None
    """Whether decisions are watched for changing state. By default only in development and tests
    (``python -X dev``, and under the pytest plugin): it costs two encodings of the state per event."""


VARIABLES = (CONFIG_VARIABLE, *(PREFIX + name.upper() for name in Settings.__struct_fields__))


class LoadedSettings(msgspec.Struct, frozen=True):
    """The settings in force, and for each where its value came from."""

    values: Settings
    sources: dict[str, str]
    ignored: tuple[str, ...] = ()
    """Variables of the environment that begin with ``EVERFOLD_`` and are no settings."""


def load_settings(given: Mapping[str, object], *, environment: Mapping[str, str] | None = None) -> LoadedSettings:
    """Merge the sources; ConfigurationError names the setting and the source that is wrong."""
    environment = os.environ if environment is None else environment
    values: dict[str, Any] = {}
    sources = {field.name: "default" for field in msgspec.structs.fields(Settings)}
    for source, found in (
        _from_file(environment),
        ("environment", _from_environment(environment)),
        ("argument", {name: value for name, value in given.items() if value is not None}),
    ):
        for name, value in found.items():
            if name not in sources:
                raise ConfigurationError(f"{name!r} ({source}) is not a setting. Settings: {', '.join(sources)}.")
            values[name], sources[name] = _convert(name, value, source), source
    return LoadedSettings(Settings(**values), sources, _ignored(environment))


def _convert(name: str, value: object, source: str) -> Any:
    field = next(field for field in msgspec.structs.fields(Settings) if field.name == name)
    if isinstance(value, str) and isinstance(field.default, tuple):
        value = [part.strip() for part in value.split(",") if part.strip()]
    try:
        return msgspec.convert(value, field.type, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"The setting {name} from {source} cannot be {value!r}: {error}.") from error


def _from_environment(environment: Mapping[str, str]) -> dict[str, object]:
    found = {variable.removeprefix(PREFIX).lower(): environment.get(variable) for variable in VARIABLES[1:]}
    return {name: value for name, value in found.items() if value}  # an empty variable is one that is not set


def _ignored(environment: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(sorted(name for name in environment if name.startswith(PREFIX) and name not in VARIABLES))


def _from_file(environment: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
    named = environment.get(CONFIG_VARIABLE)
    path = Path(named or CONFIG_FILE)
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
        return str(path), {name: value for name, value in found.items() if name not in NOT_IN_FILE}
    except FileNotFoundError:
        if named:
            raise ConfigurationError(f"{CONFIG_VARIABLE} names {path}, which does not exist.") from None
        return str(path), {}
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read as TOML: {error}.") from error
