"""`make bench`: every benchmark in one run, as ratios. Give names to run only those: `python -m benchmarks relay`."""

from __future__ import annotations

import asyncio
import importlib
import pkgutil
import sys

import benchmarks


def main() -> int:
    wanted = sys.argv[1:]
    names = sorted(module.name for module in pkgutil.iter_modules(benchmarks.__path__) if not module.name.startswith("_"))
    missing = [name for name in wanted if name not in names]
    if missing:
        print(f"no benchmark {', '.join(missing)}; there are: {', '.join(names)}")
        return 2
    for name in wanted or names:
        print(f"\n== {name}", flush=True)
        measured = importlib.import_module(f"benchmarks.{name}").main()
        if asyncio.iscoroutine(measured):
            asyncio.run(measured)
    return 0


if __name__ == "__main__":
    sys.exit(main())
