"""What people give to a command: secrets without echo, and spans of time."""

from __future__ import annotations

import getpass
import re
import sys
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from doorward.cli.outcome import WRONG_USE, Failure
from doorward.core.money import nanos_of_usd
from doorward.core.secret import Secret

MAX_STDIN_BYTES = 16 * 1024
MOST_USD = 10**7
_SPAN = re.compile(r"(\d{1,6})([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def secret(what: str, *, from_stdin: bool, flag: str) -> Secret:
    """A secret, from stdin or by a prompt without echo; never from an argument, which `ps` would show."""
    if from_stdin:
        if sys.stdin.isatty():
            print(f"Waiting for the {what} on stdin: paste it, then Enter and Ctrl+D.", file=sys.stderr)
        given = sys.stdin.buffer.read(MAX_STDIN_BYTES + 1).strip()
        if len(given) > MAX_STDIN_BYTES:
            raise Failure(
                f"the {what} is too long",
                f"It is over {MAX_STDIN_BYTES} bytes.",
                "send the key alone",
                code="wrong_secret",
                exit_code=WRONG_USE,
            )
    elif sys.stdin.isatty():
        given = getpass.getpass(f"{what[:1].upper()}{what[1:]} (not shown): ", stream=sys.stderr).strip().encode()
    else:
        raise Failure(
            f"no {what} was given",
            why="There is no terminal to ask on.",
            fix=f"send it on stdin and add {flag}",
            code="no_secret",
            exit_code=WRONG_USE,
        )
    if not given:
        raise Failure(
            f"the {what} is empty", "Nothing came on stdin.", f"send it on stdin with {flag}", code="no_secret", exit_code=WRONG_USE
        )
    return Secret(given)


def span_s(text: str, option: str, *, may_be_0: bool = False) -> float:
    """`30d`, `24h`, `15m`, `90s`, `2w` -> seconds."""
    match = _SPAN.fullmatch(text)
    if match is None or (int(match[1]) == 0 and not may_be_0):
        raise Failure(
            f"{option} is not a span of time",
            why="It is a number and a unit: s, m, h, d or w.",
            fix=f"for example {option} 30d",
            code="wrong_use",
            exit_code=WRONG_USE,
        )
    return timedelta(**{_UNITS[match[2]]: int(match[1])}).total_seconds()


def days(text: str, option: str) -> int | None:
    """`30`, or `off` -> `None`."""
    if text == "off":
        return None
    if not re.fullmatch(r"\d{1,4}", text):
        raise Failure(
            f"{option} is no number of days", "It is 1 to 90, or off.", f"for example {option} 30", "wrong_use", WRONG_USE
        )
    return int(text)


def words(text: str) -> list[str]:
    """`a,b , c` -> `["a", "b", "c"]`."""
    return [word.strip() for word in text.split(",") if word.strip()]


def confirmed(name: str, *, yes: bool, says: str) -> None:
    """A dangerous command asks for the name of what it destroys; scripts say `--yes`."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise Failure(says, why="This cannot be undone.", fix="add --yes", code="not_confirmed", exit_code=WRONG_USE)
    print(f"{says}. This cannot be undone.\nType {name} to go on: ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip() != name:
        raise Failure(
            "nothing was changed",
            "The name was not typed.",
            "run it again and type the name, or add --yes",
            code="not_confirmed",
            exit_code=WRONG_USE,
        )


def label(text: str) -> str:
    """One line of visible text, at most 200 characters: it stands in tables and logs."""
    if not text.strip() or len(text) > 200 or not text.isprintable():
        fix = 'for example --label "web app"'
        raise Failure("--label is not one line of text", "It has 1 to 200 visible characters.", fix, "wrong_use", WRONG_USE)
    return text.strip()


def name(text: str, option: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", text):
        raise Failure(
            f"{option} is not a name",
            "It is made of a-z, 0-9, dot, dash and underscore.",
            f"for example {option} team-a",
            "wrong_use",
            WRONG_USE,
        )
    return text


def dollars(text: str, option: str) -> Decimal:
    """`25`, `0.5`, `$3` -> an exact amount, 0 or more."""
    try:
        amount = Decimal(text.removeprefix("$"))
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or not 0 <= amount <= MOST_USD:
        raise Failure(
            f"{option} is no amount",
            f"It is dollars, from 0 to {MOST_USD:,}, like 25 or 0.5.",
            f"for example {option} 25",
            "wrong_use",
            WRONG_USE,
        )
    return amount


def budget(usd: str | None, period: str) -> dict[str, Any]:
    """`--budget-usd` and `--budget-period` -> the fields of `KeyLimits`; without an amount there is no budget."""
    if period not in ("day", "month", "ever"):
        raise Failure(
            "--budget-period is not accepted",
            "There are: day, month, ever.",
            "for example --budget-period month",
            "wrong_use",
            WRONG_USE,
        )
    return {} if usd is None else {"budget_nanos": nanos_of_usd(dollars(usd, "--budget-usd")), "budget_period": period}
