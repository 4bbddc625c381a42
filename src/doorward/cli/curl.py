"""`doorward curl PATH`: a call to the running gateway, with curl's usual flags, the key from the environment."""

from __future__ import annotations

import http.client
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from doorward import proxy_fetch
from doorward.cli.outcome import DONE, FAILED, NOT_ALLOWED, OUT_OF_REACH, WRONG_USE, Failure, Outcome
from doorward.cli.terminal import Terminal
from doorward.cli.tree import Verb, verb

app = verb()


@app.command(cls=Verb)
def curl(
    path: Annotated[str, typer.Argument(metavar="PATH", help="For example /v1/models, or /v1/apis/http/NAME/...")],
    method: Annotated[str | None, typer.Option("-X", "--request", metavar="METHOD", help="GET, or POST with -d.")] = None,
    data: Annotated[
        list[str] | None,
        typer.Option("-d", "--data", metavar="BODY", help="Body; @FILE reads one, @- reads stdin. Several are joined by &."),
    ] = None,
    binary: Annotated[
        str | None, typer.Option("--data-binary", metavar="BODY", help="Body as it is, line breaks kept; @FILE as with -d.")
    ] = None,
    header: Annotated[list[str] | None, typer.Option("-H", "--header", metavar="'NAME: VALUE'", help="A header more.")] = None,
    include: Annotated[bool, typer.Option("-i", "--include", help="Print the answer's head first.")] = False,
    head: Annotated[bool, typer.Option("-I", "--head", help="Ask for the head alone.")] = False,
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write the body there.")] = None,
    fail: Annotated[
        bool, typer.Option("-f", "--fail", help="Exit code 1 for a status of 400 or above, 4 for 401 and 403.")
    ] = False,
    silent: Annotated[bool, typer.Option("-s", "--silent", help="Say nothing about a status of 400 or above.")] = False,
    _no_buffer: Annotated[bool, typer.Option("-N", "--no-buffer", help="Accepted: output is never held back.")] = False,
    max_time: Annotated[
        float, typer.Option("-m", "--max-time", metavar="S", min=0.001, help="Longest silence, in seconds.")
    ] = 600.0,
    no_key: Annotated[bool, typer.Option("--no-key", help="Send no key.")] = False,
) -> Outcome:
    """Call the running gateway (DOORWARD_URL) with the key in DOORWARD_KEY, as curl would.

    \b
    doorward curl /v1/apis/http/openai/v1/models
    doorward curl /v1/chat/completions -H 'Content-Type: application/json' -d '{"model": "sim-gpt-4o-mini", "messages": []}'
    """
    terminal = Terminal.of(sys.argv[1:])
    if not path.startswith("/") or path.startswith("//") or not path.isascii() or any(c <= " " or c == "\x7f" for c in path):
        why = "It begins with one slash, and what a URL does not allow is percent-encoded."
        raise Failure("that is not a path", why, "doorward curl /v1/models", "wrong_use", WRONG_USE)
    body = _body(data or [], binary)
    headers = _headers(header or [])
    if body is not None:
        headers.setdefault(
            "content-type", "application/json" if body.lstrip()[:1] in (b"{", b"[") else "application/x-www-form-urlencoded"
        )
    verb_ = (method or ("HEAD" if head else "GET" if body is None else "POST")).upper()
    if not (verb_.isascii() and verb_.isalpha()):
        raise Failure("-X is not a method", "It is a word like GET or PATCH.", "-X PATCH", "wrong_use", WRONG_USE)
    answer = _answer(verb_, path, headers, body, key="" if no_key else None, timeout_s=max_time)
    status = f"HTTP {answer.status} {answer.reason}"
    code = (NOT_ALLOWED if answer.status in (401, 403) else FAILED) if fail and answer.status >= 400 else DONE
    if terminal.as_json:
        text = b"".join(_pieces(answer)).decode("utf-8", "replace")
        return Outcome({"status": answer.status, "headers": answer.headers, "body": text}, exit_code=code)
    _print(answer, status, output, head_too=include or head)
    return Outcome({}, said="" if silent or answer.status < 400 else status, exit_code=code)


def _answer(
    method: str, path: str, headers: dict[str, str], body: bytes | None, *, key: str | None, timeout_s: float
) -> proxy_fetch.Answer:
    try:
        return proxy_fetch.call(method, path, headers, body, key=key, timeout_s=timeout_s)
    except proxy_fetch.NotSet as error:
        name, _, example = str(error).partition(" is not set: for example ")
        made = " (doorward key create --label first makes a key)" if name == "DOORWARD_KEY" else ""
        raise Failure(
            f"{name} is not set", "The environment has no such variable.", f"export {example}{made}", "not_set", WRONG_USE
        ) from error
    except ValueError as error:
        what, _, example = str(error).partition(": ")
        raise Failure(what, "It cannot be used.", example or "doorward curl -h", "wrong_use", WRONG_USE) from error
    except (OSError, http.client.HTTPException) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        fix = "start it with  doorward serve, or correct DOORWARD_URL"
        raise Failure("Doorward does not answer at DOORWARD_URL", f"{why}.", fix, "out_of_reach", OUT_OF_REACH) from error


def _print(answer: proxy_fetch.Answer, status: str, output: Path | None, *, head_too: bool) -> None:
    """The body as it comes, byte for byte."""
    to: BinaryIO = sys.stdout.buffer if output is None else output.open("wb")
    try:
        if head_too:
            lines = [status, *(f"{name}: {value}" for name, value in answer.headers.items()), "", ""]
            to.write("\r\n".join(lines).encode("latin-1", "replace"))
        for piece in _pieces(answer):
            to.write(piece)
            to.flush()
        to.flush()
    finally:
        if output is not None:
            to.close()


def _pieces(answer: proxy_fetch.Answer) -> Iterator[bytes]:
    try:
        yield from answer
    except (http.client.HTTPException, OSError) as error:
        raise Failure(
            "the answer was cut off", "The connection ended before the answer was whole.", "look at doorward tail", "cut", FAILED
        ) from error


def _body(data: list[str], binary: str | None) -> bytes | None:
    if binary is not None:
        return _read(binary)
    if not data:
        return None
    # as curl does: line breaks of files are dropped, pieces are joined
    return b"&".join(
        _read(piece).replace(b"\r", b"").replace(b"\n", b"") if piece.startswith("@") else piece.encode() for piece in data
    )


def _read(text: str) -> bytes:
    if not text.startswith("@"):
        return text.encode()
    if text == "@-":
        return sys.stdin.buffer.read()
    try:
        return Path(text[1:]).read_bytes()
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise Failure(f"{text[1:]} cannot be read", f"{why}.", "give the path of a file after @", "no_file", WRONG_USE) from error


def _headers(given: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in given:
        name, colon, value = line.partition(":")
        if not colon or not name.strip().isascii() or any(c < " " or c == "\x7f" for c in line):
            raise Failure(
                "-H is not a header", "It is a name, a colon and a value.", "-H 'Accept: application/json'", "wrong_use", WRONG_USE
            )
        headers[name.strip().lower()] = value.strip()
    return headers
