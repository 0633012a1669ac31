#!/usr/bin/env python3
"""Every #include must be one that the room may have (the table in docs/architecture.md), every file one that fits a head.

    include_rule.py          TAP
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
MAX_LINES = 700
GENERATED = {"reel/sites.h"}
# Room -> which other rooms' headers its files may include. "reel" is include/reel.
PUBLIC = {"reel"}
RULES = {
    "include/reel": set(),
    "src/core": PUBLIC,
    "src/ops": PUBLIC | {"core"},
    "src/eager": PUBLIC | {"core", "ops/ids.h"},
    "src/trace": PUBLIC | {"core", "ops/ids.h", "ops/attrs.h", "ops/elementwise.def"},
    "src/kernels": PUBLIC | {"core", "ops/ids.h", "ops/attrs.h", "ops/elementwise.def"},
    "src/io": PUBLIC | {"core"},
    "src/nn": PUBLIC,
    "examples": PUBLIC,
    "bench": PUBLIC,
    "tools": PUBLIC,
}
BLAS = re.compile(r"cblas|openblas|dnnl|cuda", re.I)
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)
# Nobody calls these on a user's behalf; printing belongs to core/format.c and the graph's listing.
FORBIDDEN = re.compile(r"(?<![\w.>])(abort|exit|_Exit|quick_exit|assert|printf|puts|perror|system|gets)\s*\(")
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")


def without_text(code):
    """The code without comments and string contents; newlines stay."""
    def blank(m):
        return re.sub(r"[^\n]", " ", m[0]) if m[0].startswith("/") else '""'
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', blank, code, flags=re.S)


def room_of(path):
    parts = path.parts
    return "/".join(parts[:2]) if parts[0] in ("src", "include") else parts[0]


def check_includes(path, text):
    room = room_of(path)
    if room == "src/init.c" or room not in RULES:
        return []
    bad = []
    for m in INCLUDE.finditer(text):
        quote, name = m[1], m[2]
        if BLAS.search(name) and room not in ("src/kernels", "bench"):
            bad.append(f"{name}: only src/kernels may use it")
        if name in GENERATED or quote == "<" and not name.startswith("reel/"):
            continue
        target = next((ROOT / base / name for base in ("src", "include") if (ROOT / base / name).is_file()), None)
        if (ROOT / path.parent / name).is_file():
            target = ROOT / path.parent / name
        if target is None:
            bad.append(f"{name}: no such header")
            continue
        to = target.resolve().relative_to(ROOT)
        to_room = room_of(to)
        within = "/".join(to.parts[1:])
        short = to_room.split("/")[-1]
        if to_room != room and short not in RULES[room] and within not in RULES[room]:
            bad.append(f"{name}: {room} may not include from {to_room}")
    return bad


def check_words(path, text):
    code = without_text(text)
    bad = [f"line {code[:m.start()].count(chr(10)) + 1}: calls {m[1]}" for m in FORBIDDEN.finditer(code)]
    bad += [f"line {text[:m.start()].count(chr(10)) + 1}: {m[1]}" for m in UNFINISHED.finditer(text)]
    return bad


def seeded_faults():
    """The rules themselves must bite."""
    yield "the rule sees eager include trace", check_includes(pathlib.Path("src/eager/x.c"), '#include "trace/meson.build"\n') != []
    yield "the rule sees ops include the device table", check_includes(pathlib.Path("src/ops/x.c"), '#include "kernels/kernels.h"\n') != []
    yield "the rule sees core include BLAS", check_includes(pathlib.Path("src/core/x.c"), "#include <cblas.h>\n") != []
    yield "the rule sees an exit", check_words(pathlib.Path("src/core/x.c"), "void f(void) { exit (1); }") != []
    yield "the rule passes over comments", check_words(pathlib.Path("src/core/x.c"), "/* exit(1) */ int x; char *s = \"abort()\";") == []


def main():
    try:
        names = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True,
                               stdout=subprocess.PIPE, text=True).stdout.split("\n")
    except (OSError, subprocess.CalledProcessError):  # no git, or none of its repositories
        names = [str(p.relative_to(ROOT)) for top in (*RULES, "tests") for p in (ROOT / top).rglob("*")]
    files = sorted({pathlib.Path(n) for n in names if n.endswith((".c", ".h", ".cpp", ".py", ".def", ".sh")) and (ROOT / n).is_file()})
    results = list(seeded_faults())
    for path in files:
        text = (ROOT / path).read_text(encoding="utf-8")
        bad = []
        if path.suffix in (".c", ".h", ".cpp", ".def"):
            bad += check_includes(path, text)
            if path.parts[0] == "src":
                bad += check_words(path, text)
        lines = text.count("\n")
        if lines > MAX_LINES:
            bad.append(f"{lines} lines, more than {MAX_LINES}")
        results.append((str(path) + "".join(f"; {b}" for b in bad), not bad))
    for n, (name, ok) in enumerate(results, 1):
        print(f"{'ok' if ok else 'not ok'} {n} - {name}")
    print(f"1..{len(results)}", flush=True)
    return 0 if all(ok for _, ok in results) else 1


if __name__ == "__main__":
    sys.exit(main())
