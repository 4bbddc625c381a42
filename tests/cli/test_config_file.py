"""`doorward config`: what is printed, what is written, and what is never shown."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from tests.cli.conftest import Doorward
from tests.house import CANARY

OURS = """\
# kept by hand
kind: Canvas
spec:
  adapterRefs:
    - {apiVersion: moment.dev/adapters/v1alpha1, kind: HTTP, name: other}
"""
ADD = ("config", "add-http-adapter", "--adapter-name", "openai", "--base-url", "https://api.openai.com")
HEADER = ("-H", "Authorization: Bearer ${{ OPENAI_API_TOKEN }}")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "team.yaml"
    path.write_text(OURS)
    return path


def test_add_shows_its_diff_and_writes_only_without_dry_run(file: Path, doorward: Doorward) -> None:
    shown = doorward(*ADD, *HEADER, "-f", str(file), "--dry-run")
    assert (shown.code, file.read_text()) == (0, OURS)
    assert shown.out.startswith(f"--- {file}\n+++ {file}\n@@ ")
    assert "+    - {apiVersion: moment.dev/adapters/v1alpha1, kind: HTTP, name: openai}\n" in shown.out
    assert "\n-" not in shown.out[4:].replace("\n---", "")
    file.chmod(0o640)
    written = doorward(*ADD, *HEADER, "-f", str(file))
    assert written.code == 0
    assert written.out == ""
    assert "OPENAI_API_TOKEN" in written.err
    assert file.stat().st_mode & 0o777 == 0o640
    assert file.read_text().startswith(OURS.rstrip("\n"))
    assert [path.name for path in file.parent.glob(".team*")] == []
    patched = subprocess.run(
        ["patch", "-R", "-p0", "-o", "-", str(file)], input=shown.out, capture_output=True, text=True, check=False
    )
    if patched.returncode == 0:
        assert patched.stdout == OURS
    doorward(*ADD, *HEADER, "-f", str(file)).fails(1, "openai is in the file already")


def test_a_file_that_is_not_there_is_made_and_a_link_stays_a_link(tmp_path: Path, doorward: Doorward) -> None:
    target, link = tmp_path / "real.yaml", tmp_path / "link.yaml"
    assert doorward(*ADD, "-f", str(target)).code == 0
    os.symlink(target, link)
    assert doorward("config", "remove-http-adapter", "--adapter-name", "openai", "-f", str(link)).code == 0
    assert link.is_symlink()
    assert target.read_text() == ""


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--base-url", "https://a@evil.example"), "user name"),
        (("--base-url", "ftp://x"), "https://"),
        (("--base-url", "https://x/${{ nope"), "${{"),
        (("--adapter-name", "a/b"), "name"),
        (("-H", "NoColon"), "colon"),
        (("-H", "Host: evil"), "Doorward itself"),
        (("-H", "X: a\x07b"), "control"),
        (("-H", "X: ${{ }}"), "${{"),
    ],
)
def test_what_cannot_be_added_is_said_in_three_lines(file: Path, doorward: Doorward, words: tuple[str, ...], says: str) -> None:
    doorward(*ADD, *words, "-f", str(file)).fails(2, says)
    assert file.read_text() == OURS


def test_a_secret_does_not_go_into_the_file(file: Path, doorward: Doorward) -> None:
    doorward(*ADD, "-H", f"Authorization: Bearer {CANARY}", "-f", str(file)).fails(2, "holds a secret", "${{ VARIABLE }}")
    assert file.read_text() == OURS


def test_validate_tells_every_problem_with_its_line_and_no_value(tmp_path: Path, doorward: Doorward) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(
        "apiVersion: doorward.dev/v1\nkind: Doorward\nspec:\n  refreshS: nine-secret\n  openai_api_key: sk-secret\n  nothing: 1\n"
        "---\napiVersion: wrong-secret\nkind: HTTP\nmetadata: {name: a b secret}\nspec:\n  baseUrl: http://u:secret@x\n"
        "  headers:\n    - {name: A, value: '${{ MISSING_ONE }} secret'}\n  retries: secret\n  unknown: secret\n"
    )
    found = doorward("config", "validate", "-f", str(path), "--json")
    assert found.code == 1
    assert [problem["line"] for problem in found.json["problems"]] == [4, 5, 6, 8, 10, 12, 14, 15, 16]
    assert "secret" not in found.out.replace("is a secret: set it", "")
    assert "MISSING_ONE is not set" in found.out
    text = doorward("config", "validate", "-f", str(path))
    assert text.out.count(f"{path}:") == 9
    doorward("config", "validate", "-f", str(tmp_path / "none.yaml")).fails(2, "is not there")


def test_validate_says_ok_and_list_shows_names_only(file: Path, doorward: Doorward) -> None:
    doorward(*ADD, *HEADER, "-f", str(file))
    assert doorward("config", "validate", "-f", str(file)).code == 1
    assert doorward("config", "validate", "-f", str(file), "--no-variables").code == 0
    assert doorward("config", "validate", "-f", str(file), OPENAI_API_TOKEN=CANARY).out.startswith(f"{file}: ok, 1 adapter, ")
    listed = doorward("config", "list", "--json", DOORWARD_CONFIG=str(file), OPENAI_API_TOKEN=CANARY).json["data"]
    headers, variables = ["Authorization"], {"OPENAI_API_TOKEN": True}
    assert listed == [
        {"name": "openai", "line": 8, "base_url": "https://api.openai.com", "headers": headers, "variables": variables}
    ]


def test_settings_come_from_flags_then_environment_then_the_file(tmp_path: Path, doorward: Doorward) -> None:
    path = tmp_path / "doorward.yaml"
    path.write_text("apiVersion: doorward.dev/v1\nkind: Doorward\nspec:\n  custody: admin\n  port: 8123\n  logLevel: nonsense\n")
    assert "DOORWARD_LOG_LEVEL cannot be used" in doorward("doctor", DOORWARD_CONFIG=str(path)).out
    path.write_text(path.read_text().replace("nonsense", "warning"))
    says = doorward("doctor", "--json", DOORWARD_CONFIG=str(path)).json["checks"][0]["says"]
    assert says == "custody admin, listening on 127.0.0.1:8123"
    says = doorward("doctor", "--json", DOORWARD_CONFIG=str(path), DOORWARD_PORT="8124").json["checks"][0]["says"]
    assert says.endswith(":8124")
    path.write_text("kind: Doorward\napiVersion: doorward.dev/v1\nspec: {nonsense: 1}\n")
    doorward("serve", "--config", str(path)).fails(2, "no setting")
    doorward("serve", "--config", str(tmp_path / "none.yaml")).fails(2, "cannot be read")


def test_doctor_tells_of_a_bad_file(file: Path, doorward: Doorward) -> None:
    doorward(*ADD, *HEADER, "-f", str(file))
    checks = doorward("doctor", "--json", DOORWARD_CONFIG=str(file)).json["checks"]
    (adapters,) = [check for check in checks if check["what"] == "adapters"]
    assert adapters["state"] == "failed"
    assert "OPENAI_API_TOKEN is not set" in adapters["says"]


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no endless file here")
def test_a_file_without_end_is_not_read_to_its_end(tmp_path: Path, doorward: Doorward) -> None:
    endless = doorward("config", "validate", "-f", "/dev/zero")
    assert (endless.code, endless.out) == (1, "/dev/zero:1: the file is larger than 16 MiB\n")
    doorward("config", "validate", "-f", str(tmp_path)).fails(2, "is a directory")
