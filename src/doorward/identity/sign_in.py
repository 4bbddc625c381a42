"""Sign-in by password: few tries, growing waits, one text for every failure.

A try is counted before the password is looked at, per account and per address, in the database:
guesses that run in parallel or through several processes count all the same. An unknown e-mail is
counted, checked and refused exactly as a known one.
"""

from __future__ import annotations

import hashlib

from doorward.audit.chain import Audit
from doorward.core.errors import LimitExceeded, Unauthenticated, Unavailable, Unprocessable
from doorward.core.secret import Secret
from doorward.identity.passwords import MOST_BYTES, Passwords
from doorward.identity.sessions import Sessions
from doorward.identity.users import normal_email
from doorward.store.engine import Store
from doorward.store.tries import SignInTries
from doorward.store.users import User, UserRows

WRONG = "E-mail or password is wrong."
A_ACCOUNT, A_ADDRESS = 5, 50
"""Failures before the first wait. Many people may share an address."""


class SignIn:
    def __init__(self, store: Store, passwords: Passwords, sessions: Sessions, audit: Audit) -> None:
        self._store = store
        self._users = UserRows(store)
        self._tries = SignInTries(store)
        self._passwords = passwords
        self._sessions = sessions
        self._audit = audit

    async def by_password(self, email: str, password: Secret, *, from_addr: str) -> User:
        """Raises `Unauthenticated` (one text), `LimitExceeded` with the wait in seconds, `Unavailable` in a storm of sign-ins."""
        try:
            email = normal_email(email)
        except Unprocessable:
            raise Unauthenticated(WRONG) from None
        self._passwords.require_room()
        account, address = {_account(email): A_ACCOUNT}, {f"address:{from_addr}": A_ADDRESS}
        wait_s = await self._tries.begin(account | address)
        if wait_s > 0:
            seconds = int(wait_s) + 1
            raise LimitExceeded(
                f"Too many tries. Wait {seconds} s, or use a passkey.", retry_after_s=seconds, code="too_many_tries"
            )
        user = await self._users.by_email(email)
        fits = len(password) <= MOST_BYTES
        try:
            matches = await self._passwords.matches(user.password_hash if user and fits else None, password)
        except Unavailable:
            await self._tries.take_back(account | address)
            raise
        if user is None or not matches:
            raise Unauthenticated(WRONG)
        await self._tries.succeeded(_account(email), address)
        return user

    async def open(self, user: User, how: str, *, agent: str, from_addr: str, replaces: str | None = None) -> str:
        """A new session with a new id -> the cookie's value. `replaces`: the session that this browser had."""
        async with self._store.writing() as connection:
            token = await self._sessions.open(user.id, how=how, agent=agent, from_addr=from_addr, within=connection)
            await self._users.change(user.id, connection, signed_in_at=await self._store.now_s(connection))
            person = f"user:{user.id}"
            await self._audit.append(person, "session.open", person, from_addr=from_addr, details={"how": how}, within=connection)
        if replaces is not None:
            await self._sessions.end(replaces, user.id)
        return token


def _account(email: str) -> str:
    return "account:" + hashlib.sha256(email.encode()).hexdigest()
