#!/usr/bin/env python3
"""Writes docs/ops.md, and the table of ops in README.md, from ops.def, the public headers' comments and what the tests print.

    gen_ops.py --build BUILD [--onnx LOG]    writes both (LOG: what `REEL_ONNX_ROWS=1 test_onnx` printed)
    gen_ops.py --check                       do both name each row of ops.def? Says which are missing
"""
import argparse
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
MARKS = ("<!-- ops: begin -->", "<!-- ops: end -->")
GROUPS = {"FLOATS": "f32 f64 f16 bf16", "REALS": "f32 f64", "INTS": "i8 u8 i32 i64", "NUMBERS": "floats, integers", "ALL_DTYPES": "all",
          "FLOATS | INTS": "floats, integers"}


def split_top(args):
    parts, depth, start, quoted = [], 0, 0, False
    for i, c in enumerate(args):
        quoted ^= c == '"'
        if quoted:
            continue
        depth += (c in "([") - (c in ")]")
        if c == "," and depth == 0:
            parts.append(args[start:i].strip())
            start = i + 1
    return parts + [args[start:].strip()]


def read_rows():
    """[(section, [row])] in the order of ops.def."""
    text = (ROOT / "src/ops/ops.def").read_text(encoding="utf-8")
    text = text[text.index("*/") + 2:]
    sections, at = [], 0
    for m in re.finditer(r"/\*(.*?)\*/|^(ROW|ALSO)\(", text, flags=re.S | re.M):
        if m.start() < at:
            continue
        if m[1] is not None:
            alone = re.search(r"(^|\n)\s*$", text[:m.start()]) and (text[:m.start()].endswith("\n\n") or not sections)
            if alone and "\n" not in m[1].strip():
                sections.append((m[1].strip().split(":")[0], []))
            at = m.end()
            continue
        depth, i, quoted = 1, m.end(), False
        while depth:
            quoted ^= text[i] == '"'
            if not quoted:
                depth += (text[i] == "(") - (text[i] == ")")
            i += 1
        a = split_top(text[m.end():i - 1])
        if m[2] == "ROW":
            row = {"name": a[0], "flags": a[4], "dtypes": a[7], "grad": a[11], "composed": False}
        else:
            row = {"name": a[0], "flags": "", "dtypes": a[3], "grad": a[4], "composed": True}
        sections[-1][1].append(row)
        at = i
    return [s for s in sections if s[1]]


def sentence(comment):
    text = " ".join(re.sub(r"\s*\n\s*\*?", " ", comment).split())
    m = re.match(r"(.{12,}?[^.\d])(?:(?<! al)\.\s|;\s|$)", text)
    text = m[1] if m else text
    return text if len(text) < 150 else text[:147].rsplit(" ", 1)[0] + " ..."


def read_comments():
    """name -> one line, from the comment behind its declaration, else from the one above it and its neighbours."""
    found = {}
    for path in sorted((ROOT / "include/reel").glob("*.h")):
        above = heading = ""
        text = re.sub(r"\{[^{}]*\}", "{}", path.read_text(encoding="utf-8")) # what stands in a struct is about its members
        for m in re.finditer(r"\n[ \t]*\n|/\*(.*?)\*/|\breel_(\w+?)_at\s*\(\s*const char \*site[^;]*;(?:[ \t]*/\*(.*?)\*/)?",
                             text, flags=re.S):
            if m[2] is not None:
                found.setdefault(m[2], sentence(m[3] if m[3] is not None else above or heading))
            else:
                title = m[1] is not None and m[1].strip().startswith("----")
                first, _, rest = (m[1] or "").partition("\n")
                if title:
                    heading = re.sub(r"-{3,}", " ", first).strip()
                above = rest if title else m[1] or ""
    return found


def kernel_paths():
    """row -> how its kernel runs on the CPU."""
    table = (ROOT / "src/kernels/cpu_table.c").read_text(encoding="utf-8")
    sources = {p: p.read_text(encoding="utf-8") for p in (ROOT / "src/kernels").glob("*.c")}
    how = {}
    for op, kernel in re.findall(r"^\s*K\((\w+), (\w+)\)", table, flags=re.M):
        where = [(p, t) for p, t in sources.items() if re.search(rf"\breel_k_{kernel}_\b\s*=", t)]
        text = where[0][1] if where else ""
        ways = [name for name, word in (("vector loops", "REEL_PICK("), ("oneDNN", "reel_onednn"), ("LAPACK", "reel_lapack"),
                                        ("products", "reel_matmul_")) if word in text]
        how[op] = ", ".join(ways) or "plain loops"
    for op in re.findall(r"^(?:UNARY|BINARY|TERNARY|COMPARE)\w*\((\w+)", (ROOT / "src/ops/elementwise.def").read_text(), flags=re.M):
        how[op] = "vector loops"
    return how


