"""The errors of the house, and nothing else.

Every refusal that leaves Doorward is one of these, written in OpenAI's shape by
`wire/envelope.py`: ``{"error": {"message", "type", "param", "code"}}``.

    DoorwardError                      500 internal_error
    ├── BadRequest                     400 invalid_request
    │   ├── CostUnbounded              400 cost_unbounded
    │   ├── NotFound                   404 not_found
    │   │   ├── UnknownModel           404 model_not_found
    │   │   └── NotInThisMode          404 not_in_this_mode
    │   ├── MethodNotAllowed           405 method_not_allowed
    │   ├── Conflict                   409 conflict
    │   ├── BodyTooLarge               413 body_too_large
    │   ├── HeadTooLarge               431 head_too_large
    │   ├── TooSlow                    408 request_timeout
    │   └── Unprocessable              422 invalid_value
    │       └── IdempotencyMismatch    422 idempotency_mismatch
    ├── Unauthenticated                401 not_authenticated
    │   ├── InvalidApiKey              401 invalid_api_key
    │   └── UpstreamKeyRefused         401 upstream_key_refused   (the caller's own stored key)
    ├── Forbidden                      403 forbidden
    │   ├── KeyNotConfigured           403 key_not_configured
    │   └── NotAvailableYet            403 not_available_yet
    ├── LimitExceeded                  429 rate_limit_exceeded
    │   ├── TokensExceeded             429 tokens_limit_exceeded
    │   ├── ConcurrencyExceeded        429 concurrency_limit_exceeded
    │   └── BudgetExceeded             429 budget_exceeded
    ├── Unavailable                    503 unavailable
    │   ├── OpenAINotConfigured        503 key_not_configured
    │   ├── PricesError                503 prices_unavailable     (stops the start: no price, no call)
    │   ├── StoreError                 503 unavailable            (the database: away, unreadable, or newer than we are)
    │   └── VaultError                 503 unavailable            (the master key, or a sealed key it cannot open)
    └── UpstreamFailed                 502 upstream_failed
        ├── UpstreamLost               502 upstream_lost          (sent, and the answer was lost)
        ├── UpstreamCredentialsRefused 502 upstream_credentials_refused
        └── UpstreamSilent             504 upstream_silent

An error never holds a secret or a body. Messages say what to do next.
`should_retry=False` becomes ``x-should-retry: false``, which OpenAI's SDKs obey; it is
left out only where waiting a little really helps (R21).
"""

from __future__ import annotations


class DoorwardError(Exception):
    """Base of all refusals. `message` is for people, `code` for programs."""

    status: int = 500
    code: str = "internal_error"
    type: str = "server_error"

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after_s: float | None = None,
        is_final: bool = False,
    ) -> None:
        """`is_final`: asking again within a minute is of no use, whatever `retry_after_s` says."""
        super().__init__(message)
        self.message = message
        self.param = param
        self.retry_after_s = retry_after_s
        self.is_final = is_final
        self.headers: tuple[tuple[bytes, bytes], ...] = ()
        """More of the answer's headers: `x-ratelimit-*` where the key has limits."""
        if code is not None:
            self.code = code

    @property
    def should_retry(self) -> bool | None:
        """`False` tells SDKs to stop; `None` leaves it to them (429/503 that free within 60 s)."""
        waits = self.retry_after_s is not None and self.retry_after_s <= 60
        return None if self.status in (429, 503) and waits and not self.is_final else False


class BadRequest(DoorwardError):
    status, code, type = 400, "invalid_request", "invalid_request_error"


class CostUnbounded(BadRequest):
    code = "cost_unbounded"


class NotFound(BadRequest):
    status, code = 404, "not_found"


class UnknownModel(NotFound):
    code = "model_not_found"


class NotInThisMode(NotFound):
    code = "not_in_this_mode"


class MethodNotAllowed(BadRequest):
    status, code = 405, "method_not_allowed"


class Conflict(BadRequest):
    status, code = 409, "conflict"


class BodyTooLarge(BadRequest):
    status, code = 413, "body_too_large"


class HeadTooLarge(BadRequest):
    status, code = 431, "head_too_large"


class TooSlow(BadRequest):
    status, code = 408, "request_timeout"


class Unprocessable(BadRequest):
    status, code = 422, "invalid_value"


class IdempotencyMismatch(Unprocessable):
    code = "idempotency_mismatch"


class Unauthenticated(DoorwardError):
    status, code, type = 401, "not_authenticated", "authentication_error"


class InvalidApiKey(Unauthenticated):
    code = "invalid_api_key"


class UpstreamKeyRefused(Unauthenticated):
    code = "upstream_key_refused"


class Forbidden(DoorwardError):
    status, code, type = 403, "forbidden", "permission_error"


class KeyNotConfigured(Forbidden):
    code = "key_not_configured"


class NotAvailableYet(Forbidden):
    code = "not_available_yet"


class LimitExceeded(DoorwardError):
    status, code, type = 429, "rate_limit_exceeded", "rate_limit_error"


class TokensExceeded(LimitExceeded):
    code, type = "tokens_limit_exceeded", "tokens"


class ConcurrencyExceeded(LimitExceeded):
    code = "concurrency_limit_exceeded"


class BudgetExceeded(LimitExceeded):
    """A budget frees at its period's end, never within a retry: always `x-should-retry: false`."""

    code, type = "budget_exceeded", "insufficient_quota"

    @property
    def should_retry(self) -> bool | None:
        return False


class Unavailable(DoorwardError):
    status, code = 503, "unavailable"


class OpenAINotConfigured(Unavailable):
    code = "key_not_configured"


class PricesError(Unavailable):
    code = "prices_unavailable"


class StoreError(Unavailable):
    pass


class VaultError(Unavailable):
    pass


class UpstreamFailed(DoorwardError):
    status, code, type = 502, "upstream_failed", "upstream_error"


class UpstreamLost(UpstreamFailed):
    code = "upstream_lost"


class UpstreamCredentialsRefused(UpstreamFailed):
    code = "upstream_credentials_refused"


class UpstreamSilent(UpstreamFailed):
    status, code = 504, "upstream_silent"
