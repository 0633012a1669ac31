#!/usr/bin/env python3
"""Puts faults into a copy of the library, all in one build, and sees whether the tests of the ops they touch notice.

    mutate.py SOURCE BUILD [WORD...]    only faults whose number, file or rows are one of the words, or whose file is in a folder
                                        that ends in one: `trace`, `src/kernels`; 100-150: by number

The faults stand in tests/faults.txt: blocks of

    src/ops/unary.c: exp log           the file, and who may notice: rows of ops.def to sweep, test:NAME for tests/test_NAME,
                                       export:ROW for that row as exported C
    <<< code as it is                  must occur just once in the file; an expression, or a line with the [[expression]] in brackets
    >>> code with the fault            an expression of the same type
    ...                                more pairs for the same file and rows may follow

Each pair becomes (reel_fault_ == N ? (fault) : (code)) in the copy, and REEL_FAULT=N switches it on. What becomes text of C that is
compiled when a test runs (exported C, compiled plans) comes from files without faults: see TEXT. Ends with `N passed, N failed`:
killed and survived.
"""
import concurrent.futures
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

COPIED = ["include", "src", "tests", "tools", "meson.build", "meson_options.txt", "meson.options", "bench/models.h", "examples/digits_data.h", "examples/data/digits.csv",
          "docs/export.md"]
TIMEOUT = 30  # seconds, and ten times what the test takes without a fault
# Who makes text of files of ours, and how it is told to read them in clean/, which has no faults.
DEF, CLEAN_DEF = '#include "ops/elementwise.def"', '#include "../clean/src/ops/elementwise.def"'
TEXT = [("src/kernels/compiled.c", DEF, CLEAN_DEF), ("src/trace/export/scalar.c", DEF, CLEAN_DEF),
        ("src/meson.build", "gen_compiled, meson.project_source_root(),", "gen_compiled, meson.project_source_root() / 'clean',")]
GROUPS = [("kernels and gradients", ("src/ops/", "src/kernels/")), ("tracing", ("src/trace/",)), ("the rest", ("src/",))]


def read_faults(path):
    faults, file, rows, code = [], None, [], None
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if code is not None and not line.startswith(">>> "):
            sys.exit(f"{path}:{number - 1}: code without a fault")
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


def put_faults(source, faults):
    """The text of each file with its faults."""
    texts = {}
    for f in faults:
        text = texts.setdefault(f["file"], (source / f["file"]).read_text(encoding="utf-8"))
        before, mark, rest = f["code"].partition("[[")
        code, _, after = rest.rpartition("]]") if mark else (before, "", "")
        before = before if mark else ""
        whole = before + code + after
        if (source / f["file"]).read_text(encoding="utf-8").count(whole) != 1:
            sys.exit(f"tests/faults.txt:{f['line']}: {whole!r} does not occur just once in {f['file']}")
        if whole not in text:
            sys.exit(f"tests/faults.txt:{f['line']}: {whole!r} is, in part, another fault's")
        texts[f["file"]] = text.replace(whole, f"{before}(reel_fault_ == {f['n']} ? ({f['fault']}) : ({code})){after}")
    return texts


def put_switch(source, texts):
    name = "src/core/compiler.h"
    text = texts.get(name, (source / name).read_text(encoding="utf-8"))
    at = text.rindex("#endif")
    texts[name] = text[:at] + "extern int reel_fault_;\n" + text[at:]
    name = "src/core/error.c"
    text = texts.get(name, (source / name).read_text(encoding="utf-8"))
    texts[name] = text + ("#include <stdlib.h>\nint reel_fault_;\n"
                          "__attribute__((constructor)) static void choose_fault(void)\n"
                          "{\n    const char *n = getenv(\"REEL_FAULT\");\n    reel_fault_ = n ? atoi(n) : 0;\n}\n")


def make_copy(source, copy, faults):
    """Files that have not changed keep their times, so that only what has is compiled again."""
    texts = put_faults(source, faults)
    put_switch(source, texts)
    for name, old, new in TEXT:
        text = texts.get(name, (source / name).read_text(encoding="utf-8"))
        if text.count(old) != 1:
            sys.exit(f"tools/mutate.py: {old!r} does not occur just once in {name}")
        texts[name] = text.replace(old, new)
    want = {}
    for name in COPIED:
        files = [p for p in (source / name).rglob("*") if p.is_file()] if (source / name).is_dir() else [source / name]
        for p in files:
            if p.is_file():
                want[str(p.relative_to(source))] = p.read_bytes()
    want.update({"clean/" + name: data for name, data in want.items() if name.startswith(("src/", "include/"))})
    want.update({name: text.encode("utf-8") for name, text in texts.items()})
    for p in copy.rglob("*"):
        if p.is_file() and str(p.relative_to(copy)) not in want:
            p.unlink()
    for name, data in want.items():
        p = copy / name
        if not p.is_file() or p.read_bytes() != data:
            p.parent.mkdir(parents=True, exist_ok=True)
            p.write_bytes(data)


