"""Has an app watched as its settings say, before it starts. Used by http, and by programs that serve no HTTP."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from everfold.app.application import App
from everfold.errors import MissingExtra

if TYPE_CHECKING:
    from everfold.telemetry.otel.open_telemetry import OpenTelemetry

__all__ = ["open_telemetry"]


def open_telemetry(app: App) -> OpenTelemetry | None:
    """Give spans and measurements to OpenTelemetry, if the setting is on; without it nothing of that is imported."""
    if not app.settings().values.opentelemetry:
        return None
    if find_spec("opentelemetry") is None:
        raise MissingExtra("The setting opentelemetry", "otel")
    from everfold.telemetry.otel.open_telemetry import open_telemetry_of

    return open_telemetry_of(app)
