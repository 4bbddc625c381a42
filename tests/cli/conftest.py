"""`doorward` as people run it: a process of its own, a data directory of its own, nothing from this machine's environment."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.house import CANARY

from doorward.cli.program import run


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one object on stdout."""
        assert self.code in (0, 1), self
        assert self.out.endswith("}\n")
        assert self.out.count("\n") == 1
        return json.loads(self.out)

    @property
    def error(self) -> dict[str, str]:
        """The error object on stderr; stdout is empty."""
        assert self.out == ""
        assert self.err.count("\n") == 1, self.err
        shape = json.loads(self.err)
        assert set(shape) == {"error"}
        assert set(shape["error"]) == {"message", "code", "hint"}
        assert all(shape["error"].values()), shape
        return shape["error"]

    def fails(self, code: int, *words: str) -> None:
        """Three lines: error, why, fix; no traceback, nothing on stdout."""
        assert (self.code, self.out) == (code, ""), self
        lines = self.err.splitlines()
        assert [line.split(":")[0].strip() for line in lines] == ["error", "why", "fix"], self.err
        assert all(line.partition(": ")[2].strip() for line in lines), self.err
        for word in words:
            assert word in self.err


Doorward = Callable[..., Ran]


def environment(data_dir: Path, **changes: str) -> dict[str, str]:
    foreign = ("DOORWARD_", "OPENAI_", "ANTHROPIC_", "NO_COLOR", "TERM")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return {**kept, "DOORWARD_DATA_DIR": str(data_dir), **changes}


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def doorward(tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Doorward:
    """Runs in this process: importing everything anew for each command takes a second of a busy machine."""

    def ran(*words: str, stdin: str = "", **changes: str) -> Ran:
        with monkeypatch.context() as patched:
            for name in list(os.environ):
                patched.delenv(name)
            for name, value in environment(data_dir, **changes).items():
                patched.setenv(name, value)
            patched.chdir(tmp_path)
            patched.setattr(sys, "argv", ["doorward", *words])
            patched.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
            capfd.readouterr()
            code = run(words)
            out, err = capfd.readouterr()
        return _clean(Ran(code, out, err))

    return ran


@pytest.fixture
def process(tmp_path: Path, data_dir: Path) -> Doorward:
    """Runs `python -m doorward`, as people do."""

    def ran(*words: str, stdin: str = "", **changes: str) -> Ran:
        command = [sys.executable, "-m", "doorward", *words]
        done = subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=30,
            cwd=tmp_path,
            env=environment(data_dir, **changes),
            check=False,
        )
        return _clean(Ran(done.returncode, done.stdout, done.stderr))

    return ran


def _clean(ran: Ran) -> Ran:
    assert CANARY not in ran.out + ran.err
    assert "Traceback" not in ran.err
    return ran
