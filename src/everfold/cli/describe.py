"""``everfold describe``: what an application consists of. Opens no store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import click

from everfold.cli.app_option import app_option, find_app
from everfold.cli.output import json_option, quiet_option, show, show_json
from everfold.cli.store_option import app_store, shown_store

if TYPE_CHECKING:
    from everfold.app.application import App

__all__ = ["describe", "description", "query_descriptions"]

SHAPE = """\
\b
With --json: one object.
  {"app": "bank",
   "aggregates": [{"name", "category", "key", "about", "fields", "decides", "evolves", "snapshots"}],
   "decision_models": [{"name", "category", "tags", "about", "fields", "decides", "evolves"}],
   "commands": [{"name", "class", "handler", "route", "about", "fields", "reply"}],
   "queries": [{"name", "class", "handler", "route", "about", "fields", "reply"}],
   "projections": [{"name", "class", "mode", "version", "about", "read_models", "events", "queries"}],
   "events": [{"name", "version", "class", "about", "fields"}],
   "upcasters": [{"from": {"type", "version"}, "into": [{"type", "version"}]}],
   "settings": [{"name", "value", "source"}]}
Fields are {"name", "type", "required", "default"}. Read models are {"name", "class", "about", "key", "indexes",
"columns"}: the name is that of the SQL table; columns are fields, key and each index a list of their names.
"""


@click.command(short_help="What an app consists of.", epilog=SHAPE)
@json_option
@app_option
@quiet_option
def describe(as_json: bool, app_name: str | None) -> None:
    """The app's aggregates, commands, events, projections and settings. Checks the app as a start would."""
    app = find_app(app_name)
    app.codec()
    found = description(app)
    if as_json:
        show_json(found)
    else:
        for line in _lines(found):
            show(line)


def description(app: App) -> dict[str, Any]:
    """Everything there is to say about an app."""
    from everfold.app.operator_actions import OPERATOR_ACTIONS

    return {
        "app": app.name,
        "aggregates": [_aggregate(cls) for cls in app.parts.aggregates],
        "decision_models": [_model(cls) for cls in app.parts.models],
        "commands": [_message(cls, _handler(app, cls)) for cls in app.commands().values()],
        "queries": query_descriptions(app),
        "projections": [_projection(cls) for cls in app.parts.projections],
        "events": [_event(found) for found in app.codec().registry if found.cls not in OPERATOR_ACTIONS],
        "upcasters": [_upcaster(upcaster) for upcaster in app.parts.upcasters],
        "settings": _settings(app),
    }


def _aggregate(cls: Any) -> dict[str, Any]:
    policy = cls.__everfold__.snapshots
    snapshots = None
    if policy:
        older = policy.older_than.total_seconds() if policy.older_than else None
        snapshots = {"every": policy.every, "older_than_seconds": older}
    return {**_boundary(cls), "key": cls.__everfold__.key, "snapshots": snapshots}


def _model(cls: Any) -> dict[str, Any]:
    tags = [{"field": tag.field, "tag": tag.tag} for tag in cls.__everfold__.tags]
    return {**_boundary(cls), "tags": tags}


def _boundary(cls: Any) -> dict[str, Any]:
    from everfold.cli.field_text import fields_of

    definition = cls.__everfold__
    return {
        "name": cls.__name__,
        "category": definition.category,
        "about": _about(cls),
        "fields": fields_of(cls),
        "decides": _names(definition.decisions),
        "evolves": _names(definition.evolutions),
    }


def _names(messages: Iterable[Any]) -> list[str]:
    return [message.__everfold__.name for message in messages]


def query_descriptions(app: App) -> list[dict[str, Any]]:
    """Every query of an app, in the order of their names."""
    return [_message(cls, _query_handler(app, cls)) for _, cls in sorted(app.queries().items())]


def _projection(cls: Any) -> dict[str, Any]:
    definition = cls.__everfold__
    return {
        "name": definition.name,
        "class": cls.__qualname__,
        "mode": definition.mode,
        "version": definition.version,
        "about": _about(cls),
        "read_models": [_read_model(model) for model in definition.tables.values()],
        "events": _names(definition.handlers),
        "queries": _names(definition.answers),
    }


def _read_model(cls: Any) -> dict[str, Any]:
    from everfold.cli.field_text import fields_of

    definition = cls.__everfold__
    return {
        "name": definition.name,
        "class": cls.__qualname__,
        "about": _about(cls),
        "key": definition.key,
        "indexes": definition.indexes,
        "columns": fields_of(cls),
    }


def _message(cls: Any, handler: str) -> dict[str, Any]:
    from everfold.cli.field_text import fields_of, type_text
    from everfold.domain.reply import reply_type

    definition = cls.__everfold__
    return {
        "name": definition.name,
        "class": cls.__qualname__,
        "handler": handler,
        "route": definition.route,
        "about": _about(cls),
        "fields": fields_of(cls),
        "reply": type_text(reply_type(cls)),
    }


def _handler(app: App, command: type) -> str:
    parts: list[Any] = [*app.parts.aggregates, *app.parts.models]
    for cls in parts:
        decision = cls.__everfold__.decisions.get(command)
        if decision is not None:
            return f"{cls.__qualname__}.{decision.__name__}"
    handler: Any = app.parts.command_handlers[command]
    return str(handler.function.__qualname__)


