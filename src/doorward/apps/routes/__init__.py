"""The app endpoints as FastAPI knows them, without a word about who may come: that is the mounting side's.

declared: a list of endpoints with their bounds · asking: what an endpoint is handed · streamed: a body sent as it comes ·
a file a noun: chat, conversations, prompts, summarize, classify, search, collections, agent, jobs
"""
