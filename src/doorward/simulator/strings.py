"""Words and numbers of a text that fit a property: by its name, format, pattern and length."""

from __future__ import annotations

import re
from typing import Any

from doorward.simulator.patterns import matching

MAX_CHARS = 10_000
"""The longest string that is made."""

_CAPITAL = re.compile(r"\b[A-Z][^\W\d_]+(?:[ -][A-Z][^\W\d_]+)*")
_QUOTED = re.compile(r"[\"“]([^\"”]{1,200})[\"”]")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_FIRST = (
    "A An And Are Ask At By Call Can Could Did Do Does Find For From Get Give How I If In Is It Let Look Make My Now On Please "
    "Reply Say Search Send Set Show Should Summarize Tell That The Then There These This Those Use Was We What When Where Which "
    "Who Why Will With Would Write You Your Yes No"
)
_FIRST_WORDS = frozenset(_FIRST.split())

FORMATS = {
    "date-time": "2026-01-15T09:30:00Z",
    "date": "2026-01-15",
    "time": "09:30:00Z",
    "duration": "PT15M",
    "email": "someone@example.com",
    "idn-email": "someone@example.com",
    "hostname": "example.com",
    "idn-hostname": "example.com",
    "ipv4": "192.0.2.10",
    "ipv6": "2001:db8::10",
    "uri": "https://example.com/",
    "iri": "https://example.com/",
    "uri-reference": "/example",
    "uuid": "6f1c1f5e-3a44-4c7e-9d58-2f0f6a1b7c90",
    "json-pointer": "/example",
    "regex": "^example$",
}
_FOUND_BY_FORMAT = {
    "date": re.compile(r"\b\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])\b"),
    "email": re.compile(r"\b[\w.+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+\b"),
    "uri": re.compile(r"https?://[^\s\"'<>)]+[^\s\"'<>).,;]"),
}
_WHOLE_TEXT = re.compile(
    r"text|query|question|prompt|message|content|summary|input|reason|explanation|description|body|answer", re.I
)


def text_value(schema: dict[str, Any], name: str, text: str) -> str:
    """A string for a property. The caller checks it; length bounds and patterns are met where that is possible."""
    least, most = int(schema.get("minLength", 0)), schema.get("maxLength")
    form = schema.get("format")
    if isinstance(form, str) and form in FORMATS:
        found = _FOUND_BY_FORMAT[form].search(text) if form in _FOUND_BY_FORMAT else None
        return found[0] if found else FORMATS[form]
    if least > MAX_CHARS:
        raise ValueError("longer than any property needs")
    if isinstance(pattern := schema.get("pattern"), str):
        return matching(pattern, [*proper_names(text), *text.split(), FORMATS["date"], "example", "A", "1"], least, most)
    value = _from_text(name, text)
    while len(value) < least:
        value = f"{value} {value}" if value else "x"
    return value if most is None else value[: int(most)]


def proper_names(text: str) -> list[str]:
    """Capitalised words such as `Paris` or `New York`; those that begin a sentence come last, for they may be any word."""
    names: list[str] = []
    first: list[str] = []
    text = text[:4000]
    for found in _CAPITAL.finditer(text):
        words = found[0].split(" ")
        begins = text[: found.start()].rstrip()[-1:] in ("", ".", "!", "?", ":")
        while words and words[0] in _FIRST_WORDS:
            words.pop(0)
            begins = False
        if words:
            (first if begins else names).append(" ".join(words))
    return list(dict.fromkeys([*names, *first]))


def number_in(text: str, name: str, *, share: bool) -> float | int:
    """A number of the text; a share of one for a confidence and the like when `share` is possible."""
    if share and re.search(r"confidence|score|probab|likelihood|certainty|relevance", name, re.I):
        return 0.9
    found = _NUMBER.search(text)
    if found is None or len(found[0]) > 15:
        return 1
    return float(found[0]) if "." in found[0] else int(found[0])


def _from_text(name: str, text: str) -> str:
    stripped = " ".join(text.split())
    if name and (found := re.search(rf"\b{re.escape(name.replace('_', ' '))}\s*(?:is|=|:)\s*[\"“']?([^\W_][\w-]*)", text, re.I)):
        return found[1]
    if not _WHOLE_TEXT.search(name):
        if found := _QUOTED.search(text):
            return found[1]
        if names := proper_names(text):
            return names[0]
    return stripped[:200] or name or "example"
