"""The front desk: everything about who may come in, built once and handed to the edge and the command line."""

from __future__ import annotations

from dataclasses import dataclass

from doorward.audit.chain import Audit
from doorward.core.clock import Clock
from doorward.core.secret import Secret
from doorward.identity.custody import Custody
from doorward.identity.erasure import ContentOf, Erasure
from doorward.identity.first_run import FirstRun
from doorward.identity.invitations import Invitations
from doorward.identity.issuer import Client, Issuer
from doorward.identity.oidc import Oidc, RoleMap, SignUp
from doorward.identity.passkeys import Passkeys
from doorward.identity.passwords import Passwords
from doorward.identity.sessions import Sessions
from doorward.identity.sign_in import SignIn
from doorward.identity.site import Site
from doorward.identity.users import Users
from doorward.settings import Settings
from doorward.store.client_keys import ClientKeys
from doorward.store.engine import Store
from doorward.upstream.port import Transport


@dataclass(frozen=True, slots=True)
class Desk:
    custody: Custody
    site: Site
    audit: Audit
    passwords: Passwords
    sessions: Sessions
    users: Users
    sign_in: SignIn
    first_run: FirstRun
    invitations: Invitations
    passkeys: Passkeys
    erasure: Erasure
    oidc: Oidc | None

    @classmethod
    def of(
        cls,
        settings: Settings,
        store: Store,
        clock: Clock,
        transport: Transport | None,
        *,
        port: int | None = None,
        passwords: Passwords | None = None,
        content_of: ContentOf | None = None,
    ) -> Desk:
        """`transport` `None`: no OIDC (the command line). `port`: the one that is really listened on."""
        site = Site.of(settings.public_url, settings.port if port is None else port)
        audit = Audit(store)
        passwords = passwords or Passwords()
        client_keys = ClientKeys(store)
        sessions = Sessions(store, clock, settings.custody, site, keep_s=settings.key_cache_s, lasts_s=settings.session_s)
        users = Users(store, passwords, sessions, client_keys, audit)
        return cls(
            custody=settings.custody,
            site=site,
            audit=audit,
            passwords=passwords,
            sessions=sessions,
            users=users,
            sign_in=SignIn(store, passwords, sessions, audit),
            first_run=FirstRun(store, users, passwords),
            invitations=Invitations(store, users, passwords, audit),
            passkeys=Passkeys(store, site, audit),
            erasure=Erasure(store, users, audit, content_of),
            oidc=_oidc(settings, store, clock, transport, users, audit, site),
        )


def _oidc(
    settings: Settings, store: Store, clock: Clock, transport: Transport | None, users: Users, audit: Audit, site: Site
) -> Oidc | None:
    if settings.oidc_issuer is None or settings.oidc_client_id is None or transport is None:
        return None
    secret = settings.oidc_client_secret
    client = Client(
        issuer=settings.oidc_issuer,
        client_id=settings.oidc_client_id,
        client_secret=Secret(secret.get_secret_value()) if secret is not None else None,
        name=settings.oidc_name,
        allow_private=settings.oidc_allow_private,
    )
    admins = frozenset(value.strip() for value in settings.oidc_admin_values.split(",") if value.strip())
    roles = RoleMap(settings.oidc_role_claim, admins)
    issuer = Issuer(client, transport, clock)
    sign_up = SignUp.of(settings.oidc_sign_up, settings.oidc_domains)
    return Oidc(issuer, store, users, audit, site, clock, roles=roles, sign_up=sign_up)
