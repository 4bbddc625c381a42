"""`doorward curl PATH`: a call to the running gateway, with curl's usual flags, the key from the environment."""

from __future__ import annotations

import http.client
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from doorward import proxy_fetch
from doorward.cli import curl_request
from doorward.cli.outcome import DONE, FAILED, NOT_ALLOWED, OUT_OF_REACH, WRONG_USE, Failure, Outcome
from doorward.cli.terminal import Terminal
from doorward.cli.tree import Verb, verb

app = verb()
_Many = list[str] | None


@app.command(cls=Verb)
def curl(
    path: Annotated[str, typer.Argument(metavar="PATH", help="For example /v1/models, or /v1/apis/http/NAME/...")],
    method: Annotated[str | None, typer.Option("-X", "--request", metavar="METHOD", help="GET, or POST with a body.")] = None,
    data: Annotated[
        _Many, typer.Option("-d", "--data", metavar="BODY", help="Body; @FILE reads one, @- reads stdin. Several are joined by &.")
    ] = None,
    raw: Annotated[_Many, typer.Option("--data-raw", metavar="BODY", help="Body in which @ is an @.")] = None,
    binary: Annotated[
        _Many, typer.Option("--data-binary", metavar="BODY", help="Body as it is, line breaks kept; @FILE as with -d.")
    ] = None,
    encoded: Annotated[
        _Many,
        typer.Option("--data-urlencode", metavar="NAME=TEXT", help="Body whose text is percent-encoded; NAME@FILE reads one."),
    ] = None,
    form: Annotated[
        _Many,
        typer.Option("-F", "--form", metavar="NAME=VALUE", help="Field of a form; NAME=@FILE sends a file, NAME=<FILE its text."),
    ] = None,
    get: Annotated[bool, typer.Option("-G", "--get", help="What -d says goes into the query.")] = False,
    header: Annotated[
        _Many, typer.Option("-H", "--header", metavar="'NAME: VALUE'", help="A header more; 'NAME:' leaves out one of ours.")
    ] = None,
    agent: Annotated[str | None, typer.Option("-A", "--user-agent", metavar="NAME", help="Who is calling.")] = None,
    include: Annotated[bool, typer.Option("-i", "--include", help="Print the answer's head first.")] = False,
    head: Annotated[bool, typer.Option("-I", "--head", help="Ask for the head alone.")] = False,
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write the body there.")] = None,
    write_out: Annotated[
        str,
        typer.Option("-w", "--write-out", metavar="TEXT", help="Print this at the end: %{http_code}, %{time_total} and the like."),
    ] = "",
    fail: Annotated[
        bool, typer.Option("-f", "--fail", "--fail-with-body", help="Exit code 1 for a status of 400 or above, 4 for 401 and 403.")
    ] = False,
    silent: Annotated[bool, typer.Option("-s", "--silent", help="Say nothing about a status of 400 or above.")] = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Print both heads to stderr; the key is hidden.")] = False,
    _no_buffer: Annotated[bool, typer.Option("-N", "--no-buffer", help="Accepted: output is never held back.")] = False,
    _show_error: Annotated[bool, typer.Option("-S", "--show-error", help="Accepted: errors are always shown.")] = False,
    max_time: Annotated[
        float, typer.Option("-m", "--max-time", metavar="S", min=0.001, help="Longest time for the whole call, in seconds.")
    ] = 3600.0,
    no_key: Annotated[bool, typer.Option("--no-key", help="Send no key.")] = False,
) -> Outcome:
    """Call the running gateway (DOORWARD_URL) with the key in DOORWARD_KEY, as curl would.

    \b
    doorward curl /v1/apis/http/openai/v1/models
    doorward curl /v1/chat/completions -H 'Content-Type: application/json' -d '{"model": "sim-gpt-4o-mini", "messages": []}'
    """
    terminal = Terminal.of(sys.argv[1:])
    headers = curl_request.headers_of([*(header or []), *([f"user-agent: {agent}"] if agent else [])])
    body = curl_request.data_of(data or [], raw or [], binary or [], encoded or [])
    kind = None if body is None else curl_request.kind_of(body)
    if form:
        if body is not None:
            raise Failure("-F and -d do not go together", "A request has one body.", "-F name=value", "wrong_use", WRONG_USE)
        body, kind = curl_request.multipart(form)
    elif get and body is not None:
        path, body, kind = curl_request.with_query(path, body), None, None
    if not path.startswith("/") or path.startswith("//") or not path.isascii() or any(c <= " " or c == "\x7f" for c in path):
        why = "It begins with one slash, and what a URL does not allow is percent-encoded."
        raise Failure("that is not a path", why, "doorward curl /v1/models", "wrong_use", WRONG_USE)
    if kind is not None and "content-type" not in {name for name, _ in headers}:
        headers.append(("content-type", kind))
    verb_ = (method or ("HEAD" if head else "GET" if body is None else "POST")).upper()
    if not (verb_.isascii() and verb_.isalpha()):
        raise Failure("-X is not a method", "It is a word like GET or PATCH.", "-X PATCH", "wrong_use", WRONG_USE)
    until = _Until(max_time)
    if verbose:
        _heads(">", f"{verb_} {path} HTTP/1.1", [(name, value) for name, value in headers if value is not None])
    answer = _answer(verb_, path, headers, body, key="" if no_key else None, until=until)
    status = f"HTTP {answer.status} {answer.reason}"
    code = (NOT_ALLOWED if answer.status in (401, 403) else FAILED) if fail and answer.status >= 400 else DONE
    if terminal.as_json:
        text = b"".join(_pieces(answer, until)).decode("utf-8", "replace")
        return Outcome({"status": answer.status, "headers": answer.headers, "body": text}, exit_code=code)
    if verbose:
        _heads("<", status, answer.all_headers)
    size = _print(answer, status, output, until, head_too=include or head)
    if write_out:
        sys.stdout.write(_written(write_out, answer, size, until))
        sys.stdout.flush()
    return Outcome({}, said="" if silent or answer.status < 400 else status, exit_code=code)


