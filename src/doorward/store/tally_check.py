"""The overview's tallies against the calls that they were made of, in SQL: the rules of `store.tallies.add_up` once more.

Calls are added up once, as finely as any tally needs; each level of each kind is a sum of that. How spans fall into bins
is not made again (not every SQLite has logarithms): of spans the counts at each level are compared.
"""

from __future__ import annotations

_KEY, _MODEL, _ANY = "key_id", "model", "''"
# kind -> (levels of key, levels of model, its name, which calls)
_KINDS = {
    "model": ((_ANY, _KEY), (_ANY,), "model", "1 = 1"),
    "key": ((_ANY,), (_ANY, _MODEL), "key_id", "1 = 1"),
    "user": ((_ANY,), (_ANY, _MODEL), "user_id", "1 = 1"),
    "account": ((_ANY,), (_ANY,), "account_id", "account_id IS NOT NULL"),
    "error": ((_ANY, _KEY), (_ANY, _MODEL), "error", "failed = 1"),
    "first_byte": ((_ANY, _KEY), (_ANY, _MODEL), "''", "timed = 1"),
}
_MEASURES = ("calls", "failed_calls", "cached_calls", "unknown_cost_calls", "input_tokens", "output_tokens", "cost_nanos")
_COLUMNS = ", ".join(_MEASURES)
_SUMS = ", ".join(f"CAST(sum({name}) AS BIGINT) AS {name}" for name in _MEASURES)
_FAILED = "outcome IN ('failed', 'cut', 'crashed')"
_CACHED = "cache IN ('hit', 'joined')"


def tally_checks(bucket: str) -> dict[str, str]:
    """Check -> query that yields rows only where something is wrong. `bucket`: a call's quarter, in the database's SQL."""
    made = f"WITH fine AS ({_fine(bucket)}), made AS ({_made()}), kept AS ({_kept()})"
    return {
        "tallies that calls do not add up to": f"{made} SELECT * FROM kept EXCEPT SELECT * FROM made",  # noqa: S608 - constants
        "calls that are not in the tallies": f"{made} SELECT * FROM made EXCEPT SELECT * FROM kept",  # noqa: S608 - constants
    }


def _fine(bucket: str) -> str:
    return f"""
        SELECT {bucket} AS bucket, coalesce(key_id, '') AS key_id, coalesce(model_served, model_asked, '') AS model,
            coalesce(user_id, '') AS user_id, account_id,
            CASE WHEN {_FAILED} THEN 1 ELSE 0 END AS failed,
            CASE WHEN {_FAILED} THEN coalesce(error_code, outcome) ELSE '' END AS error,
            CASE WHEN first_byte_ms IS NOT NULL AND NOT {_FAILED} AND NOT {_CACHED} THEN 1 ELSE 0 END AS timed,
            count(*) AS calls,
            sum(CASE WHEN {_FAILED} THEN 1 ELSE 0 END) AS failed_calls,
            sum(CASE WHEN {_CACHED} THEN 1 ELSE 0 END) AS cached_calls,
            sum(CASE WHEN cost_nanos IS NULL THEN 1 ELSE 0 END) AS unknown_cost_calls,
            sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens, sum(coalesce(cost_nanos, 0)) AS cost_nanos
        FROM calls WHERE outcome <> 'refused' GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
    """  # noqa: S608 - constants of this package


def _made() -> str:
    levels = [
        (kind, key, model, name, " AND ".join([which, *(f"{level} <> ''" for level in (key, model) if level != _ANY)]))
        for kind, (keys, models, name, which) in _KINDS.items()
        for key in keys
        for model in models
    ]
    # a group of its own: a level named '' is no column to group by
    return " UNION ALL ".join(
        f"SELECT '{kind}' AS kind, l_key AS key_id, l_model AS model, bucket, name, {_SUMS} FROM "  # noqa: S608 - constants
        f"(SELECT {key} AS l_key, {model} AS l_model, {name} AS name, bucket, {_COLUMNS} FROM fine WHERE {which}) AS level "
        "GROUP BY l_key, l_model, bucket, name"
        for kind, key, model, name, which in levels
    )


def _kept() -> str:
    return (
        f"SELECT kind, key_id, model, bucket, name, {_COLUMNS} FROM tallies WHERE kind <> 'first_byte' UNION ALL "  # noqa: S608
        f"SELECT kind, key_id, model, bucket, '' AS name, {_SUMS} FROM tallies WHERE kind = 'first_byte' "
        "GROUP BY kind, key_id, model, bucket"
    )
