"""`doorward rotate-master-key`: everything sealed by a new master key, with or without a running server."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated

import typer

from doorward.cli import config, given
from doorward.cli.outcome import WRONG_USE, Failure, Outcome
from doorward.cli.progress import Progress
from doorward.cli.terminal import Terminal
from doorward.cli.tree import Verb, verb
from doorward.core.secret import Secret
from doorward.settings import Settings
from doorward.store.engine import Store
from doorward.vault import master_key
from doorward.vault.rotation import rotate_master_key, rotate_master_key_file

app = verb()


@app.command("rotate-master-key", cls=Verb)
def rotate(
    new_key_stdin: Annotated[
        bool, typer.Option("--new-key-stdin", help="Where the key is in DOORWARD_MASTER_KEY: the new one, in base64.")
    ] = False,
) -> Outcome:
    """Seal all stored keys with a new master key. Stopped half-way, the same command goes on.

    \b
    doorward rotate-master-key
    openssl rand -base64 32 | tee new.key | doorward rotate-master-key --new-key-stdin
    """
    settings = config.read()
    if settings.master_key is None:
        if new_key_stdin:
            fix = "leave out --new-key-stdin"
            raise Failure(
                "the new master key is not asked for",
                "The key is in a file, and gets its successor there.",
                fix,
                "wrong_use",
                WRONG_USE,
            )
        return asyncio.run(_in_file(settings))
    new = given.secret("new master key", from_stdin=new_key_stdin, flag="--new-key-stdin")
    return asyncio.run(_in_variable(settings, new))


async def _in_file(settings: Settings) -> Outcome:
    file = settings.master_key_file or settings.data_dir / master_key.FILE_NAME
    store = await Store.open(settings.url)
    try:
        key = await rotate_master_key_file(store, file, progress=_watch())
    finally:
        await store.close()
    said = f"All stored keys are sealed by the new master key in {file}. Back it up; the old one opens nothing any more."
    return Outcome({"master_key_id": key.id, "file": str(file)}, said=said)


async def _in_variable(settings: Settings, text: Secret) -> Outcome:
    assert settings.master_key is not None
    old = master_key.parse(Secret(settings.master_key.get_secret_value()), "DOORWARD_MASTER_KEY")
    new = master_key.parse(text, "The new master key")
    store = await Store.open(settings.url)
    try:
        await rotate_master_key(store, old, new, progress=_watch())
    finally:
        await store.close()
    said = "All stored keys are sealed by the new master key. Set DOORWARD_MASTER_KEY to it now, and restart the servers."
    return Outcome({"master_key_id": new.id}, said=said)


def _watch() -> Progress:
    return Progress(Terminal.of(sys.argv[1:]), "keys")
