#!/usr/bin/env python3
"""Memory of the six training steps, and the time until they are compiled, beside PyTorch's: memory.py BUILD [PYTHON] [ROUNDS]. Every figure
is of a fresh process; ours and theirs in turn; medians. Memory: what the peak of resident memory (VmHWM) grows by from a process that has run a product (and,
theirs, an optimizer) to the tenth step: weights, state, activations, and whatever the library keeps. `./dev bench --peers` asks it, too."""
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


def rows(build, python, rounds):
    """A model each: MB and seconds; without Python only ours."""
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

        yield {"model": model, "ours": of("reel", "resident") / 1e6, "handed_out": of("reel", "peak") / 1e6, "eager": of("eager", "resident") / 1e6,
               "ready": of("reel", "ready"), "compile": of("compile", "ready")}


def show(r):
    return (f"{r['model']:10} {r['ours']:9.2f} MB, torch {r['eager']:9.2f} MB: {r['ours'] / r['eager']:.2f} (target 0.8); ready after"
            f" {1e3 * r['ready']:8.2f} ms, torch.compile {r['compile']:7.2f} s: {r['ready'] / r['compile']:.4f} (target 0.1)")


def table(measured, names):
    lines = ["| training step | memory, MB | PyTorch eager | ratio | target | until traced and compiled | `torch.compile` | ratio | target |",
             "|---|---|---|---|---|---|---|---|---|"]
    for r in measured:
        memory, ready = r["ours"] / r["eager"], r["ready"] / r["compile"]
        lines.append(f"| {names[r['model']]} | {r['ours']:.1f} | {r['eager']:.1f} | {memory:.2f} | <= 0.8 {'met' if memory <= 0.8 else 'missed'} |"
                     f" {1e3 * r['ready']:.1f} ms | {r['compile']:.1f} s | {ready:.4f} | <= 0.1 {'met' if ready <= 0.1 else 'missed'} |")
    return lines


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    python = sys.argv[2] if len(sys.argv) > 2 else None
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 3
    print(f"load {os.getloadavg()[0]:.1f}, {rounds} rounds")
    for r in rows(build, python, rounds):
        print(show(r) + f"; handed out {r['handed_out']:.2f} MB", flush=True)


if __name__ == "__main__":
    main()
