"""How the simulator misbehaves on demand: by flag for every call, or by `x-simulate` for one.

    status=503        answer with that status and OpenAI's error (code=… sets its code)
    retry_after=2     with a Retry-After header; alone it means status=429
    reset             read the request, then reset the connection without a byte of answer
    cut=N             close the connection after N output tokens, without an end
    stall=N           say nothing more after N output tokens, and keep the connection open
    malformed         one event (or the whole JSON answer) is broken
    no_done           end a stream without `[DONE]`
    slow_head=S       S seconds before the head      slow_first=S   S seconds between head and first event

A trailing ``*K`` limits a fault to the first K calls: ``status=503*2``. The header takes a list:
``x-simulate: fault=cut=40, latency_ms=200, tokens_per_s=20, tokens=60``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from doorward.core.errors import BadRequest

_SHAPE = re.compile(r"(?P<name>[a-z_]+)(=(?P<value>[A-Za-z0-9_.\-]+))?(\*(?P<times>\d+))?")
_COUNTS = {"status", "cut", "stall"}
_SECONDS = {"retry_after", "slow_head", "slow_first"}
_NAMES = _COUNTS | _SECONDS | {"reset", "malformed", "no_done", "code"}


@dataclass(frozen=True, slots=True)
class Fault:
    """`spec` is what was written; calls are counted by it when `times` limits the fault."""

    name: str
    value: str
    times: int | None
    spec: str


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Settings of a simulator; one call may change them for itself by `x-simulate`."""

    latency_ms: float = 0.0
    """Before the first byte of an answer."""
    tokens_per_s: float | None = None
    """Speed of generation; `None` = as fast as the machine."""
    answer_tokens: int | None = None
    """Length of every text answer, in tokens; `None` = as the prompt asks."""
    faults: tuple[Fault, ...] = ()
    any_model: bool = True
    """`False`: only `sim-*` exist, as for the provider in the box."""
    max_body_bytes: int = 512 * 2**20


@dataclass(frozen=True, slots=True)
class Faults:
    """What applies to one call. Counts are output tokens, times are seconds."""

    status: int | None = None
    retry_after: str | None = None
    code: str | None = None
    reset: bool = False
    cut: int | None = None
    stall: int | None = None
    malformed: bool = False
    no_done: bool = False
    slow_head: float = 0.0
    slow_first: float = 0.0


NO_FAULTS = Faults()


def parse_fault(spec: str) -> Fault:
    """``status=503*2`` -> Fault. Raises `BadRequest` that lists what there is."""
    found = _SHAPE.fullmatch(spec.strip())
    name = found["name"] if found else ""
    value = (found["value"] if found else None) or ""
    wrong = (name in _COUNTS and not value.isdecimal()) or (name in _SECONDS and not _is_number(value))
    if found is None or name not in _NAMES or wrong or (name == "status" and not 300 <= int(value) <= 599):
        raise BadRequest(
            f"Unknown fault {spec[:60]!r}: write status=503, retry_after=2, reset, cut=N, stall=N, malformed, no_done, "
            "slow_head=S, slow_first=S or code=NAME, and *K behind it for the first K calls only.",
            param="x-simulate",
        )
    return Fault(name, value, int(found["times"]) if found["times"] else None, spec.strip())


def parse_header(value: str, behaviour: Behaviour) -> Behaviour:
    """`behaviour` as one call's `x-simulate` header changes it. Raises `BadRequest`."""
    faults = list(behaviour.faults)
    for item in filter(None, (part.strip() for part in value.split(","))):
        name, _, rest = item.partition("=")
        if name == "fault":
            faults.append(parse_fault(rest))
        elif name == "latency_ms" and _is_number(rest):
            behaviour = replace(behaviour, latency_ms=float(rest))
        elif name == "tokens_per_s" and _is_number(rest) and float(rest) > 0:
            behaviour = replace(behaviour, tokens_per_s=float(rest))
        elif name == "tokens" and rest.isdecimal() and 0 < int(rest) <= 20_000:
            behaviour = replace(behaviour, answer_tokens=int(rest))
        else:
            raise BadRequest(
                f"Unknown x-simulate item {item[:60]!r}: write fault=…, latency_ms=N, tokens_per_s=N or tokens=N.",
                param="x-simulate",
            )
    return replace(behaviour, faults=tuple(faults))


def applying(faults: Iterable[Fault], seen: Counter[str]) -> Faults:
    """Put together what applies to this call; `seen` counts the calls of limited faults."""
    now = NO_FAULTS
    for fault in faults:
        if fault.times is not None:
            seen[fault.spec] += 1
            if seen[fault.spec] > fault.times:
                continue
        match fault.name:
            case "status":
                now = replace(now, status=int(fault.value))
            case "retry_after":
                now = replace(now, retry_after=fault.value)
            case "code":
                now = replace(now, code=fault.value)
            case "cut":
                now = replace(now, cut=int(fault.value))
            case "stall":
                now = replace(now, stall=int(fault.value))
            case "slow_head":
                now = replace(now, slow_head=float(fault.value))
            case "slow_first":
                now = replace(now, slow_first=float(fault.value))
            case "reset":
                now = replace(now, reset=True)
            case "malformed":
                now = replace(now, malformed=True)
            case _:
                now = replace(now, no_done=True)
    if now.retry_after is not None and now.status is None:
        now = replace(now, status=429)
    return now


def _is_number(value: str) -> bool:
    try:
        return 0 <= float(value) < 1e6
    except ValueError:
        return False
