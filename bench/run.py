#!/usr/bin/env python3
"""Measures Reel, and with --peers PyTorch, JAX, OpenBLAS and oneDNN, in turn: for each row every process is asked once a
round, one at a time, so that a machine whose speed drifts drifts for all. Prints medians and ratios; with --peers
writes bench/results.json and, with --readme, the table in README.md."""
import argparse
import datetime
import json
import math
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import time

import memory
from rows import QUICK, ROWS, STEPS

ROOT = pathlib.Path(__file__).resolve().parent.parent

class NotThere(Exception):
    """A process does not know the row."""


class Asked:
    """A process that answers rows."""

    def __init__(self, command, **env):
        self.p = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **env})

    def ask(self, row, seconds):
        self.p.stdin.write(f"{row} {seconds}\n")
        self.p.stdin.flush()
        line = self.p.stdout.readline()
        answer = json.loads(line) if line else {"error": "it ended"}
        if answer.get("error") == "no such row":
            raise NotThere(f"{self.p.args[-1]} has no row {row}")
        if "error" in answer:
            raise SystemExit(f"bench: {self.p.args[-1]}, row {row}: {answer['error']}")
        return answer["ns"]

    def await_start(self):
        """Python's imports take seconds of both cores, which the first rows would share."""
        try:
            self.ask("ready?", 0)
        except NotThere:
            pass

    def end(self):
        self.p.stdin.close()
        self.p.wait()


class Start:
    """The whole of a small process, per round the median of several."""

    def __init__(self, program):
        self.program = program

    def ask(self, _row, _seconds):
        times = []
        for _ in range(7):
            begin = time.perf_counter()
            subprocess.run([self.program], check=True)
            times.append((time.perf_counter() - begin) * 1e9)
        return statistics.median(times)

    def end(self):
        pass


def peers(build, venv):
    """Peers' processes by name; makes the private environment when it is missing."""
    python = venv / "bin/python"
    if not python.exists():
        print(f"==> making {venv} with PyTorch and JAX from PyPI: some gigabytes, once", flush=True)
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    have = subprocess.run([python, "-c", "import torch, jax"], capture_output=True).returncode == 0
    if not have:
        subprocess.run([python, "-m", "pip", "install", "numpy", "jax", "torch"], check=True)
    threads = str(len(os.sched_getaffinity(0)))
    found = {name: Asked([python, str(ROOT / f"bench/peers/{name}_peer.py")]) for name in ("torch", "jax")}
    found["torch_compile"] = Asked([python, str(ROOT / "bench/peers/torch_peer.py"), "compile"])
    for name in ("openblas", "onednn"):
        program = build / f"bench/raw_{name}"
        if program.exists():
            found[name] = Asked([program], OMP_NUM_THREADS=threads, OPENBLAS_NUM_THREADS=threads)
    versions = subprocess.run([python, "-c", "import torch, jax; print(torch.__version__, jax.__version__)"], capture_output=True, text=True)
    return found, dict(zip(("torch", "jax"), versions.stdout.split()))


def cpu():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def nice(ns):
    for unit, size in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if ns >= size:
            return f"{ns / size:.3g} {unit}"
    return f"{ns:.3g} ns"


def judge(ours, peer, target, kind):
    """(what the target is compared with, as text, met)"""
    if kind == "ratio":
        if peer is None:
            return None, "", None
        return ours / peer, f"{ours / peer:.2f}", ours / peer <= target
    if kind == "ns above":
        return ours - peer, f"{ours - peer:+.0f} ns", ours - peer <= target
    return ours, nice(ours), ours <= target


def geometric(values):
    return math.exp(sum(map(math.log, values)) / len(values))


def table(results):
    lines = ["| what | Reel | peer | ratio | target | share of triad |", "|---|---|---|---|---|---|"]
    for r in results:
        peer = f"{nice(r['peer'])} ({r['peer_name']})" if r["peer"] is not None else ""
        target = {"ratio": f"<= {r['target']}", "ns": f"<= {nice(r['target'])}", "ns above": f"<= +{r['target']} ns"}[r["kind"]]
        mark = "" if r["met"] is None else " met" if r["met"] else " missed"
        lines.append(f"| {r['row']} | {nice(r['ours'])} | {peer} | {r['shown'] if r['kind'] != 'ns' else ''} | {target}{mark} | "
                     + (f"{r['share']:.2f} |" if r.get("share") else "|"))
    ratios = [r["value"] for r in results if r["id"].startswith("op_") and r["value"] is not None]
    if ratios:
        lines += ["", f"Geometric mean of the single ops' ratios: {geometric(ratios):.2f} (target 0.8)."]
    return lines


