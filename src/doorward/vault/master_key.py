"""Where the master key comes from: a value, a named file, or a file made on first start."""

from __future__ import annotations

import binascii
import os
import re
import secrets
import stat
from base64 import b64decode
from pathlib import Path

from doorward.core.errors import VaultError
from doorward.core.secret import Secret
from doorward.vault.seal import KEY_BYTES, MasterKey

FILE_NAME = "master.key"
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]+={0,2}")
_HOW = "Make one with: openssl rand -base64 32"


def load_master_key(value: Secret | None, file: Path | None, data_dir: Path, *, may_create: bool = True) -> tuple[MasterKey, bool]:
    """-> (the key, whether it was made just now).

    A file that the operator names is never made: it may be on a volume that is not mounted yet.
    `may_create` is false once the database holds anything that another key has sealed.
    """
    if value is not None and file is not None:
        raise VaultError("DOORWARD_MASTER_KEY and DOORWARD_MASTER_KEY_FILE are both set. Keep one of them")
    if value is not None:
        return parse(value, "DOORWARD_MASTER_KEY"), False
    if file is not None:
        return read(file), False
    home = data_dir / FILE_NAME
    if os.path.lexists(home):
        return read(home), False
    if not may_create:
        raise VaultError(
            f"The master key is missing: {home} is not there, and the stored keys cannot be opened without it. "
            "Put the file back from your backup (or from the host that made it), or set DOORWARD_MASTER_KEY_FILE to where it is"
        )
    made = write(home, MasterKey.new())
    return read(home), made


def successor(file: Path) -> Path:
    """Where a rotation keeps the new key until every row is rewrapped."""
    return file.with_name(file.name + ".new")


def parse(text: Secret, source: str) -> MasterKey:
    """Base64 (either alphabet) -> the key. Messages name the source and never the value."""
    stripped = text.reveal().strip()
    if not stripped:
        raise VaultError(f"{source} is empty. {_HOW}")
    if not _BASE64.fullmatch(stripped):
        raise VaultError(f"{source} is not base64. {_HOW}")
    padded = stripped.rstrip(b"=") + b"=" * (-len(stripped.rstrip(b"=")) % 4)
    try:
        raw = b64decode(padded, altchars=b"-_") if re.search(rb"[-_]", padded) else b64decode(padded)
    except binascii.Error:
        raise VaultError(f"{source} is not base64. {_HOW}") from None
    if len(raw) != KEY_BYTES:
        raise VaultError(f"{source} must be {KEY_BYTES} bytes in base64; it holds {len(raw)}. {_HOW}")
    return MasterKey(Secret(raw))


def read(file: Path) -> MasterKey:
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe must not hold up the start
    except OSError as error:
        raise VaultError(f"The master key file {file} cannot be read: {error.strerror}") from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise VaultError(f"The master key file {file} is not a regular file")
        if _is_open_to_others(status):
            raise VaultError(f"The master key file {file} can be read by others. Run: chmod 600 {file}")
        return parse(Secret(os.read(descriptor, 4096)), f"The master key file {file}")
    finally:
        os.close(descriptor)


def _is_open_to_others(status: os.stat_result) -> bool:
    if status.st_mode & stat.S_IRWXO:
        return True
    # systemd credentials and Kubernetes secrets belong to root and are handed to us through the group
    handed_over = status.st_uid == 0 and os.geteuid() != 0
    return bool(status.st_mode & stat.S_IRWXG) and not handed_over


def write(file: Path, key: MasterKey) -> bool:
    """Write it 0600 -> whether this call made the file. Whole on disk before it has its name; never over another."""
    half = file.with_name(f".{file.name}.{secrets.token_hex(6)}")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, key.text().reveal() + b"\n")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        try:
            os.link(half, file)
            made = True
        except FileExistsError:
            made = False
        finally:
            half.unlink()
        sync_directory(file.parent)
    except OSError as error:
        raise VaultError(f"The master key file {file} cannot be written: {error.strerror}") from error
    return made


def sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
