"""Passwords: argon2id, in a few threads of their own, so that a storm of sign-ins waits for itself
and not the relay for it.

An unknown user costs the same work as a wrong password, and says the same.
"""

from __future__ import annotations

import asyncio
import os
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from doorward.core.errors import Unavailable, Unprocessable
from doorward.core.secret import Secret

if TYPE_CHECKING:
    from argon2 import PasswordHasher

T = TypeVar("T")

LEAST_CHARS = 8
MOST_BYTES = 1024
MOST_WAITING = 64
MOST_WAIT_S = 6.0
"""Who would be more, or waits longer, is told to come back: how many that are depends on how busy the machine is."""

LOW_PRIORITY = 10


class Passwords:
    """`time_cost`, `memory_kib`: argon2id's; the defaults take about 0.1 s and 64 MiB a check (RFC 9106, second choice)."""

    def __init__(
        self, *, workers: int | None = None, time_cost: int = 3, memory_kib: int = 65_536, most_wait_s: float = MOST_WAIT_S
    ) -> None:
        self._costs = time_cost, memory_kib
        workers = workers or max(1, (os.cpu_count() or 2) // 2)
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="argon2", initializer=_step_back)
        self._free = asyncio.Semaphore(workers)
        self._waiting = 0
        self._most_wait_s = most_wait_s
        self._decoy: str | None = None

    async def hash(self, password: Secret) -> str:
        """-> argon2's text, for the database. Raises `Unprocessable` for a password that will not do."""
        text = _normal(password)
        require_fit(password)
        return await self._in_thread(lambda: self._hasher().hash(text))

    async def matches(self, kept: str | None, password: Secret) -> bool:
        """`kept` is `None` for an unknown user or one without a password: the same work is done."""
        text = _normal(password)
        return await self._in_thread(lambda: self._verify(kept, text))

    def require_room(self) -> None:
        """Raises `Unavailable` where a password would not be looked at: before anything else is done for it."""
        if self._waiting >= MOST_WAITING:
            raise _crowded()

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _hasher(self) -> PasswordHasher:
        from argon2 import PasswordHasher  # by need: many houses know no passwords

        time_cost, memory_kib = self._costs
        return PasswordHasher(time_cost=time_cost, memory_cost=memory_kib, parallelism=1)

    def _verify(self, kept: str | None, text: bytes) -> bool:
        from argon2.exceptions import InvalidHashError, VerificationError

        hasher = self._hasher()
        if kept is None:
            self._decoy = self._decoy or hasher.hash(os.urandom(16))
        try:
            return hasher.verify(kept or self._decoy or "", text) and kept is not None
        except (VerificationError, InvalidHashError):
            return False

    async def _in_thread(self, work: Callable[[], T]) -> T:
        self.require_room()
        self._waiting += 1
        try:
            async with asyncio.timeout(self._most_wait_s):
                await self._free.acquire()
        except TimeoutError:
            raise _crowded() from None
        finally:
            self._waiting -= 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._free.release()


def _crowded() -> Unavailable:
    return Unavailable("Too many people are signing in at once. Try again in a few seconds.", retry_after_s=3)


def require_fit(password: Secret) -> None:
    """Raises `Unprocessable` for one that is too short or too long; never echoes it."""
    raw = password.reveal()
    if len(raw) > MOST_BYTES:
        raise Unprocessable(f"The password is longer than {MOST_BYTES} bytes.", param="password")
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise Unprocessable("The password is not UTF-8 text.", param="password") from None
    if len(text) < LEAST_CHARS:
        raise Unprocessable(f"The password is too short: use at least {LEAST_CHARS} characters.", param="password")


def _normal(password: Secret) -> bytes:
    # The same letters typed on two systems may come as different code points (RFC 8265).
    raw = password.reveal()[: MOST_BYTES + 1]
    return unicodedata.normalize("NFKC", raw.decode(errors="replace")).encode()


def _step_back() -> None:
    """On Linux a thread has a niceness of its own: the event loop goes first."""
    if hasattr(os, "setpriority"):
        os.setpriority(os.PRIO_PROCESS, 0, LOW_PRIORITY)
