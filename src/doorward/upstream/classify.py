"""What an answer, or the lack of one, means for the next step. Pure: one table, and the readers that fill it."""

from __future__ import annotations

import email.utils
import enum
import math
import re
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from doorward.core.exchange import Headers, header
from doorward.upstream.port import Forbidden, Silent, Stage, TransportError

MOST_WAIT_S = 7 * 86_400.0
"""A longer wait is a mistake or a trick; longer than any OpenAI window."""


class Outcome(enum.StrEnum):
    OK = "ok"
    RETRY = "retry"
    """The same account once more, or another."""
    REST = "rest"
    """(quota owner, model) rests for `retry_after_s`."""
    REST_QUOTA_OWNER = "rest_quota_owner"
    QUARANTINE = "quarantine"
    CALLERS_FAULT = "callers_fault"
    CONTENT_POLICY = "content_policy"
    CONTEXT_LENGTH = "context_length"
    AMBIGUOUS = "ambiguous"
    NOT_SENT = "not_sent"
    FORBIDDEN = "forbidden"
    """Not sent, because its address may not be connected to."""

    @property
    def elsewhere(self) -> bool:
        """Nothing was billed, and another account or the same one later may do better."""
        return self in _ELSEWHERE


_ELSEWHERE = frozenset(
    (Outcome.RETRY, Outcome.REST, Outcome.REST_QUOTA_OWNER, Outcome.QUARANTINE, Outcome.NOT_SENT, Outcome.FORBIDDEN)
)


@dataclass(frozen=True, slots=True)
class Verdict:
    outcome: Outcome
    retry_after_s: float | None = None
    """What the upstream asks to wait, 0 to a week; `None` = it did not say."""
    status: int | None = None
    code: str | None = None
    """The error's own code, or its type where it has none."""
    reason: str = ""
    """For "why?": status and code, or the transport's words; never content."""
    silent: bool = False
    """It ended by a time limit (504 and not 502)."""


OK = Verdict(Outcome.OK)

