"""What a scrape says, as numbers. For the tests of metrics."""

import asyncio
from collections.abc import Mapping

from prometheus_client.parser import text_string_to_metric_families

from everfold import App
from everfold.telemetry.metrics import metrics_of

DEADLINE = 20.0

Key = tuple[str, frozenset[tuple[str, str]]]


class Scraped:
    """The samples of one scrape."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.families = list(text_string_to_metric_families(text))
        self._values: Mapping[Key, float] = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in self.families
            for sample in family.samples
        }

    def __call__(self, name: str, **labels: str) -> float | None:
        return self._values.get((name, frozenset(labels.items())))

    def names(self) -> set[str]:
        return {name for name, _ in self._values}


async def scrape(app: App) -> Scraped:
    return Scraped((await metrics_of(app).text()).decode())


async def scrape_until(app: App, name: str, value: float, **labels: str) -> Scraped:
    """The first scrape that says so."""
    async with asyncio.timeout(DEADLINE):
        while True:
            found = await scrape(app)
            if found(name, **labels) == value:
                return found
            await asyncio.sleep(0.02)
