"""Providers, accounts, sealed keys, client keys, objects, aliases, routes; and the providers that are there from the start."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from doorward.store.tables.columns import database_now

revision = "0001"
down_revision = None

OPENAI_MODELS = (
    '["gpt-*", "chatgpt-*", "o1*", "o3*", "o4*", "text-*", "dall-e-*", "gpt-image-*", "tts-*", "whisper-*", '
    '"omni-moderation-*", "davinci-*", "babbage-*", "codex-*", "computer-use-*", "sora-*", "ft:*"]'
)


def _list_check() -> sa.CheckConstraint:
    if op.get_context().dialect.name == "sqlite":
        return sa.CheckConstraint(
            "json_valid(supported_models) AND json_type(supported_models) = 'array'",
            name=op.f("ck_providers_supported_models_is_a_list"),
        )
    return sa.CheckConstraint("jsonb_typeof(supported_models::jsonb) = 'array'", name=op.f("ck_providers_supported_models_is_json"))


def upgrade() -> None:
    providers = op.create_table(
        "providers",
        sa.Column("added", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("base_url", sa.Text, nullable=False),
        sa.Column("auth_type", sa.Text, nullable=False, server_default="api_key"),
        sa.Column("auth_strategy", sa.Text, nullable=False, server_default="api_key"),
        sa.Column("supported_models", sa.Text, nullable=False, server_default="[]"),
        sa.Column("is_active", sa.Boolean, nullable=False, server_default=sa.true()),
        sa.Column("allow_private", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("prices", sa.Text),
        sa.Column("is_draining", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("created_at", sa.Double, nullable=False, server_default=database_now()),
        sa.UniqueConstraint("id", name=op.f("uq_providers_id")),
        _list_check(),
        sqlite_autoincrement=True,
    )
    op.bulk_insert(
        providers,
        [
            {
                "id": "simulator",
                "name": "Simulator",
                "base_url": "simulator:",
                "auth_type": "none",
                "auth_strategy": "none",
                "supported_models": '["sim-*"]',
                "prices": "free",
            },
            {
                "id": "anthropic",
                "name": "Anthropic",
                "base_url": "https://api.anthropic.com",
                "auth_type": "api_key",
                "auth_strategy": "api_key",
                "supported_models": '["claude-*"]',
                "prices": None,
            },
            {
                "id": "openai",
                "name": "OpenAI",
                "base_url": "https://api.openai.com",
                "auth_type": "api_key",
                "auth_strategy": "api_key",
                "supported_models": OPENAI_MODELS,
                "prices": None,
            },
        ],
    )
    op.create_table(
        "accounts",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("provider_id", sa.Text, sa.ForeignKey("providers.id", name=op.f("fk_accounts_provider_id")), nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("weight", sa.Integer, nullable=False, server_default="1"),
        sa.Column("quota_owner", sa.Text),
        sa.Column("organization", sa.Text),
        sa.Column("project", sa.Text),
        sa.Column("is_active", sa.Boolean, nullable=False, server_default=sa.true()),
        sa.Column("quarantined_at", sa.Double),
        sa.Column("quarantine_reason", sa.Text),
        sa.Column("key_set_at", sa.Double),
        sa.Column("created_at", sa.Double, nullable=False, server_default=database_now()),
        sa.UniqueConstraint("provider_id", "owner", "label", name=op.f("uq_accounts_provider_id_owner_label")),
    )
    op.create_index(op.f("ix_accounts_owner"), "accounts", ["owner"])
    op.create_table(
        "sealed",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("envelope", sa.LargeBinary, nullable=False),
        sa.Column("master_key_id", sa.Text, nullable=False),
        sa.Column("set_at", sa.Double, nullable=False),
    )
    op.create_index(op.f("ix_sealed_master_key_id"), "sealed", ["master_key_id"])
    op.create_table(
        "client_keys",
        sa.Column("public_id", sa.Text, primary_key=True),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("owner_user_id", sa.Text),
        sa.Column("share_as", sa.Text),
        sa.Column("scopes", sa.Text, nullable=False),
        sa.Column("models", sa.Text),
        sa.Column("adapters", sa.Text),
        sa.Column("rpm", sa.Integer),
        sa.Column("rpd", sa.Integer),
        sa.Column("tpm", sa.BigInteger),
        sa.Column("tpd", sa.BigInteger),
        sa.Column("concurrency", sa.Integer),
        sa.Column("budget_nanos", sa.BigInteger),
        sa.Column("budget_period", sa.Text),
        sa.Column("expires_at", sa.Double),
        sa.Column("revoked_at", sa.Double),
        sa.Column("last_used_at", sa.Double),
        sa.Column("rotated_from", sa.Text),
        sa.Column("lineage", sa.Text),
        sa.Column("content_days", sa.Integer),
        sa.Column("created_at", sa.Double, nullable=False, server_default=database_now()),
    )
    op.create_index(op.f("ix_client_keys_owner_user_id"), "client_keys", ["owner_user_id"])
    op.create_table(
        "objects",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("provider_id", sa.Text, nullable=False),
        sa.Column("account_id", sa.Text),
        sa.Column("created_at", sa.Double, nullable=False, server_default=database_now()),
        sa.Column("deleted_at", sa.Double),
    )
    op.create_index(op.f("ix_objects_owner_kind_created_at_id"), "objects", ["owner", "kind", "created_at", "id"])
    op.create_table(
        "model_aliases",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("model", sa.Text, nullable=False),
    )
    op.create_table(
        "routes",
        sa.Column("match", sa.Text, primary_key=True),
        sa.Column("fallbacks", sa.Text, nullable=False, server_default="[]"),
        sa.Column("first_event_timeout_s", sa.Double),
        sa.Column("idle_timeout_s", sa.Double),
        sa.Column("rescue", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("created_at", sa.Double, nullable=False, server_default=database_now()),
    )
    op.create_table(
        "settings_kv",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
