"""Keys in a code tree, and calls in it that go around the door. Reads files; never shows what it found.

finding: what was found, by place and length · keys: what keys look like · calls: hosts, SDK clients, environments ·
tree: which files are read · baseline: findings that are known · sweep: the whole of it
"""
