"""Every app endpoint, in the order in which the document lists them."""

from __future__ import annotations

from doorward.apps.routes import agent, chat, classify, conversations, jobs, one_shot, prompts, search, summarize

APPS = (
    chat.routes,
    conversations.routes,
    prompts.routes,
    summarize.routes,
    classify.routes,
    search.routes,
    agent.routes,
    jobs.routes,
)
ONE_SHOT = one_shot.routes
"""Belongs below `/api/v1`, with the control plane."""
