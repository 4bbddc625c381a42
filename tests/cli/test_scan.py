"""`doorward scan`: what it finds in trees of all kinds, and that it never says what it found."""

from __future__ import annotations

import json
import random
import string
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Doorward

ROOT = Path(__file__).resolve().parents[2]
_RANDOM = random.Random(7)


def opaque(length: int, letters: str = string.ascii_letters + string.digits) -> str:
    """Random, so that no key stands in this file; with a digit, as nearly every random key has."""
    return "".join(_RANDOM.choice(letters) for _ in range(length - 1)) + "7"


KEYS = {
    "openai_key": [
        "sk-" + opaque(48),
        "sk-proj-" + opaque(100),
        "sk-svcacct-" + opaque(60),
        "sk-" + opaque(32, "0123456789abcdef"),
    ],
    "anthropic_key": ["sk-ant-api03-" + opaque(93)],
    "openrouter_key": ["sk-or-v1-" + opaque(64, "0123456789abcdef")],
    "groq_key": ["gsk_" + opaque(52)],
    "google_key": ["AIza" + opaque(35)],
    "xai_key": ["xai-" + opaque(80)],
    "doorward_key": ["dw-" + opaque(16, "abcdefghijkmnpqrstuvwxyz23456789") + "-" + opaque(43)],
}
ALL = [(kind, key) for kind, keys in KEYS.items() for key in keys]


def findings(doorward: Doorward, *words: str) -> list[dict[str, Any]]:
    ran = doorward("scan", *words, "--json")
    assert ran.code == (1 if ran.json["findings"] else 0)
    assert ran.json["ok"] is not bool(ran.json["findings"])
    found: list[dict[str, Any]] = ran.json["findings"]
    return found


def halves(key: str) -> tuple[str, ...]:
    return key, key[: len(key) // 2], key[len(key) // 2 :], key[-6:]


@pytest.mark.parametrize(("kind", "key"), ALL)
def test_a_key_is_found_by_kind_and_place_and_never_shown(doorward: Doorward, tmp_path: Path, kind: str, key: str) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "notes.md").write_text(f'# No code, and still a key\n\nümlaut = "{key}"\n')
    told, as_json = doorward("scan", str(tree)), doorward("scan", str(tree), "--json")
    assert told.code == as_json.code == 1
    assert told.out.startswith("notes.md:3:11: ")
    assert f"{len(key)} characters" in told.out
    (found,) = as_json.json["findings"]
    assert (found["kind"], found["line"], found["column"], found["length"]) == (kind, 3, 11, len(key))
    assert not any(part in said for part in halves(key) for said in (told.out, told.err, as_json.out))


@pytest.mark.parametrize(
    "line",
    [
        "sk-your-openai-api-key-1",
        "sk-xxxxxxxxxxxxxxxxxxxxxxxx1",
        "sk-1234567890abcdef1234567890",
        "sk-proj-example-example-example-1",
        "task-4f2a9c1e7b3d8f6a0c5e, disk-usage-of-the-whole-machine-2",
        "AIzaExampleExampleExampleExampleExample1",
        "Authorization: Bearer ${OPENAI_API_KEY}",
        "sk-",
    ],
)
def test_what_only_looks_like_a_key_is_left_alone(doorward: Doorward, tmp_path: Path, line: str) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "a.py").write_text(f"x = '{line}'\n")
    assert findings(doorward, str(tmp_path / "tree")) == []


CALLS = [
    ("a.py", 'httpx.post("https://api.openai.com/v1/chat/completions")', "direct_host"),
    ("a.go", 'url := "https://api.anthropic.com/v1/messages"', "direct_host"),
    ("a.ts", 'fetch("https://my-team.openai.azure.com/openai")', "direct_host"),
    ("a.yaml", "baseUrl: https://api.groq.com/openai/v1", "direct_host"),
    ("a.py", "client = OpenAI()", "client_without_base_url"),
    ("a.py", "client = openai.AsyncOpenAI(\n    api_key=load(),\n    timeout=3,\n)", "client_without_base_url"),
    ("a.py", "llm = ChatOpenAI(model=pick(a, b))", "client_without_base_url"),
    ("a.ts", "const client = new OpenAI({ apiKey })", "client_without_base_url"),
    ("compose.yaml", "services:\n  app:\n    environment:\n      - OPENAI_API_KEY=${KEY}\n", "environment_without_base_url"),
    (".env.example", "OPENAI_API_KEY=\n", "environment_without_base_url"),
]
WELL = [
    ("a.py", 'client = OpenAI(base_url="http://localhost:8080/v1", api_key=key)'),
    ("a.py", "client = OpenAI(**settings)"),
    ("a.py", "class OpenAI(Provider):\n    pass"),
    ("a.ts", "const client = new OpenAI({ apiKey, baseURL })"),
    ("a.ts", "const client = new OpenAI({ ...settings })"),
    ("a.py", "# see https://api.openai.com/v1/models"),
    ("a.md", "Ask https://api.openai.com/v1/models"),
    ("a.py", 'x = "https://api.openai.company.example"; y = "myapi.openai.com"'),
    (".env.example", "OPENAI_API_KEY=\nOPENAI_BASE_URL=http://localhost:8080/v1\n"),
]


