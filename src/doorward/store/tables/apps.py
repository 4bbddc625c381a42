"""Conversations, prompts, collections, jobs."""
