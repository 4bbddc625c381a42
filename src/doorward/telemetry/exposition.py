"""Prometheus' text format, version 0.0.4: families of samples to a page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Family:
    """Samples under one name. `kind` = "" continues the family before (`_sum` and `_count` of a histogram)."""

    name: str
    kind: str
    help: str
    samples: Sequence[tuple[Labels, float]]
    suffix: str = ""


def gauge(name: str, help_: str, value: float) -> Family:
    return Family(name, "gauge", help_, [((), value)])


def counter(name: str, help_: str, value: float) -> Family:
    return Family(name, "counter", help_, [((), value)])


def rendered(families: Iterable[Family]) -> str:
    lines: list[str] = []
    for family in families:
        if family.kind:
            lines.append(f"# HELP {family.name} {family.help}")
            lines.append(f"# TYPE {family.name} {family.kind}")
        name = family.name + family.suffix
        lines += [f"{name}{_labels(labels)} {_number(value)}" for labels, value in family.samples]
    return "\n".join(lines) + "\n"


def _labels(labels: Labels) -> str:
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels) + "}" if labels else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    """Whole numbers stay whole: nano-dollars beyond 2**53 must not be rounded on our side."""
    return str(value) if isinstance(value, int) else repr(value)
