"""The book against itself: roll-ups and tallies against calls, calls against attempts, and amounts against their bounds.

Each check is one query that yields rows only where something is wrong. The sums are made by the
database, so that ten million calls are a matter of seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from doorward.store.address import Dialect
from doorward.store.engine import Store
from doorward.store.groups import BUCKET_S
from doorward.store.tally_check import tally_checks

WORST = 20
"""Rows shown of each finding."""

# The measures of `store.groups`, in SQL.
_MEASURES = """
    count(*) AS calls,
    sum(CASE WHEN outcome IN ('failed', 'cut', 'crashed') THEN 1 ELSE 0 END) AS failed_calls,
    sum(CASE WHEN cache IN ('hit', 'joined') THEN 1 ELSE 0 END) AS cached_calls,
    sum(CASE WHEN cost_nanos IS NULL THEN 1 ELSE 0 END) AS unknown_cost_calls,
    sum(CASE WHEN source <> 'upstream' THEN 1 ELSE 0 END) AS estimated_calls,
    CAST(sum(input_tokens) AS BIGINT) AS input_tokens,
    CAST(sum(cached_tokens) AS BIGINT) AS cached_tokens,
    CAST(sum(output_tokens) AS BIGINT) AS output_tokens,
    CAST(sum(reasoning_tokens) AS BIGINT) AS reasoning_tokens,
    CAST(sum(coalesce(cost_nanos, 0)) AS BIGINT) AS cost_nanos
"""
_KEYS = "bucket, owner, key_id, user_id, model, provider_id, endpoint, tag"
_ROLLED = (
    "calls, failed_calls, cached_calls, unknown_cost_calls, estimated_calls, "
    "input_tokens, cached_tokens, output_tokens, reasoning_tokens, cost_nanos"
)
_DAILY = ", ".join(f"CAST(sum({name}) AS BIGINT) AS {name}" for name in _ROLLED.split(", "))
_BUCKET = {
    "sqlite": f"CAST(started_at / {BUCKET_S} AS INTEGER) * {BUCKET_S}",
    "postgresql": f"CAST(floor(started_at / {BUCKET_S}) AS BIGINT) * {BUCKET_S}",
}
_TAGS = {
    "sqlite": "json_each(calls.tags) AS tags_of",
    "postgresql": "json_array_elements_text(calls.tags::json) AS tags_of(value)",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """`check` names what was compared; `rows` are the worst that differ, as text."""

    check: str
    count: int
    rows: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Inexact:
    """Calls whose amount is not the provider's own, by source and reason."""

    source: str
    reason: str
    calls: int
    cost_nanos: int
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Totals:
    calls: int
    attempts: int
    rolled_calls: int
    cost_nanos: int
    unknown_cost_calls: int


class BookCheck:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def totals(self) -> Totals:
        async with self._store.reading() as connection:
            calls, cost, unknown = await _row(
                connection,
                "SELECT count(*), CAST(coalesce(sum(cost_nanos), 0) AS BIGINT), "
                "coalesce(sum(CASE WHEN cost_nanos IS NULL THEN 1 ELSE 0 END), 0) FROM calls WHERE outcome <> 'refused'",
            )
            (attempts,) = await _row(connection, "SELECT count(*) FROM attempts")
            (rolled,) = await _row(connection, "SELECT CAST(coalesce(sum(calls), 0) AS BIGINT) FROM rollups WHERE tag = ''")
        return Totals(calls, attempts, rolled, cost, unknown)

    async def findings(self) -> list[Finding]:
        """Everything that does not add up; empty is good."""
        async with self._store.reading() as connection:
            found = [await _finding(connection, check, query) for check, query in _checks(self._store.dialect).items()]
        return [finding for finding in found if finding.count]

    async def inexact(self) -> list[Inexact]:
        """Counted and estimated rows with their reasons (I3)."""
        query = """
            SELECT source, reason, count(*), CAST(coalesce(sum(cost_nanos), 0) AS BIGINT), min(id), max(id)
            FROM calls WHERE source <> 'upstream' GROUP BY source, reason ORDER BY 3 DESC
        """
        async with self._store.reading() as connection:
            return [
                Inexact(row[0], row[1], row[2], row[3], tuple(dict.fromkeys((row[4], row[5]))))
                for row in await connection.execute(text(query))
            ]


