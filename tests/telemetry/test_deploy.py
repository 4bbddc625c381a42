"""Dashboard and alerts speak of metrics that exist: every name in them is on the page."""

from __future__ import annotations

import json
import re
from pathlib import Path

import httpx2
from ruamel.yaml import YAML
from tests.answers import chat_answer
from tests.house import house
from tests.scripted import ScriptedUpstream

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
_NAME = re.compile(r"\bdoorward_[a-z_]+")
_LABELS = re.compile(r"(doorward_[a-z_]+)\{([^}]*)\}")


def expressions() -> list[str]:
    board = json.loads((DEPLOY / "grafana" / "doorward.json").read_text())
    rules = YAML(typ="safe").load((DEPLOY / "prometheus" / "alerts.yml").read_text())
    found = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    return found + [rule["expr"] for group in rules["groups"] for rule in group["rules"]]


async def test_every_metric_that_is_asked_for_exists(tmp_path: Path) -> None:
    async with ScriptedUpstream(chat_answer("Hello")) as up, house(tmp_path, log_level="warning") as home:
        await home.provider("scripted", up.base_url, "gpt-4o-mini", auth="none", prices="openai")
        async with httpx2.AsyncClient(base_url=home.url, headers={"authorization": f"Bearer {await home.key()}"}) as client:
            await client.post("/v1/chat/completions", json={"model": "gpt-4o-mini", "messages": []})
            page = (await client.get("/metrics", headers={"authorization": ""})).text
    known = set(re.findall(r"^# TYPE (\S+)", page, re.M))
    known |= {name + end for name in known for end in ("_bucket", "_sum", "_count")}
    asked = {name for expression in expressions() for name in _NAME.findall(expression)}
    assert len(asked) > 12
    assert asked <= known
    labels = {"instance", "outcome", "state", "result", "provider", "le"}
    for expression in expressions():
        for _, inside in _LABELS.findall(expression):
            assert {part.partition("=")[0].rstrip("!~") for part in inside.split(",")} <= labels


def test_every_alert_says_what_it_means_and_where_to_look() -> None:
    rules = YAML(typ="safe").load((DEPLOY / "prometheus" / "alerts.yml").read_text())["groups"][0]["rules"]
    assert all(rule["annotations"]["summary"] and rule["annotations"]["description"] for rule in rules)
    assert len({rule["alert"] for rule in rules}) == len(rules)
