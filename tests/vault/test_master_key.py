"""Where a master key comes from, and what is refused."""

from __future__ import annotations

import os
import stat
from base64 import b64encode, urlsafe_b64encode
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from doorward.core.errors import VaultError
from doorward.core.secret import Secret
from doorward.vault.master_key import load_master_key, parse, read, write
from doorward.vault.seal import MasterKey

RAW = bytes(range(223, 255))
TEXT = b64encode(RAW)


def test_made_once_and_readable_by_us_alone(tmp_path: Path) -> None:
    previous = os.umask(0)
    try:
        key, created = load_master_key(None, None, tmp_path / "data")
    finally:
        os.umask(previous)
    again, created_again = load_master_key(None, None, tmp_path / "data")
    assert (created, created_again, key.id) == (True, False, again.id)
    assert stat.S_IMODE((tmp_path / "data/master.key").stat().st_mode) == 0o600
    assert [file.name for file in (tmp_path / "data").iterdir()] == ["master.key"]


def test_several_first_starts_at_once_agree(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: load_master_key(None, None, tmp_path), range(8)))
    assert len({key.id for key, _ in found}) == 1
    assert [created for _, created in found].count(True) == 1


def test_none_is_made_where_keys_are_sealed(tmp_path: Path) -> None:
    with pytest.raises(VaultError, match="missing.*backup"):
        load_master_key(None, None, tmp_path, may_create=False)
    assert list(tmp_path.iterdir()) == []


def test_a_named_file_is_never_made(tmp_path: Path) -> None:
    with pytest.raises(VaultError, match="cannot be read: No such file"):
        load_master_key(None, tmp_path / "key", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_value_and_file_together(tmp_path: Path) -> None:
    with pytest.raises(VaultError, match="both set"):
        load_master_key(Secret(TEXT), tmp_path / "key", tmp_path)


def test_both_alphabets_with_and_without_padding() -> None:
    forms = [TEXT, TEXT.rstrip(b"="), urlsafe_b64encode(RAW), urlsafe_b64encode(RAW).rstrip(b"="), b" " + TEXT + b"\r\n"]
    assert len({parse(Secret(form), "x").id for form in forms}) == 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"canary canary", "is not base64"),
        (b"canary!", "is not base64"),
        (b"canar", "is not base64"),
        (b64encode(b"canary" * 4), "it holds 24"),
        (b64encode(RAW + b"x"), "it holds 33"),
        (RAW.hex().encode(), "it holds 48"),
    ],
)
def test_a_wrong_value_is_named_and_not_shown(text: bytes, says: str, tmp_path: Path) -> None:
    with pytest.raises(VaultError, match=says) as refused:
        load_master_key(Secret(text), None, tmp_path)
    assert "DOORWARD_MASTER_KEY" in str(refused.value)
    assert "openssl rand" in str(refused.value)
    assert b"canar" not in str(refused.value).encode()
    file = tmp_path / "key"
    file.touch(0o600)
    file.write_bytes(text)
    with pytest.raises(VaultError, match=says):
        load_master_key(None, file, tmp_path)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601])
def test_a_file_that_others_can_read_is_refused(mode: int, tmp_path: Path) -> None:
    file = tmp_path / "key"
    write(file, MasterKey(Secret(RAW)))
    file.chmod(mode)
    with pytest.raises(VaultError, match=f"chmod 600 {file}"):
        read(file)
    file.chmod(0o400)
    assert read(file).id == MasterKey(Secret(RAW)).id


def test_not_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").mkdir()
    with pytest.raises(VaultError, match="not a regular file"):
        read(tmp_path / "key")
    (tmp_path / "file").touch()
    with pytest.raises(VaultError, match="cannot be written"):
        write(tmp_path / "file/key", MasterKey.new())


def test_writing_never_replaces(tmp_path: Path) -> None:
    assert write(tmp_path / "key", MasterKey(Secret(RAW)))
    assert not write(tmp_path / "key", MasterKey.new())
    assert read(tmp_path / "key").id == MasterKey(Secret(RAW)).id
