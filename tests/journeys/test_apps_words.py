"""What the how-to pages, the skill and the examples say is run as it stands, against a whole Doorward."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
from pathlib import Path

import pytest
from tests.apps.desk import Desk, desk
from tests.conftest import required

ROOT = Path(__file__).resolve().parents[2]
PAGES = ["chat", "summarise", "classify", "search", "agents", "jobs"]


async def run(here: Desk, *command: str, **env: str) -> str:
    admin = await here.door.key(scopes=("call", "admin"))
    clean = {"PATH": os.environ["PATH"], "DOORWARD_URL": here.door.url, "DOORWARD_KEY": here.key, "DOORWARD_ADMIN_KEY": admin}
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, env={**clean, **env}, stdout=pipe, stderr=pipe, cwd=ROOT)
    out, err = await asyncio.wait_for(process.communicate(), 18)
    assert process.returncode == 0, err.decode()
    assert '{"error"' not in out.decode(), out.decode()
    return out.decode()


def blocks(file: Path, language: str) -> list[str]:
    found: list[str] = re.findall(rf"```{language}\n(.*?)```", file.read_text(), re.DOTALL)
    return found


@pytest.mark.parametrize("page", PAGES)
async def test_every_command_of_a_how_to_page_works(tmp_path: Path, page: str) -> None:
    commands = blocks(ROOT / f"docs/how-to/{page}.md", "sh")
    assert commands
    async with desk(tmp_path) as here:
        for command in commands:
            assert await run(here, "bash", "-euc", command)


async def test_every_snippet_of_the_skill_works(tmp_path: Path) -> None:
    skill = ROOT / "skills/doorward/SKILL.md"
    assert re.match(r"---\nname: doorward\ndescription: .{50,1000}\n---\n", skill.read_text())
    async with desk(tmp_path) as here:
        for snippet in blocks(skill, "sh"):
            out = await run(here, "bash", "-euc", snippet)
            assert "data: [DONE]" in out
        for snippet in blocks(skill, "python"):
            assert await run(here, sys.executable, "-c", snippet)


def test_every_link_of_llms_txt_and_the_pages_leads_somewhere() -> None:
    for file in (ROOT / "llms.txt", *(ROOT / f"docs/how-to/{page}.md" for page in PAGES)):
        for target in re.findall(r"\]\(([^)#]+)\)", file.read_text()):
            if not target.startswith("http"):
                assert (file.parent / target).resolve().exists(), f"{file.name}: {target}"


async def test_the_examples_work_and_are_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("todo_assistant", "classifier", "document_search"):
        assert len((ROOT / f"examples/{name}.py").read_text().splitlines()) < 60
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    async with desk(tmp_path, agent_tools=["todo_assistant:create_task"]) as here:
        said = await run(here, sys.executable, "examples/todo_assistant.py", "create a task to buy milk")
        assert said.startswith("task: ")
        said = await run(here, sys.executable, "examples/classifier.py", "the invoice is wrong", "I love it")
        assert len(said.splitlines()) == 2
        (tmp_path / "a.txt").write_text("Rotate the master key once a year.")
        (tmp_path / "b.txt").write_text("The canteen opens at noon.")
        files = [str(tmp_path / "a.txt"), str(tmp_path / "b.txt")]
        await run(here, sys.executable, "examples/document_search.py", "add", "notes", *files)
        await run(here, sys.executable, "examples/document_search.py", "add", "notes", *files)
        said = await run(here, sys.executable, "examples/document_search.py", "find", "notes", "rotate", "a", "key")
        assert "a.txt" in said.splitlines()[0]


@pytest.mark.parametrize(
    "words", ["todo_assistant.py", "classifier.py", "document_search.py find notes what", "document_search.py"]
)
async def test_an_example_says_what_is_wrong_in_a_sentence(tmp_path: Path, words: str) -> None:
    program, *rest = words.split()
    async with desk(tmp_path) as here:
        environment = {**os.environ, "DOORWARD_URL": here.door.url, "DOORWARD_KEY": "dw-nobody"}
        refused = await asyncio.create_subprocess_exec(
            sys.executable, str(ROOT / "examples" / program), *rest, env=environment, stderr=asyncio.subprocess.PIPE
        )
        said = (await refused.communicate())[1].decode()
    assert refused.returncode == 1
    assert "Traceback" not in said
    assert ("key" in said) if rest or program != "document_search.py" else said.startswith("Put text files")


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_the_nextjs_example_builds_without_key_or_sdk(tmp_path: Path) -> None:
    """Installs Next.js from the registry and builds: a minute on a small machine, so `make test-slow` runs it."""
    if shutil.which("npm") is None:
        required("node")
    page = tmp_path / "page"
    shutil.copytree(ROOT / "examples/nextjs", page, ignore=shutil.ignore_patterns("node_modules", ".next"))
    for command in (["npm", "install", "--no-audit", "--no-fund"], ["npm", "run", "build"]):
        env = {**os.environ, "NEXT_TELEMETRY_DISABLED": "1"}
        process = await asyncio.create_subprocess_exec(*command, cwd=page, env=env, stdout=-1, stderr=-2)
        out, _ = await process.communicate()
        assert process.returncode == 0, out.decode()[-2000:]
    built = b"".join(file.read_bytes() for file in (page / ".next/static").rglob("*.js"))
    assert b"/apps/chat/stream" in built
    for foreign in (b"api.openai.com", b"Bearer ", b"DOORWARD_"):
        assert foreign not in built, foreign
    assert not re.search(rb"\b(?:sk|dw)-[A-Za-z0-9_-]{16,}", built), "a key"


async def test_the_nextjs_reader_reads_real_frames(tmp_path: Path) -> None:
    if shutil.which("node") is None:
        required("node")
    program = """
        globalThis.fetch = ((ask) => (path, options) => ask(process.env.DOORWARD_URL + path,
          {...options, headers: {...options.headers, authorization: `Bearer ${process.env.DOORWARD_KEY}`}}))(fetch);
        const { stream } = await import(process.env.READER);
        let text = "", conversation;
        for await (const piece of stream("Hello there")) { text += piece.delta ?? ""; conversation ??= piece.conversationId; }
        console.log(conversation, text);
    """
    shutil.copy(ROOT / "examples/nextjs/app/stream.js", tmp_path / "stream.mjs")
    async with desk(tmp_path) as here:
        said = await run(here, "node", "--input-type=module", "-e", program, READER=str(tmp_path / "stream.mjs"))
        assert said.startswith("conv_")
        assert len(said) > 50
