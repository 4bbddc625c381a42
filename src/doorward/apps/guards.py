"""Before anything is sent: what must not be said is refused, what is nobody's business is masked. Both are off by default.

Either leaves a tag on the call (`guard:moderation`, `guard:masked-2`), so that "why?" shows it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from doorward.apps.ask import Ask
from doorward.core.errors import BadRequest
from doorward.settings import Settings

_EMAIL = re.compile(r"\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}\b")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
_CARD = re.compile(r"\b\d(?:[ -]?\d){12,18}\b")
_PHONE = re.compile(r"(?<![\w.])(?:\+\d{1,3}|\(?0\d{1,4}\)?|\(\d{3}\))[ ./-]?\d{1,5}(?:[ ./-]?\d{2,5}){1,4}(?!\w)")
_SSN = re.compile(r"\b\d{3}-\d{2}-\d{4}\b")


@dataclass(frozen=True, slots=True)
class Guards:
    forbidden: frozenset[str] = frozenset()
    """Categories of the moderation endpoint; `*` for every one."""
    mask: bool = False
    model: str = "omni-moderation-latest"

    @classmethod
    def of(cls, settings: Settings) -> Guards:
        named = (name.strip() for name in settings.forbidden_categories.split(","))
        return cls(frozenset(name for name in named if name), settings.mask_pii, settings.moderation_model)

    async def through(self, ask: Ask, text: str, *, app: str) -> str:
        """The text as it may be sent. Raises `BadRequest` `content_refused`."""
        if self.mask:
            text, count = masked(text)
            if count:
                ask.note(f"guard:masked-{count}")
        if self.forbidden:
            ask.note("guard:moderation")
            flags = await ask.moderate(text, self.model, app=app)
            found = sorted(name for name, flagged in flags.items() if flagged and (name in self.forbidden or "*" in self.forbidden))
            if found:
                raise BadRequest(f"This text was refused: {', '.join(found)}.", code="content_refused")
        return text


def masked(text: str) -> tuple[str, int]:
    """-> the text with `[email]`, `[account]`, `[card]`, `[phone]`, `[id]` in place of numbers and addresses; how many."""
    total = 0
    for pattern, name in ((_EMAIL, "email"), (_IBAN, "account"), (_SSN, "id")):
        text, count = pattern.subn(f"[{name}]", text)
        total += count
    cards = 0

    def card(found: re.Match[str]) -> str:
        nonlocal cards
        if not _luhn(found[0]):
            return found[0]
        cards += 1
        return "[card]"

    text = _CARD.sub(card, text)
    text, phones = _PHONE.subn(lambda found: "[phone]" if sum(map(str.isdigit, found[0])) >= 7 else found[0], text)
    return text, total + cards + phones


def _luhn(number: str) -> bool:
    """The check digit that every card number has."""
    digits = [int(character) for character in number if character.isdigit()]
    doubled = [2 * digit - 9 if digit > 4 else 2 * digit for digit in digits[-2::-2]]
    return (sum(doubled) + sum(digits[-1::-2])) % 10 == 0
