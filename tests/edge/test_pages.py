"""The pages' door: what it sends, with which headers, and what it never answers with a page."""

from __future__ import annotations

import gzip
from pathlib import Path

import httpx2
import pytest
from tests.identity.front import Numbered, error_of
from tests.serving import serving

from doorward.edge.pages import Pages

SCRIPT = b"console.log('door')\n" * 100


@pytest.fixture
def built(tmp_path: Path) -> Path:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_bytes(b"<!doctype html><title>Doorward</title>")
    (tmp_path / "look.js").write_bytes(b"0")
    (tmp_path / "assets" / "index-abc.js").write_bytes(SCRIPT)
    (tmp_path / "assets" / "index-abc.js.gz").write_bytes(gzip.compress(SCRIPT))
    (tmp_path / "notes.secret").write_bytes(b"not a page")
    return tmp_path


async def get(built: Path, path: str, method: str = "GET", **headers: str) -> httpx2.Response:
    async with serving(Numbered(Pages(built))) as url, httpx2.AsyncClient(base_url=url, trust_env=False) as client:
        return await client.request(method, path, headers={"accept-encoding": "identity", **headers})


@pytest.mark.parametrize("path", ["/", "/c/conv_1", "/signin", "/settings/openai", "/admin/calls", "/calls/req_1?from=now"])
async def test_every_page_is_the_one_document_under_the_policy(built: Path, path: str) -> None:
    answer = await get(built, path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["content-security-policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data: blob:; "
        "font-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    )
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize(
    "path", ["/v1", "/v1/models", "/api", "/api/v2/x", "/apps/x", "/nowhere", "/assets/gone.js", "/notes.secret"]
)
async def test_no_other_address_is_a_page(built: Path, path: str) -> None:
    assert error_of(await get(built, path), 404)["code"] == "unknown_url"


@pytest.mark.parametrize("path", ["/../look.js", "/assets/../../index.html", "/%2e%2e/look.js", "//etc/passwd"])
async def test_no_path_leads_out_of_the_folder(built: Path, path: str) -> None:
    answer = await get(built / "assets", path)
    assert b"<!doctype" not in answer.content
    assert answer.status_code == 404


async def test_hashed_assets_are_kept_and_sent_compressed(built: Path) -> None:
    plain = await get(built, "/assets/index-abc.js")
    assert plain.content == SCRIPT
    assert "content-encoding" not in plain.headers
    assert plain.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert plain.headers["vary"] == "accept-encoding"
    packed = await get(built, "/assets/index-abc.js", **{"accept-encoding": "br, gzip;q=0.8"})
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < len(SCRIPT)
    assert packed.content == SCRIPT
    refused = await get(built, "/assets/index-abc.js", **{"accept-encoding": "gzip;q=0.0"})
    assert "content-encoding" not in refused.headers


async def test_what_has_not_changed_is_not_sent_again(built: Path) -> None:
    first = await get(built, "/look.js")
    assert first.headers["cache-control"] == "no-cache"
    again = await get(built, "/look.js", **{"if-none-match": first.headers["etag"]})
    assert again.status_code == 304
    assert again.content == b""


async def test_pages_are_only_read(built: Path) -> None:
    assert error_of(await get(built, "/signin", "POST"), 405)["code"] == "method_not_allowed"
    head = await get(built, "/signin", "HEAD")
    assert head.status_code == 200
    assert head.content == b""


async def test_without_a_build_it_says_what_to_run(tmp_path: Path) -> None:
    assert "make serve" in error_of(await get(tmp_path / "none", "/"), 404)["message"]