def build(copy, folder, topics):
    if not (folder / "build.ninja").is_file():
        subprocess.run(["meson", "setup", folder, copy, "-Dexamples=false", "-Dbench=false", "-Dlevels=false", "-Dwerror=false",
                        "-Doptimization=1", "-Ddebug=false", "-Ddocs=disabled"], check=True, stdout=subprocess.DEVNULL)
    done = subprocess.run(["ninja", "-C", folder, *[f"tests/test_{t}" for t in sorted(topics)]], text=True,
                          stdout=None if sys.stdout.isatty() else subprocess.PIPE)
    if done.returncode:
        sys.exit(f"{done.stdout or ''}the faults do not compile")
    for t in topics:
        if b"(reel_fault_ ==" in (folder / f"tests/test_{t}").read_bytes():
            sys.exit(f"{copy}: a file makes text of one with faults, and is not in TEXT of tools/mutate.py")


def topic_of(row):
    kind, colon, name = row.partition(":")
    if colon and kind not in ("test", "export"):
        sys.exit(f"tests/faults.txt: {row}: neither test:NAME nor export:ROW")
    return name if kind == "test" and colon else "export_rows" if colon else "sweep"


def stop(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def run(folder, row, n, limit):
    """Does the test of this row pass with fault n? The first check that fails ends it."""
    topic = topic_of(row)
    env = {**os.environ, "REEL_FAULT": str(n)}
    if topic == "sweep":
        env["REEL_SWEEP"] = row
    elif row.startswith("export:"):
        env["REEL_EXPORT_ROW"] = row[7:]
    good = 0
    with tempfile.TemporaryDirectory(prefix="reel-mutate-") as tmp, \
            subprocess.Popen([folder / "tests" / f"test_{topic}"], env={**env, "TMPDIR": tmp}, stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, text=True, errors="replace", start_new_session=True) as process:
        timer = threading.Timer(limit, stop, [process])
        timer.start()
        for line in process.stdout:
            if line.startswith("not ok"):
                stop(process)
                break
            good += line.startswith("ok")
        timer.cancel()
    return process.returncode == 0 and good > 0


def run_sound(folder, row):
    start = time.monotonic()
    return run(folder, row, 0, 900), time.monotonic() - start


def judge(folder, fault, seconds):
    """The first row that notices, the quick ones first."""
    for row in sorted(fault["rows"], key=lambda r: seconds[r]):
        if not run(folder, row, fault["n"], TIMEOUT + 10 * seconds[row]):
            return row
    return None


def named(word, fault):
    folder = os.path.dirname(fault["file"])
    span = re.fullmatch(r"(\d+)-(\d+)", word)
    if span:
        return int(span[1]) <= fault["n"] <= int(span[2])
    return word in (str(fault["n"]), fault["file"], *fault["rows"]) or f"/{folder}/".find(f"/{word.strip('/')}/") >= 0


def group_of(fault):
    return next(name for name, folders in GROUPS if fault["file"].startswith(folders))


def run_all(folder, chosen):
    """Those that survive."""
    rows = sorted({r for f in chosen for r in f["rows"]})
    survived, start = [], time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        print(f"==> {len(rows)} tests without any fault", flush=True)
        seconds = {}
        for row, (ok, took) in zip(rows, pool.map(lambda r: run_sound(folder, r), rows)):
            if not ok:
                sys.exit(f"{row} fails without any fault")
            seconds[row] = took
        print(f"==> {len(chosen)} faults, after {time.monotonic() - start:.0f} s", flush=True)
        for i, (fault, row) in enumerate(zip(chosen, pool.map(lambda f: judge(folder, f, seconds), chosen)), 1):
            print(f"[{i}/{len(chosen)}] {'killed by ' + row if row else 'SURVIVED':24} {fault['n']:3} {fault['file']}: "
                  f"{fault['code']}  ->  {fault['fault']}", flush=True)
            if row is None:
                survived.append(fault)
    print(f"==> {time.monotonic() - start:.0f} s for the tests")
    return survived


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
    print(f"==> building {len(faults)} faults", flush=True)
    build(copy, folder / "build", {topic_of(r) for f in chosen for r in f["rows"]})
    survived = run_all(folder / "build", chosen)
    for f in survived:
        print(f"survived: tests/faults.txt:{f['line']}: {f['file']}: {f['code']}  ->  {f['fault']}")
    for name, _ in GROUPS:
        n = sum(group_of(f) == name for f in chosen)
        if n:
            print(f"{name}: {n - sum(group_of(f) == name for f in survived)} of {n} killed")
    killed = len(chosen) - len(survived)
    print(f"{killed} passed, {len(survived)} failed")
    sys.exit(bool(survived) and killed < 0.98 * len(chosen))


if __name__ == "__main__":
    main()
