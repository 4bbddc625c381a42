"""One `kind: HTTP` document as an adapter: its name and its `spec`, strictly, with its variables put in (R24).

Reading goes on after a problem, so that all are told at once. No problem ever shows a value.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Mapping as Map

from doorward.adapters.adapter import (
    DEFAULT_TIMEOUTS,
    MAX_REQUEST_BYTES,
    MAX_RESPONSE_BYTES,
    METHODS,
    Adapter,
    Timeouts,
)
from doorward.adapters.base_url import BaseUrl, NotABaseUrl, parse
from doorward.adapters.expand import NotExpanded, expand
from doorward.adapters.fields import Fields, switch
from doorward.adapters.headers import forward_refusal, injected_refusal, return_refusal
from doorward.adapters.nodes import Problem, Scalar, Sequence
from doorward.adapters.values import count, prices, retries, seconds, texts
from doorward.core.secret import Secret

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")

_METADATA = frozenset({"name", "labels", "annotations"})
_SPEC = frozenset(
    {
        "baseUrl",
        "headers",
        "timeouts",
        "methods",
        "paths",
        "maxRequestBytes",
        "maxResponseBytes",
        "allowPrivate",
        "retries",
        "roles",
        "keys",
        "forwardHeaders",
        "returnHeaders",
        "prices",
    }
)
_HEADER = frozenset({"name", "value"})
_TIMEOUTS = frozenset({"connectSeconds", "firstByteSeconds", "idleSeconds", "totalSeconds"})
_PATH = re.compile(r"/(?:[A-Za-z0-9._~!$&'()*+,;=:@-]+/?)*")


class SpecReader:
    """`expanding=False`: variables may be missing, and what is read is not usable."""

    def __init__(self, problems: list[Problem], environment: Map[str, str], allow_private: bool, expanding: bool) -> None:
        self._problems = problems
        self._environment = environment
        self._allow_private = allow_private
        self._expanding = expanding

    def adapter(self, top: Fields) -> Adapter:
        """Of use only if no problem was noted meanwhile."""
        metadata = Fields(top.node("metadata"), "metadata", _METADATA, self._problems, top.line)
        name = metadata.text("name", needed=True)
        if name is not None and not NAME.fullmatch(name.text):
            top.wrong(name.line, "metadata.name must be 1 to 63 letters, digits, dots, dashes and underscores")
        spec = Fields(top.node("spec"), "spec", _SPEC, self._problems, top.line)
        secrets: dict[str, Secret] = {}
        allow_private = spec.read("allowPrivate", False, switch, "true or false")
        base_url, hidden = self._base_url(spec, secrets, allow_private or self._allow_private)
        return Adapter(
            name.text if name is not None else "",
            top.line,
            base_url or BaseUrl("https", "", 443, b""),
            self._headers(spec, secrets),
            tuple(secrets.values()),
            hidden,
            self._timeouts(spec),
            (listed := spec.one_of("methods", METHODS)) or METHODS,
            self._paths(spec),
            spec.read("maxRequestBytes", MAX_REQUEST_BYTES, count, "a number of bytes, 1 or more"),
            spec.read("maxResponseBytes", MAX_RESPONSE_BYTES, count, "a number of bytes, 1 or more"),
            allow_private,
            spec.read("retries", 0, retries, "a number from 0 to 5"),
            spec.one_of("roles", ("admin", "user")),
            texts(spec.words("keys")),
            self._names(spec, "forwardHeaders", forward_refusal),
            self._names(spec, "returnHeaders", return_refusal),
            spec.read("prices", None, prices, "free, or the id of a provider"),
            bool(listed),
        )

    def _expanded(self, where: str, scalar: Scalar, secrets: dict[str, Secret], spec: Fields) -> str | None:
        """The text with its variables; `None` after noting why not."""
        try:
            found = expand(scalar.text, self._environment)
        except NotExpanded as error:
            if self._expanding or "must be followed" in str(error):
                spec.wrong(scalar.line, f"{where}: {error}")
            return None
        for variable in found.names:
            if variable not in secrets:
                secrets[variable] = Secret(self._environment[variable])
        return found.text

    def _base_url(self, spec: Fields, secrets: dict[str, Secret], allow_private: bool) -> tuple[BaseUrl | None, bool]:
        scalar = spec.text("baseUrl", needed=True)
        text = self._expanded("spec.baseUrl", scalar, secrets, spec) if scalar is not None else None
        if scalar is None or text is None:
            return None, False
        try:
            url = parse(text)
        except NotABaseUrl as error:
            spec.wrong(scalar.line, f"spec.baseUrl cannot be used: {error}")
            return None, False
        if url.scheme == "http" and not allow_private:
            spec.wrong(scalar.line, "spec.baseUrl: http:// would send headers in clear; use https://, or say allowPrivate: true")
        return url, text != scalar.text

    def _headers(self, spec: Fields, secrets: dict[str, Secret]) -> tuple[tuple[bytes, Secret], ...]:
        node = spec.node("headers")
        if node is None:
            return ()
        if not isinstance(node, Sequence):
            spec.wrong(node.line, "spec.headers must be a list of {name, value}")
            return ()
        headers: list[tuple[bytes, Secret]] = []
        for item in node.items:
            header = Fields(item, "a header", _HEADER, self._problems, item.line)
            name, value = header.text("name", needed=True), header.text("value", needed=True)
            if name is None or value is None:
                continue
            if refusal := injected_refusal(name.text, {known.decode() for known, _ in headers}):
                spec.wrong(name.line, refusal)
                continue
            text = self._expanded(f"header {name.text}", value, secrets, spec)
            if text is None:
                continue
            if not text.isprintable() and any(ord(character) < 0x20 or ord(character) == 0x7F for character in text):
                spec.wrong(value.line, f"header {name.text} holds a line break or another control character")
            headers.append((name.text.lower().encode(), Secret(text)))
        return tuple(headers)

    def _timeouts(self, spec: Fields) -> Timeouts:
        node = spec.node("timeouts")
        if node is None:
            return DEFAULT_TIMEOUTS
        fields = Fields(node, "spec.timeouts", _TIMEOUTS, self._problems, spec.line)
        given = [
            fields.read(name, default, seconds, "a number of seconds above 0, at most 86400")
            for name, default in (
                ("connectSeconds", DEFAULT_TIMEOUTS.connect_s),
                ("firstByteSeconds", DEFAULT_TIMEOUTS.first_byte_s),
                ("idleSeconds", DEFAULT_TIMEOUTS.idle_s),
                ("totalSeconds", DEFAULT_TIMEOUTS.total_s),
            )
        ]
        return Timeouts(*given)

    def _paths(self, spec: Fields) -> tuple[bytes, ...]:
        paths: list[bytes] = []
        for word in spec.words("paths") or ():
            if not _PATH.fullmatch(word.text) or any(segment in (".", "..") for segment in word.text.split("/")):
                spec.wrong(word.line, "spec.paths are plain paths that begin with one slash, like /v1/models")
            paths.append(word.text.encode("ascii", "replace"))
        return tuple(paths)

    def _names(self, spec: Fields, field_name: str, refusal: Callable[[str], str | None]) -> frozenset[bytes]:
        names = spec.words(field_name) or ()
        for word in names:
            if why := refusal(word.text):
                spec.wrong(word.line, why)
        return frozenset(word.text.lower().encode("ascii", "replace") for word in names)
