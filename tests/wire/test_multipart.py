"""The model of a form is found and replaced while the bytes pass, whatever the chunks and the files hold."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doorward.core.errors import BadRequest
from doorward.wire import multipart

TYPE = b"multipart/form-data; boundary=XbX"


class Pieces:
    """A body that is not in memory as one, like a spooled one."""

    data = None

    def __init__(self, whole: bytes, cuts: list[int] | None = None) -> None:
        edges = sorted({min(cut, len(whole)) for cut in cuts or []})
        self._pieces = [whole[start:end] for start, end in zip([0, *edges], [*edges, len(whole)], strict=True)]
        self.size = len(whole)

    async def chunks(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece


def form(*parts: tuple[str, bytes], preamble: bytes = b"", end: bytes = b"--XbX--\r\n") -> bytes:
    return (
        preamble
        + b"".join(b"--XbX\r\nContent-Disposition: form-data; %b\r\n\r\n%b\r\n" % (name.encode(), value) for name, value in parts)
        + end
    )


async def whole(body: multipart.Body) -> bytes:
    joined = b"".join([chunk async for chunk in body.chunks()])
    assert body.size == len(joined)
    assert body.data in (None, joined)
    return joined


async def test_the_fields_that_we_read() -> None:
    data = form(
        ('name="file"; filename="a; name=model"', b"\r\n--Xb\r\n"),
        ('name="model"', b"whisper-1"),
        ("name=stream", b"true"),
        ('name="n"', b"2"),
    )
    for body in (multipart.MemoryBody(data), Pieces(data, list(range(len(data))))):
        asks = await multipart.read_asks(TYPE, body)
        assert (asks.model, asks.stream, asks.n) == ("whisper-1", True, 2)


@pytest.mark.parametrize(
    "content_type",
    [
        TYPE,
        b'multipart/form-data; boundary="XbX"',
        b"Multipart/Form-Data;charset=utf-8;BOUNDARY=XbX",
        b"multipart/form-data; boundary=XbX; charset=utf-8",
    ],
)
async def test_content_types(content_type: bytes) -> None:
    assert (await multipart.read_asks(content_type, multipart.MemoryBody(form(('name="model"', b"m"))))).model == "m"


@pytest.mark.parametrize(
    "content_type",
    [b"", b"application/json", b"multipart/form-data", b"multipart/form-data; boundary=", b"multipart/mixed; boundary=XbX"]
    + [b"multipart/form-data; boundary=XbX; boundary=YbY", b"multipart/form-data; boundary=" + b"a" * 71],
)
async def test_content_types_that_do_not_bound_a_form(content_type: bytes) -> None:
    with pytest.raises(BadRequest) as refused:
        await multipart.read_asks(content_type, multipart.MemoryBody(form(('name="model"', b"m"))))
    assert refused.value.param == "content-type"


MODEL = ('name="model"', b"m")
MALFORMED = {
    "empty": b"",
    "no boundary": b"hello",
    "other boundary": form(MODEL).replace(b"XbX", b"YbY"),
    "no end": form(MODEL, end=b""),
    "cut in the end": form(MODEL, end=b"--XbX-"),
    "cut in a head": form(MODEL)[:30],
    "no name": form(("x=1", b"m")),
    "empty name": form(('name=""', b"m")),
    "two names": form(('name="a"; name="model"', b"m")),
    "extended name": form(("name*=utf-8''model", b"m")),
    "two dispositions": form(('name="a"\r\nContent-Disposition: form-data; name="model"', b"m")),
    "no disposition": b"--XbX\r\nContent-Type: text/plain\r\n\r\nm\r\n--XbX--\r\n",
    "head without colon": form(('name="a"\r\nnonsense', b"m")),
    "folded head": form(('name="a";\r\n filename=x', b"m")),
    "bare line feeds": form(MODEL).replace(b"\r\n", b"\n"),
    "model twice": form(MODEL, MODEL),
    "model as a file": form(('name="model"; filename="m"', b"m")),
    "model empty": form(('name="model"', b"")),
    "model not utf-8": form(('name="model"', b"\xff")),
    "model long": form(('name="model"', b"m" * 300)),
    "model huge": form(('name="model"', b"m" * 100_000)),
    "model control": form(('name="model"', b"a\nb")),
    "encoded": form(('name="model"\r\nContent-Transfer-Encoding: base64', b"bQ==")),
    "stream word": form(('name="stream"', b"yes")),
    "n word": form(('name="n"', b"many")),
    "n zero": form(('name="n"', b"0")),
    "head huge": form(('name="a"\r\nX: ' + "a" * 20_000, b"m")),
    "boundary line": b"--XbXmore\r\nContent-Disposition: form-data; name=a\r\n\r\nm\r\n--XbX--",
    "many parts": form(*[('name="a"', b"")] * 1001),
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_malformed_forms_are_refused(name: str) -> None:
    for body in (multipart.MemoryBody(MALFORMED[name]), Pieces(MALFORMED[name], list(range(0, len(MALFORMED[name]), 7)))):
        with pytest.raises(BadRequest):
            await multipart.read_asks(TYPE, body)


CONTENT = st.lists(
    st.sampled_from([b"\r\n", b"--XbX", b"--", b"\r\n--Xb", b"model", b"\x00\xff", b"-", b"\r", b"\n", b'name="model"']), max_size=8
).map(b"".join)


@settings(max_examples=200, deadline=None)
@given(CONTENT, CONTENT, st.booleans(), st.lists(st.integers(0, 400), max_size=12), st.booleans())
def test_any_content_in_any_chunks(before: bytes, after: bytes, has_model: bool, cuts: list[int], spooled: bool) -> None:
    """Only the model's bytes change, and what is read back is the new model."""
    if b"\r\n--XbX" in b"\r\n" + before or b"\r\n--XbX" in b"\r\n" + after:
        return  # a boundary inside a part: not a form of these parts

    def made(*model: tuple[str, bytes]) -> bytes:
        return form(('name="file"; filename="f"', before), *model, ('name="other"', after), preamble=b"ignored\r\n")

    data = made(MODEL) if has_model else made()
    body: multipart.Body = Pieces(data, cuts) if spooled else multipart.MemoryBody(data)

    async def check() -> None:
        assert (await multipart.read_asks(TYPE, body)).model == ("m" if has_model else None)
        changed = await multipart.with_model(TYPE, body, "another-model")
        joined = await whole(changed)
        assert await whole(changed) == joined, "it can be read again"
        assert (await multipart.read_asks(TYPE, changed)).model == "another-model"
        if has_model:
            assert joined == made(('name="model"', b"another-model"))
        else:
            assert joined.endswith(data[len(b"ignored\r\n") :])

    asyncio.run(check())


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200), st.lists(st.integers(0, 300), max_size=6))
def test_any_bytes_are_read_or_refused(data: bytes, cuts: list[int]) -> None:
    async def check() -> None:
        for body in (data, form(MODEL)[:40] + data, form(MODEL) + data):
            try:
                await multipart.read_asks(TYPE, Pieces(body, cuts))
            except BadRequest:
                continue

    asyncio.run(check())


async def test_a_large_file_is_never_held() -> None:
    class Endless:
        data = None
        size = 0

        async def chunks(self) -> AsyncIterator[bytes]:
            yield b'--XbX\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
            for _ in range(2000):
                yield b"\r\n--Xb" * 5000
            yield b'\r\n--XbX\r\nContent-Disposition: form-data; name="model"\r\n\r\nm\r\n--XbX--\r\n'

    import tracemalloc

    tracemalloc.start()
    assert (await multipart.read_asks(TYPE, Endless())).model == "m"
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000
