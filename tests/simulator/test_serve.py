"""The simulator as a process of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import httpx2
import pytest

PROGRAM = """
import sys
from pathlib import Path
from doorward.core.secret import Secret
from doorward.simulator import serve
from doorward.simulator.faults import Behaviour
key = Secret(sys.stdin.readline().strip())
serve.run("127.0.0.1", int(sys.argv[1]), Behaviour(), Path(sys.argv[2]), key, lambda url: print(url, flush=True))
"""


def start(port: int, log) -> subprocess.Popen:
    command = [sys.executable, "-c", PROGRAM, str(port), str(log)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdin.write("sk-of-the-upstream\n")
    process.stdin.close()
    return process


def test_it_listens_answers_logs_and_ends_on_a_signal(tmp_path):
    log = tmp_path / "sim.log"
    process = start(0, log)
    try:
        url = process.stdout.readline().strip()
        ask = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}
        for key, status in (("sk-of-the-upstream", 200), ("sk-other", 401)):
            answer = httpx2.post(f"{url}/v1/chat/completions", json=ask, headers={"authorization": f"Bearer {key}"})
            assert answer.status_code == status
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) in (0, -signal.SIGTERM)
    finally:
        process.kill()
        output = process.stdout.read() + process.stderr.read()
        process.stdout.close()
        process.stderr.close()
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(line["model"], line["auth_ok"], line["aborted_at"]) for line in lines] == [
        ("gpt-4o-mini", True, None),
        (None, False, None),
    ]
    assert "sk-" not in output + log.read_text()
    assert "Traceback" not in output


def test_a_port_that_is_taken_is_an_os_error():
    import socket

    from doorward.simulator import serve

    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        serve.run("127.0.0.1", taken.getsockname()[1])
