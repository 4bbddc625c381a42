"""Deployment files can be read by what reads them, and name only settings that there are."""

from __future__ import annotations

import configparser
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import AliasChoices
from ruamel.yaml import YAML

from doorward.cli.serve import serve
from doorward.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
OURS = [
    DEPLOY / "systemd" / "doorward.service",
    DEPLOY / "compose.yaml",
    DEPLOY / "Containerfile",
    DEPLOY / "nginx.conf",
    ROOT / "docs" / "operations.md",
]
OF_TESTS = {"DOORWARD_TEST_COUNTS"}
LONGEST_END_S = 15
"""After the drain: calls that are cancelled (5 s), last bytes (1 s), the rows of the book (a busy database: 5 s)."""


def setting_names() -> set[str]:
    names = set()
    for name, field in Settings.model_fields.items():
        alias = field.validation_alias
        given = alias.choices if isinstance(alias, AliasChoices) else [alias or f"DOORWARD_{name.upper()}"]
        names |= {str(one) for one in given}
    return names


class OneKeyManyTimes(dict[str, Any]):
    """systemd takes a key more than once: `Environment=` twice is two variables."""

    def __setitem__(self, key: str, value: Any) -> None:
        if isinstance(value, list) and isinstance(self.get(key), list):
            self[key].extend(value)
            return
        super().__setitem__(key, value)


def unit() -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(dict_type=OneKeyManyTimes, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # names keep their case
    parser.read_string(OURS[0].read_text())
    return parser


def compose() -> Any:
    return YAML(typ="safe").load(OURS[1].read_text())


@pytest.mark.parametrize("file", OURS, ids=lambda file: file.name)
def test_every_variable_is_a_setting(file: Path) -> None:
    named = set(re.findall(r"\b(?:DOORWARD|OPENAI|ANTHROPIC)_[A-Z_]*[A-Z]\b", file.read_text()))
    assert named - setting_names() - OF_TESTS == set()
    assert named, "the file names no setting: the test would prove nothing"


def test_the_unit_serves_and_leaves_time_for_the_drain() -> None:
    service = unit()["Service"]
    given = dict(line.split("=", 1) for line in service["Environment"].split("\n"))
    assert service["ExecStart"].split()[1:] == [serve.__name__]
    assert int(service["TimeoutStopSec"]) >= float(given["DOORWARD_DRAIN_S"]) + LONGEST_END_S
    credential = service["LoadCredential"].split(":")[0]
    assert given["DOORWARD_MASTER_KEY_FILE"] == f"%d/{credential}"
    assert given["DOORWARD_DATA_DIR"] == f"/var/lib/{service['StateDirectory']}"
    assert service["LimitCORE"] == "0"


def test_compose_fits_together() -> None:
    made = compose()
    services, secrets = made["services"], set(made["secrets"])
    for name, service in services.items():
        assert set(service.get("secrets", ())) <= secrets, name
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert source in made["volumes"] or (DEPLOY / source).exists(), f"{name}: {source}"
        assert set(service.get("depends_on", ())) <= set(services), name
    pair = [service for name, service in services.items() if name.startswith("doorward")]
    assert len({service["volumes"][0] for service in pair}) == len(pair), "two processes share one volume's journal"
    for service in pair:
        assert (DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]).is_file()
        assert float(service["stop_grace_period"].rstrip("s")) >= float(service["environment"]["DOORWARD_DRAIN_S"]) + LONGEST_END_S
        key = service["environment"]["DOORWARD_MASTER_KEY_FILE"]
        assert Path(key).name in service["secrets"]
    hosts = set(re.findall(r"server ([a-z-]+):8080", OURS[3].read_text()))
    assert hosts == {name for name in services if name.startswith("doorward")}


def test_nginx_passes_streams_on() -> None:
    text = OURS[3].read_text()
    lines = [line.split("#")[0].strip() for line in text.splitlines()]
    rules = " ".join(lines)
    assert rules.count("{") == rules.count("}")
    assert all(line.endswith((";", "{", "}")) for line in lines if line)
    for rule in ("proxy_buffering off;", "proxy_request_buffering off;", "proxy_http_version 1.1;", "gzip off;"):
        assert rule in rules, rule
    assert "non_idempotent" not in rules, "a call that was sent must not be sent to another process"
    waits_s = float(re.search(r"proxy_read_timeout (\d+)s;", rules)[1])  # type: ignore[index]  # the rule is there, or this fails
    assert waits_s > Settings.model_fields["first_event_whole_s"].default
    most = int(re.search(r"client_max_body_size (\d+)m;", rules)[1]) * 2**20  # type: ignore[index]  # as above
    assert most >= Settings.model_fields["max_file_bytes"].default


def test_the_image_is_made_of_steps_that_there_are() -> None:
    text = OURS[2].read_text()
    targets = re.search(r"^RUN make (.+?) \\$", text, re.MULTILINE)
    assert targets is not None
    makefile = (ROOT / "Makefile").read_text()
    for target in targets[1].split():
        assert re.search(rf"^{re.escape(target)}\s*:", makefile, re.MULTILINE), target
    assert 'CMD ["serve"]' in text
    assert re.search(r"^USER \d+$", text, re.MULTILINE), "the process must not be root"
