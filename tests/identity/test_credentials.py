"""The one reader of credentials: carriers, refusals, custody, freshness, single flight."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

import pytest

from doorward.core import client_key
from doorward.core.caller import NO_LIMITS, Caller, KeyLimits, Role, Scope
from doorward.core.errors import BadRequest, InvalidApiKey, Unauthenticated, Unavailable
from doorward.identity.credentials import Credentials
from doorward.identity.custody import Custody


class Hands:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.now


@dataclass(frozen=True)
class Row:
    public_id: str
    digest: bytes
    label: str = "first"
    owner_user_id: str | None = None
    owner_role: Role | None = None
    share_as: str | None = None
    scopes: frozenset[Scope] = frozenset({"call"})
    models: tuple[str, ...] | None = None
    adapters: tuple[str, ...] | None = None
    limits: KeyLimits = NO_LIMITS
    expires_at: float | None = None
    revoked_at: float | None = None
    lineage: str | None = None
    content_days: int | None = None


@dataclass
class Rows:
    """An in-memory table of keys that counts its queries and can go away."""

    rows: dict[str, Row] = field(default_factory=dict)
    queries: int = 0
    away: bool = False
    slow_s: float = 0.0
    touched: dict[str, float] = field(default_factory=dict)

    async def by_public_id(self, public_id: str) -> Row | None:
        self.queries += 1
        await asyncio.sleep(self.slow_s)
        if self.away:
            raise OSError("connection refused")
        return self.rows.get(public_id)

    async def touch_many(self, used_at: dict[str, float]) -> None:
        if self.away:
            raise OSError("connection refused")
        self.touched.update(used_at)


class Door:
    def __init__(self, custody: Custody = "per_user") -> None:
        self.clock = Hands()
        self.rows = Rows()
        self.custody: Custody = custody
        self.credentials = Credentials(self.rows, OneSession(), self.clock, custody, keep_s=4.0)

    def key(self, **changes: object) -> bytes:
        public_id, whole, digest = client_key.make()
        self.rows.rows[public_id] = replace(Row(public_id, digest), **changes)  # type: ignore[arg-type]  # row fields by name
        return whole.reveal()

    async def caller(self, key: bytes, carrier: bytes = b"authorization") -> Caller:
        value = b"Bearer " + key if carrier == b"authorization" else key
        return await self.credentials.resolve([(carrier, value)])


class OneSession:
    cookie_name = b"doorward"

    async def caller(self, token: bytes) -> Caller | None:
        if token != b"good":
            return None
        return Caller(owner="user:u1", draws_on=frozenset({"user:u1"}), scopes=frozenset({"call", "me"}), session_id="s1")

    async def caller_by_id(self, session_id: str) -> Caller | None:
        return await self.caller(b"good")

    async def flush(self) -> None:
        return None


CARRIERS = [b"authorization", b"x-api-key", b"api-key"]


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_every_carrier_takes_a_key(carrier: bytes) -> None:
    door = Door()
    key = door.key(label="ci", owner_user_id="u1", owner_role="user")
    caller = await door.caller(key, carrier)
    assert (caller.owner, caller.draws_on, caller.label) == ("user:u1", {"user:u1"}, "ci")


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize(
    "bad", [b"", b"dw-", b"sk-abc", b"dw-" + b"a" * 16 + b"-short", "dw-é".encode(), b"dw-" + b"x" * 10_000, b"dw-\x00"]
)
async def test_bad_keys_are_401_on_every_carrier_and_never_echoed(carrier: bytes, bad: bytes) -> None:
    door = Door()
    with pytest.raises(InvalidApiKey) as refused:
        await door.caller(bad, carrier)
    if len(bad) > 3:
        assert bad.decode("latin-1")[3:] not in refused.value.message
    assert door.rows.queries == 0


async def test_unknown_wrong_secret_revoked_expired_and_orphaned_keys_are_401() -> None:
    door = Door()
    good = door.key()
    wrong = good[:-1] + (b"A" if good[-1:] != b"A" else b"B")
    _, unknown, _ = client_key.make()
    now = door.clock.wall()
    for key in (
        wrong,
        unknown.reveal(),
        door.key(revoked_at=now - 1),
        door.key(expires_at=now - 1),
        door.key(owner_user_id="u9", owner_role=None),
    ):
        with pytest.raises(InvalidApiKey):
            await door.caller(key)
    assert (await door.caller(good)).key_id


async def test_unknown_and_wrong_secret_say_the_same() -> None:
    door = Door()
    good = door.key(revoked_at=1.0)
    wrong = good[:-1] + (b"A" if good[-1:] != b"A" else b"B")
    said = set()
    for key in (wrong, client_key.make()[1].reveal()):
        with pytest.raises(InvalidApiKey) as refused:
            await door.caller(key)
        said.add(refused.value.message)
    assert len(said) == 1


async def test_missing_is_unauthenticated_and_v1_takes_no_session() -> None:
    door = Door()
    with pytest.raises(Unauthenticated) as refused:
        await door.credentials.resolve([(b"cookie", b"doorward=good")])
    assert refused.value.code == "not_authenticated"
    with pytest.raises(Unauthenticated, match="Sign in to use this feature"):
        await door.credentials.resolve([], sessions=True)
    assert (await door.credentials.resolve([(b"cookie", b"a=b; doorward=good")], sessions=True)).session_id == "s1"


async def test_two_credentials_are_a_400() -> None:
    door = Door()
    one, two = door.key(), door.key()
    with pytest.raises(BadRequest):
        await door.credentials.resolve([(b"x-api-key", one), (b"authorization", b"Bearer " + two)])
    with pytest.raises(BadRequest):
        await door.credentials.resolve([(b"x-api-key", one), (b"cookie", b"doorward=good")], sessions=True)
    with pytest.raises(BadRequest):
        await door.credentials.resolve([(b"cookie", b"doorward=good; doorward=planted")], sessions=True)
    twice = [(b"x-api-key", one), (b"api-key", one), (b"authorization", b"bearer  " + one)]
    assert (await door.credentials.resolve(twice)).key_id
    # a cookie that /v1 does not read is no second credential there
    assert (await door.credentials.resolve([(b"x-api-key", one), (b"cookie", b"doorward=good")])).key_id


async def test_anonymous_ignores_foreign_credentials_and_checks_ours() -> None:
    door = Door("anonymous")
    key = door.key()
    for headers in ([], [(b"authorization", b"Bearer sk-anything")], [(b"api-key", b"")], [(b"authorization", b"Basic eDp5")]):
        caller = await door.credentials.resolve(headers)
        assert caller.is_anonymous
        assert caller.draws_on == {"operator"}
    mixed = [(b"authorization", b"Bearer sk-anything"), (b"x-api-key", key)]
    assert (await door.credentials.resolve(mixed)).key_id
    for bad in (b"dw-nonsense", client_key.make()[1].reveal()):
        with pytest.raises(InvalidApiKey):
            await door.caller(bad)


@pytest.mark.parametrize(
    ("custody", "owner", "draws"),
    [
        ("per_user", "u1", "user:u1"),
        ("per_user", None, "operator"),
        ("admin", "u1", "operator"),
        ("admin", None, "operator"),
        ("anonymous", None, "operator"),
    ],
)
async def test_custody_decides_whose_accounts_a_key_draws_on(custody: Custody, owner: str | None, draws: str) -> None:
    door = Door(custody)
    key = door.key(owner_user_id=owner, owner_role="user" if owner else None)
    assert (await door.caller(key)).draws_on == {draws}


async def test_owner_of_what_an_operators_key_makes() -> None:
    door = Door()
    alone, joined = await door.caller(door.key()), await door.caller(door.key(share_as="ci"))
    assert alone.owner == f"key:{alone.key_id}"
    assert joined.owner == "share:ci"


async def test_a_key_never_exceeds_its_owners_role() -> None:
    door = Door()
    scopes = frozenset({"call", "admin"})
    demoted = await door.caller(door.key(owner_user_id="u1", owner_role="user", scopes=scopes))
    admin = await door.caller(door.key(owner_user_id="u2", owner_role="admin", scopes=scopes))
    operator = await door.caller(door.key(scopes=scopes))
    assert not demoted.is_admin
    assert admin.is_admin
    assert operator.is_admin


async def test_revocation_is_felt_within_the_cache_and_one_query_serves_it() -> None:
    door = Door()
    key = door.key()
    for _ in range(50):
        caller = await door.caller(key)
    assert door.rows.queries == 1
    row = door.rows.rows[caller.key_id or ""]
    door.rows.rows[row.public_id] = replace(row, revoked_at=door.clock.now)
    assert await door.credentials.still_valid(caller)
    door.clock.now += 4.01
    with pytest.raises(InvalidApiKey, match="revoked"):
        await door.caller(key)
    assert not await door.credentials.still_valid(caller)


async def test_expiry_is_felt_at_once_though_cached() -> None:
    door = Door()
    key = door.key(expires_at=door.clock.now + 1)
    await door.caller(key)
    door.clock.now += 1.5
    with pytest.raises(InvalidApiKey, match="expired"):
        await door.caller(key)
    assert door.rows.queries == 1


async def test_while_the_database_is_away_known_keys_serve_60_s_and_unknown_ones_do_not() -> None:
    door = Door()
    key, never_seen = door.key(), door.key()
    await door.caller(key)
    door.rows.away = True
    door.clock.now += 30
    assert (await door.caller(key)).key_id
    with pytest.raises(Unavailable):
        await door.caller(never_seen)
    door.clock.now += 29.9
    assert (await door.caller(key)).key_id
    door.clock.now += 1
    with pytest.raises(Unavailable):
        await door.caller(key)
    door.rows.away = False
    assert (await door.caller(key)).key_id


async def test_a_thousand_cold_calls_are_one_query_and_a_cancelled_one_hurts_nobody() -> None:
    door = Door()
    door.rows.slow_s = 0.05
    key = door.key()
    calls = [asyncio.create_task(door.caller(key)) for _ in range(1000)]
    await asyncio.sleep(0.01)
    calls[0].cancel()
    done = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(done[0], asyncio.CancelledError)
    assert all(isinstance(caller, Caller) for caller in done[1:])
    assert door.rows.queries == 1


async def test_misses_are_remembered_briefly_and_cannot_evict_good_keys() -> None:
    door = Door()
    key = door.key()
    await door.caller(key)
    junk = client_key.make()[1].reveal()
    for _ in range(5):
        with pytest.raises(InvalidApiKey):
            await door.caller(junk)
    assert door.rows.queries == 2
    door.clock.now += 1.01
    with pytest.raises(InvalidApiKey):
        await door.caller(junk)
    assert door.rows.queries == 3


async def test_last_use_is_written_in_batches_and_survives_an_outage() -> None:
    door = Door()
    key = door.key()
    for _ in range(20):
        caller = await door.caller(key)
    door.rows.away = True
    await door.credentials.flush()
    door.rows.away = False
    await door.credentials.flush()
    assert door.rows.touched == {caller.key_id: door.clock.now}
