"""The words of an answer: made up, sensible, and the same each time for the same conversation.

No model is asked. A summary prompt gets a shorter text of the input's own sentences, a tool's
result is told, a greeting in several languages is one, a text that an assistant turn has begun
is continued, and any other prompt gets some sentences that mention what was asked.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Turn:
    """One message, whatever API it came by. `name` of a `tool` turn is the tool that was called."""

    role: str
    text: str
    name: str = ""
    calls: bool = False
    """An assistant turn that called tools."""


_STOP = (
    "a about all also an and any are as at be because been but by can could did do does for from give had has have he her his "
    "how i if in into is it its just like make me more most my no not now of on one or other our out please she should so some "
    "tell than that the their them then there these they this those to too up us use was we were what when where which while "
    "who why will with would write you your"
)
STOP_WORDS = frozenset(_STOP.split())
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_SENTENCE = re.compile(r"[^.!?。！？\n]+[.!?。！？]*[\"”')\]]*")
_SUMMARY = re.compile(r"\b(summar(y|ies|i[sz]e[ds]?|i[sz]ing|i[sz]ation)|tl;?dr|condense|shorten)\b", re.I)
_HELLO = re.compile(r"\b(?:hello|hi|greet\w*)\b.{0,40}?\b(\w+)\s+(?:\w+\s+)?languages\b", re.I | re.S)
_EXACTLY = re.compile(r"\b(?:say|reply|respond|answer|repeat)\b[^\"“”']{0,40}[\"“']([^\"”]+)[\"”']\s*\.?\s*$", re.I)
_WORDS_ASKED = re.compile(r"\b(\d{2,3})[ -]words?\b", re.I)
_GREETING = re.compile(r"\s*(hi|hello|hey|good (morning|evening|afternoon))\b.{0,20}$", re.I)
_LANGUAGES = (
    ("English", "Hello!"), ("Spanish", "¡Hola!"), ("French", "Bonjour !"), ("German", "Hallo!"), ("Italian", "Ciao!"),
    ("Japanese", "こんにちは！"), ("Portuguese", "Olá!"), ("Swahili", "Habari!"), ("Hindi", "नमस्ते!"), ("Korean", "안녕하세요!"),
)  # fmt: skip
_NUMBERS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10}

_OPENINGS = (
    "You asked: “{question}”",
    "Let us look at “{question}”",
    "Your question was “{question}”",
)
_BODIES = (
    "The short answer is that {first} is the place to start, and {second} follows from it.",
    "Begin with {first}: find out what it must do, and what it may cost.",
    "Then compare it with {second}, because the two depend on each other.",
    "A small example helps: change one thing about {second}, watch what happens to {third}, and write the result down.",
    "In practice {third} is where most of the time goes, so give it a limit from the start.",
    "If {first} and {third} pull in different directions, decide which of them matters more to your readers.",
    "Keep the parts of {second} that you can measure, and let the rest go.",
)
READ_CHARS = 20_000
"""More would not change what a made-up summary shows, and megabytes take seconds."""
_CLOSING = "This answer was made up by Doorward's simulator, so no model was asked and nothing was charged."


def write(turns: Sequence[Turn], seed: object = None, index: int = 0) -> str:
    """The assistant's next text."""
    if not turns:
        return _CLOSING
    last = turns[-1]
    if last.role == "assistant" and not last.calls:
        whole = write(turns[:-1], seed, index)
        return whole.removeprefix(last.text) if whole.startswith(last.text) else _CLOSING
    if last.role == "tool":
        return _told(turns)
    asked = question(turns)
    if found := _HELLO.search(asked[:1000]):
        return _greetings(found[1])
    if len(asked) < 2000 and (found := _EXACTLY.search(asked)):
        return found[1].strip()
    instructions = " ".join(turn.text for turn in turns if turn.role in ("system", "developer"))
    if _SUMMARY.search(instructions) or _SUMMARY.search(asked[:400]):
        return summary(asked)
    if _GREETING.match(asked):
        return f"Hello! How can I help you today? {_CLOSING}"
    return _sentences(asked, int(hashlib.sha1(f"{seed}|{index}|{asked}".encode(), usedforsecurity=False).hexdigest()[:8], 16))


