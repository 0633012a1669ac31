#!/usr/bin/env python3
"""The documents: every relative link leads somewhere, every C block compiles, every diff applies, and the README's program
runs.

    docs.py BUILD SOURCE       TAP

A block with a function definition is a file of its own behind <reel/reel.h>; any other is the body of a function.
"""
import os
import pathlib
import re
import shutil
import sys
import tempfile

import tap

FLAGS = ["-std=c17", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-Wno-unused"]


def anchors(text):
    return {re.sub(r"[^\w\- ]", "", h).strip().lower().replace(" ", "-") for h in re.findall(r"^#+ (.*)$", text, re.M)}


def broken_links(path, text):
    prose = re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = path.parent / name if name else path
        if not file.exists():
            yield target
        elif anchor and file.suffix == ".md" and anchor not in anchors(file.read_text(encoding="utf-8")):
            yield target


def program(block):
    if re.search(r"^\w[^;=]*\)\n\{", block, re.M):
        return block if "#include <reel/reel.h>" in block else "#include <reel/reel.h>\n" + block
    return f"#include <reel/reel.h>\nint main(void)\n{{\n{block}\nreturn 0;\n}}\n"


def main():
    build, source = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
    cc = os.environ.get("CC", "cc").split()
    include = [f"-I{source}/include", f"-I{build}/include"]
    pages = sorted(p for top in (".", "docs", "examples/data") for p in (source / top).glob("*.md"))
    with tempfile.TemporaryDirectory() as name:
        for path in pages:
            shown, text = path.relative_to(source), path.read_text(encoding="utf-8")
            bad = list(broken_links(path, text))
            tap.ok(not bad, f"{shown}: links", ", ".join(bad))
            for m in re.finditer(r"^```c\n(.*?)^```", text, re.S | re.M):
                line = text[:m.start()].count("\n") + 2
                exe, code = pathlib.Path(name) / "block", program(m[1])
                whole = "int main(" in m[1]
                link = ["-o", exe, f"-L{build}/src", "-lreel", f"-Wl,-rpath,{build}/src"] if whole else ["-fsyntax-only"]
                done, out = tap.run(*cc, *FLAGS, *include, "-x", "c", "-", "-x", "none", *link, input=code)
                tap.ok(done == 0, f"{shown}:{line}: the block compiles", out)
                if whole and done == 0:
                    tap.succeeds(f"{shown}:{line}: the program runs", exe)
            for m in re.finditer(r"^```diff\n(.*?)^```", text, re.S | re.M):
                line = text[:m.start()].count("\n") + 2
                if not shutil.which("git"):
                    tap.skip(f"{shown}:{line}: the diff applies", "git is not here")
                    continue
                done, out = tap.run("git", "apply", "--check", "-", cwd=source, input=m[1])
                tap.ok(done == 0, f"{shown}:{line}: the diff applies", out)
    done, out = tap.run(sys.executable, source / "tools/gen_ops.py", "--check")
    tap.ok(done == 0, "docs/ops.md and the README list every op, each with a line", out)
    tap.finish()


main()
