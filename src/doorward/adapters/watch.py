"""The adapters in force. The files are looked at twice a second; a good change is taken whole, a bad one is told and left.

Looking is by content, so it works for editors that write in place, that rename, and for Kubernetes'
swapped links. A file that is still being written is not taken: it must have stood still for one look.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from doorward.adapters import documents, listing, manifest
from doorward.adapters.adapter import Adapter
from doorward.adapters.excerpt import around
from doorward.adapters.listing import Listed
from doorward.adapters.nodes import Problem, Unreadable
from doorward.core.clock import Clock, SystemClock
from doorward.core.errors import BadRequest
from doorward.telemetry.logs import named

LOOK_EVERY_S = 0.4
TOLD = 20
"""Problems that one line of the log lists."""

log = named("doorward.adapters")


class Adapters:
    """`find` is one dictionary look-up. `run` belongs to the app's tasks."""

    def __init__(
        self,
        files: Sequence[Path],
        environment: Mapping[str, str],
        *,
        allow_private: bool = False,
        look_every_s: float = LOOK_EVERY_S,
        clock: Clock = SystemClock(),
    ) -> None:
        self._files = tuple(dict.fromkeys(files))
        self._environment = environment
        self._allow_private = allow_private
        self._look_every_s = look_every_s
        self._clock = clock
        self.taken_at: float | None = None
        """Unix seconds: when what is in force was read."""
        self._in_force: dict[str, Adapter] = {}
        self._raws: tuple[bytes | None, ...] = ()
        self._raws_in_force: tuple[bytes | None, ...] = ()
        self._taken = b""
        """Digest of what was last read, good or bad."""
        self.problems: tuple[Problem, ...] = ()
        """Why the files as they are now are not in force; empty: they are."""

    def find(self, name: str) -> Adapter | None:
        return self._in_force.get(name)

    def all(self) -> tuple[Adapter, ...]:
        return tuple(self._in_force.values())

    @property
    def files(self) -> tuple[str, ...]:
        return tuple(map(str, self._files))

    def listed(self) -> list[Listed]:
        """For people: the files as they are now, then what is in force and no longer stands in them."""
        found = {one.name: one for one in _listed(self._raws)}
        before = _listed(self._raws_in_force)
        return [*found.values(), *(one for one in before if one.name not in found and one.name in self._in_force)]

    def is_set(self, variable: str) -> bool:
        return bool(self._environment.get(variable, "").strip())

    def around(self, problem: Problem) -> list[tuple[int, str]]:
        """The lines around a problem, values left out."""
        raws = [raw for file, raw in zip(self._files, self._raws, strict=False) if str(file) == problem.file and raw is not None]
        return around(raws[0], problem.line) if raws else []

    def start(self) -> None:
        """Read for the first time. Raises `BadRequest` with every problem: nothing is in force that could go on."""
        digest, raws = self._look()
        self._take(digest, raws)
        if self.problems:
            listed = "; ".join(str(problem) for problem in self.problems[:TOLD])
            raise BadRequest(f"The configuration file has errors: {listed}. Run doorward config validate to see them all.")

    async def run(self) -> None:
        seen = self._taken
        while self._files:
            await asyncio.sleep(self._look_every_s)
            digest, raws = await asyncio.to_thread(self._look)
            if digest == seen and digest != self._taken:
                await asyncio.to_thread(self._take, digest, raws)
                self._tell()
            seen = digest

    def _look(self) -> tuple[bytes, list[bytes | None]]:
        raws: list[bytes | None] = []
        digest = hashlib.sha256()
        for file in self._files:
            try:
                raw = documents.raw_of(file)
            except OSError:
                raw = None
            digest.update(b"-" if raw is None else b"%d:" % len(raw) + raw)
            raws.append(raw)
        return digest.digest(), raws

    def _take(self, digest: bytes, raws: Sequence[bytes | None]) -> None:
        adapters, problems = merged(self._files, raws, self._environment, allow_private=self._allow_private)
        self._taken = digest
        self.problems = tuple(problems)
        self._raws = tuple(raws)
        if not problems:
            self._in_force = adapters
            self._raws_in_force = self._raws
            self.taken_at = self._clock.wall()

    def _tell(self) -> None:
        if self.problems:
            told = [str(problem) for problem in self.problems[:TOLD]]
            log.error("config_not_taken", problems=told, count=len(self.problems), in_force=len(self._in_force))
        else:
            log.info("config_taken", adapters=len(self._in_force))


def _listed(raws: Sequence[bytes | None]) -> list[Listed]:
    found: list[Listed] = []
    for raw in raws:
        with contextlib.suppress(Unreadable):
            found += listing.adapters(documents.decode(raw or b""))
    return found


def merged(
    files: Sequence[Path], raws: Sequence[bytes | None], environment: Mapping[str, str], *, allow_private: bool = False
) -> tuple[dict[str, Adapter], list[Problem]]:
    """Several files as one. `None` for a file that cannot be read."""
    adapters: dict[str, Adapter] = {}
    problems: list[Problem] = []
    for file, raw in zip(files, raws, strict=True):
        if raw is None:
            problems.append(Problem(1, "the file is not there, or cannot be read", str(file)))
            continue
        found = manifest.read(raw, environment, allow_private=allow_private)
        problems += [replace(problem, file=str(file)) for problem in found.problems]
        for name, adapter in found.adapters.items():
            if name in adapters:
                problems.append(Problem(adapter.line, f"adapter {name} stands in an earlier file too", str(file)))
            adapters[name] = adapter
    return adapters, problems