def question(turns: Sequence[Turn]) -> str:
    """What the user said last."""
    return next((turn.text for turn in reversed(turns) if turn.role == "user" and turn.text), turns[-1].text if turns else "")


def is_greeting(text: str) -> bool:
    return bool(_GREETING.match(text) or _HELLO.search(text[:1000]))


def keywords(text: str) -> list[str]:
    """Words that carry meaning, in the order in which they come, once each."""
    return list(dict.fromkeys(word for word in _WORD.findall(text) if len(word) > 2 and word.lower() not in STOP_WORDS))


def summary(text: str) -> str:
    """The sentences with the most frequent words, in their order, at most a third of the text. A long one's beginning is read."""
    source = _without_instruction(text).strip()[:READ_CHARS]
    sentences = [sentence.strip() for sentence in _SENTENCE.findall(source) if sentence.strip()]
    words = source.split()
    if len(sentences) < 2:
        return " ".join(words[: max(1, min(40, len(words) // 2))]).rstrip(",;:.") + ("." if len(words) > 1 else "")
    frequent = Counter(word.lower() for word in keywords_repeated(source))
    weights = [
        sum(frequent[word.lower()] for word in keywords_repeated(sentence)) / (4 + len(sentence.split())) for sentence in sentences
    ]
    weights[0] *= 1.5  # what a text is about stands first more often than not
    room = max(len(source) // 3, min(map(len, sentences)))
    chosen: list[int] = []
    for at in sorted(range(len(sentences)), key=lambda n: -weights[n]):
        if len(sentences[at]) <= room and len(chosen) < 8:
            chosen.append(at)
            room -= len(sentences[at])
    return " ".join(sentences[at] for at in sorted(chosen))


def keywords_repeated(text: str) -> list[str]:
    return [word for word in _WORD.findall(text) if len(word) > 2 and word.lower() not in STOP_WORDS]


def of_length(turns: Sequence[Turn], words: int, seed: object = None, index: int = 0) -> str:
    """An answer of at least so many words."""
    parts = [write(turns, seed, index)]
    asked, held = question(turns), len(parts[0].split())
    while held < words:
        parts.append(_body(asked, len(parts)))
        held += len(parts[-1].split())
    return " ".join(parts)


def _without_instruction(text: str) -> str:
    """`Summarize this: …` -> what stands behind it; the whole text if nothing much does."""
    found = _SUMMARY.search(text[:400])
    if found is None:
        return text
    rest = text[found.end() :]
    cut = re.search(r"[:\n]|\.\s", rest)
    behind = rest[cut.end() :] if cut else ""
    return behind if len(behind.split()) >= 3 else text


def _told(turns: Sequence[Turn]) -> str:
    """What the tools said, after the last assistant turn."""
    results: list[Turn] = []
    for turn in reversed(turns):
        if turn.role != "tool":
            break
        results.insert(0, turn)
    told = " ".join(f"According to {result.name or 'the tool'}: {result.text.strip().rstrip('.')}." for result in results)
    asked = question(turns)
    return f"{told} That answers your question “{_short(asked)}”." if asked else told


def _greetings(number: str) -> str:
    count = int(number) if number.isdecimal() else _NUMBERS.get(number.lower(), 3)
    return "\n".join(f"{language}: {hello}" for language, hello in _LANGUAGES[: max(1, min(count, len(_LANGUAGES)))])


def _sentences(asked: str, choice: int) -> str:
    opening = _OPENINGS[choice % len(_OPENINGS)].format(question=_short(asked))
    wished = _WORDS_ASKED.search(asked)
    parts = [opening + ("" if opening[-2] in ".!?" else ".")]
    parts += [_body(asked, choice + at) for at in range(3)]
    while wished and sum(len(part.split()) for part in parts) < int(wished[1]) - len(_CLOSING.split()):
        parts.append(_body(asked, choice + len(parts) - 1))
    return " ".join([*parts, _CLOSING])


def _body(asked: str, at: int) -> str:
    named = (keywords(asked[:2000]) or ["this"])[:3]
    while len(named) < 3:
        named.append(("its context", "the details")[len(named) - 1])
    return _BODIES[at % len(_BODIES)].format(first=named[0], second=named[1], third=named[2])


def _short(text: str) -> str:
    line = " ".join(text[:400].split())
    return line if len(line) <= 160 else line[:159].rsplit(" ", 1)[0] + "…"
