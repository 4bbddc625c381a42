"""`doorward serve` and `doorward simulate` as processes."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cli.conftest import Doorward, environment
from tests.house import CANARY


@contextmanager
def running(data_dir: Path, *words: str, stdin: str = "", **changes: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """The process once it says that it is ready, with the lines it said; ended by SIGTERM."""
    process = subprocess.Popen(
        [sys.executable, "-m", "doorward", *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=data_dir.parent,
        env=environment(data_dir, **changes),
    )
    assert process.stdin is not None
    assert process.stderr is not None
    try:
        process.stdin.write(stdin)
        process.stdin.close()
        lines: list[str] = []
        for line in process.stderr:
            lines.append(line.rstrip("\n"))
            if "Ctrl+C stops." in line:
                break
        else:
            raise AssertionError("\n".join(lines))
        yield process, lines
    finally:
        process.send_signal(signal.SIGTERM)
        process.stderr.read()
        assert process.stdout is not None
        process.stdout.close()
        process.stderr.close()
        assert process.wait(20) in (0, 130, -signal.SIGTERM)


def test_the_first_start_says_where_everything_is(data_dir: Path, doorward: Doorward) -> None:
    with running(data_dir, "serve", "--port", "0") as (_, lines):
        text = "\n".join(lines)
        assert lines[0] == f"Doorward 0.1.0   custody per_user   data {data_dir} (new)"
        assert f"Master key   {data_dir}/master.key (new, 0600). Back it up" in text
        assert "OpenAI key   none yet. Models sim-* answer without one." in text
        url = re.search(r"http://localhost:\d+", text)
        assert url is not None
        assert f"Pages        {url[0]}      API  {url[0]}/v1" in text
        assert re.fullmatch(r"Ready in \d+\.\d s\. Ctrl\+C stops\.", lines[-1])
        assert (data_dir / "master.key").stat().st_mode & 0o777 == 0o600
        with urllib.request.urlopen(f"{url[0]}/readyz", timeout=10) as answer:
            assert json.load(answer)["status"] == "ready"
        key = doorward("key", "create", "--label", "first", "--json").json["key"]
        asked = urllib.request.Request(f"{url[0]}/api/v1/me", headers={"authorization": f"Bearer {key}"})
        with urllib.request.urlopen(asked, timeout=10) as answer:
            assert json.load(answer)["label"] == "first"
        doctor = doorward("doctor", "--json", DOORWARD_PORT=url[0].rpartition(":")[2]).json
        assert "Doorward is serving" in next(check["says"] for check in doctor["checks"] if check["what"] == "port")


def test_a_later_start_says_what_changed(data_dir: Path, doorward: Doorward) -> None:
    doorward("migrate")
    doorward("account", "list")
    with running(data_dir, "serve", "--port", "0", OPENAI_API_KEY=CANARY) as (_, lines):
        text = "\n".join(lines)
        assert "(new" not in text
        assert 'from OPENAI_API_KEY, now operator account "env"' in text
        assert CANARY not in text


def test_a_port_in_use_is_told(doorward: Doorward) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        doorward("serve", "--port", str(port)).fails(1, f"port {port} is in use", f"doorward serve --port {port + 1}")
        assert doorward("serve", "--port", str(port), "--json").error["code"] == "port_in_use"
        doorward("simulate", "--port", str(port)).fails(1, f"port {port} is in use")
        found = doorward("doctor", "--json", DOORWARD_PORT=str(port)).json
        assert found["ok"] is False


def test_a_wrong_start_is_told(doorward: Doorward, tmp_path: Path) -> None:
    doorward("serve", "--host", "192.0.2.1", "--port", "0").fails(2, "Cannot listen on 192.0.2.1", "address of this machine")
    doorward("serve", "--tls-cert", "chain.pem").fails(2, "certificate and its key")
    doorward("serve", "--tls-cert", "chain.pem", "--tls-key", "key.pem").fails(2, "chain.pem")
    (tmp_path / "junk.pem").write_text("not a certificate")
    doorward("serve", "--port", "0", "--tls-cert", "junk.pem", "--tls-key", "junk.pem").fails(2, "TLS")


def test_the_simulator_alone_and_an_account_that_is_tried_on_it(data_dir: Path, doorward: Doorward, tmp_path: Path) -> None:
    log = tmp_path / "sim.log"
    with running(data_dir, "simulate", "--port", "0", "--require-key-stdin", "--log", str(log), stdin=CANARY + "\n") as (_, lines):
        url = re.search(r"http://[\d.]+:\d+", lines[-1])
        assert url is not None
        doorward("provider", "add", "fake", "--base-url", f"{url[0]}/v1", "--models", "gpt-", "--allow-private")
        good = doorward("account", "add", "--provider", "fake", "--label", "good", "--key-stdin", "--json", stdin=CANARY).json["id"]
        bad = doorward(
            "account", "add", "--provider", "fake", "--label", "bad", "--key-stdin", "--json", stdin="sk-other-key"
        ).json["id"]
        tried = doorward("account", "test", good, "--json").json
        assert tried["ok"] is True
        assert tried["models"]
        doorward("account", "test", bad).fails(1, "refused", f"account set {bad} --key")
        checks = {
            check["what"]: check["state"] for check in doorward("doctor", "--online", "--json", DOORWARD_PORT="0").json["checks"]
        }
        assert (checks["account good (fake)"], checks["account bad (fake)"]) == ("ok", "failed")
    assert [json.loads(line)["auth_ok"] for line in log.read_text().splitlines()][:2] == [True, False]
    assert CANARY not in log.read_text()
    doorward("account", "test", good).fails(1, "could not be reached")
