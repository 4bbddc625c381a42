"""`doorward` on the command line: noun, then verb.

program    the tree of commands, and the boundary where every outcome becomes text and an exit code
terminal   how results, notes and failures are written        failure    exceptions -> three lines
house      opens store, vault and repositories for one command
"""

from doorward.cli.program import main

__all__ = ["main"]