@pytest.mark.parametrize(("name", "text", "kind"), CALLS)
def test_a_call_around_the_door_is_found(doorward: Doorward, tmp_path: Path, name: str, text: str, kind: str) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / name).write_text(text + "\n")
    assert [found["kind"] for found in findings(doorward, str(tmp_path / "tree"))] == [kind]


@pytest.mark.parametrize(("name", "text"), WELL)
def test_a_call_through_the_door_is_not(doorward: Doorward, tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / name).write_text(text + "\n")
    assert findings(doorward, str(tmp_path / "tree")) == []


def test_an_environment_that_says_where_to_call_serves_the_whole_tree(doorward: Doorward, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("client = OpenAI()\n")
    assert len(findings(doorward, str(tmp_path))) == 1
    (tmp_path / ".env.example").write_text("OPENAI_BASE_URL=http://localhost:8080/v1\n")
    assert findings(doorward, str(tmp_path)) == []


def test_a_bearer_of_no_known_shape_beside_a_providers_host(doorward: Doorward, tmp_path: Path) -> None:
    token = opaque(40)
    near = f'curl https://api.mistral.ai/v1/models \\\n  -H "Authorization: Bearer {token}"\n'
    (tmp_path / "near.sh").write_text(near)
    (tmp_path / "far.sh").write_text(f'curl https://example.com -H "Authorization: Bearer {token}"\n')
    told = findings(doorward, str(tmp_path))
    assert [(found["path"], found["kind"]) for found in told] == [("near.sh", "direct_host"), ("near.sh", "bearer_token")]
    assert token not in str(told)


def test_a_line_that_says_why_may_stay(doorward: Doorward, tmp_path: Path) -> None:
    key, host = KEYS["openai_key"][0], "https://api.openai.com"
    (tmp_path / "a.py").write_text(
        f'a = "{key}"  # doorward-scan: allow revoked in March\n'
        f"# doorward-scan: allow the provider's own address\n"
        f'b = "{host}"\n'
        f'c = "{host}"  # doorward-scan: allow\n'
        f'd = "{host}"\n'
    )
    ran = doorward("scan", str(tmp_path), "--json").json
    assert [found["line"] for found in ran["findings"]] == [4, 5], "without a reason it is not allowed"
    assert ran["allowed"] == 2


def test_a_baseline_knows_what_was_there_and_holds_no_key(doorward: Doorward, tmp_path: Path) -> None:
    tree, known = tmp_path / "tree", tmp_path / "known.json"
    tree.mkdir()
    key, other = KEYS["openai_key"][:2]
    (tree / "a.py").write_text(f'a = "{key}"\n')
    assert doorward("scan", str(tree), "--write-baseline", str(known)).code == 0
    assert not any(part in known.read_text() for part in halves(key))
    assert findings(doorward, str(tree), "--baseline", str(known)) == []
    (tree / "a.py").write_text(f'\n\na = "{key}"\n')
    assert findings(doorward, str(tree), "--baseline", str(known)) == [], "lines may move"
    (tree / "a.py").write_text(f'a = "{key}"\nb = "{other}"\na = "{key}"\n')
    assert [found["line"] for found in findings(doorward, str(tree), "--baseline", str(known))] == [2, 3], "new, and twice"
    doorward("scan", str(tree), "--baseline", str(tmp_path / "none.json")).fails(2, "baseline", "--write-baseline")
    known.write_text("[]")
    doorward("scan", str(tree), "--baseline", str(known)).fails(2, "baseline")


def git(tree: Path, *words: str) -> None:
    subprocess.run(["git", "-C", str(tree), *words], check=True, capture_output=True)


def test_what_git_ignores_is_not_read_and_what_is_new_is(doorward: Doorward, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    for folder in ("ignored", "node_modules", "sub"):
        (tree / folder).mkdir(parents=True)
    key = KEYS["openai_key"][0]
    for name in ("tracked.py", "new.py", "ignored/a.py", ".env", "node_modules/b.py", "sub/c d ü.py"):
        (tree / name).write_text(f'x = "{key}"\n')
    assert {found["path"] for found in findings(doorward, str(tree))} == {
        "tracked.py",
        "new.py",
        "ignored/a.py",
        ".env",
        "sub/c d ü.py",
    }
    (tree / ".gitignore").write_text("ignored/\n.env\nnode_modules/\n")
    git(tree, "init", "-q")
    git(tree, "add", "tracked.py", "sub")
    assert {found["path"] for found in findings(doorward, str(tree))} == {"tracked.py", "new.py", "sub/c d ü.py"}
    assert {found["path"] for found in findings(doorward, str(tree / "sub"))} == {"c d ü.py"}
    assert len(findings(doorward, str(tree / ".env"))) == 1, "a file that is named is read"
    assert {found["path"] for found in findings(doorward, str(tree), "--exclude", "sub/**", "--exclude", "new.*")} == {"tracked.py"}


def test_several_files_as_a_hook_names_them(doorward: Doorward, tmp_path: Path) -> None:
    for name in ("a.py", "b.py", "c.py"):
        (tmp_path / name).write_text("client = OpenAI()\n")
    assert len(findings(doorward, str(tmp_path / "a.py"), str(tmp_path / "b.py"), str(tmp_path / "a.py"))) == 2
    hooks = (ROOT / ".pre-commit-hooks.yaml").read_text()
    assert "entry: doorward scan" in hooks


def test_what_is_not_read_is_said(doorward: Doorward, tmp_path: Path) -> None:
    key = KEYS["openai_key"][0].encode()
    (tmp_path / "a.bin").write_bytes(b"\0\1" + key)
    (tmp_path / "large.py").write_bytes(b"#" * 3000 + key)
    (tmp_path / "windows.env").write_bytes(f"KEY={key.decode()}\r\n".encode("utf-16"))
    (tmp_path / "link.py").symlink_to(tmp_path / "large.py")
    ran = doorward("scan", str(tmp_path), "--max-file-bytes", "2000", "--json").json
    assert ran["skipped"] == {"binary": 1, "large": ["large.py"], "unreadable": []}
    assert [found["path"] for found in ran["findings"]] == ["windows.env"], "UTF-16 is text"
    told = doorward("scan", str(tmp_path), "--max-file-bytes", "2000")
    assert "too large: large.py" in told.err
    assert "1 binary" in told.err
    doorward("scan", str(tmp_path / "nowhere")).fails(2, "PATH")


def test_a_path_shows_no_key_and_forges_no_line(doorward: Doorward, tmp_path: Path) -> None:
    key = KEYS["openai_key"][0]
    (tmp_path / f"{key}.py").write_text("client = OpenAI()\n")
    (tmp_path / "a\nok: nothing found\x1b[31m.py").write_text("client = OpenAI()\n")
    ran = doorward("scan", str(tmp_path))
    assert key not in ran.out + ran.err
    assert len(ran.out.splitlines()) == 2
    assert "\x1b" not in ran.out


def test_ten_thousand_files_take_seconds(doorward: Doorward, tmp_path: Path) -> None:
    """A fifth of it here, under a bound for a busy machine."""
    line = "the quick brown task-runner asked disk-usage of OpenAI and others about keys = {}\n"
    for number in range(2000):
        folder = tmp_path / "tree" / str(number % 50)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.py").write_text(line * 50)
    (tmp_path / "tree" / "0" / "last.py").write_text(f'x = "{KEYS["groq_key"][0]}"\n')
    began = time.monotonic()
    assert len(findings(doorward, str(tmp_path / "tree"))) == 1
    assert time.monotonic() - began < 6


def test_this_project_is_clean(doorward: Doorward) -> None:
    """Its own source, with what is known in the baseline. The tests' canaries are there to look like keys."""
    ran = doorward("scan", str(ROOT), "--baseline", str(ROOT / ".doorward-scan.json"), "--exclude", "tests", "--json")
    assert ran.json["findings"] == [], "say on the line why it may stay: doorward-scan: allow <reason>"
    assert ran.json["files"] > 300
    known = json.loads((ROOT / ".doorward-scan.json").read_text())["findings"]
    assert not any(row["kind"].endswith("_key") for row in known), "no key may be known: it would be in the history"
