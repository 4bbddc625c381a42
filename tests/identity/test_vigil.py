"""Open streams end with the right to them."""

from __future__ import annotations

from doorward.core.caller import Caller
from doorward.core.errors import Unavailable
from doorward.identity.custody import anonymous_caller
from doorward.identity.vigil import Vigil


def caller(key_id: str) -> Caller:
    return Caller(owner=f"key:{key_id}", draws_on=frozenset(), scopes=frozenset(), key_id=key_id)


class Judge:
    def __init__(self) -> None:
        self.revoked: set[str] = set()
        self.away = False
        self.asked: list[str] = []

    async def still_valid(self, caller: Caller) -> bool:
        self.asked.append(caller.key_id or "")
        if self.away:
            raise Unavailable("away")
        return caller.key_id not in self.revoked


async def test_all_streams_of_a_revoked_key_end_once_and_no_others() -> None:
    judge, ended = Judge(), []
    vigil = Vigil(judge)
    with (
        vigil.over(caller("a"), lambda: ended.append("a1")),
        vigil.over(caller("a"), lambda: ended.append("a2")),
        vigil.over(caller("b"), lambda: ended.append("b")),
        vigil.over(anonymous_caller(), lambda: ended.append("nobody")),
    ):
        await vigil.look()
        assert ended == []
        assert judge.asked == ["a", "b"]
        judge.revoked.add("a")
        await vigil.look()
        await vigil.look()
        assert ended == ["a1", "a2"]
    judge.asked.clear()
    await vigil.look()
    assert judge.asked == []


async def test_a_stream_that_ended_is_not_ended_again() -> None:
    judge, ended = Judge(), []
    vigil = Vigil(judge)
    with vigil.over(caller("a"), lambda: ended.append("first")):
        with vigil.over(caller("a"), lambda: ended.append("second")):
            pass
        judge.revoked.add("a")
        await vigil.look()
    assert ended == ["first"]


async def test_a_database_that_stays_away_ends_streams() -> None:
    judge, ended = Judge(), []
    vigil = Vigil(judge)
    judge.away = True
    with vigil.over(caller("a"), lambda: ended.append("a")):
        await vigil.look()
    assert ended == ["a"]
