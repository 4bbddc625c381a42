"""Ways through the tree that a conversation's messages are. Built once: building one takes longer than running it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, bindparam, literal, select

from doorward.store.tables.apps import messages

MOST_CHAIN = 20_000
"""Messages of one branch that are read at once."""


def _chain() -> Select[Any]:
    """From a leaf towards its root."""
    mine = messages.c.conversation_id == bindparam("conversation_id")
    leaf = select(messages, literal(0).label("depth")).where(mine, messages.c.id == bindparam("leaf_id"))
    path = leaf.cte("path", recursive=True)
    parents = select(messages, (path.c.depth + 1).label("depth")).join(path, messages.c.id == path.c.parent_id)
    whole = path.union_all(parents.where(mine, path.c.depth < bindparam("deepest")))
    return select(whole).order_by(whole.c.depth.desc())


CHAIN = _chain()


def _below() -> Select[Any]:
    """The newest of a message and everything that follows from it."""
    mine = messages.c.conversation_id == bindparam("conversation_id")
    top = select(messages.c.id, messages.c.number).where(mine, messages.c.id == bindparam("top_id"))
    tree = top.cte("tree", recursive=True)
    children = select(messages.c.id, messages.c.number).join(tree, messages.c.parent_id == tree.c.id).where(mine)
    whole = tree.union_all(children)
    return select(whole.c.id).order_by(whole.c.number.desc()).limit(1)


BELOW = _below()


def _depth() -> Select[Any]:
    """How far a message stands from the leaf of its branch; no row, if it is not on it."""
    mine, names = messages.c.conversation_id == bindparam("conversation_id"), (messages.c.id, messages.c.parent_id)
    leaf = select(*names, literal(0).label("depth")).where(mine, messages.c.id == bindparam("leaf_id"))
    path = leaf.cte("way", recursive=True)
    parents = select(*names, (path.c.depth + 1).label("depth")).join(path, messages.c.id == path.c.parent_id)
    whole = path.union_all(parents.where(mine, path.c.id != bindparam("since_id"), path.c.depth < MOST_CHAIN))
    return select(whole.c.depth).where(whole.c.id == bindparam("since_id"))


DEPTH = _depth()
