"""Changing the master key: every data key is wrapped anew; no secret is sealed again, none is lost.

The order is what makes it safe to stop anywhere:

    1  the new key lies on disk as `master.key.new`, synced
    2  the database's note names the new key: from now on everything is sealed by it, also by running servers
    3  rows are rewrapped in batches, each batch one transaction; a row says which key wraps it
    4  the note forgets the old key
    5  `master.key.new` becomes `master.key`

Starting again goes on where it stopped. A server that starts in between takes both keys.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from doorward.core.errors import VaultError
from doorward.store.engine import Store
from doorward.store.notes import Notes
from doorward.store.sealed import Sealed
from doorward.vault import master_key
from doorward.vault.key_ring import NOTE, SealedBy, read_note
from doorward.vault.seal import MasterKey, rewrap

Progress = Callable[[int, int], object]
"""(rows done, rows in all), after every batch and once at the start."""


def _silent(done: int, total: int) -> None:
    """Nobody watches."""


async def rotate_master_key_file(store: Store, file: Path, *, batch: int = 100, progress: Progress = _silent) -> MasterKey:
    """Rotate the key in `file` -> the new key. Goes on with `file.new` where an earlier run left one. Raises `VaultError`."""
    if await finish_files(store, file):
        return master_key.read(file)
    old = master_key.read(file)
    following = master_key.successor(file)
    if not following.exists():
        master_key.write(following, MasterKey.new())
    new = master_key.read(following)
    await rotate_master_key(store, old, new, batch=batch, progress=progress)
    await finish_files(store, file)
    return new


async def finish_files(store: Store, file: Path) -> bool:
    """Step 5, once nothing needs the old key -> whether it was still to do."""
    following = master_key.successor(file)
    note = read_note(await Notes(store).get(NOTE))
    if note is None or note.rotating_from is not None or not following.exists():
        return False
    if master_key.read(following).id != note.id:
        return False
    try:
        following.replace(file)
    except FileNotFoundError:
        return False  # another process did it
    master_key.sync_directory(file.parent)
    return True


async def rotate_master_key(
    store: Store, old: MasterKey, new: MasterKey, *, batch: int = 100, progress: Progress = _silent
) -> None:
    """Steps 2 to 4, from wherever an earlier run stopped. Raises `VaultError` for keys that are not this database's."""
    if old.id == new.id:
        raise VaultError("The new master key is the old one. Make another with: openssl rand -base64 32")
    await _name_the_new(store, old, new)
    sealed = Sealed(store)
    counts = await sealed.count_by_master_key()
    if strange := set(counts) - {old.id, new.id}:
        raise VaultError(
            f"Some stored keys are sealed by master key {', '.join(sorted(strange))}: start with that one as the old key"
        )
    total, left = sum(counts.values()), counts.get(old.id, 0)
    progress(total - left, total)
    while left:
        before = left
        await _rewrap_some(store, sealed, old, new, batch)
        left = (await sealed.count_by_master_key()).get(old.id, 0)
        if left == before:
            raise VaultError(f"{left} stored keys could not be rewrapped. Nothing is lost; run this again")
        progress(total - left, total)
    await Notes(store).set(NOTE, SealedBy.of(new).text())


async def _name_the_new(store: Store, old: MasterKey, new: MasterKey) -> None:
    notes = Notes(store)
    async with store.writing() as connection:
        # the database may be new, or made before this note existed
        note = read_note(await notes.get_held(NOTE, connection))
        if note is not None and note.fits(new):
            return
        if note is not None and not note.fits(old):
            raise VaultError(f"This database is sealed by master key {note.id}, not by {old.id}. Give that one as the old key")
        await notes.set(NOTE, SealedBy.of(new, rotating_from=old.id).text(), connection)


async def _rewrap_some(store: Store, sealed: Sealed, old: MasterKey, new: MasterKey, batch: int) -> None:
    """One transaction. A row that somebody set meanwhile is under the new key already, and is left."""
    async with store.writing() as connection:
        for row in await sealed.wrapped_by(old.id, batch, connection):
            envelope = rewrap(row.envelope, row.name, row.version, old, new)
            await sealed.rewrap(row, envelope, new.id, connection)
