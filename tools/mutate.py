#!/usr/bin/env python3
"""Puts faults into a copy of the library, all in one build, and sees whether the tests of the ops they touch notice.

    mutate.py SOURCE BUILD [WORD...]    only faults whose number, file or rows are one of the words, or whose file is in a folder
                                        that ends in one: `trace`, `src/kernels`

The faults stand in tests/faults.txt: blocks of

    src/ops/unary.c: exp log           the file, and the rows of ops.def to sweep (or test:NAME for tests/test_NAME)
    <<< code as it is                  must occur just once in the file; an expression, or a line with the [[expression]] in brackets
    >>> code with the fault            an expression of the same type
    ...                                more pairs for the same file and rows may follow

Each pair becomes (reel_fault_ == N ? (fault) : (code)) in the copy, and REEL_FAULT=N switches it on. Ends with
`N passed, N failed`: killed and survived.
"""
import concurrent.futures
import os
import pathlib
import shutil
import subprocess
import sys

COPIED = ["include", "src", "tests", "tools", "meson.build", "meson_options.txt", "meson.options", "examples/data/digits.csv", "docs/export.md"]
TIMEOUT = 300


def read_faults(path):
    faults, file, rows, code = [], None, [], None
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if line.startswith("<<< "):
            code = line[4:]
        elif line.startswith(">>> "):
            if file is None or code is None:
                sys.exit(f"{path}:{number}: a fault without its code")
            faults.append({"n": len(faults) + 1, "file": file, "rows": rows, "code": code, "fault": line[4:], "line": number})
            code = None
        else:
            file, _, names = line.partition(":")
            rows = names.split()
            if not rows:
                sys.exit(f"{path}:{number}: no rows to sweep")
    return faults


def make_copy(source, copy, faults):
    for name in COPIED:
        if not (source / name).exists():
            continue
        if (source / name).is_dir():
            shutil.copytree(source / name, copy / name, dirs_exist_ok=True, copy_function=shutil.copy)
        else:
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source / name, copy / name)
    texts = {}
    for f in faults:
        text = texts.setdefault(f["file"], (source / f["file"]).read_text(encoding="utf-8"))
        before, mark, rest = f["code"].partition("[[")
        code, _, after = rest.rpartition("]]") if mark else (before, "", "")
        before = before if mark else ""
        whole = before + code + after
        if (source / f["file"]).read_text(encoding="utf-8").count(whole) != 1 or whole not in text:
            sys.exit(f"tests/faults.txt:{f['line']}: {whole!r} does not occur just once in {f['file']}")
        texts[f["file"]] = text.replace(whole, f"{before}(reel_fault_ == {f['n']} ? ({f['fault']}) : ({code})){after}")
    for name, text in texts.items():
        (copy / name).write_text(text, encoding="utf-8")
    compiler = copy / "src/core/compiler.h"
    text = compiler.read_text(encoding="utf-8")
    at = text.rindex("#endif")
    compiler.write_text(text[:at] + "extern int reel_fault_;\n" + text[at:], encoding="utf-8")
    with open(copy / "src/core/error.c", "a", encoding="utf-8") as out:
        out.write("#include <stdlib.h>\nint reel_fault_;\n"
                  "__attribute__((constructor)) static void choose_fault(void)\n"
                  "{\n    const char *n = getenv(\"REEL_FAULT\");\n    reel_fault_ = n ? atoi(n) : 0;\n}\n")


def build(copy, folder, topics):
    if not (folder / "build.ninja").is_file():
        subprocess.run(["meson", "setup", folder, copy, "-Dexamples=false", "-Dbench=false", "-Dlevels=false", "-Dwerror=false",
                        "-Doptimization=1", "-Ddebug=false", "-Ddocs=disabled"], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["ninja", "-C", folder, *[f"tests/test_{t}" for t in sorted(topics)]], check=True, stdout=subprocess.DEVNULL)


def run(folder, row, n):
    """Does the test of this row pass with fault n?"""
    topic = row[5:] if row.startswith("test:") else "sweep"
    env = {**os.environ, "REEL_FAULT": str(n)}
    if topic == "sweep":
        env["REEL_SWEEP"] = row
    try:
        done = subprocess.run([folder / "tests" / f"test_{topic}"], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, errors="replace", timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0 and "\nok 1 " in "\n" + done.stdout


def judge(folder, fault):
    for row in fault["rows"]:
        if not run(folder, row, fault["n"]):
            return row
    return None


def named(word, fault):
    folder = os.path.dirname(fault["file"])
    return word in (str(fault["n"]), fault["file"], *fault["rows"]) or f"/{folder}/".find(f"/{word.strip('/')}/") >= 0


def main():
    source, folder = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
    faults = read_faults(source / "tests/faults.txt")
    copy = folder / "source"
    copy.mkdir(parents=True, exist_ok=True)
    make_copy(source, copy, faults)
    words = sys.argv[3:]
    chosen = [f for f in faults if not words or any(named(w, f) for w in words)]
    if not chosen:
        sys.exit("no such fault")
    rows = sorted({r for f in chosen for r in f["rows"]})
    print(f"==> building {len(faults)} faults", flush=True)
    build(copy, folder / "build", {r[5:] if r.startswith("test:") else "sweep" for r in rows})
    killed, survived = 0, []
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        sound = list(pool.map(lambda r: run(folder / "build", r, 0), rows))
        for row, ok in zip(rows, sound):
            if not ok:
                sys.exit(f"{row} fails without any fault")
        for fault, row in zip(chosen, pool.map(lambda f: judge(folder / "build", f), chosen)):
            what = f"{fault['n']:3} {fault['file']}: {fault['code']}  ->  {fault['fault']}"
            print(f"{'killed by ' + row if row else 'SURVIVED':24} {what}", flush=True)
            killed += row is not None
            if row is None:
                survived.append(what)
    print(f"{killed} passed, {len(survived)} failed")
    sys.exit(bool(survived) and killed < 0.98 * len(chosen))


main()
