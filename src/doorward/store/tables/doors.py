"""Who is upstream, whose keys are stored, who may come in, what belongs to whom, and where calls go."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    false,
    true,
)

from doorward.store.tables.columns import created_at, metadata

providers = Table(
    "providers",
    metadata,
    # the order of adding is the primary key, so that rows inserted by hand get one too (R16)
    Column("added", Integer, primary_key=True, autoincrement=True),
    Column("id", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("base_url", Text, nullable=False),
    Column("auth_type", Text, nullable=False, server_default="api_key"),
    Column("auth_strategy", Text, nullable=False, server_default="api_key"),
    Column("supported_models", Text, nullable=False, server_default="[]"),
    Column("is_active", Boolean, nullable=False, server_default=true()),
    Column("allow_private", Boolean, nullable=False, server_default=false()),
    Column("prices", Text),
    Column("is_draining", Boolean, nullable=False, server_default=false()),
    created_at(),
    # a list that is not JSON is refused where it is written, not found out by a running server
    CheckConstraint(
        "json_valid(supported_models) AND json_type(supported_models) = 'array'", name="supported_models_is_a_list"
    ).ddl_if(dialect="sqlite"),
    CheckConstraint("jsonb_typeof(supported_models::jsonb) = 'array'", name="supported_models_is_json").ddl_if(
        dialect="postgresql"
    ),
    sqlite_autoincrement=True,
)

accounts = Table(
    "accounts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("provider_id", Text, ForeignKey("providers.id"), nullable=False),
    Column("label", Text, nullable=False),
    Column("weight", Integer, nullable=False, server_default="1"),
    Column("quota_owner", Text),
    Column("organization", Text),
    Column("project", Text),
    Column("is_active", Boolean, nullable=False, server_default=true()),
    Column("quarantined_at", Double),
    Column("quarantine_reason", Text),
    Column("key_set_at", Double),
    created_at(),
    UniqueConstraint("provider_id", "owner", "label"),
    Index(None, "owner"),
)

sealed = Table(
    "sealed",
    metadata,
    Column("name", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("envelope", LargeBinary, nullable=False),
    Column("master_key_id", Text, nullable=False),
    Column("set_at", Double, nullable=False),
    Index(None, "master_key_id"),
)

client_keys = Table(
    "client_keys",
    metadata,
    Column("public_id", Text, primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    Column("label", Text, nullable=False),
    Column("owner_user_id", Text),
    Column("share_as", Text),
    Column("scopes", Text, nullable=False),
    Column("models", Text),
    Column("adapters", Text),
    Column("rpm", Integer),
    Column("rpd", Integer),
    Column("tpm", BigInteger),
    Column("tpd", BigInteger),
    Column("concurrency", Integer),
    Column("budget_nanos", BigInteger),
    Column("budget_period", Text),
    Column("expires_at", Double),
    Column("revoked_at", Double),
    Column("last_used_at", Double),
    Column("rotated_from", Text),
    Column("lineage", Text),
    Column("content_days", Integer),
    created_at(),
    Index(None, "owner_user_id"),
)

objects = Table(
    "objects",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("provider_id", Text, nullable=False),
    Column("account_id", Text),
    created_at(),
    Column("deleted_at", Double),
    Index(None, "owner", "kind", "created_at", "id"),
)

model_aliases = Table(
    "model_aliases",
    metadata,
    Column("name", Text, primary_key=True),
    Column("model", Text, nullable=False),
)

routes = Table(
    "routes",
    metadata,
    Column("match", Text, primary_key=True),
    Column("fallbacks", Text, nullable=False, server_default="[]"),
    Column("first_event_timeout_s", Double),
    Column("idle_timeout_s", Double),
    Column("rescue", Boolean, nullable=False, server_default=false()),
    created_at(),
)

settings_kv = Table(
    "settings_kv",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
