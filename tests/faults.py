#!/usr/bin/env python3
"""The known faults of faults.txt can be put in: their code is there just once, no two meet, and the tests that are to notice exist. TAP."""
import pathlib
import sys

import tap

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
import mutate  # noqa: E402


def main():
    faults = mutate.read_faults(ROOT / "tests/faults.txt")
    try:
        mutate.put_faults(ROOT, faults)
        wrong = ""
    except SystemExit as e:
        wrong = str(e)
    tap.ok(faults and not wrong, f"{len(faults)} faults can be put in", wrong)
    topics = {r.removeprefix("test:") for f in faults for r in f["rows"] if r.startswith("test:")}
    missing = [t for t in sorted(topics) if not (ROOT / f"tests/test_{t}.c").exists()]
    tap.ok(not missing, f"{len(topics)} tests that are to notice exist", ", ".join(missing))
    tap.finish()


main()
