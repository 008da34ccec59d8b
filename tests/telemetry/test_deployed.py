"""What is in deploy/: every metric in it exists, every rule works, every alert is explained."""

import json
import re
import shutil
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from everfold.telemetry import catalogue
from tests.telemetry.promtool import promtool

ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "deploy/prometheus/alerts.yml"
ALERTS_TEST = ROOT / "deploy/prometheus/alerts_test.yml"
DASHBOARD: dict[str, Any] = json.loads((ROOT / "deploy/grafana/everfold.json").read_text("utf-8"))
DOCS = (ROOT / "docs/observability.md").read_text("utf-8")
METRIC = re.compile(r"\b(?:everfold|process)_[a-z0-9_]+")
OF_PROCESSES = {
    "process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds", "process_max_fds",
}  # fmt: skip


def series_of(metric: catalogue.Metric) -> set[str]:
    suffixes = ("_bucket", "_count", "_sum") if metric.kind == "histogram" else ("",)
    return {metric.name + suffix for suffix in suffixes}


SERIES = {series for metric in catalogue.ALL for series in series_of(metric)} | OF_PROCESSES


def panels() -> list[dict[str, Any]]:
    return list(DASHBOARD["panels"])


def expressions() -> Iterator[str]:
    for panel in panels():
        yield from [target["expr"] for target in panel.get("targets", [])]


def alerts() -> list[str]:
    return re.findall(r"- alert: (\w+)", ALERTS.read_text("utf-8"))


def test_every_metric_of_the_dashboard_exists() -> None:
    used = {name for expression in expressions() for name in METRIC.findall(expression)}
    variables = json.dumps(DASHBOARD["templating"])
    assert used | set(METRIC.findall(variables)) <= SERIES
    assert len(used) > 20


def test_every_metric_of_the_rules_and_their_tests_exists() -> None:
    for file in (ALERTS, ALERTS_TEST):
        expressions = re.sub(r"docs/\S+", "", file.read_text("utf-8"))
        used = set(METRIC.findall(expressions)) - {"everfold_test"}
        assert used <= SERIES, file
        assert len(used) > 10


def test_every_label_of_dashboard_and_rules_exists() -> None:
    known = {label for metric in catalogue.ALL for label in metric.labels} | {"job", "instance", "le"}
    texts = [*expressions(), *re.findall(r"(?ms)expr: (.+?)^ +(?:for|labels):", ALERTS.read_text("utf-8"))]
    assert len(texts) > 40
    for text in texts:
        matched = [name for braces in re.findall(r"{(.*?)}", text) for name in re.findall(r"(\w+)(?:=|!)", braces)]
        grouped = [name.strip() for group in re.findall(r"\bby \((.*?)\)", text) for name in group.split(",")]
        assert {*matched, *grouped} <= known, text


def test_what_was_asked_for_is_on_the_dashboard() -> None:
    used = " ".join(expressions())
    for metric in (
        catalogue.APPENDED_EVENTS,
        catalogue.COMMANDS,
        catalogue.COMMAND_DURATION,
        catalogue.QUERY_DURATION,
        catalogue.HTTP_REQUESTS,
        catalogue.SUBSCRIPTION_LAG_EVENTS,
        catalogue.SUBSCRIPTION_LAG_SECONDS,
        catalogue.DEAD_LETTERS,
        catalogue.REBUILD_PROGRESS,
        catalogue.STORE_FREE_BYTES,
    ):
        assert metric.name in used


def test_the_panels_of_the_dashboard_do_not_lie_on_each_other() -> None:
    ids = [panel["id"] for panel in panels()]
    assert len(ids) == len(set(ids))
    for one, other in combinations([panel["gridPos"] for panel in panels()], 2):
        apart_x = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        apart_y = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert apart_x or apart_y, (one, other)


def test_prometheus_understands_every_expression_of_the_dashboard(tmp_path: Path) -> None:
    values = {"$__rate_interval": "5m", "$job": "everfold", "$instance": ".*"}
    rules: list[dict[str, str]] = []
    for number, expression in enumerate(expressions()):
        text = re.sub(r"\$\w+", lambda found: values[found[0]], expression)
        rules.append({"record": f"everfold_test:{number}", "expr": text})
    file = tmp_path / "rules.yml"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}), "utf-8")  # JSON is YAML too
    assert f"SUCCESS: {len(rules)} rules found" in promtool("check", "rules", str(file))


def test_prometheus_understands_the_rules() -> None:
    assert f"SUCCESS: {len(alerts())} rules found" in promtool("check", "rules", str(ALERTS))


def test_the_alerts_go_off_when_they_should_and_not_before() -> None:
    assert "SUCCESS" in promtool("test", "rules", str(ALERTS_TEST))


def test_a_changed_rule_would_be_noticed(tmp_path: Path) -> None:
    shutil.copy(ALERTS_TEST, tmp_path)
    text = ALERTS.read_text("utf-8")
    changed = text.replace("everfold_dead_letters) > 0", "everfold_dead_letters) > 1")
    assert changed != text
    (tmp_path / ALERTS.name).write_text(changed, "utf-8")
    with pytest.raises(AssertionError, match="EverfoldDeadLetters"):
        promtool("test", "rules", str(tmp_path / ALERTS_TEST.name))


def test_the_configuration_of_prometheus_is_one(tmp_path: Path) -> None:
    for file in ALERTS.parent.iterdir():
        shutil.copy(file, tmp_path)
    (tmp_path / "everfold.token").write_text("a token", "utf-8")
    assert "SUCCESS" in promtool("check", "config", str(tmp_path / "prometheus.yml"))


@pytest.mark.parametrize("alert", alerts())
def test_every_alert_is_tested_and_explained(alert: str) -> None:
    assert ALERTS_TEST.read_text("utf-8").count(f"alertname: {alert}\n") >= 2
    assert f"runbook: docs/observability.md#{alert.lower()}\n" in ALERTS.read_text("utf-8")
    assert f"\n### {alert}\n" in DOCS


@pytest.mark.parametrize("metric", catalogue.ALL, ids=lambda metric: metric.name)
def test_every_metric_is_documented(metric: catalogue.Metric) -> None:
    labels = ", ".join(metric.labels)
    assert f"| `{metric.name}` | {metric.kind} | {labels} | {metric.help} |".replace("  ", " ") in DOCS


def test_nothing_else_is_documented() -> None:
    assert set(METRIC.findall(DOCS)) <= SERIES | {metric.name for metric in catalogue.ALL}