def _checks(dialect: Dialect) -> dict[str, str]:
    group = f"""
        SELECT {_BUCKET[dialect]} AS bucket, owner, coalesce(key_id, '') AS key_id, coalesce(user_id, '') AS user_id,
            coalesce(model_served, model_asked, '') AS model, coalesce(provider_id, '') AS provider_id, endpoint,
    """
    untagged = f"{group} '' AS tag, {_MEASURES} FROM calls WHERE outcome <> 'refused' GROUP BY 1, 2, 3, 4, 5, 6, 7"
    tagged = f"""{group} tags_of.value AS tag, {_MEASURES} FROM calls, {_TAGS[dialect]}
        WHERE outcome <> 'refused' AND tags <> '[]' GROUP BY 1, 2, 3, 4, 5, 6, 7, 8"""
    rolled = f"SELECT {_KEYS}, {_ROLLED} FROM rollups WHERE tag"  # noqa: S608 - constants of this file
    days = f"""SELECT bucket / 86400 * 86400 AS bucket, {_KEYS.partition(", ")[2]}, {_DAILY}
        FROM rollups GROUP BY 1, 2, 3, 4, 5, 6, 7, 8"""  # noqa: S608 - constants of this file
    daily = f"SELECT {_KEYS}, {_ROLLED} FROM daily_rollups"  # noqa: S608 - constants of this file
    of_owners = f"SELECT owner, bucket, {_ROLLED} FROM owner_rollups"  # noqa: S608 - constants of this file
    made = " UNION ALL ".join(
        f"SELECT {owner}, bucket, {_DAILY} FROM rollups WHERE tag = '' GROUP BY {groups}"  # noqa: S608 - constants of this file
        for owner, groups in (("owner", "owner, bucket"), ("'' AS owner", "bucket"))
    )
    owners = f"SELECT * FROM ({made}) AS made"  # noqa: S608 - constants of this file
    attempts = """
        FROM calls LEFT JOIN (
            SELECT opening, count(*) AS tried, coalesce(sum(cost_nanos), 0) AS cost,
                sum(CASE WHEN cost_nanos IS NULL THEN 1 ELSE 0 END) AS unknown,
                sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens
            FROM attempts GROUP BY opening
        ) AS sums ON sums.opening = calls.opening
    """
    return {
        "rollups that calls do not add up to": f"{rolled} = '' EXCEPT {untagged}",
        "calls that are not in the rollups": f"{untagged} EXCEPT {rolled} = ''",
        "daily rollups that quarters do not add up to": f"{daily} EXCEPT {days}",
        "quarters that are not in the daily rollups": f"{days} EXCEPT {daily}",
        "sums by owner that quarters do not add up to": f"{of_owners} EXCEPT {owners}",
        "quarters that are not in the sums by owner": f"{owners} EXCEPT {of_owners}",
        **tally_checks(_BUCKET[dialect]),
        "rollups by tag that calls do not add up to": f"{rolled} <> '' EXCEPT {tagged}",
        "tagged calls that are not in the rollups": f"{tagged} EXCEPT {rolled} <> ''",
        "calls whose cost is not the sum of their attempts": f"""
            SELECT calls.id, calls.cost_nanos, sums.cost {attempts}
            WHERE (calls.cost_nanos IS NULL AND coalesce(sums.unknown, 0) = 0)
               OR (calls.cost_nanos IS NOT NULL AND (coalesce(sums.unknown, 0) > 0 OR calls.cost_nanos <> coalesce(sums.cost, 0)))
        """,
        "calls whose number of attempts is wrong": f"""
            SELECT calls.id, calls.attempts, sums.tried {attempts} WHERE calls.attempts <> coalesce(sums.tried, 0)
        """,
        "attempts without a call": """
            SELECT opening, number FROM attempts WHERE NOT EXISTS (SELECT 1 FROM calls WHERE calls.opening = attempts.opening)
        """,
        "amounts of ours above what was held": """
            SELECT id, cost_nanos, held_nanos FROM calls WHERE source <> 'upstream' AND held_nanos > 0 AND cost_nanos > held_nanos
        """,
        "refusals that were counted less than once": "SELECT minute, owner, code, count FROM refusals WHERE count < 1",
        "amounts below 0": "SELECT id, cost_nanos FROM calls WHERE cost_nanos < 0",
    }


async def _row(connection: AsyncConnection, query: str) -> Any:
    return (await connection.execute(text(query))).one()


async def _finding(connection: AsyncConnection, check: str, query: str) -> Finding:
    (count,) = await _row(connection, f"SELECT count(*) FROM ({query}) AS wrong")  # noqa: S608 - queries of this file
    if not count:
        return Finding(check, 0, ())
    rows = await connection.execute(text(f"SELECT * FROM ({query}) AS wrong LIMIT {WORST}"))  # noqa: S608 - queries of this file
    return Finding(check, count, tuple(" ".join(map(str, row)) for row in rows))
