"""An adapter's base URL taken apart, once, when it is loaded. Nobody parses it again."""

from __future__ import annotations

import re
from dataclasses import dataclass

_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])"
    r"(?::(?P<port>[0-9]{1,5}))?(?P<path>(?:/[A-Za-z0-9._~!$&'()*+,;=:@-]+)*)/?"
)
_PORTS = {"https": 443, "http": 80}


class NotABaseUrl(ValueError):
    """What is wrong with it, without quoting it."""


@dataclass(frozen=True, slots=True)
class BaseUrl:
    scheme: str
    host: str
    """In lower case, an IPv6 address without its brackets."""
    port: int
    path: bytes
    """`b""`, or beginning with a slash and not ending in one."""


def parse(text: str) -> BaseUrl:
    """One grammar, narrower than any other parser's: what two parsers could read differently does not fit. Raises `NotABaseUrl`."""
    match = _URL.fullmatch(text)
    if match is None:
        raise NotABaseUrl(_why_not(text))
    scheme, host, path = match["scheme"], match["host"].strip("[]").lower(), match["path"]
    port = int(match["port"] or _PORTS[scheme])
    if not 0 < port < 65536:
        raise NotABaseUrl("its port is not between 1 and 65535")
    if ".." in host:
        raise NotABaseUrl("its host is no host name")
    if any(segment in (".", "..") for segment in path.split("/")):
        raise NotABaseUrl("its path must not have the segments . or ..")
    return BaseUrl(scheme, host, port, path.encode())


def _why_not(text: str) -> str:
    if not text.startswith(("https://", "http://")):
        return "it must begin with https:// (or http://), in lower case"
    rest = text.partition("://")[2]
    if "@" in rest.partition("/")[0]:
        return "it must not hold a user name or password: send credentials in a header"
    if "?" in rest or "#" in rest:
        return "it must end before any ? or #"
    if "//" in rest:
        return "its path must not have two slashes in a row"
    if "%" in rest or "\\" in rest or not rest.isascii():
        return "it must be plain: no percent sign, backslash or letter beyond ASCII"
    return "it must be scheme, host, port and path, of the characters that URLs have"
