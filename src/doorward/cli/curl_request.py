"""What `doorward curl`'s flags make of a request: its body, its headers, its query. As curl 8 reads them."""

from __future__ import annotations

import mimetypes
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote_plus

from doorward.cli.outcome import WRONG_USE, Failure
from doorward.proxy_fetch import GivenHeader

FORM = "application/x-www-form-urlencoded"
_CUT_FROM_FILES = b"\r\n\x00"
"""`-d @FILE` drops them, as curl does."""


def data_of(plain: Sequence[str], raw: Sequence[str], binary: Sequence[str], encoded: Sequence[str]) -> bytes | None:
    """`-d`, `--data-raw`, `--data-binary` and `--data-urlencode`, in this order, joined by `&`; `None` without any."""
    pieces = [read(text).translate(None, _CUT_FROM_FILES) if text.startswith("@") else text.encode() for text in plain]
    pieces += [text.encode() for text in raw]
    pieces += [read(text) if text.startswith("@") else text.encode() for text in binary]
    pieces += [_urlencoded(text) for text in encoded]
    return b"&".join(pieces) if pieces else None


def kind_of(data: bytes) -> str:
    """curl calls every body a form; what is plainly JSON is called so here, because nearly every API behind here takes that."""
    return "application/json" if data.lstrip()[:1] in (b"{", b"[") else FORM


def multipart(fields: Sequence[str]) -> tuple[bytes, str]:
    """-> body, content type. Fields: `name=value`, `name=@FILE` (a file), `name=<FILE` (its text), `;type=`, `;filename=`."""
    boundary = f"doorward-{secrets.token_hex(16)}"
    body = b"".join(b"--%b\r\n%b\r\n" % (boundary.encode(), _part(field)) for field in fields)
    return body + b"--%b--\r\n" % boundary.encode(), f"multipart/form-data; boundary={boundary}"


def headers_of(lines: Sequence[str]) -> list[GivenHeader]:
    """`Name: value` as often as it stands; `Name:` leaves out one of ours; `Name;` sends it empty."""
    headers: list[GivenHeader] = []
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon and line.endswith(";"):
            name, colon, value = line[:-1], ":", ";"
        if not colon or not name.strip().isascii() or any(c < " " or c == "\x7f" for c in line):
            raise _wrong("-H is not a header", "It is a name, a colon and a value.", "-H 'Accept: application/json'")
        value = value.strip()
        headers.append((name.strip().lower(), None if not value else "" if value == ";" else value))
    return headers


def with_query(path: str, data: bytes) -> str:
    """`-G`: what would be the body goes behind the path."""
    text = data.decode("ascii", "replace")
    if not text.isascii() or any(c <= " " or c in "#\x7f" for c in text):
        raise _wrong("-G cannot put this into a path", "A query is percent-encoded.", "--data-urlencode 'q=two words'")
    return f"{path}{'&' if '?' in path else '?'}{text}"


def read(text: str) -> bytes:
    """`@FILE`, or `@-` for stdin."""
    if not text.startswith("@"):
        return text.encode()
    if text == "@-":
        return sys.stdin.buffer.read()
    return _file(text[1:])


def _urlencoded(text: str) -> bytes:
    """`content`, `=content`, `name=content`, `@FILE`, `name@FILE`."""
    places = [at for at in (text.find("="), text.find("@")) if at >= 0]
    if not places:
        return quote_plus(text).encode()
    name, mark, content = text[: min(places)], text[min(places)], text[min(places) + 1 :]
    value = quote_plus(read(f"@{content}") if mark == "@" else content.encode())
    return f"{name}={value}".encode() if name else value.encode()


def _part(field: str) -> bytes:
    name, equals, value = field.partition("=")
    if not equals or not name:
        raise _wrong("-F is not a field", "It is a name, = and a value, @FILE or <FILE.", "-F file=@a.jsonl")
    value, *options = value.split(";") if value.startswith(("@", "<")) else (value,)
    given = dict(option.strip().partition("=")[::2] for option in options)
    disposition, kind = f'form-data; name="{_quoted(name)}"', given.get("type")
    content = value.encode()
    if value.startswith(("@", "<")):
        content = read("@" + value[1:])
    if value.startswith("@"):
        file = given.get("filename") or Path(value[1:]).name
        disposition += f'; filename="{_quoted(file)}"'
        kind = kind or mimetypes.guess_type(file)[0] or "application/octet-stream"
    lines = [f"content-disposition: {disposition}", *([f"content-type: {_quoted(kind)}"] if kind else []), "", ""]
    return "\r\n".join(lines).encode() + content


def _quoted(text: str) -> str:
    """Nothing in it ends the quotes or the line."""
    return text.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")


def _file(name: str) -> bytes:
    try:
        return Path(name).read_bytes()
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise Failure(f"{name} cannot be read", f"{why}.", "give the path of a file after @", "no_file", WRONG_USE) from error


def _wrong(error: str, why: str, fix: str) -> Failure:
    return Failure(error, why, fix, "wrong_use", WRONG_USE)
