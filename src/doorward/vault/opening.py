"""Opening the vault at start: the right master key, or a message that says what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from doorward.core.clock import Clock
from doorward.core.errors import VaultError
from doorward.core.secret import Secret
from doorward.store.engine import Store
from doorward.vault import master_key
from doorward.vault.key_ring import KeyRing, has_secrets, settle
from doorward.vault.rotation import finish_files
from doorward.vault.seal import MasterKey
from doorward.vault.vault import Vault


async def open_vault(
    store: Store, *, value: Secret | None, file: Path | None, data_dir: Path, clock: Clock, cache_s: float
) -> tuple[Vault, Path | None]:
    """-> (the vault, the master key's file if it was made just now). Raises `VaultError`.

    A key is made only for a database that none has ever sealed; a rotation that was cut short
    is no obstacle, both of its keys are taken.
    """
    key, created = master_key.load_master_key(value, file, data_dir, may_create=not await has_secrets(store))
    home = None if value is not None else file or data_dir / master_key.FILE_NAME
    ring = KeyRing([key, *_files(home)], None if home is None else lambda: _files(home))
    try:
        await settle(store, ring, key)
    except VaultError:
        if created and home is not None:
            # another host claimed the database in this moment; a key that has sealed nothing only misleads
            home.unlink()
        raise
    if home is not None:
        await finish_files(store, home)
    return Vault(store, ring, clock, cache_s), home if created else None


def _files(home: Path | None) -> Iterator[MasterKey]:
    """The key file and, while a rotation is under way, its successor."""
    if home is not None:
        for path in (home, master_key.successor(home)):
            # a rotation may rename between the look and the read
            with suppress(VaultError):
                yield master_key.read(path)
