"""An OIDC provider's ID token: signature, issuer, audience, times, nonce. All of it or nothing.

`joserfc` is imported on first use. Only signatures by a key pair are taken: never ``none``, never a
shared secret that a public key could be mistaken for.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any

from doorward.core.errors import Unauthenticated

ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
LEEWAY_S = 60.0
MOST_CHARS = 65_536
REFUSED = "The sign-in was not accepted. Start it again."


class UnknownKey(Exception):
    """The token names a signing key that is not in the set: fetch the set again, once."""


def verified(token: str, keys: Mapping[str, Any], *, issuer: str, client_id: str, nonce: str, now: float) -> dict[str, Any]:
    """-> the claims. `now` in unix seconds. Raises `UnknownKey`, `Unauthenticated`."""
    from joserfc import jwk, jwt
    from joserfc.errors import InvalidKeyIdError, JoseError

    if len(token) > MOST_CHARS:
        raise Unauthenticated(REFUSED)
    try:
        usable = [key for key in keys.get("keys", []) if isinstance(key, dict) and key.get("use", "sig") == "sig"]
        claims: dict[str, Any] = jwt.decode(token, jwk.KeySet.import_key_set({"keys": usable}), algorithms=ALGORITHMS).claims
    except InvalidKeyIdError as cause:
        raise UnknownKey from cause
    except (JoseError, ValueError, TypeError, KeyError) as cause:
        raise Unauthenticated(REFUSED) from cause
    if not isinstance(claims, dict) or not _fits(claims, issuer, client_id, nonce, now):
        raise Unauthenticated(REFUSED)
    return claims


def _fits(claims: Mapping[str, Any], issuer: str, client_id: str, nonce: str, now: float) -> bool:
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    expires, issued = claims.get("exp"), claims.get("iat")
    subject = claims.get("sub")
    return (
        claims.get("iss") == issuer
        and client_id in audiences
        and claims.get("azp", client_id) == client_id
        and (len(audiences) == 1 or "azp" in claims)
        and isinstance(expires, (int, float))
        and now < expires + LEEWAY_S
        and isinstance(issued, (int, float))
        and issued < now + LEEWAY_S
        and hmac.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode())
        and isinstance(subject, str)
        and 0 < len(subject) <= 255
    )
