"""What teams build on a model API, done once: chat, summarise, classify, search, agent."""
