"""What is wrong with a program or its settings. Raised at import or start, or when running code breaks a rule."""

from __future__ import annotations

from everfold.errors.root import EverfoldError

__all__ = ["BrokenRule", "ConfigurationError", "DefinitionError", "MissingExtra"]


class DefinitionError(EverfoldError):
    """A class, handler or upcaster is declared wrongly. Raised at import or start, never under load."""

    code = "definition-error"


class BrokenRule(DefinitionError):
    """Running code broke a rule of the model: a decision changed state, an evolve refused an event."""

    code = "broken-rule"


class ConfigurationError(EverfoldError):
    """A setting is wrong, missing or contradicts another. The message names it and where it came from."""

    code = "configuration-error"


class MissingExtra(ConfigurationError):
    """An optional dependency is needed and not installed. ``extra`` names what to install."""

    code = "missing-extra"

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(f"{feature} needs an optional dependency. Install it with: pip install 'everfold[{extra}]'")
        self.feature = feature
        self.extra = extra
