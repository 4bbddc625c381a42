"""Envelopes: what goes in comes out, from its own row, under its own key, unchanged; or not at all."""

from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doorward.core.errors import VaultError
from doorward.core.secret import Secret
from doorward.vault.seal import MasterKey, rewrap, seal, unseal

KEY, OTHER = MasterKey.new(), MasterKey.new()
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
values = st.binary(min_size=1, max_size=300)
versions = st.integers(1, 2**31 - 1)


@settings(max_examples=60, deadline=None)
@given(values, names, versions)
def test_what_goes_in_comes_out(value: bytes, name: str, version: int) -> None:
    envelope = seal(Secret(value), name, version, KEY)
    assert unseal(envelope, name, version, KEY).reveal() == value
    assert unseal(rewrap(envelope, name, version, KEY, OTHER), name, version, OTHER).reveal() == value


@settings(max_examples=60, deadline=None)
@given(values, st.data())
def test_any_flipped_bit_is_refused(value: bytes, data: st.DataObject) -> None:
    envelope = bytearray(seal(Secret(value), "account:1", 1, KEY))
    bit = data.draw(st.integers(0, len(envelope) * 8 - 1))
    envelope[bit // 8] ^= 1 << bit % 8
    with pytest.raises(VaultError):
        unseal(bytes(envelope), "account:1", 1, KEY)


def test_every_bit_of_one_envelope() -> None:
    whole = seal(Secret("sk-proj-canary"), "account:1", 1, KEY)
    for bit in range(len(whole) * 8):
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(VaultError):
            unseal(bytes(changed), "account:1", 1, KEY)


@settings(max_examples=40, deadline=None)
@given(values, names, names, versions, versions)
def test_an_envelope_opens_in_its_own_row_only(value: bytes, name: str, other: str, version: int, later: int) -> None:
    envelope = seal(Secret(value), name, version, KEY)
    for row in {(other, version), (name, later), (other, later)} - {(name, version)}:
        with pytest.raises(VaultError):
            unseal(envelope, *row, KEY)


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=200))
def test_junk_is_refused(junk: bytes) -> None:
    with pytest.raises(VaultError):
        unseal(junk, "account:1", 1, KEY)


def test_cut_short_is_refused() -> None:
    whole = seal(Secret("sk-proj-canary"), "account:1", 1, KEY)
    for length in range(len(whole)):
        with pytest.raises(VaultError):
            unseal(whole[:length], "account:1", 1, KEY)


def test_another_master_key_is_refused() -> None:
    with pytest.raises(VaultError):
        unseal(seal(Secret("x"), "a", 1, KEY), "a", 1, OTHER)
    with pytest.raises(VaultError):
        rewrap(seal(Secret("x"), "a", 1, KEY), "a", 1, OTHER, KEY)


def test_rewrapping_leaves_the_sealed_secret_as_it_is() -> None:
    envelope = seal(Secret("x" * 50), "a", 1, KEY)
    assert rewrap(envelope, "a", 1, KEY, OTHER)[-66:] == envelope[-66:]


def test_two_sealings_of_one_value_share_nothing() -> None:
    one, two = (seal(Secret("x" * 50), "a", 1, KEY) for _ in range(2))
    assert one[9:] != two[9:]
    assert one[-66:] != two[-66:]


def test_a_master_key_shows_and_travels_nowhere() -> None:
    assert repr(KEY) == f"MasterKey({KEY.id})"
    assert KEY.text().reveal() not in repr(KEY).encode()
    for travel in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            travel(KEY)
    with pytest.raises(VaultError, match="32 bytes"):
        MasterKey(Secret(b"short"))
