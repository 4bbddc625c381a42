"""AES-256-GCM envelopes: each version of a secret under a data key of its own, the data key under the master key.

    1 byte      format, 1
    8 bytes     id of the master key
    12 + 48     nonce, the data key wrapped by the master key
    12 + n+16   nonce, the secret sealed by the data key

Both layers bind the row's name and version as associated data, so an envelope opens in its own
row only. Changing the master key rewraps the data key and leaves the sealed secret as it is.
"""

from __future__ import annotations

import hashlib
import os
import struct
from base64 import b64encode

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from doorward.core.errors import VaultError
from doorward.core.secret import Secret

KEY_BYTES = 32
_FORMAT = 1
_HEAD = struct.Struct(">B8s12s48s12s")
_VERSION = struct.Struct(">Q")


class MasterKey:
    """32 random bytes. `id` is a hash's first 64 bits: it names the key and tells nothing of it."""

    __slots__ = ("_cipher", "_secret", "id")

    def __init__(self, secret: Secret) -> None:
        if len(secret) != KEY_BYTES:
            raise VaultError(f"A master key has {KEY_BYTES} bytes, this one {len(secret)}. Make one with: openssl rand -base64 32")
        self._secret = secret
        self._cipher = AESGCM(secret.reveal())
        self.id = hashlib.sha256(b"doorward master key id\0" + secret.reveal()).hexdigest()[:16]

    @classmethod
    def new(cls) -> MasterKey:
        return cls(Secret(os.urandom(KEY_BYTES)))

    def text(self) -> Secret:
        """Base64, as it stands in a file."""
        return Secret(b64encode(self._secret.reveal()))

    def wrap(self, data_key: bytes, bound: bytes) -> tuple[bytes, bytes]:
        nonce = os.urandom(12)
        return nonce, self._cipher.encrypt(nonce, data_key, b"wrap" + bound)

    def unwrap(self, nonce: bytes, wrapped: bytes, bound: bytes) -> bytes:
        """Raises `InvalidTag`."""
        return self._cipher.decrypt(nonce, wrapped, b"wrap" + bound)

    def __repr__(self) -> str:
        return f"MasterKey({self.id})"

    def __reduce__(self) -> str:
        raise TypeError("a master key cannot be copied or serialised")


def seal(secret: Secret, name: str, version: int, key: MasterKey) -> bytes:
    bound = _bound(name, version)
    data_key = AESGCM.generate_key(256)
    wrap_nonce, wrapped = key.wrap(data_key, bound)
    nonce = os.urandom(12)
    sealed = AESGCM(data_key).encrypt(nonce, secret.reveal(), b"data" + bound)
    return _HEAD.pack(_FORMAT, bytes.fromhex(key.id), wrap_nonce, wrapped, nonce) + sealed


class Unwrapped:
    """A sealed secret whose data key is out of its wrapping: `open` opens it, each time anew.

    To unwrap costs 10 µs and to open 1, so who keeps a sealed row may keep this beside it. It tells no more than the row
    does to whoever has the master key, and gives up neither the data key's bytes nor the secret's.
    """

    __slots__ = ("_bound", "_cipher", "_name", "_nonce", "_sealed")

    def __init__(self, envelope: bytes, name: str, version: int, key: MasterKey) -> None:
        """Raises `VaultError` for an envelope that was changed, belongs to another row or another master key."""
        bound = _bound(name, version)
        try:
            form, key_id, wrap_nonce, wrapped, nonce = _HEAD.unpack_from(envelope)
            if form != _FORMAT or key_id.hex() != key.id:
                raise _unreadable(name)
            self._cipher = AESGCM(key.unwrap(wrap_nonce, wrapped, bound))
        except (InvalidTag, struct.error):
            raise _unreadable(name) from None
        self._name = name
        self._nonce, self._sealed, self._bound = nonce, envelope[_HEAD.size :], b"data" + bound

    def open(self) -> Secret:
        """Raises `VaultError` for a sealed secret that was changed."""
        try:
            return Secret(self._cipher.decrypt(self._nonce, self._sealed, self._bound))
        except InvalidTag:
            raise _unreadable(self._name) from None


def unseal(envelope: bytes, name: str, version: int, key: MasterKey) -> Secret:
    """Raises `VaultError`, as `Unwrapped` does."""
    return Unwrapped(envelope, name, version, key).open()


def rewrap(envelope: bytes, name: str, version: int, old: MasterKey, new: MasterKey) -> bytes:
    """The same sealed secret under another master key. The whole envelope is opened first: nothing broken is carried on."""
    unseal(envelope, name, version, old)
    bound = _bound(name, version)
    _, _, wrap_nonce, wrapped, nonce = _HEAD.unpack_from(envelope)
    new_nonce, rewrapped = new.wrap(old.unwrap(wrap_nonce, wrapped, bound), bound)
    return _HEAD.pack(_FORMAT, bytes.fromhex(new.id), new_nonce, rewrapped, nonce) + envelope[_HEAD.size :]


def _bound(name: str, version: int) -> bytes:
    return _VERSION.pack(version) + name.encode()


def _unreadable(name: str) -> VaultError:
    return VaultError(f"The sealed row {name!r} cannot be opened: it was changed outside Doorward. Set this key again")
