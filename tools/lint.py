#!/usr/bin/env python3
"""Runs clang-tidy on the library's and the examples' C files, each once, and prints what it finds.

    lint.py --build BUILD [--nodes N] [FILE...]
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
# What gcc's command lines have and clang does not know.
EXTRA = ["--extra-arg=-Wno-unknown-warning-option", "--extra-arg=-Wno-ignored-optimization-argument"]
# How far the analyzer follows the paths of one function. Its own limit, 225000, takes up to five times as long where functions
# are that large (conv_onednn.c: 14.0 s, and 2.7 s with 50000; 20000 takes 0.63 of that again over all files); `--nodes 225000` has it.
NODES = 20000


def tidy(build, nodes, path):
    limit = [f"--extra-arg={x}" for x in ("-Xclang", "-analyzer-config", "-Xclang", f"max-nodes={nodes}")]
    run = subprocess.run(["clang-tidy", "--quiet", "-p", str(build), *EXTRA, *limit, str(path)], stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, text=True, check=False)
    # On stderr clang-tidy only counts the warnings it did not show; what it could not parse is in stdout.
    return run.returncode, run.stdout + ("" if run.stdout or not run.returncode else run.stderr)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--nodes", type=int, default=NODES)
    parser.add_argument("files", nargs="*", type=pathlib.Path)
    args = parser.parse_args()
    wanted = {f.resolve() for f in args.files}
    files = set()
    for entry in json.loads((args.build / "compile_commands.json").read_text()):
        path = (pathlib.Path(entry["directory"]) / entry["file"]).resolve()
        inside = path.is_relative_to(ROOT) and path.relative_to(ROOT).parts[0] in ("src", "examples")
        if path.suffix == ".c" and (path in wanted if wanted else inside):
            files.add(path)
    bad = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        ordered = sorted(files)
        for n, (path, (code, text)) in enumerate(zip(ordered, pool.map(lambda f: tidy(args.build, args.nodes, f), ordered)), 1):
            found = code != 0 or "warning:" in text
            bad += found
            print(f"[{n}/{len(ordered)}] {path.relative_to(ROOT)}{': found' if found else ''}", flush=True)
            if found:
                print(text, flush=True)
    print(f"clang-tidy: {len(files)} files, {bad} with findings")
    return 1 if bad or not files else 0


if __name__ == "__main__":
    sys.exit(main())
