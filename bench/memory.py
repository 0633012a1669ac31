#!/usr/bin/env python3
"""Memory of the six training steps, and the time until they are compiled, beside PyTorch's: memory.py BUILD [PYTHON] [ROUNDS]. Every figure
is of a fresh process; ours and theirs in turn; medians. Memory: what ru_maxrss grows by from a process that has run a product (and,
theirs, an optimizer) to the tenth step: weights, state, activations, and whatever the library keeps."""
import json
import os
import pathlib
import statistics
import subprocess
import sys

MODELS = ["mlp_small", "mlp_wide", "lenet", "lstm", "gpt", "resnet"]
HERE = pathlib.Path(__file__).resolve().parent


def ask(command):
    out = subprocess.run(command, capture_output=True, text=True, check=True, cwd=HERE / "peers").stdout
    return json.loads(out.strip().splitlines()[-1])


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    python = sys.argv[2] if len(sys.argv) > 2 else None
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 3
    print(f"load {os.getloadavg()[0]:.1f}, {rounds} rounds")
    print(f"{'model':10} {'ours MB':>9} {'handed out':>10} {'eager MB':>9} {'ratio':>6} {'ready ms':>9} {'compile s':>9} {'ratio':>7}")
    for model in MODELS:
        got = {"reel": [], "eager": [], "compile": []}
        for _ in range(rounds):
            got["reel"].append(ask([build / "bench" / "memory", model]))
            if python:
                got["eager"].append(ask([python, HERE / "peers" / "torch_memory.py", model, "eager"]))
        if python:
            got["compile"].append(ask([python, HERE / "peers" / "torch_memory.py", model, "compile"]))

        def of(who, what):
            return statistics.median(x[what] for x in got[who]) if got[who] else float("nan")

        ours, theirs, ready, compiled = of("reel", "resident"), of("eager", "resident"), of("reel", "ready"), of("compile", "ready")
        print(f"{model:10} {ours / 1e6:9.2f} {of('reel', 'peak') / 1e6:10.2f} {theirs / 1e6:9.2f} {ours / theirs:6.2f} {1e3 * ready:9.2f}"
              f" {compiled:9.2f} {ready / compiled:7.4f}", flush=True)


main()
