"""What a client is told when no attempt started: the upstream's error as it came, or ours where its words would mislead."""

from __future__ import annotations

from dataclasses import dataclass

from doorward.core.errors import DoorwardError, Unavailable, UpstreamCredentialsRefused, UpstreamFailed, UpstreamKeyRefused
from doorward.core.exchange import Reply
from doorward.ledger.entry import Entry
from doorward.providers.route import Plan, Route
from doorward.relay.answer import error_reply
from doorward.relay.late import lost
from doorward.upstream.classify import Outcome, Verdict
from doorward.upstream.concealed import Concealed
from doorward.upstream.port import TransportError


@dataclass(slots=True)
class Refused:
    """An attempt that ended without an answer to pass on. `incoming` is `None` when no whole error came back."""

    plan: Plan
    verdict: Verdict
    incoming: Concealed | None
    body: bytes
    cause: TransportError | None = None

    def reply(self, entry: Entry) -> Reply:
        """Raises our own errors; an upstream's error comes back as a reply, scrubbed (R21)."""
        if self.incoming is None:
            raise self._lost() from self.cause
        if self.verdict.outcome is Outcome.QUARANTINE:
            raise key_refused(self.plan)
        entry.error_code = self.verdict.code
        return error_reply(self.incoming, self.body)

    def _lost(self) -> DoorwardError:
        if self.verdict.outcome is Outcome.AMBIGUOUS and self.cause is not None:
            return lost(self.cause)
        return UpstreamFailed(f"{self.plan.provider.id} could not be reached: {self.verdict.reason}. Nothing was sent.")


def key_refused(plan: Plan) -> DoorwardError:
    account = plan.account
    if account is not None and account.owner.startswith("user:"):
        return UpstreamKeyRefused(f"{plan.provider.name} refused your stored key. Set it again.")
    return UpstreamCredentialsRefused(f"{plan.provider.name} refused the operator's key. The operator must replace it.")


def nothing_usable(route: Route, soonest_s: float) -> Unavailable:
    """Every account and model of the route rests: nobody was asked, and the wait is a true one."""
    models = sorted({plan.model or plan.provider.id for plan in route.plans})
    return Unavailable(
        f"Nothing that serves {', '.join(models)} can take a call now. Try again in {soonest_s:.3g} s.",
        code="all_accounts_resting",
        retry_after_s=soonest_s,
    )
