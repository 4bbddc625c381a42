"""Every setting of Doorward: name, default, unit, one sentence. The only reader of the environment.

`docs/reference/settings.md` is generated from this file (`make docs`); a test keeps it true.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from pydantic import AliasChoices, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict


def _alias(*names: str) -> AliasChoices:
    return AliasChoices(*names)


FROM_FILE = "from_file"
"""Argument of `Settings` with what the YAML file's `kind: Doorward` documents say, by setting."""


def environment() -> Mapping[str, str]:
    """The process's own, where adapters look their variables up."""
    return os.environ


class Settings(BaseSettings):
    """Read from the YAML file's `kind: Doorward` document, `DOORWARD_*` variables and `.env`."""

    model_config = SettingsConfigDict(
        env_prefix="DOORWARD_", env_file=".env", extra="ignore", frozen=True, hide_input_in_errors=True, populate_by_name=True
    )

    # Listening
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8080, ge=0, le=65535, description="Port to listen on; 0 takes a free one and prints it.")
    public_url: str | None = Field(None, description="The URL people open: passkey RP id, Origin check, redirects, Secure cookie.")
    trusted_proxies: str = Field("", description="Comma-separated addresses whose X-Forwarded-For is believed.")
    head_timeout_s: float = Field(10.0, gt=0, description="A request head must be complete within this many seconds.")
    body_stall_s: float = Field(30.0, gt=0, description="A request body may pause this many seconds.")
    slow_reader_s: float = Field(60.0, gt=0, description="A client that reads nothing for this many seconds is closed.")
    keep_alive_s: float = Field(75.0, gt=0, description="An idle client connection stays open this many seconds.")
    max_head_bytes: int = Field(65536, ge=1024, description="Largest request head in bytes.")
    max_head_fields: int = Field(100, ge=10, description="Most header fields in a request.")
    max_json_bytes: int = Field(64 * 2**20, ge=1024, description="Largest JSON request body in bytes.")
    max_file_bytes: int = Field(512 * 2**20, ge=1024, description="Largest multipart or binary request body in bytes.")
    spool_bytes: int = Field(2**20, ge=1024, description="Request bodies over this size in bytes are spooled to an unlinked file.")
    drain_s: float = Field(30.0, ge=0, description="On SIGTERM, open calls may finish for this many seconds.")

    # Files of the operator's
    config: Path | None = Field(None, description="YAML file with settings and adapters; flag `--config`.")
    adapters: Path | None = Field(None, description="A second YAML file with adapters.")

    # State
    data_dir: Path = Field(Path("./doorward-data"), description="Directory of database, journal and master key.")
    database_url: str | None = Field(None, description="`sqlite:///…` or `postgresql://…`; default: SQLite in the data directory.")
    redis_url: str | None = Field(None, description="Redis for limits and cache shared by several processes.")
    master_key: SecretStr | None = Field(None, description="Master key, 32 bytes in base64; else `master_key_file`.")
    master_key_file: Path | None = Field(None, description="File with the master key; default `master.key` in the data directory.")
    refresh_s: float = Field(2.0, gt=0, le=5, description="How often providers, accounts and routes are read again, in seconds.")
    key_cache_s: float = Field(
        4.0, ge=0, le=5, description="How long a client key's row or a sealed secret may be kept, in seconds."
    )

    # Custody
    custody: Literal["per_user", "admin", "anonymous"] = Field("per_user", description="Whose stored keys a call may draw on.")
    allow_public_anonymous: bool = Field(False, description="Let custody `anonymous` listen beyond loopback.")

    # Sign-in
    session_s: float = Field(14 * 86400.0, ge=60, description="A sign-in lasts this many seconds.")
    oidc_issuer: str | None = Field(None, description="Issuer URL of an OIDC provider, exactly as it publishes it.")
    oidc_client_id: str | None = Field(None, description="Doorward's client id at the OIDC provider.")
    oidc_client_secret: SecretStr | None = Field(None, description="Its secret; unset for a public client.")
    oidc_name: str = Field("single sign-on", description="The provider's name on the sign-in button.")
    oidc_role_claim: str | None = Field(None, description="Claim that decides the role at each sign-in; unset: it does not.")
    oidc_admin_values: str = Field("admin", description="Comma-separated values of that claim that make an admin.")
    oidc_sign_up: bool = Field(False, description="Whoever the OIDC provider lets in becomes a user at the first sign-in.")
    oidc_domains: str = Field(
        "", description="Comma-separated e-mail domains: a verified address there makes a user at the first sign-in by OIDC."
    )
    oidc_allow_private: bool = Field(False, description="The OIDC provider may be on a private network and without TLS.")

    # Models
    default_model: str = Field(
        "gpt-4o-mini", validation_alias=_alias("DOORWARD_DEFAULT_MODEL", "OPENAI_MODEL"), description="Model of app endpoints."
    )
    embedding_model: str = Field("text-embedding-3-small", description="Model for search.")
    max_tokens: int = Field(
        2000,
        ge=1,
        validation_alias=_alias("DOORWARD_MAX_TOKENS", "OPENAI_MAX_TOKENS"),
        description="Output limit of app endpoints.",
    )
    temperature: float = Field(
        0.7, ge=0, le=2, validation_alias=_alias("DOORWARD_TEMPERATURE", "OPENAI_TEMPERATURE"), description="Of app endpoints."
    )
    max_output_tokens: int = Field(32768, ge=1, description="Assumed output of a model whose maximum is not known, in tokens.")
    allow_private_upstreams: bool = Field(False, description="Let every provider and adapter be on loopback or a private network.")
    openai_api_key: SecretStr | None = Field(
        None, validation_alias="OPENAI_API_KEY", description="Becomes the operator's account `env` on `openai`."
    )
    anthropic_api_key: SecretStr | None = Field(
        None, validation_alias="ANTHROPIC_API_KEY", description="Becomes the operator's account `env` on `anthropic`."
    )
    openai_base_url: str | None = Field(
        None, validation_alias="OPENAI_BASE_URL", description="Replaces provider `openai`'s base URL."
    )
    openai_org_id: str | None = Field(None, validation_alias="OPENAI_ORG_ID", description="Organization sent with account `env`.")

    # Time limits of upstream calls
    connect_s: float = Field(5.0, gt=0, description="Connecting to an upstream, in seconds.")
    first_event_streamed_s: float = Field(120.0, gt=0, description="To the first event of a streamed answer, in seconds.")
    first_event_whole_s: float = Field(600.0, gt=0, description="To the first byte of any other answer, in seconds.")
    idle_s: float = Field(60.0, gt=0, description="Between two pieces of an answer, in seconds.")
    retry_wait_s: float = Field(20.0, ge=0, description="Waiting between attempts of one call, in seconds in all.")
    breaker_open_s: float = Field(
        10.0, gt=0, le=14, description="An account that keeps failing is left alone this many seconds, twice as long at the most."
    )
    gate_s: float = Field(
        15.0,
        gt=0,
        le=15,
        description="A stream's status is held so long for its first event where there is a fallback, in seconds.",
    )
    total_s: float = Field(3600.0, gt=0, description="For a whole call, in seconds.")

    # Overload
    max_open_calls: int = Field(4096, ge=1, description="Calls open at once in a process; lower by itself while they come late.")
    max_waiting_calls: int = Field(1024, ge=0, description="Calls that may wait for a place; more are refused at once.")
    admission_wait_s: float = Field(5.0, gt=0, description="How long a call waits for a place, in seconds.")
    memory_bytes: int | None = Field(
        None, ge=2**20, description="No new calls while the process uses more, in bytes; default: 85 % of what the machine has."
    )

    # Response cache
    cache: bool = Field(False, description="Answer identical `/v1` calls of one owner from the cache.")
    cache_ttl_s: float = Field(3600.0, gt=0, description="How long a cached answer is given again, in seconds.")
    cache_bytes: int = Field(64 * 2**20, ge=0, description="Memory for cached answers in this process, in bytes.")

    # Money
    spend_cap_usd: Decimal | None = Field(None, ge=0, description="Cap for everything together, in dollars; `anonymous` needs it.")
    price_overrides: dict[str, dict[str, Decimal]] = Field(
        {}, description="Own prices in dollars: `{LIST/MODEL: {UNIT: PRICE}}`; those set by API or command line come before them."
    )
    assume_price_usd: Decimal | None = Field(
        None, gt=0, description="Dollars for a million tokens where a price is not known, for holds; without it budgets refuse."
    )
    alert_webhook_url: str | None = Field(None, description="Where to send budget alerts, besides the log.")
    alert_webhook_secret: SecretStr | None = Field(None, description="Signs what is sent there (HMAC-SHA256).")
    journal_sync_s: float = Field(1.0, gt=0, description="How often the journal is synced to disk, in seconds.")

    # App endpoints
    root_apps: bool = Field(True, description="The app endpoints also answer at / and /api, not only at /apps.")
    history_tokens: int = Field(8000, ge=100, description="A conversation is cut to so many tokens before it is sent.")
    max_message_chars: int = Field(100_000, ge=1, description="Longest message to chat, classify, search and agent, in characters.")
    app_parallel: int = Field(8, ge=1, le=64, description="Model calls that one summary or batch makes at the same time.")
    app_cost_cap_usd: Decimal | None = Field(None, gt=0, description="Most that one summary, batch or agent may cost, in dollars.")
    first_event_apps_s: float = Field(60.0, gt=0, description="To the first event of an app endpoint's model call, in seconds.")
    agent_steps: int = Field(12, ge=1, le=100, description="Model calls that one agent run may make.")
    agent_s: float = Field(300.0, gt=0, description="An agent run may take this many seconds.")
    agent_tokens: int = Field(200_000, ge=100, description="Tokens that one agent run may use.")
    agent_tools: list[str] = Field([], description="Python functions that agents may call, as `package.module:function`.")
    tool_s: float = Field(30.0, gt=0, description="One call of a tool may take this many seconds.")
    mcp_servers: dict[str, dict[str, Any]] = Field(
        {},
        description="MCP servers: `{NAME: {command, args, env}}` or `{NAME: {url, headers}}`; `approve: true`: ask first.",
    )
    forbidden_categories: str = Field("", description="Comma-separated moderation categories that apps refuse; `*` for all.")
    moderation_model: str = Field("omni-moderation-latest", description="Model that tells the moderation categories of a text.")
    mask_pii: bool = Field(False, description="Apps replace e-mail, phone, card and account numbers before sending.")
    job_webhook_url: str | None = Field(None, description="Told of every finished job, signed.")
    job_webhook_secret: SecretStr | None = Field(None, description="Signs what is sent there (HMAC-SHA256).")

    # Telemetry
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least level that is logged; at `info` every settled call is a line."
    )
    metrics_port: int | None = Field(None, ge=0, le=65535, description="A port of its own for `/metrics`; 0 takes a free one.")
    metrics_token: SecretStr | None = Field(
        None, description="Bearer token for `/metrics`; without it and without a port it answers this machine only."
    )
    otel_endpoint: str | None = Field(
        None,
        validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT",
        description="OpenTelemetry collector (OTLP over HTTP); unset: no traces.",
    )
    otel_headers: SecretStr | None = Field(
        None, validation_alias="OTEL_EXPORTER_OTLP_HEADERS", description="Headers for it, as `name=value,name=value`."
    )
    otel_service_name: str = Field("doorward", validation_alias="OTEL_SERVICE_NAME", description="Name of this service in traces.")

    @field_validator(
        "master_key",
        "oidc_client_secret",
        "openai_api_key",
        "anthropic_api_key",
        "alert_webhook_secret",
        "job_webhook_secret",
        "metrics_token",
    )
    @classmethod
    def _not_empty(cls, value: SecretStr | None) -> SecretStr | None:
        # An empty secret is a mistake in a deployment, never "off" (threats.md, empty secrets).
        if value is not None and not value.get_secret_value().strip():
            raise ValueError("is set but empty: set a value or remove the variable")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags, then the environment, then `.env`, then what the YAML file says (`FROM_FILE`, read by `adapters.written`)."""
        given = init_settings.init_kwargs if isinstance(init_settings, InitSettingsSource) else {}
        written = given.pop(FROM_FILE, {})
        return init_settings, env_settings, dotenv_settings, InitSettingsSource(settings_cls, written)

    @property
    def url(self) -> str:
        """The database's URL as SQLAlchemy's synchronous spelling."""
        return self.database_url or f"sqlite:///{(self.data_dir / 'doorward.db').absolute()}"
