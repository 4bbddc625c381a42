"""A long conversation, put straight into the store: 5,000 answers of a model would take their time."""

from __future__ import annotations

import time
from collections.abc import Sequence

from tests.ui.stage import Stage

from doorward.identity.custody import user_owner
from doorward.store.conversations import Conversation, Message


async def seeded(s: Stage, title: str, texts: Sequence[str], email: str = "ann@example.com") -> str:
    """Question and answer by turns -> the conversation's id."""
    user = await s.door.app.people.desk.users.by_email(email)
    assert user is not None
    now, model = time.time(), "gpt-4o-mini"
    id = f"conv_{len(texts)}_{title.replace(' ', '_').lower()}"
    added = [
        Message(
            f"msg_{id}_{at}",
            f"msg_{id}_{at - 1}" if at else None,
            "assistant" if at % 2 else "user",
            text,
            len(text) // 4,
            model=model if at % 2 else None,
            created_at=now,
        )
        for at, text in enumerate(texts)
    ]
    conversation = Conversation(id, user_owner(user.id), title, model, None, "", None, now, now)
    assert await s.door.app.apps.apps.conversations.append(conversation, added)
    return id
