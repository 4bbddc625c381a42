"""The master keys that this process can open with, and which of them the database is sealed by now.

The database's note says which key seals; `current` follows it, so that a server which runs while
keys are rotated changes over by itself.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from doorward.core.errors import VaultError
from doorward.core.secret import Secret
from doorward.store.engine import Store
from doorward.store.notes import Notes
from doorward.store.sealed import Sealed
from doorward.vault.seal import MasterKey, seal, unseal

NOTE = "vault.master_key"
_CHECK_NAME = "check of the master key"
_CHECK_VALUE = b"this database is sealed by this key"


class SealedBy(msgspec.Struct, frozen=True):
    """The note. `check` is a known value under the key, in base64: a key of the same id that opens it is the one."""

    id: str
    check: str
    rotating_from: str | None = None
    """The key that some rows are still wrapped by."""

    @classmethod
    def of(cls, key: MasterKey, rotating_from: str | None = None) -> SealedBy:
        return cls(key.id, b64encode(seal(Secret(_CHECK_VALUE), _CHECK_NAME, 1, key)).decode(), rotating_from)

    def fits(self, key: MasterKey) -> bool:
        if key.id != self.id:
            return False
        try:
            return unseal(b64decode(self.check), _CHECK_NAME, 1, key) == Secret(_CHECK_VALUE)
        except VaultError:
            return False

    def text(self) -> str:
        return msgspec.json.encode(self).decode()


def read_note(text: str | None) -> SealedBy | None:
    return None if text is None else msgspec.json.decode(text, type=SealedBy)


class KeyRing:
    """`reload` reads the key files again; it is asked when an id turns up that is not known."""

    def __init__(self, keys: Iterable[MasterKey], reload: Callable[[], Iterable[MasterKey]] | None = None) -> None:
        self._keys = {key.id: key for key in keys}
        self._reload = reload

    def find(self, key_id: str) -> MasterKey:
        """Raises `VaultError` when no key here has this id."""
        key = self._keys.get(key_id)
        if key is None and self._reload is not None:
            self._keys |= {found.id: found for found in self._reload()}
            key = self._keys.get(key_id)
        if key is None:
            raise VaultError(
                f"The stored keys are sealed by master key {key_id}, which is not here "
                f"(here: {', '.join(sorted(self._keys)) or 'none'}). Start with that key, as DOORWARD_MASTER_KEY or in the key file"
            )
        return key

    async def current(self, notes: Notes, within: AsyncConnection) -> MasterKey:
        """The key to seal with, for as long as the transaction is open."""
        note = read_note(await notes.get_held(NOTE, within))
        if note is None:
            raise VaultError("The database does not say which master key it is sealed by. Run: doorward doctor")
        return self.find(note.id)


async def has_secrets(store: Store) -> bool:
    """Whether a master key has been used on this database: from then on none may be made silently."""
    return await Notes(store).get(NOTE) is not None or bool(await Sealed(store).count_by_master_key())


async def settle(store: Store, ring: KeyRing, key: MasterKey) -> None:
    """At start: claim an empty database for `key`, or prove that the ring opens this one. Raises `VaultError`."""
    notes = Notes(store)
    note = read_note(await notes.get(NOTE))
    if note is None:
        for key_id in await Sealed(store).count_by_master_key():
            ring.find(key_id)
        await notes.compare_and_set(NOTE, None, SealedBy.of(key).text())
        note = read_note(await notes.get(NOTE))
        assert note is not None
    if not note.fits(ring.find(note.id)):
        raise VaultError(
            f"The master key {note.id} does not open this database's check value. Restore the key that was used before"
        )
    for key_id in await Sealed(store).count_by_master_key():
        ring.find(key_id)
