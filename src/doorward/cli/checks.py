"""What `doorward doctor` looks at: a finding for each thing checked, with what to do about it."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from doorward.adapters.documents import raw_of
from doorward.adapters.manifest import read as read_manifest
from doorward.cli.house import House, opened
from doorward.core.caller import OPERATOR
from doorward.core.errors import DoorwardError
from doorward.settings import Settings, environment

State = Literal["ok", "warning", "failed", "skipped"]

LEAST_FREE_BYTES = 2**30
MOST_CLOCK_SKEW_S = 5.0
ODD_CLOCK_BEFORE_S = 1_767_225_600.0
"""2026-01-01: before this program was written, so a clock that says less is wrong."""


@dataclass(frozen=True, slots=True)
class Finding:
    """`what` was checked; `says` is what was found; `fix` is what to do, empty when all is well."""

    group: str
    what: str
    state: State
    says: str
    fix: str = ""


def _config_file(settings: Settings) -> Iterator[Finding]:
    """The operator's files as they are now. A running server keeps what it read last while one of them has errors."""
    for file in (settings.config, settings.adapters):
        if file is None:
            continue
        found = (
            read_manifest(raw_of(file), environment(), allow_private=settings.allow_private_upstreams) if file.is_file() else None
        )
        fix = f"doorward config validate -f {file}"
        if found is None:
            yield Finding(
                "Settings", "adapters", "failed", f"{file} is not there", "set DOORWARD_CONFIG to a YAML file, or remove it"
            )
        elif found.problems:
            first, more = found.problems[0], len(found.problems) - 1
            says = f"{file}:{first.line}: {first.says}" + (f", and {more} more" if more else "")
            yield Finding("Settings", "adapters", "failed", f"{says}; a running server keeps what it read before", fix)
        else:
            yield Finding("Settings", "adapters", "ok", f"{file}: {len(found.adapters)} adapters")


async def findings(settings: Settings, *, online: bool) -> AsyncIterator[Finding]:
    """In the order of looking; a database that cannot be opened leaves out what would be read from it."""
    for finding in _config_file(settings):
        yield finding
    for finding in (_data_dir(settings.data_dir), _disk(settings.data_dir), _clock(), _port(settings)):
        yield finding
    try:
        async with opened(settings) as house:
            yield Finding("Data", "database", "ok", f"{house.store.url} answers, at this version's schema")
            yield Finding("Data", "master key", "ok", "opens the vault")
            async for finding in _stored(house, online=online):
                yield finding
    except DoorwardError as error:
        first, _, rest = error.message.partition(". ")
        yield Finding("Data", "database and master key", "failed", first, rest or "doorward migrate says more")
    except OSError as error:
        yield Finding(
            "Data", "database and master key", "failed", error.strerror or type(error).__name__, "check DOORWARD_DATA_DIR"
        )


def _data_dir(path: Path) -> Finding:
    if not path.exists():
        return Finding("Data", "data directory", "ok", f"{path} is not there yet; the first start makes it")
    mode = stat.S_IMODE(path.stat().st_mode)
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        return Finding(
            "Data", "data directory", "failed", f"{path} cannot be written", f"chown it to this user, or chmod 700 {path}"
        )
    if mode & 0o022:
        return Finding("Data", "data directory", "failed", f"{path} can be written by others ({mode:o})", f"chmod 700 {path}")
    return Finding("Data", "data directory", "ok", f"{path} ({mode:o})")


def _disk(path: Path) -> Finding:
    free = shutil.disk_usage(next(place for place in (path, *path.absolute().parents) if place.exists())).free
    if free < LEAST_FREE_BYTES:
        return Finding(
            "Data", "disk", "warning", f"{free / 2**20:.0f} MiB free", "make room: the journal refuses calls on a full disk"
        )
    return Finding("Data", "disk", "ok", f"{free / 2**30:.1f} GiB free")


def _clock() -> Finding:
    if time.time() < ODD_CLOCK_BEFORE_S:
        return Finding(
            "Machine", "clock", "failed", "it says a time in the past", "set the clock: keys expire and budgets turn by it"
        )
    return Finding("Machine", "clock", "ok", time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()))


def _port(settings: Settings) -> Finding:
    where = f"{settings.host}:{settings.port}"
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError:
            pass  # somebody listens there: who, is the next question
        else:
            return Finding("Machine", "port", "ok", f"{where} is free")
    if _is_doorward(settings):
        return Finding("Machine", "port", "ok", f"Doorward is serving on {where}")
    return Finding("Machine", "port", "failed", f"another program listens on {where}", "stop it, or set DOORWARD_PORT")


def _is_doorward(settings: Settings) -> bool:
    """Whether `/healthz` there answers as ours does. TLS counts as not known, and so as another program."""
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "") else settings.host
    try:
        with socket.create_connection((host, settings.port), timeout=2) as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            answer = connection.recv(4096)
    except OSError:
        return False
    return answer.startswith(b"HTTP/1.1 200") and b"x-request-id" in answer.lower()


async def _stored(house: House, *, online: bool) -> AsyncIterator[Finding]:
    async with house.store.reading() as connection:
        skew_s = abs(await house.store.now_s(connection) - time.time())
    if skew_s > MOST_CLOCK_SKEW_S:
        yield Finding("Machine", "database clock", "failed", f"{skew_s:.0f} s apart from this machine's", "set both by NTP")
    providers = [provider for provider in await house.providers.all() if provider.is_active]
    yield Finding("Access", "providers", "ok", ", ".join(provider.id for provider in providers) or "none")
    accounts = [account for account in await house.accounts.of_owner(OPERATOR) if account.is_active]
    if not accounts:
        fix = "doorward account add --provider openai --label main"
        yield Finding("Access", "accounts", "warning", "none yet: only models that need no key answer (sim-*)", fix)
    for account in accounts:
        what = f"account {account.label} ({account.provider_id})"
        if account.key_set_at is None or account.quarantined_at is not None:
            says = "has no key" if account.key_set_at is None else "its key was refused by the provider"
            yield Finding("Access", what, "failed", says, f"doorward account set {account.id} --key")
        elif online:
            yield await _tried(house, account.id, what)
        else:
            yield Finding("Access", what, "skipped", "key stored; --online tries it")
    live = [row for row in await house.client_keys.list() if row.is_valid(time.time())]
    if not live:
        yield Finding("Access", "client keys", "warning", "none yet: no application can call", "doorward key create --label first")
    else:
        yield Finding("Access", "client keys", "ok", f"{len(live)} active")


async def _tried(house: House, account_id: str, what: str) -> Finding:
    from doorward.cli.online import tried  # the way upstream, only with --online

    found = await tried(house, account_id)
    if found.ok:
        return Finding("Access", what, "ok", f"works, {len(found.models)} models, {found.took_s:.1f} s")
    return Finding("Access", what, "failed", found.says, f"doorward account test {account_id}")