def swept(build):
    """row -> (good samples, has a first derivative, has a second one), from the sweep itself."""
    out = subprocess.run([build / "tests/test_sweep", "table"], check=True, stdout=subprocess.PIPE, text=True).stdout
    return {f[0]: tuple(map(int, f[1:])) for f in (line.split() for line in out.splitlines())}


def onnx_rows(log):
    if not log:
        return {}
    return {m[1]: int(m[2]) for m in re.finditer(r"^# row (\w+) (\d+)", pathlib.Path(log).read_text(), flags=re.M)}


def dtypes_text(d):
    d = " ".join(d.split())
    if d in GROUPS:
        return GROUPS[d]
    words = [GROUPS.get(w, re.sub(r"REEL_BIT\(REEL_(\w+)\)", lambda m: m[1].lower(), w)) for w in re.split(r"\s*\|\s*", d)]
    return " ".join(words)


def gradient_text(grad):
    if grad == "VJP":
        return "yes"
    if grad.startswith("STRAIGHT"):
        return "straight through"
    return "zero" if grad == "ZERO" else "none"


def write_tables(args):
    comments, how, seen, cases = read_comments(), kernel_paths(), swept(pathlib.Path(args.build)), onnx_rows(args.onnx)
    sections = read_rows()
    page = ["# The ops", "",
            "Written by `tools/gen_ops.py` (`./dev ops`) from `src/ops/ops.def`, the headers and the tests; not by hand. What stands in italics",
            "is composed of other ops; a name without a public function serves the gradients. Semantics are NumPy's, then PyTorch's; formulas,",
            "shapes and errors stand in the headers `include/reel/*.h`.", ""]
    short = [MARKS[0], "", "| op | dtypes | gradient | second order | CPU | ONNX cases |", "|---|---|---|---|---|---|"]
    n_rows = n_also = 0
    for section, rows in sections:
        page += [f"## {section[0].upper() + section[1:]}", "", "| op | what it gives |", "|---|---|"]
        for r in rows:
            name = r["name"]
            public = name in comments
            shown = f"*{name}*" if r["composed"] else name
            what = comments.get(name) or ("?" if public else "only gradients call it")
            page.append(f"| {f'`reel_{name}`' if public else name} | {what.replace('|', chr(92) + '|')} |")
            _, first, second = seen.get(name, (0, 0, 0))
            path = "composed" if r["composed"] else "view" if "VIEW" in r["flags"].split(" | ") else how.get(name, "-")
            short.append(f"| {shown} | {dtypes_text(r['dtypes'])} | {gradient_text(r['grad'])} | {'yes' if second else '-'} | {path} | "
                         f"{cases.get(name, '-') or '-'} |")
            n_rows += not r["composed"]
            n_also += r["composed"]
        page.append("")
    short += ["", f"{n_rows} rows and {n_also} functions composed of them.", MARKS[1]]
    (ROOT / "docs/ops.md").write_text("\n".join(page).rstrip() + "\n", encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    if MARKS[0] in readme:
        a, b = readme.index(MARKS[0]), readme.index(MARKS[1]) + len(MARKS[1])
        (ROOT / "README.md").write_text(readme[:a] + "\n".join(short) + readme[b:], encoding="utf-8")


def check():
    page, readme = (ROOT / "docs/ops.md").read_text(encoding="utf-8"), (ROOT / "README.md").read_text(encoding="utf-8")
    undescribed = re.findall(r"^\| `reel_(\w+)` \| \? \|", page, flags=re.M)
    if undescribed:
        print("public ops without a comment in their header:", ", ".join(undescribed))
    missing = [r["name"] for _, rows in read_rows() for r in rows
               if not re.search(rf"^\| `?(reel_)?{r['name']}`? \|", page, flags=re.M)
               or not re.search(rf"^\| \*?{r['name']}\*? \|", readme, flags=re.M)]
    if missing:
        print("not in docs/ops.md or README.md (run ./dev ops):", ", ".join(missing))
    return 1 if missing or undescribed else 0


def main():
    p = argparse.ArgumentParser(usage=__doc__)
    p.add_argument("--build", default="build")
    p.add_argument("--onnx")
    p.add_argument("--check", action="store_true")
    args = p.parse_args()
    return check() if args.check else write_tables(args)


sys.exit(main())