_QUOTA_CODES = frozenset(("insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "insufficient_balance"))
_QUOTA_WORDS = re.compile(r"credit balance is too low", re.IGNORECASE)
_POLICY_CODES = frozenset(
    ("content_policy_violation", "content_filter", "moderation_blocked", "responsibleaipolicyviolation", "invalid_prompt")
)
_CONTEXT_CODES = frozenset(("context_length_exceeded", "request_too_large", "string_above_max_length"))
_CONTEXT_WORDS = re.compile(
    r"maximum context length|context window|prompt is too long|too many (?:input )?tokens"
    r"|reduce the length of the (?:messages|prompt)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Refusal:
    """A complete answer of status 400 or above, as far as the table asks."""

    status: int
    names: frozenset[str]
    """The error's code and type, in lower case."""
    message: str
    used: bool


_TABLE: tuple[tuple[Callable[[_Refusal], object], Outcome], ...] = (
    # Usage was reported, so it was billed: a second call would be paid twice (R10).
    (lambda it: it.used, Outcome.AMBIGUOUS),
    # The organisation's money is gone, whatever the model and the key.
    (lambda it: it.names & _QUOTA_CODES or it.status == 402 or _QUOTA_WORDS.search(it.message), Outcome.REST_QUOTA_OWNER),
    # This model's limit for this quota owner; its other models may still serve.
    (lambda it: it.status == 429, Outcome.REST),
    # The key itself is refused.
    (lambda it: it.status == 401, Outcome.QUARANTINE),
    # Complete and without usage: not billed, so the same account or another may be asked.
    (lambda it: it.status == 408 or it.status >= 500, Outcome.RETRY),
    # What one upstream refused to do is not asked of another (R31).
    (lambda it: it.names & _POLICY_CODES, Outcome.CONTENT_POLICY),
    # Only a larger model can help (R31). Not every provider has a code for it.
    (lambda it: it.names & _CONTEXT_CODES, Outcome.CONTEXT_LENGTH),
    (lambda it: it.status in (400, 413, 422) and _CONTEXT_WORDS.search(it.message), Outcome.CONTEXT_LENGTH),
    # The rest would be refused again, 403 included: that says what the key may not do, not that it is bad.
    (lambda it: True, Outcome.CALLERS_FAULT),
)


class _Error(msgspec.Struct):
    message: msgspec.Raw = msgspec.Raw(b"")
    type: msgspec.Raw = msgspec.Raw(b"")
    code: msgspec.Raw = msgspec.Raw(b"")


class _Body(msgspec.Struct):
    error: msgspec.Raw = msgspec.Raw(b"")
    usage: msgspec.Raw = msgspec.Raw(b"")


_body = msgspec.json.Decoder(_Body)
_error = msgspec.json.Decoder(_Error)
_USAGE = re.compile(rb'"usage"\s*:\s*\{')
_FIELD = {name: re.compile(rb'"%s"\s*:\s*("(?:[^"\\]|\\.)*")' % name.encode()) for name in ("code", "type", "message")}


def classify_answer(status: int, headers: Headers, body_start: bytes, now_s: float) -> Verdict:
    """Below 400 is `OK`: a redirect too, which is never followed and goes back as it is.

    `body_start` is an error's body, or the first kilobytes of it; `now_s` unix seconds, for waits given as a date.
    """
    if status < 400:
        return OK
    code, kind, message, used = _read(body_start)
    refusal = _Refusal(status, frozenset((code.lower(), kind.lower())), message, used)
    outcome = next(outcome for applies, outcome in _TABLE if applies(refusal))
    named = code or kind or None
    reason = f"status {status}" + (f", {named}" if named else "")
    return Verdict(outcome, retry_after_s(headers, now_s), status, named, reason)


def classify_error(error: TransportError) -> Verdict:
    """Lost or silent after the first written byte: it may have been done, and billed."""
    if isinstance(error, Forbidden):
        return Verdict(Outcome.FORBIDDEN, reason=str(error))
    sent = error.stage is not Stage.CONNECTING
    return Verdict(Outcome.AMBIGUOUS if sent else Outcome.NOT_SENT, reason=str(error), silent=isinstance(error, Silent))


def retry_after_s(headers: Headers, now_s: float) -> float | None:
    """`retry-after-ms`, else `retry-after` in seconds or as an HTTP date: bounded to 0 … a week; junk is `None`."""
    if (ms := _number(header(headers, b"retry-after-ms"))) is not None:
        return _bounded(ms / 1000)
    value = header(headers, b"retry-after")
    if (seconds := _number(value)) is not None:
        return _bounded(seconds)
    if value is None:
        return None
    try:
        return _bounded(email.utils.parsedate_to_datetime(value.decode("ascii")).timestamp() - now_s)
    except (ValueError, UnicodeDecodeError, OverflowError):
        return None


def _read(body: bytes) -> tuple[str, str, str, bool]:
    """-> error code, type, message, whether usage was reported. A body cut short, or no JSON, is searched instead."""
    try:
        read = _body.decode(body)
        error = _error.decode(read.error) if bytes(read.error).startswith(b"{") else _error.decode(body)
    except msgspec.DecodeError:
        return _found(body, "code"), _found(body, "type"), _found(body, "message"), _USAGE.search(body) is not None
    return _text(error.code), _text(error.type), _text(error.message), bytes(read.usage) not in (b"", b"null", b"{}")


def _found(body: bytes, name: str) -> str:
    match = _FIELD[name].search(body)
    return _text(msgspec.Raw(match[1])) if match else ""


def _text(raw: msgspec.Raw) -> str:
    try:
        value = msgspec.json.decode(raw) if raw else ""
    except msgspec.DecodeError:
        return ""
    return value if isinstance(value, str) else ""


def _number(value: bytes | None) -> float | None:
    try:
        number = float(value) if value is not None else math.nan
    except ValueError:
        return None
    return None if math.isnan(number) else number


def _bounded(seconds: float) -> float:
    return min(max(seconds, 0.0), MOST_WAIT_S)
