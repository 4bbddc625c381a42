"""Users, their ways in, sessions, single-use tickets, and the audit chain.

Nothing here opens anything: passwords are argon2, sessions and tickets SHA-256 of random 256-bit
values, passkeys public keys. Erasing a user leaves audit rows whole and nameless.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, Double, ForeignKey, Index, Integer, LargeBinary, Table, Text

from doorward.store.tables.columns import created_at, metadata

users = Table(
    "users",
    metadata,
    Column("id", Text, primary_key=True),
    Column("email", Text, nullable=False, unique=True),  # normalised by identity.users
    Column("role", Text, nullable=False),
    Column("password_hash", Text),
    Column("signed_in_at", Double),
    created_at(),
    CheckConstraint("role IN ('admin', 'user')", name="role_is_known"),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", Text, primary_key=True),  # SHA-256 of the cookie's value, in hex
    Column("user_id", Text, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("how", Text, nullable=False),  # password, passkey, oidc, setup, invitation
    Column("agent", Text, nullable=False, server_default=""),
    Column("from_addr", Text, nullable=False, server_default=""),
    Column("expires_at", Double, nullable=False),
    Column("last_seen_at", Double, nullable=False),
    created_at(),
    Index(None, "user_id"),
    Index(None, "expires_at"),
)

passkeys = Table(
    "passkeys",
    metadata,
    Column("id", Text, primary_key=True),  # credential id, base64url
    Column("user_id", Text, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("name", Text, nullable=False),
    Column("public_key", LargeBinary, nullable=False),
    Column("sign_count", BigInteger, nullable=False, server_default="0"),
    Column("backed_up", Boolean, nullable=False),
    Column("last_used_at", Double),
    created_at(),
    Index(None, "user_id"),
)

external_identities = Table(
    "external_identities",
    metadata,
    Column("issuer", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("user_id", Text, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    created_at(),
    Index(None, "user_id"),
)

tickets = Table(
    "tickets",
    metadata,
    Column("digest", Text, primary_key=True),  # SHA-256 of the token, in hex
    Column("kind", Text, nullable=False),  # setup, invitation, passkey, oidc
    Column("user_id", Text, ForeignKey("users.id", ondelete="CASCADE")),
    Column("payload", Text, nullable=False, server_default="{}"),
    Column("expires_at", Double, nullable=False),
    created_at(),
    Index(None, "kind", "expires_at"),
)

sign_in_tries = Table(
    "sign_in_tries",
    metadata,
    Column("who", Text, primary_key=True),  # a digest of the e-mail, or an address
    Column("failures", Integer, nullable=False),
    Column("last_at", Double, nullable=False),
    Column("blocked_until", Double, nullable=False),
)

audit_rows = Table(
    "audit_rows",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),  # 1, 2, 3: a gap is a finding
    Column("at", Double, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("details", Text, nullable=False),
    Column("from_mark", Text, nullable=False),  # salted SHA-256 of the address; what the chain covers
    Column("from_addr", Text),
    Column("from_salt", Text),
    Column("previous", Text, nullable=False),
    Column("hash", Text, nullable=False),
    Index(None, "actor"),
    Index(None, "target"),
)

audit_people = Table(
    "audit_people",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("pseudonym", Text, nullable=False, unique=True),
    Column("salt", Text, nullable=False),  # deleted with the row: then nobody can tell who the pseudonym was
)

key_addresses = Table(
    "key_addresses",
    metadata,
    Column("public_id", Text, primary_key=True),
    Column("address", Text, primary_key=True),
    Column("first_seen_at", Double, nullable=False),
)
