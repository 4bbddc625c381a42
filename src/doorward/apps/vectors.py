"""Cosine search in memory. 100,000 vectors of 1,536 numbers are 307 MB of float16 and 51 MB of shadows.

Every vector has a shadow: a random projection to 128 numbers of float32, which keeps cosines to about 0.09. All
shadows are compared at the speed of memory; the 1,000 best are compared again in full, so what is returned is
ranked by true cosines. Up to 1,000 vectors nothing is left out; above, a neighbour is missed only if its shadow
errs by more than its lead over the thousandth (recall@10 ≥ 0.99 on the set of `benchmarks/apps.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from doorward.core.errors import UpstreamFailed

if TYPE_CHECKING:
    import numpy as np

SHADOW = 128
CANDIDATES = 1000
_SEED = 20_261_120


def packed(vector: Sequence[float]) -> bytes:
    """float16 of length 1. Raises `UpstreamFailed` for a vector that has no direction."""
    import numpy as np  # 30 MB that only search needs

    values = np.asarray(vector, dtype=np.float32)
    norm = float(np.linalg.norm(values))
    if not np.isfinite(norm) or norm == 0.0:
        raise UpstreamFailed("The model answered a vector without direction.", code="unreadable_answer")
    return (values / norm).astype(np.float16).tobytes()


class Vectors:
    """Rows of one length, fixed once made."""

    def __init__(self, rows: Sequence[bytes]) -> None:
        import numpy as np

        self.count = len(rows)
        joined = b"".join(rows)
        width = len(joined) // 2 // self.count if self.count else 0
        if any(len(row) != width * 2 for row in rows):
            raise UpstreamFailed("The collection's vectors differ in length: its model changed. Add the documents again.")
        self._rows: np.ndarray[Any, np.dtype[np.float16]] = np.frombuffer(joined, dtype=np.float16).reshape(self.count, width)
        self._projection = None
        if self.count > CANDIDATES and width > SHADOW:
            drawn = np.random.default_rng(_SEED).standard_normal((width, SHADOW), dtype=np.float32)
            self._projection = drawn / np.float32(SHADOW**0.5)
            self._shadows = np.empty((self.count, SHADOW), dtype=np.float32)
            for start in range(0, self.count, 2048):
                block = self._rows[start : start + 2048].astype(np.float32)
                self._shadows[start : start + 2048] = block @ self._projection

    def nearest(self, query: bytes, most: int, among: Sequence[int] | None = None) -> list[tuple[int, float]]:
        """(row, cosine), descending. `among`: only these rows."""
        import numpy as np

        wanted = np.frombuffer(query, dtype=np.float16).astype(np.float32)
        if self.count == 0 or (among is not None and not among):
            return []
        if len(wanted) != self._rows.shape[1]:
            raise UpstreamFailed("The query's vector has another length than the collection's.")
        rows = np.arange(self.count) if among is None else np.asarray(among)
        candidates = max(CANDIDATES, 4 * most)
        if len(rows) > candidates and self._projection is not None:
            shadows = self._shadows if among is None else self._shadows[rows]
            rough = shadows @ (wanted @ self._projection)
            rows = rows[np.argpartition(-rough, candidates)[:candidates]]
        exact = self._rows[rows].astype(np.float32) @ wanted
        order = np.argsort(-exact, kind="stable")[:most]
        return [(int(rows[at]), max(-1.0, min(1.0, float(exact[at])))) for at in order]
