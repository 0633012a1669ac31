#!/usr/bin/env python3
"""Which symbols the libraries show: only reel_*, and of the shared one all that the headers declare.

    symbols.py SHARED STATIC HEADER...       TAP
"""
import re
import subprocess
import sys


def symbols(*command):
    """(kind, name) of every defined global symbol."""
    out = subprocess.run(["nm", "--defined-only", "--extern-only", *command], stdout=subprocess.PIPE, text=True, check=True).stdout
    return [(m[1], m[2]) for m in re.finditer(r"^[0-9a-f]+ (\w) (\S+)$", out, re.M)]


def declared(headers):
    names = set()
    for path in headers:
        with open(path, encoding="utf-8") as f:
            text = re.sub(r"/\*.*?\*/|^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", "", f.read(), flags=re.S | re.M)
        text = re.sub(r"^(?:static inline|template|inline)[^{]*\{(?:[^\n]*\}\n|.*?\n\})", "", text, flags=re.S | re.M)
        names |= set(re.findall(r"^[\w \t*]*?[ *](reel_\w+)\s*\(", text, re.M)) - set(re.findall(r"typedef[^;]*?(reel_\w+)\s*\(", text))
    return names


def main():
    shared, static, headers = sys.argv[1], sys.argv[2], sys.argv[3:]
    exported = {name for _, name in symbols("--dynamic", shared)}
    # sanitizers and coverage add their own
    foreign = sorted(n for n in exported if not n.startswith("reel_") and not re.match(r"__(asan|ubsan|tsan|lsan|odr_asan|gcov|llvm)", n))
    inner = sorted({n for _, n in symbols(static) if not n.startswith("reel_") and not re.match(r"__(asan|ubsan|tsan|odr_asan|gcov|llvm)", n)})
    public = declared(headers)
    hidden = sorted(n for n in exported if n.endswith("_") and n not in public)
    missing = sorted(n for n in public if n not in exported)
    results = [
        ("the shared library exports only reel_*", foreign),
        ("the static library's global symbols are all reel_*", inner),
        ("no inner function (reel_..._) is exported", hidden),
        (f"all {len(public)} functions that the headers declare are exported", missing),
        ("the headers declare a library's worth of functions", [] if len(public) > 100 else [f"only {len(public)} found"]),
        ("all that is exported is declared", sorted(n for n in exported if n.startswith("reel_") and n not in public)),
    ]
    for n, (name, bad) in enumerate(results, 1):
        print(f"{'not ok' if bad else 'ok'} {n} - {name}{': ' if bad else ''}{', '.join(bad[:20])}")
    print(f"1..{len(results)}")
    return 1 if any(bad for _, bad in results) else 0


if __name__ == "__main__":
    sys.exit(main())