@dataclass(slots=True)
class _Until:
    """The end of the time that a call may take."""

    most_s: float
    began_s: float = 0.0

    def __post_init__(self) -> None:
        self.began_s = time.monotonic()

    def left_s(self) -> float:
        """Raises `TimeoutError` when it is over."""
        left = self.began_s + self.most_s - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


def _answer(
    method: str, path: str, headers: Sequence[proxy_fetch.GivenHeader], body: bytes | None, *, key: str | None, until: _Until
) -> proxy_fetch.Answer:
    try:
        return proxy_fetch.call(method, path, headers, body, key=key, timeout_s=until.most_s)
    except proxy_fetch.NotSet as error:
        name, _, example = str(error).partition(" is not set: for example ")
        made = " (doorward key create --label first makes a key)" if name == "DOORWARD_KEY" else ""
        raise Failure(
            f"{name} is not set", "The environment has no such variable.", f"export {example}{made}", "not_set", WRONG_USE
        ) from error
    except ValueError as error:
        what, _, example = str(error).partition(": ")
        raise Failure(what, "It cannot be used.", example or "doorward curl -h", "wrong_use", WRONG_USE) from error
    except TimeoutError as error:
        raise _too_slow(until) from error
    except (OSError, http.client.HTTPException) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        fix = "start it with  doorward serve, or correct DOORWARD_URL"
        raise Failure("Doorward does not answer at DOORWARD_URL", f"{why}.", fix, "out_of_reach", OUT_OF_REACH) from error


def _print(answer: proxy_fetch.Answer, status: str, output: Path | None, until: _Until, *, head_too: bool) -> int:
    """The body as it comes, byte for byte; how many bytes it had."""
    to: BinaryIO = sys.stdout.buffer
    if output is not None and str(output) != "-":
        try:
            to = output.open("wb")
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise Failure(f"{output} cannot be written", f"{why}.", "give -o another FILE", "no_file", WRONG_USE) from error
    size = 0
    try:
        if head_too:
            lines = [status.replace("HTTP", "HTTP/1.1", 1), *(f"{name}: {value}" for name, value in answer.all_headers), "", ""]
            to.write("\r\n".join(lines).encode("latin-1", "replace"))
        for piece in _pieces(answer, until):
            to.write(piece)
            to.flush()
            size += len(piece)
        to.flush()
    finally:
        if to is not sys.stdout.buffer:
            to.close()
    return size


def _pieces(answer: proxy_fetch.Answer, until: _Until) -> Iterator[bytes]:
    try:
        answer.silence(until.left_s())
        for piece in answer:
            yield piece
            answer.silence(until.left_s())
    except TimeoutError as error:
        raise _too_slow(until) from error
    except (http.client.HTTPException, OSError) as error:
        raise Failure(
            "the answer was cut off", "The connection ended before the answer was whole.", "look at doorward tail", "cut", FAILED
        ) from error


def _too_slow(until: _Until) -> Failure:
    return Failure(
        "the call took too long", f"It was to take {until.most_s:g} s at most.", "-m with more seconds", "too_slow", FAILED
    )


def _heads(mark: str, first: str, headers: Sequence[tuple[str, str]]) -> None:
    """For -v. What could be a credential is not printed."""
    shown = [
        f"{name}: {'***' if name in ('authorization', 'x-api-key', 'api-key', 'cookie') else value}" for name, value in headers
    ]
    sys.stderr.write("".join(f"{mark} {line}\n" for line in [first, *shown, ""]))


def _written(text: str, answer: proxy_fetch.Answer, size: int, until: _Until) -> str:
    known = {
        "http_code": f"{answer.status:03}",
        "response_code": f"{answer.status:03}",
        "content_type": answer.headers.get("content-type", ""),
        "size_download": str(size),
        "time_total": f"{time.monotonic() - until.began_s:.6f}",
    }
    for name, value in known.items():
        text = text.replace(f"%{{{name}}}", value)
    return text.replace("\\n", "\n").replace("\\t", "\t")
