"""Calls that go around the door: providers' hosts in code, SDK clients without a base URL, environments without one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from doorward.scan.finding import Sighting

_HOSTS = (
    rb"api\.openai\.com",
    rb"[a-z0-9][a-z0-9\-]{0,62}\.openai\.azure\.com",
    rb"api\.anthropic\.com",
    rb"generativelanguage\.googleapis\.com",
    rb"api\.groq\.com",
    rb"api\.mistral\.ai",
    rb"api\.deepseek\.com",
    rb"api\.x\.ai",
    rb"api\.together\.(?:xyz|ai)",
    rb"api\.fireworks\.ai",
    rb"api\.perplexity\.ai",
    rb"api\.cohere\.(?:com|ai)",
    rb"openrouter\.ai/api",
)
_HOST_MARKS = (
    b"openai.",
    b"anthropic.com",
    b"googleapis.com",
    b"groq.com",
    b"mistral.ai",
    b"deepseek.com",
    b"x.ai",
    b"together.",
    b"fireworks.ai",
    b"perplexity.ai",
    b"cohere.",
    b"openrouter.ai",
)
HOST = re.compile(rb"(?<![A-Za-z0-9.\-])(?:" + b"|".join(_HOSTS) + rb")(?![A-Za-z0-9\-]|\.[A-Za-z0-9])")

_CLIENTS = rb"(?P<name>(?:Async)?(?:Azure)?OpenAI|ChatOpenAI|OpenAIEmbeddings|(?:Async)?Anthropic|ChatAnthropic|Groq|AsyncGroq)"
_CLIENT_MARKS = tuple(name + end for name in (b"OpenAI", b"OpenAIEmbeddings", b"Anthropic", b"Groq") for end in (b"(", b" ("))
_PYTHON = re.compile(rb"(?<![A-Za-z0-9_])(?<!class )(?<!def )" + _CLIENTS + rb"\s*\(")
_SCRIPT = re.compile(rb"\bnew\s+" + _CLIENTS + rb"\s*\(")
_HAS_BASE = re.compile(rb"base_?url|api_base|endpoint_url|\*\*|\.\.\.", re.IGNORECASE)
"""A base URL, or arguments that stand elsewhere and cannot be judged here."""
_MOST_ARGUMENT_BYTES = 4000

_SETS_KEY = re.compile(rb"(?m)^[ \t]*(?:-[ \t]*|export[ \t]+|ENV[ \t]+)?[\"']?(?P<name>OPENAI_API_KEY)[\"']?[ \t]*[=:]")
_SETS_BASE = re.compile(rb"(?m)^[ \t]*(?:-[ \t]*|export[ \t]+|ENV[ \t]+)?[\"']?OPENAI_BASE_URL[\"']?[ \t]*[=:]")

PYTHON = frozenset({".py", ".pyi", ".ipynb"})
SCRIPT = frozenset({".js", ".jsx", ".ts", ".tsx", ".mjs", ".cjs", ".mts", ".cts", ".vue", ".svelte"})
_OTHER_CODE = re.compile(
    r"\.(?:go|rb|java|kts?|scala|cs|fs|rs|php|swift|dart|exs?|clj|lua|r|jl|pl|c|cc|cpp|h|hpp|mm?"
    r"|sh|bash|zsh|fish|ps1|bat|ya?ml|toml|ini|cfg|conf|json|properties|env|tf|sql)"
)
_COMMENT = (b"#", b"//", b"*", b"/*", b"<!--", b"--", b";")


def hosts_in(text: bytes) -> Iterator[Sighting]:
    if any(mark in text for mark in _HOST_MARKS):
        for match in HOST.finditer(text):
            host = match[0].decode("ascii").removesuffix("/api")
            yield Sighting("call", "direct_host", f"goes to {host} directly", match.start(), match.end())


def clients_in(text: bytes, suffix: str) -> Iterator[Sighting]:
    """SDK clients that are made without saying where to call."""
    pattern = _PYTHON if suffix in PYTHON else _SCRIPT if suffix in SCRIPT else None
    if pattern is None or not any(mark in text for mark in _CLIENT_MARKS):
        return
    word = "base_url" if suffix in PYTHON else "baseURL"
    for match in pattern.finditer(text):
        if not _HAS_BASE.search(_arguments(text, match.end())):
            name = match["name"].decode("ascii")
            yield Sighting("call", "client_without_base_url", f"{name} without {word}", match.start("name"), match.end("name"))


def environment_in(text: bytes) -> Iterator[Sighting]:
    """An environment that gives programs OpenAI's key name and not where to call."""
    found = _SETS_KEY.search(text)
    if found is not None and not _SETS_BASE.search(text):
        says = "OPENAI_API_KEY without OPENAI_BASE_URL"
        yield Sighting("call", "environment_without_base_url", says, found.start("name"), found.end("name"))


def sets_base_url(text: bytes) -> bool:
    return b"OPENAI_BASE_URL" in text and _SETS_BASE.search(text) is not None


def is_environment(path: PurePosixPath) -> bool:
    """`.env`, `.env.example`, compose files, Dockerfiles: where a deployment's variables stand."""
    name = path.name.lower()
    compose = path.suffix in (".yml", ".yaml") and ("compose" in name or name.startswith("docker"))
    return name.startswith(".env") or name.endswith(".env") or compose or "dockerfile" in name or name == "containerfile"


def is_code(path: PurePosixPath) -> bool:
    suffix = path.suffix.lower()
    return suffix in PYTHON or suffix in SCRIPT or bool(_OTHER_CODE.fullmatch(suffix)) or is_environment(path)


def is_comment(line: bytes) -> bool:
    """A host in a comment is a reference, not a call. A key in one is a key."""
    return line.lstrip().startswith(_COMMENT)


def _arguments(text: bytes, start: int) -> bytes:
    """What stands between the parentheses, as far as they can be counted."""
    depth = 1
    for at in range(start, min(len(text), start + _MOST_ARGUMENT_BYTES)):
        byte = text[at]
        if byte == 0x28:
            depth += 1
        elif byte == 0x29:
            depth -= 1
            if depth == 0:
                return text[start:at]
    return text[start : start + _MOST_ARGUMENT_BYTES]
