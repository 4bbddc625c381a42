"""An account as the command line shows it: what is stored about a key, never the key."""

from __future__ import annotations

from doorward.providers.provider import Account


def state(account: Account) -> str:
    if not account.is_active:
        return "inactive"
    if account.key_set_at is None:
        return "no key"
    return "refused" if account.quarantined_at is not None else "active"


def shown(account: Account) -> dict[str, object]:
    return {
        "id": account.id,
        "provider_id": account.provider_id,
        "label": account.label,
        "owner": account.owner,
        "is_active": account.is_active,
        "configured": account.key_set_at is not None,
        "key_set_at": account.key_set_at,
        "weight": account.weight,
        "quota_owner": account.quota_owner,
        "organization": account.organization,
        "project": account.project,
        "quarantined_at": account.quarantined_at,
        "quarantine_reason": account.quarantine_reason,
    }
