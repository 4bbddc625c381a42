"""The apps of one process, put together over one store. Nothing here knows HTTP, nor how a model is reached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from doorward.apps.agent import Agent
from doorward.apps.agent_loop import AgentLoop
from doorward.apps.chat import Chat
from doorward.apps.classify import Classifier
from doorward.apps.defaults import Defaults
from doorward.apps.guards import Guards
from doorward.apps.jobs import Jobs
from doorward.apps.mcp import McpServer
from doorward.apps.search import Searcher
from doorward.apps.summarize import Summarizer
from doorward.apps.tool import Tool
from doorward.apps.tool_chat import ToolChat
from doorward.apps.toolbox import Toolbox
from doorward.core.clock import Clock, SystemClock
from doorward.store.answers import Answers
from doorward.store.collections import Collections
from doorward.store.conversations import Conversations
from doorward.store.engine import Store
from doorward.store.jobs import JobRows
from doorward.store.prompts import Prompts
from doorward.store.runs import Runs


@dataclass(frozen=True, slots=True)
class Apps:
    defaults: Defaults
    guards: Guards
    conversations: Conversations
    prompts: Prompts
    chat: Chat
    tool_chat: ToolChat
    summarizer: Summarizer
    classifier: Classifier
    collections: Collections
    searcher: Searcher
    toolbox: Toolbox
    agent: Agent
    jobs: Jobs

    @classmethod
    def over(
        cls,
        store: Store,
        defaults: Defaults = Defaults(),
        guards: Guards = Guards(),
        clock: Clock | None = None,
        *,
        tools: Sequence[Tool] = (),
        servers: Sequence[McpServer] = (),
    ) -> Apps:
        """`tools`: the operator's functions; `servers`: MCP servers. Both are for agents."""
        clock = clock or SystemClock()
        conversations, prompts, collections = Conversations(store), Prompts(store), Collections(store)
        searcher = Searcher(collections, defaults, guards)
        summarizer, classifier = Summarizer(Answers(store), defaults, guards), Classifier(prompts, defaults, guards)
        toolbox = Toolbox(tools, servers, searcher, defaults.tool_result_chars, defaults.cost_cap_nanos)
        loop = AgentLoop(defaults, clock)
        chat = Chat(conversations, prompts, defaults, guards, clock)
        return cls(
            defaults=defaults,
            guards=guards,
            conversations=conversations,
            prompts=prompts,
            chat=chat,
            tool_chat=ToolChat(chat, conversations, toolbox, loop),
            summarizer=summarizer,
            classifier=classifier,
            collections=collections,
            searcher=searcher,
            toolbox=toolbox,
            agent=Agent(Runs(store), toolbox, loop, defaults, guards, clock),
            jobs=Jobs(JobRows(store), summarizer, classifier, searcher, clock),
        )
