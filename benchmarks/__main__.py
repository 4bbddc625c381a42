"""`make bench`: every benchmark, each in a process of its own, as ratios. `python -m benchmarks relay` runs only that."""

from __future__ import annotations

import asyncio
import importlib
import pkgutil
import subprocess
import sys

import benchmarks


def main() -> int:
    names = sorted(module.name for module in pkgutil.iter_modules(benchmarks.__path__) if not module.name.startswith("_"))
    wanted = sys.argv[1:] or names
    missing = [name for name in wanted if name not in names]
    if missing:
        print(f"no benchmark {', '.join(missing)}; there are: {', '.join(names)}")
        return 2
    if len(wanted) == 1:
        sys.argv = wanted  # some read options of their own when they are run by themselves
        measured = importlib.import_module(f"benchmarks.{wanted[0]}").main()
        if asyncio.iscoroutine(measured):
            asyncio.run(measured)
        return 0
    failed = []
    for name in wanted:
        print(f"\n== {name}", flush=True)
        # what one leaves behind (memory, environment, open loops) would be in the next one's figures
        if subprocess.run([sys.executable, "-m", "benchmarks", name], check=False).returncode:
            failed.append(name)
    print(f"\nfailed: {', '.join(failed)}" if failed else f"\n{len(wanted)} benchmarks ran")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
