"""What a provider's row may say, checked where people write one: control plane and command line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from doorward.core.errors import Unprocessable
from doorward.store.providers import trimmed
from doorward.upstream.addresses import refusal

_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_STRATEGY = re.compile(r"api_key|bearer|none|header:[A-Za-z0-9-]{1,64}")
_PATTERN = re.compile(r"[!-)+-~]{1,200}\*?|\*")
_NOT_A_KEY_HEADER = frozenset(
    {"host", "content-length", "content-type", "transfer-encoding", "connection", "te", "upgrade", "trailer", "cookie", "accept"}
)


def provider_id(text: str) -> str:
    if not _ID.fullmatch(text):
        raise Unprocessable("A provider's id is made of a-z, 0-9, dot, dash and underscore, at most 64.", param="id")
    return text


def base_url(text: str, *, allow_private: bool) -> str:
    """Scheme, host, port and path, without `/v1`. Raises `Unprocessable`; the address is checked when it is connected to."""
    try:
        parts = urlsplit(text.strip())
        port_fits = parts.port is None or parts.port > 0
    except ValueError:
        raise _unfit("it is not a URL") from None
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise _unfit("it must begin with https:// (or http://) and a host")
    if not port_fits or not text.isascii() or any(ord(character) <= 0x20 for character in text.strip()) or "\\" in text:
        raise _unfit("it has a character or a port that no URL has")
    if parts.username is not None or parts.password is not None:
        raise _unfit("it must not hold a user name or a password: keys belong in accounts")
    if parts.query or parts.fragment or "?" in text or "#" in text:
        raise _unfit("it must end before any ? or #")
    if any(segment in (".", "..") for segment in parts.path.split("/")) or "%" in parts.path:
        raise _unfit("its path must be plain")
    if not allow_private and _is_private(parts.hostname):
        raise _unfit("its host is on this machine or a private network: allow that with allow_private (--allow-private)")
    if parts.scheme == "http" and not allow_private:
        raise _unfit("http:// would send keys in clear: use https://, or say allow_private (--allow-private)")
    return trimmed(text)


def _is_private(host: str) -> bool:
    """Whether that shows without asking DNS."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    return refusal(host, allow_private=False) not in (None, "is not an IP address")


def auth_strategy(text: str) -> str:
    """`api_key` (= `bearer`), `header:<name>` or `none`."""
    if not _STRATEGY.fullmatch(text) or text.partition(":")[2].lower() in _NOT_A_KEY_HEADER:
        raise Unprocessable(
            "auth_strategy is api_key, none, or header:NAME with the header that takes the key.", param="auth_strategy"
        )
    return text


def models(items: Sequence[str]) -> tuple[str, ...]:
    """Exact ids, and prefixes that end in one `*`."""
    for item in items:
        if not _PATTERN.fullmatch(item):
            raise Unprocessable("A model is an id like gpt-4o, or a prefix like gpt-*.", param="supported_models")
    return tuple(dict.fromkeys(items))


def _unfit(reason: str) -> Unprocessable:
    return Unprocessable(f"base_url cannot be used: {reason}.", param="base_url")
