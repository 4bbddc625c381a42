"""The repositories' contract: one suite for every database."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace

import pytest
from sqlalchemy import text

from doorward.core.caller import OPERATOR, KeyLimits
from doorward.core.client_key import make
from doorward.core.errors import Conflict, NotFound
from doorward.providers.provider import Provider
from doorward.store.accounts import Accounts
from doorward.store.client_keys import ClientKeys, KeyRow
from doorward.store.engine import Store
from doorward.store.notes import Notes
from doorward.store.objects import Objects
from doorward.store.providers import Providers
from doorward.store.routes import Aliases, RouteRule, Routes
from doorward.store.sealed import Sealed, SealedRow

R16_INSERT = (
    "INSERT INTO providers (id, name, base_url, auth_type, auth_strategy, supported_models, is_active) VALUES "
    "('openai2', 'OpenAI', 'https://api.openai.com', 'api_key', 'api_key', '[\"gpt-4\", \"gpt-3.5-turbo\"]', true)"
)


class TestProviders:
    async def test_the_catalogue_is_there_from_the_start(self, store: Store) -> None:
        rows = {provider.id: provider for provider in await Providers(store).all()}
        assert set(rows) == {"openai", "anthropic", "simulator"}
        assert rows["openai"].base_url == "https://api.openai.com"
        owned = (
            "gpt- chatgpt- o1 o3 o4 text- dall-e- gpt-image- tts- whisper- omni-moderation- davinci- babbage- codex- computer-use- "
        )
        owned += "sora- ft:"
        assert rows["openai"].supported_models == tuple(f"{prefix}*" for prefix in re.findall(r"\S+", owned))
        assert not rows["simulator"].needs_key
        assert rows["simulator"].prices == "free"

    async def test_the_insert_of_r16_works_as_written_and_is_the_last_added(self, store: Store) -> None:
        async with store.writing() as connection:
            await connection.execute(text(R16_INSERT))
        last = (await Providers(store).all())[-1]
        assert (last.id, last.supported_models, last.is_active, last.needs_key) == (
            "openai2",
            ("gpt-4", "gpt-3.5-turbo"),
            True,
            True,
        )
        assert not last.allow_private

    async def test_a_list_of_models_that_is_not_json_is_refused_where_it_is_written(self, store: Store) -> None:
        with pytest.raises(Exception, match="(?i)json|constraint"):
            async with store.writing() as connection:
                await connection.execute(text(R16_INSERT.replace('["gpt-4", "gpt-3.5-turbo"]', "gpt-4, gpt-3.5-turbo")))
        assert await Providers(store).get("openai2") is None

    async def test_add_change_remove(self, store: Store) -> None:
        providers = Providers(store)
        added = await providers.add(Provider("local", "Local", "http://127.0.0.1:9100/v1/", supported_models=("llama-*",)))
        assert added.base_url == "http://127.0.0.1:9100"
        assert added.added > max(row.added for row in await providers.all() if row.id != "local")
        changed = await providers.change("local", supported_models=("qwen-*", "phi"), is_active=False)
        assert changed == await providers.get("local") == replace(added, supported_models=("qwen-*", "phi"), is_active=False)
        assert await providers.change("local") == changed
        await providers.remove("local")
        assert await providers.get("local") is None

    async def test_bad_ids(self, store: Store) -> None:
        providers = Providers(store)
        with pytest.raises(Conflict, match="openai"):
            await providers.add(Provider("openai", "Twice", "https://example.com"))
        with pytest.raises(NotFound):
            await providers.change("nobody", name="x")
        with pytest.raises(NotFound):
            await providers.remove("nobody")

    async def test_one_with_accounts_is_not_removed(self, store: Store) -> None:
        await Accounts(store).add("openai", "main")
        with pytest.raises(Conflict, match="accounts"):
            await Providers(store).remove("openai")
        assert await Providers(store).get("openai")


class TestAccounts:
    async def test_add_with_defaults(self, store: Store) -> None:
        account = await Accounts(store).add("openai", "main")
        assert (account.owner, account.weight, account.is_active, account.key_set_at) == (OPERATOR, 1, True, None)
        assert await Accounts(store).get(account.id) == account

    async def test_every_field(self, store: Store) -> None:
        accounts = Accounts(store)
        account = await accounts.add(
            "openai", "b", "user:1", weight=3, quota_owner="org", organization="o", project="p", is_active=False
        )
        assert (account.weight, account.quota_owner, account.organization, account.project, account.is_active) == (
            3,
            "org",
            "o",
            "p",
            False,
        )
        changed = await accounts.change(account.id, label="c", weight=5, quota_owner=None)
        assert changed == replace(account, label="c", weight=5, quota_owner=None)

    async def test_labels_are_unique_per_provider_and_owner(self, store: Store) -> None:
        accounts = Accounts(store)
        first = await accounts.add("openai", "default")
        await accounts.add("openai", "default", "user:1")
        await accounts.add("anthropic", "default")
        other = await accounts.add("openai", "other")
        with pytest.raises(Conflict, match="default"):
            await accounts.add("openai", "default")
        with pytest.raises(Conflict, match="default"):
            await accounts.change(other.id, label="default")
        assert [row.id for row in await accounts.of_owner(OPERATOR, "openai")] == [first.id, other.id]

    async def test_an_owner_reaches_only_its_own(self, store: Store) -> None:
        accounts = Accounts(store)
        mine, theirs = await accounts.add("openai", "a", "user:1"), await accounts.add("openai", "a", "user:2")
        assert await accounts.of_owner("user:1") == [mine]
        assert await accounts.get(theirs.id, "user:1") is None
        with pytest.raises(NotFound):
            await accounts.change(theirs.id, "user:1", weight=9)
        with pytest.raises(NotFound):
            await accounts.remove(theirs.id, "user:1")
        assert {row.id for row in await accounts.all()} == {mine.id, theirs.id}
        await accounts.remove(mine.id, "user:1")
        assert await accounts.all() == [theirs]

    async def test_unknown_provider(self, store: Store) -> None:
        with pytest.raises(NotFound, match="nowhere"):
            await Accounts(store).add("nowhere", "main")

    async def test_quarantine_ends_with_a_new_key(self, store: Store) -> None:
        accounts = Accounts(store)
        account = await accounts.add("openai", "main")
        await accounts.mark_key_set(account.id, 100.0)
        assert await accounts.quarantine(account.id, 150.0, "401 from api.openai.com", key_set_at=100.0)
        resting = await accounts.get(account.id)
        assert resting
        assert (resting.quarantined_at, resting.quarantine_reason, resting.is_usable) == (150.0, "401 from api.openai.com", False)
        assert (await accounts.mark_key_set(account.id, 200.0)).is_usable
        # the answer to a call that was sent with the old key comes late: it says nothing about the new one
        assert not await accounts.quarantine(account.id, 201.0, "401", key_set_at=100.0)
        assert await accounts.quarantine(account.id, 202.0, "401", key_set_at=200.0)
        assert (await accounts.release(account.id)).is_usable


class TestClientKeys:
    def _new(self, **fields: object) -> KeyRow:
        public_id, _, digest = make()
        return KeyRow(public_id, digest, "first", **fields)  # type: ignore[arg-type]

    async def test_round_trip_of_every_field(self, store: Store) -> None:
        limits = KeyLimits(60, 1000, 90_000, 2_000_000_000_000, 8, 10_000_000_000, "month")
        key = self._new(
            owner_user_id="7", share_as="team", scopes=("call", "admin"), models=("gpt-*",), adapters=(), limits=limits,
            expires_at=2e9, rotated_from="old",
        )  # fmt: skip
        stored = await ClientKeys(store).add(key)
        assert replace(stored, created_at=0.0) == key
        assert await ClientKeys(store).by_public_id(key.public_id) == stored
        assert stored.created_at > 1.7e9

    async def test_plain_key_and_unknown_key(self, store: Store) -> None:
        keys = ClientKeys(store)
        stored = await keys.add(self._new())
        assert (stored.scopes, stored.models, stored.limits, stored.is_valid(1e10)) == (("call",), None, KeyLimits(), True)
        assert await keys.by_public_id("nobody") is None
        with pytest.raises(Conflict):
            await keys.add(stored)

    async def test_revoked_once(self, store: Store) -> None:
        keys = ClientKeys(store)
        key = await keys.add(self._new(owner_user_id="7"))
        with pytest.raises(NotFound):
            await keys.revoke(key.public_id, owner_user_id="8")
        revoked = await keys.revoke(key.public_id)
        assert revoked.revoked_at
        assert not revoked.is_valid(0)
        assert (await keys.revoke(key.public_id, "7")).revoked_at == revoked.revoked_at
        with pytest.raises(NotFound):
            await keys.revoke("nobody")

    async def test_a_leaving_users_keys(self, store: Store) -> None:
        keys = ClientKeys(store)
        mine, other = await keys.add(self._new(owner_user_id="7")), await keys.add(self._new(owner_user_id="8"))
        assert [key.public_id for key in await keys.list("7")] == [mine.public_id]
        assert len(await keys.list()) == 2
        assert await keys.revoke_of_user("7") == 1
        assert [key.public_id for key in await keys.list() if key.is_valid(0)] == [other.public_id]

    async def test_an_overlap_never_lengthens_a_life(self, store: Store) -> None:
        keys = ClientKeys(store)
        key = await keys.add(self._new())
        assert (await keys.expire_at(key.public_id, 500.0)).expires_at == 500.0
        assert (await keys.expire_at(key.public_id, 900.0)).expires_at == 500.0
        assert (await keys.expire_at(key.public_id, 200.0)).is_valid(199.0)

    async def test_last_use_only_moves_forward(self, store: Store) -> None:
        keys = ClientKeys(store)
        a, b = await keys.add(self._new()), await keys.add(self._new())
        await keys.touch_many({a.public_id: 50.0, b.public_id: 60.0, "gone": 1.0})
        await keys.touch_many({a.public_id: 40.0, b.public_id: 70.0})
        await keys.touch_many({})
        assert {key.public_id: key.last_used_at for key in await keys.list()} == {a.public_id: 50.0, b.public_id: 70.0}


class TestObjects:
    async def test_bound_to_owner_and_account(self, store: Store) -> None:
        objects = Objects(store)
        assert await objects.bind("file-1", "file", "user:1", "openai", "acc_1")
        found = await objects.find("file-1")
        assert found
        assert (found.owner, found.provider_id, found.account_id, found.kind) == ("user:1", "openai", "acc_1", "file")
        assert await objects.find("file-1", "user:1") == found
        assert await objects.find("file-1", "user:2") is None
        assert await objects.find("file-2") is None

    async def test_an_id_is_never_taken_over(self, store: Store) -> None:
        objects = Objects(store)
        await objects.bind("file-1", "file", "user:1", "openai", "acc_1")
        assert await objects.bind("file-1", "file", "user:1", "openai", "acc_1")
        assert not await objects.bind("file-1", "file", "user:2", "openai", "acc_2")
        assert not await objects.forget("file-1", "user:2")
        assert await objects.forget("file-1", "user:1")
        assert not await objects.forget("file-1")
        assert await objects.find("file-1") is None
        assert not await objects.bind("file-1", "file", "user:2", "openai", "acc_2")

    async def test_pages_newest_first(self, store: Store) -> None:
        objects = Objects(store)
        async with store.writing() as connection:
            for number in range(5):
                await objects.bind(f"file-{number}", "file", "user:1", "openai", None, connection)
            await objects.bind("file-x", "file", "user:2", "openai", None, connection)
            await objects.bind("resp-1", "response", "user:1", "openai", None, connection)
        first = await objects.of_owner("user:1", "file", limit=3)
        second = await objects.of_owner("user:1", "file", limit=3, after=first[-1])
        assert [row.id for row in first + second] == ["file-4", "file-3", "file-2", "file-1", "file-0"]
        assert await objects.owned("user:1", ["file-1", "file-x", "other"]) == {"file-1"}
        assert await objects.owned("user:1", []) == frozenset()


class TestRoutes:
    async def test_rules_and_aliases(self, store: Store) -> None:
        routes, aliases = Routes(store), Aliases(store)
        rule = RouteRule("gpt-*", ("claude-4", "sim-x"), 3.5, 10.0, True)
        await routes.set(RouteRule("gpt-*", ("other",)))
        await routes.set(rule)
        assert await routes.all() == [rule]
        assert await routes.remove("gpt-*")
        assert not await routes.remove("gpt-*")
        await aliases.set("fast", "gpt-4o-mini")
        await aliases.set("fast", "gpt-4.1-nano")
        assert await aliases.all() == {"fast": "gpt-4.1-nano"}
        assert await aliases.remove("fast")
        assert not await aliases.remove("fast")


class TestNotes:
    async def test_compare_and_set_lets_one_win(self, store: Store) -> None:
        notes = Notes(store)
        assert await notes.get("head") is None
        first = await asyncio.gather(*(notes.compare_and_set("head", None, str(number)) for number in range(5)))
        assert first.count(True) == 1
        now = await notes.get("head")
        second = await asyncio.gather(*(notes.compare_and_set("head", now, f"next {number}") for number in range(5)))
        assert second.count(True) == 1
        assert not await notes.compare_and_set("other", "x", "y")
        await notes.set("head", "z")
        assert await notes.get("head") == "z"
        assert await notes.forget("head")
        assert not await notes.forget("head")


class TestSealedRows:
    async def test_versions_rewrap_forget(self, store: Store) -> None:
        sealed = Sealed(store)
        async with store.writing() as connection:
            assert await sealed.next_version("account:1", connection) == 1
            await sealed.put(SealedRow("account:1", 1, b"\x00one", "k1", 10.0), connection)
            assert await sealed.next_version("account:1", connection) == 2
            await sealed.put(SealedRow("account_2", 1, b"two", "k1", 11.0), connection)
        row = await sealed.get("account:1")
        assert row == SealedRow("account:1", 1, b"\x00one", "k1", 10.0)
        async with store.writing() as connection:
            assert [found.name for found in await sealed.wrapped_by("k1", 1, connection)] == ["account:1"]
            assert await sealed.rewrap(row, b"ONE", "k2", connection)
            assert not await sealed.rewrap(row, b"again", "k3", connection)
        assert await sealed.count_by_master_key() == {"k1": 1, "k2": 1}
        assert await sealed.names("account_") == ["account_2"]
        async with store.writing() as connection:
            assert await sealed.forget(["account:1", "nobody"], connection) == {"account:1"}
        assert await sealed.get("account:1") is None
