#!/usr/bin/env python3
"""Each public header compiles alone, as C17 and C++17/20, with every compiler there is; each function is explained.

    headers.py SOURCE_INCLUDE BUILD_INCLUDE HEADER...      TAP
"""
import pathlib
import re
import shutil
import sys

import tap

FLAGS = ["-fsyntax-only", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror"]


def undocumented(text):
    """Functions without a comment on their line or above them in their block of lines."""
    bad, explained, inside = [], False, False
    for line in text.split("\n"):
        if not line.strip():
            explained = False
        if "/*" in line or inside:
            explained = True
            inside = "*/" not in line[line.find("/*") if "/*" in line else 0:]
        m = re.match(r"^[\w][\w \t*]*?[ *](reel_\w+)\(", line)
        if m and not explained:
            bad.append(m[1])
    return bad


def main():
    source, build, headers = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), [pathlib.Path(h) for h in sys.argv[3:]]
    include = [f"-I{source}", f"-I{build}"]
    kinds = [(cc, "c", "c17") for cc in ("gcc", "clang")] + [(cc, "c++", std) for cc in ("g++", "clang++") for std in ("c++17", "c++20")]
    for compiler, language, std in kinds:
        if not shutil.which(compiler):
            tap.skip(f"headers with {compiler} -std={std}", "not installed")
            continue
        for header in headers:
            once = f"#include <reel/{header.name}>\n"
            code, out = tap.run(compiler, *FLAGS, f"-std={std}", *include, "-x", language, "-", input=once + once + "int main(void);\n"
                                if language == "c" else once + once)
            tap.ok(code == 0, f"{header.name} alone with {compiler} -std={std}", out)
        use = pathlib.Path(__file__).parent / ("use.cpp" if language == "c++" else "consumer/main.c")
        tap.succeeds(f"{use.name} with {compiler} -std={std}", compiler, *FLAGS, f"-std={std}", *include, use)
    for header in headers:
        bad = undocumented(header.read_text(encoding="utf-8"))
        tap.ok(not bad, f"{header.name}: every function is explained", ", ".join(bad))
    tap.finish()


main()
