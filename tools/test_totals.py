#!/usr/bin/env python3
"""Adds up the TAP results in Meson's testlog.json and ends with `N passed, N failed[, N skipped]`.

A program that crashes, runs too long or breaks off before its plan counts as one failure more, and a
program that speaks no TAP as one result. The exit status is 1 if anything failed or nothing ran.
"""
import json
import re
import sys

RESULT = re.compile(r"^(not )?ok\b([^#]*)(?:#\s*(skip|todo)\b)?", re.I)


def count(run):
    """(passed, [what failed], skipped) of one test program."""
    passed, failed, skipped, plan, said = 0, [], 0, None, False
    for line in (run.get("stdout") or "").splitlines():
        m = RESULT.match(line)
        if m is None and line.startswith("#") and said:  # what a failed test has to say
            failed[-1] += f"\n    {line}"
        said = bool(m and m[1] and not m[3]) or (said and m is None)
        if m is None:
            plan = re.match(r"^1\.\.(\d+)", line) or plan
        elif m[3] and m[3].lower() == "skip":
            skipped += 1
        elif m[1]:
            failed.append(m[2].strip())
        else:
            passed += 1
    if plan and int(plan[1]) == 0:
        return 0, [], 1
    seen = passed + len(failed) + skipped
    fine = run["result"] in ("OK", "SKIP", "EXPECTEDFAIL")
    if seen == 0:
        return (1, [], 0) if run["result"] == "OK" else (0, [], 1) if fine else (0, [run["result"]], 0)
    if plan is None or int(plan[1]) != seen:
        failed.append(f"{run['result']} after {seen} results, exit status {run.get('returncode')}")
    elif not fine and not failed:
        failed.append(f"{run['result']}, exit status {run.get('returncode')}")
    return passed, failed, skipped


def main():
    total = [0, 0, 0]
    with open(sys.argv[1], encoding="utf-8") as log:
        for line in log:
            run = json.loads(line)
            passed, failed, skipped = count(run)
            for what in failed:
                print(f"failed: {run['name']}: {what}")
            total = [total[0] + passed, total[1] + len(failed), total[2] + skipped]
    passed, failed, skipped = total
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