def _query_handler(app: App, query: type) -> str:
    projection = app.parts.answers.get(query)
    if projection is not None:
        return f"{projection.__qualname__}.{projection.__everfold__.answers[query].__name__}"
    return str(app.query_functions[query].function.__qualname__)


def _event(event_type: Any) -> dict[str, Any]:
    from everfold.cli.field_text import fields_of

    return {
        "name": event_type.name,
        "version": event_type.version,
        "class": event_type.cls.__qualname__,
        "about": _about(event_type.cls),
        "fields": fields_of(event_type.cls),
    }


def _upcaster(upcaster: Any) -> dict[str, Any]:
    from everfold.codec.upcaster import Merger

    if isinstance(upcaster, Merger):
        sources, targets = (upcaster.first, upcaster.second), (upcaster.into,)
        return {"from": [_shape(*source) for source in sources], "into": [_shape(*target) for target in targets]}
    source = _shape(upcaster.type, upcaster.from_version)
    return {"from": source, "into": [_shape(*target) for target in upcaster.into]}


def _shape(type: str, version: int) -> dict[str, object]:
    return {"type": type, "version": version}


def _settings(app: App) -> list[dict[str, Any]]:
    import msgspec

    loaded = app.settings()
    values = msgspec.structs.asdict(loaded.values)
    values["store"] = shown_store(app_store(app)) if app.engine is None else type(app.engine).__name__
    return [{"name": name, "value": value, "source": loaded.sources[name]} for name, value in values.items()]


def _about(cls: type) -> str:
    """The first sentence of the class's own docstring."""
    text = vars(cls).get("__doc__") or ""
    return " ".join(text.strip().split("\n\n")[0].split()) if not text.startswith(f"{cls.__name__}(") else ""


def _lines(found: dict[str, Any]) -> Iterator[str]:
    yield click.style(f"App {found['app']}", bold=True)
    for title in ("aggregates", "decision_models"):
        for part in found[title]:
            yield from _boundary_lines(part)
    for projection in found["projections"]:
        yield from _projection_lines(projection)
    for title in ("commands", "queries", "events"):
        yield from _message_lines(title, found[title])
    if found["upcasters"]:
        yield _title("Upcasters")
        for upcaster in found["upcasters"]:
            sources = upcaster["from"] if isinstance(upcaster["from"], list) else [upcaster["from"]]
            yield f"  {_shapes(sources)} -> {_shapes(upcaster['into']) or 'nothing'}"
    yield _title("Settings")
    width = max(len(setting["name"]) for setting in found["settings"])
    for setting in found["settings"]:
        value = "none" if setting["value"] is None else setting["value"]
        yield f"  {setting['name']:<{width}}  {value}  {click.style('(' + setting['source'] + ')', dim=True)}"


def _title(text: str) -> str:
    return "\n" + click.style(text, bold=True)


def _shapes(shapes: list[dict[str, Any]]) -> str:
    return " + ".join(f"{shape['type']} v{shape['version']}" for shape in shapes)


def _boundary_lines(part: dict[str, Any]) -> Iterator[str]:
    kind = "Aggregate" if "key" in part else "Decision model"
    yield _title(f"{kind} {part['name']}") + (f"  {part['about']}" if part["about"] else "")
    if "key" in part:
        yield f"  streams  {part['category']}-<{part['key']}>"
    else:
        yield f"  tags     {', '.join(tag['tag'] + ':<' + tag['field'] + '>' for tag in part['tags'])}"
    yield f"  state    {', '.join(map(str, part['fields'])) or 'no fields'}"
    yield f"  decides  {', '.join(part['decides']) or 'nothing'}"
    yield f"  evolves  {', '.join(part['evolves']) or 'nothing'}"


def _projection_lines(found: dict[str, Any]) -> Iterator[str]:
    about = f"  {found['about']}" if found["about"] else ""
    yield _title(f"Projection {found['name']}") + f"  {found['mode']}{about}"
    for model in found["read_models"]:
        indexes = "".join(f", index ({', '.join(fields)})" for fields in model["indexes"])
        yield f"  table    {model['name']}, key ({', '.join(model['key'])}){indexes}"
        yield f"           {', '.join(map(str, model['columns']))}"
    yield f"  events   {', '.join(found['events']) or 'none'}"
    yield f"  queries  {', '.join(found['queries']) or 'none'}"


def _message_lines(title: str, messages: list[dict[str, Any]]) -> Iterator[str]:
    if not messages:
        return
    yield _title(title.capitalize())
    width = max(len(message["name"]) for message in messages)
    for message in messages:
        version = f" v{message['version']}" if "version" in message else ""
        reply = f" -> {message['reply']}" if message.get("reply") not in (None, "None", "Any") else ""
        yield (
            f"  {click.style(message['name'].ljust(width), fg='cyan')}{version}  "
            f"({', '.join(map(str, message['fields']))}){reply}"
            + (click.style(f"  {message['handler']}", dim=True) if "handler" in message else "")
        )
