"""What the command line says, and how: streams, shapes, exit codes."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import Doorward, environment
from tests.house import CANARY

from doorward import __version__
from doorward.cli.misuse import named
from doorward.cli.outcome import Failure, Outcome, Table
from doorward.cli.terminal import Terminal


def test_alone_it_says_what_it_is_and_what_it_can(doorward: Doorward) -> None:
    ran = doorward()
    assert ran.code == 0
    assert ran.out.startswith("One door between")
    for task in ("Start:", "Give access:", "Look:", "Examples:"):
        assert task in ran.out
    assert doorward("-h").out == ran.out == doorward("--help").out


def test_the_version_is_one_line(doorward: Doorward) -> None:
    assert doorward("--version").out == f"Doorward {__version__}\n"
    assert doorward("--version", "--json").json == {"version": __version__}


def test_help_is_everywhere_and_shows_examples_first(doorward: Doorward) -> None:
    shown = doorward("key", "create", "-h").out
    assert shown.index("doorward key create --label first") < shown.index("--scope")
    assert "--json" in shown


def test_a_process_of_its_own_does_the_same(process: Doorward) -> None:
    made = process("key", "create", "--label", "first", "--json").json
    assert process("key", "list", "--json").json["data"][0]["id"] == made["id"]
    process("key", "revoke", "nobody").fails(1, "no such client key")
    assert process("kee", "--json").error["code"] == "unknown_command"


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from doorward.cli.program import run; run([]); "
        "print([m for m in ('sqlalchemy', 'fastapi', 'pydantic', 'rich') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("kee",), "Did you mean key?"),
        (("key", "crate"), "Did you mean create?"),
        (("key", "create", "--lable", "x"), "Did you mean --label?"),
        (("key", "revoke"), "ID is missing"),
        (("key", "revoke", "a", "b"), "too many words"),
        (("serve", "--port", "abc"), "whole number"),
        (("help", "nothing"), "exit-codes"),
    ],
)
def test_a_slip_is_answered_with_what_would_be_right(doorward: Doorward, words: tuple[str, ...], says: str) -> None:
    doorward(*words).fails(2, says)
    error = doorward(*words, "--json").error
    assert error["code"]


def test_the_exit_codes_are_explained(doorward: Doorward) -> None:
    codes = doorward("help", "exit-codes", "--json").json["exit_codes"]
    assert set(codes) == {"0", "1", "2", "3", "4", "130"}


@pytest.mark.parametrize(
    ("changes", "code", "says"),
    [
        ({"DOORWARD_PORT": "99999"}, 2, "DOORWARD_PORT"),
        ({"DOORWARD_PORT": "s3cret"}, 2, "DOORWARD_PORT"),
        ({"DOORWARD_CUSTODY": "s3cret"}, 2, "DOORWARD_CUSTODY"),
        ({"DOORWARD_MASTER_KEY": ""}, 2, "DOORWARD_MASTER_KEY"),
        ({"OPENAI_API_KEY": " "}, 2, "OPENAI_API_KEY"),
        ({"DOORWARD_MASTER_KEY": "s3cret!"}, 1, "DOORWARD_MASTER_KEY"),
        ({"DOORWARD_MASTER_KEY_FILE": "/nowhere/master.key"}, 1, "/nowhere/master.key"),
        ({"DOORWARD_DATABASE_URL": "mysql://u:s3cret@h/x"}, 3, "mysql"),
        ({"DOORWARD_DATABASE_URL": "postgresql://u:s3cret@127.0.0.1:1/x"}, 3, "127.0.0.1:1"),
    ],
)
def test_a_wrong_setting_is_named_and_its_value_is_not(doorward: Doorward, changes: dict[str, str], code: int, says: str) -> None:
    ran = doorward("key", "list", **changes)
    ran.fails(code, says)
    assert "s3cret" not in ran.err


def test_a_data_directory_that_is_none_is_refused(doorward: Doorward, data_dir: Path) -> None:
    data_dir.write_text("a file")
    doorward("key", "list").fails(3, str(data_dir))


def test_a_missing_master_key_is_refused_once_keys_are_stored(doorward: Doorward, data_dir: Path) -> None:
    doorward("account", "add", "--provider", "openai", "--label", "m", "--key-stdin", stdin="sk-abcdefghijk")
    (data_dir / "master.key").unlink()
    doorward("account", "list").fails(1, "master key", "backup")
    assert not (data_dir / "master.key").exists()


def test_a_database_from_the_future_is_refused(doorward: Doorward, data_dir: Path) -> None:
    import sqlite3

    doorward("migrate")
    with sqlite3.connect(data_dir / "doorward.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    doorward("key", "list").fails(3, "newer")


def test_the_master_key_is_rotated_and_what_was_sealed_opens(doorward: Doorward, data_dir: Path) -> None:
    doorward("account", "add", "--provider", "openai", "--label", "m", "--key-stdin", stdin="sk-abcdefghijk")
    before = (data_dir / "master.key").read_bytes()
    rotated = doorward("rotate-master-key", "--json").json
    assert rotated["file"] == str(data_dir / "master.key")
    assert (data_dir / "master.key").read_bytes() != before
    assert doorward("account", "list").code == 0
    doorward("rotate-master-key", "--new-key-stdin").fails(2, "file")


def test_doctor_finds_what_is_wrong(doorward: Doorward, data_dir: Path) -> None:
    first = doorward("doctor", "--json", DOORWARD_PORT="0").json
    assert first["ok"] is True
    assert {"ok", "warning"} == {check["state"] for check in first["checks"]}
    data_dir.chmod(0o777)
    ran = doorward("doctor", "--json", DOORWARD_PORT="0")
    assert ran.code == 1
    failed = [check for check in ran.json["checks"] if check["state"] == "failed"]
    assert [check["what"] for check in failed] == ["data directory"]
    assert failed[0]["fix"].startswith("chmod 700")
    told = doorward("doctor", DOORWARD_PORT="0")
    assert told.out.rstrip().splitlines()[-1].strip().startswith("fix: chmod 700")


def test_doctor_says_which_setting_is_wrong(doorward: Doorward) -> None:
    ran = doorward("doctor", "--json", DOORWARD_PORT="many")
    assert ran.code == 1
    assert "DOORWARD_PORT" in ran.json["checks"][0]["says"]


def test_colour_only_on_a_terminal_that_wants_it(doorward: Doorward, data_dir: Path) -> None:
    assert "\x1b" not in doorward("kee").err

    def on_terminal(*words: str, **changes: str) -> str:
        ours, theirs = pty.openpty()
        command = [sys.executable, "-m", "doorward", *words]
        with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment(data_dir, **changes)):
            os.close(theirs)
            said = b""
            try:
                while piece := os.read(ours, 4096):
                    said += piece
            except OSError:
                pass  # the other end is closed: that is how a terminal ends
        os.close(ours)
        return said.decode()

    assert "\x1b[31merror:" in on_terminal("kee", TERM="xterm")
    assert "BASE URL" in on_terminal("provider", "list", TERM="dumb")


@pytest.mark.parametrize(
    ("words", "changes", "colour"),
    [((), {}, True), (("--no-color",), {}, False), ((), {"NO_COLOR": "1"}, False), ((), {"TERM": "dumb"}, False)],
)
def test_colour_can_be_refused(
    monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], changes: dict[str, str], colour: bool
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in changes.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert Terminal.of(["key", "list", *words]).colour is colour
    assert Terminal.of(["key", "--", "--json"]).as_json is False


def test_a_failure_shows_no_key_whoever_wrote_its_words(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal().fail(Failure(f"there is no {CANARY}", f"{CANARY}?", CANARY))
    Terminal(as_json=True).fail(Failure(CANARY, CANARY, CANARY))
    assert CANARY not in capsys.readouterr().err


def test_what_was_typed_is_named_only_if_it_is_a_name() -> None:
    assert named("kee") == ' "kee"'
    assert named("--lable") == ' "--lable"'
    assert named("sk-proj-Abc123") == ""
    assert named("x" * 40) == ""


def test_json_says_nothing_but_the_object(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal(as_json=True)
    terminal.note("not this")
    terminal.warn("nor this")
    terminal.finish(Outcome({"a": "ü"}, "text", "said"))
    assert capsys.readouterr() == ('{"a":"ü"}\n', "")
    terminal.fail(Failure("no", "because", "do"))
    assert capsys.readouterr() == ("", '{"error":{"message":"no","code":"failed","hint":"do"}}\n')


def test_a_piped_table_is_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal().finish(Outcome({}, Table(("A", "B"), [("1", "two words")], "none")))
    assert capsys.readouterr().out == "1\ttwo words\n"
    Terminal().finish(Outcome({}, Table(("A", "B"), [], "none yet")))
    assert capsys.readouterr() == ("", "none yet\n")


def test_every_word_of_the_overview_is_a_command(doorward: Doorward) -> None:
    listed = re.findall(r"^  ([a-z-]+) {2,}", doorward().out, re.MULTILINE)
    assert set(listed) == set(doorward("--json").json["commands"])
