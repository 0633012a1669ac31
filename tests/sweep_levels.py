#!/usr/bin/env python3
"""Every sample of the sweep gives the same bits at every ISA level, but for products, whose route is chosen for the machine.

    sweep_levels.py TEST_SWEEP     TAP
"""
import os
import subprocess
import sys

import tap

LEVELS = ["baseline", "x86-64-v3", "x86-64-v4"]


def digests(program, level):
    run = subprocess.run([program, "digest"], env={**os.environ, "REEL_ISA": level}, stdout=subprocess.PIPE, text=True)
    return run.returncode, [line.rsplit(" ", 1) for line in run.stdout.splitlines()]


def main():
    runs = {level: digests(sys.argv[1], level) for level in LEVELS}
    for level in LEVELS:
        code, lines = runs[level]
        tap.ok(code == 0 and lines, f"{level}: {len(lines)} samples", f"exit status {code}")
        failed = [name for name, sum_ in lines if int(sum_, 16) == 0]
        tap.ok(not failed, f"{level}: all of them run", ", ".join(failed[:20]))
    want = runs["baseline"][1]
    for level in LEVELS[1:]:
        other = [a[0] for a, b in zip(want, runs[level][1]) if a != b and not (a[0] == b[0] and a[0].endswith(" product"))]
        tap.ok(not other and len(want) == len(runs[level][1]), f"{level}: the bits of the baseline", ", ".join(other[:20]))
    tap.finish()


main()