def main():
    parse = argparse.ArgumentParser()
    parse.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    parse.add_argument("--peers", action="store_true")
    parse.add_argument("--venv", type=pathlib.Path, default=ROOT / ".peers")
    parse.add_argument("--rounds", type=int, default=5)
    parse.add_argument("--seconds", type=float, default=0.2)
    parse.add_argument("--quick", action="store_true", help="a few rows, one short round: does it run?")
    parse.add_argument("--rows", default="", help="only rows whose name contains this")
    parse.add_argument("--readme", action="store_true", help="write the table into README.md")
    args = parse.parse_args()
    build = args.build.resolve()
    if args.quick:
        args.rounds, args.seconds = 1, 0.02
    asked = {name: Asked([build / f"bench/{name}_bench"]) for name in ("reel", "ops", "models")}
    versions = {}
    if args.peers:
        more, versions = peers(build, args.venv)
        asked.update(more)
    for process in asked.values():
        process.await_start()
    results = []
    triad, absent = None, 0
    for shown, row, names, target, kind, *size in ROWS:
        if (args.quick and row not in QUICK) or args.rows not in row:
            continue
        size = size[0] if size else 0
        sources = {"reel": (Start(build / "bench/start") if row == "start" else asked[{"op": "ops", "fused": "ops", "model": "models"}.get(row.split("_")[0], "reel")], row)}
        for name in names:
            if name.startswith("reel:"):
                sources[name] = (asked["reel"], name[5:])
            elif name in asked:
                sources[name] = (asked[name], row)
        ns = {name: [] for name in sources}
        try:
            for _ in range(args.rounds):
                for name, (process, its_row) in sources.items():
                    ns[name].append(process.ask(its_row, args.seconds))
        except NotThere as error:
            print(f"{shown:40} {error}", flush=True)
            absent += 1
            continue
        medians = {name: statistics.median(v) for name, v in ns.items()}
        ours = medians.pop("reel")
        best = min(medians, key=medians.get) if medians else None
        # the ratio round by round, so that drift cancels
        if best and kind == "ratio":
            ratio = statistics.median(o / p for o, p in zip(ns["reel"], ns[best]))
            value, text, met = ratio, f"{ratio:.2f}", ratio <= target
        elif kind == "ns above":  # a small difference of large numbers: the quietest round of each
            value, text, met = judge(min(ns["reel"]), min(ns[best]), target, kind)
        else:
            value, text, met = judge(ours, medians.get(best), target, kind)
        if row == "op_triad":
            triad = size / ours
        share = size / ours / triad if size and triad and row != "op_triad" else None
        results.append({"row": shown, "bytes": size, "share": share, "id": row, "ours": ours, "peer_name": best, "peer": medians.get(best), "peers": medians, "value": value,
                        "shown": text, "target": target, "kind": kind, "met": met})
        state = "" if met is None else "met" if met else "MISSED"
        peer = f"{best} {nice(medians[best])}" if best else ""
        print(f"{shown:40} {nice(ours):>10}  {peer:24} {text:>9}  target {target:g}  {state}"
              + (f"  {size / ours:.1f} GB/s" if size else "") + (f", {share:.2f} of triad" if share else ""), flush=True)
    ratios = [r["value"] for r in results if r["id"].startswith("op_") and r["value"] is not None]
    if ratios:
        print(f"==> single ops: geometric mean {geometric(ratios):.2f} of {len(ratios)} rows, {sum(x <= 1 for x in ratios)} at most 1")
    for process in asked.values():
        process.end()
    if args.peers and not args.rows and not args.quick:
        record = {"date": datetime.date.today().isoformat(), "machine": cpu(), "cores": len(os.sched_getaffinity(0)), "system": platform.platform(),
                  "versions": versions, "rounds": args.rounds, "rows": results, "memory": []}
        for r in memory.rows(build, args.venv.resolve() / "bin/python", args.rounds):
            print(memory.show(r), flush=True)
            record["memory"].append(r)
        (ROOT / "bench/results.json").write_text(json.dumps(record, indent=1) + "\n")
        print("==> bench/results.json written")
        if args.readme:
            readme = ROOT / "README.md"
            text = readme.read_text()
            begin, end = "<!-- bench: begin -->", "<!-- bench: end -->"
            head, rest = text.split(begin)
            tail = rest.split(end)[1]
            note = f"{record['machine']}, {record['cores']} cores, {record['date']}; PyTorch {versions.get('torch')}, JAX {versions.get('jax')}."
            readme.write_text(head + begin + "\n" + "\n".join(table(results)) + "\n\n"
                              + "\n".join(memory.table(record["memory"], {name: shown for name, shown, _ in STEPS})) + "\n\n" + note + "\n" + end + tail)
            print("==> README.md: table written")
    return 1 if absent else 0


if __name__ == "__main__":
    sys.exit(main())
