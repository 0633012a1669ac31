#!/usr/bin/env python3
"""Random programs in as many processes as there are cores: ./dev fuzz.

    fuzz.py PROGRAM [--programs N] [--seed S] [--jobs J] [--levels L] [--compile C] [--export E] [--log FILE] [--out FOLDER]

Runs N programs from seed S on, in pieces of 500. A program that differs between modes, crashes or hangs is shrunk, and written to FOLDER
as C; the run goes on behind it. With --log each finished piece is noted in FILE, and pieces that stand there already are not run
again: so a long run can be stopped and taken up. Ends with one block of counts, a name and a number a line, and `N passed, N failed`.
"""
import argparse
import collections
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import threading
import time

PIECE = 500


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("program")
    p.add_argument("--programs", type=int, default=20000)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    p.add_argument("--levels", type=int, default=3, help="lists of passes for each program besides default and none; 0: all")
    p.add_argument("--compile", type=int, default=100, help="of every so many batches of 20 programs one also runs compiled; 0: none")
    p.add_argument("--export", type=int, default=100, help="of every so many batches of 20 programs one is exported as C; 0: none")
    p.add_argument("--log")
    p.add_argument("--out", default="fuzz-found")
    p.add_argument("--fires", type=int, default=0, help="how often each pass must have fired")
    return p.parse_args()


class Run:
    def __init__(self, a):
        self.a = a
        self.counts = collections.Counter()
        self.found = []
        self.done = set()
        self.lock = threading.Lock()
        self.began = self.told = time.monotonic()
        self.fresh = 0
        if a.log and os.path.exists(a.log):
            for line in open(a.log, encoding="utf-8"):
                self.take_line(line)

    def take_line(self, line):
        word = line.split()
        if word[:1] == ["piece"]:
            self.done.add((int(word[1]), int(word[2])))
        elif word[:1] == ["programs"]:
            self.counts.update({word[i]: int(word[i + 1]) for i in range(0, len(word) - 1, 2)})
        elif word[:1] == ["pass"]:
            self.counts.update({f"pass {word[1]}": int(word[2])})
        elif word[:1] == ["refused"]:
            self.counts.update({f"refused {' '.join(word[2:])}": int(word[1])})
        elif word[:1] == ["step"]:
            self.counts.update({f"step {word[1]}": int(word[2])})
        elif word[:1] in (["differs:"], ["crashed:"]):
            self.found.append(line.rstrip())

    def once(self, seed, n):
        """The lines of one process, and the seed at which it stopped, None: it ran to its end."""
        done = subprocess.run([self.a.program, "--seed", str(seed), "--programs", str(n), "--levels", str(self.a.levels),
                               "--compile", str(self.a.compile), "--export", str(self.a.export)],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False)
        lines = done.stdout.splitlines()
        bad = next((m for m in (re.match(r"(differs|crashed): seed (\d+)", x) for x in lines) if m), None)
        if bad:
            return lines, int(bad.group(2))
        if done.returncode:
            return [f"crashed: seed {seed} or one of the {n} from there on, status {done.returncode}"], seed + n - 1
        return lines, None

    def shrink(self, seed):
        folder = pathlib.Path(self.a.out)
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"seed_{seed}.c"
        try:
            subprocess.run([self.a.program, "--seed", str(seed), "--compile", "1", "--export", "1", "--shrink", str(file), "--seconds", "240"],
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=600, check=False)
        except subprocess.TimeoutExpired:
            pass
        return file if file.exists() else None

    def piece(self, first, n):
        seed, lines = first, []
        while seed < first + n:
            out, stopped = self.once(seed, first + n - seed)
            lines += out
            if stopped is None:
                break
            file = self.shrink(stopped)
            with self.lock:
                print(next((x for x in out if x.startswith(("differs", "crashed"))), f"seed {stopped}"), flush=True)
                print(f"    shrunk to {file}" if file else f"    {self.a.program} --seed {stopped} shows it", flush=True)
            seed = stopped + 1
        return first, n, lines

    def take(self, first, n, lines):
        with self.lock:
            kept = [x for x in lines if x.startswith(("programs ", "refused ", "pass ", "step ", "differs:", "crashed:"))]
            for line in kept:
                self.take_line(line)
            self.fresh += n
            if self.a.log:
                with open(self.a.log, "a", encoding="utf-8") as log:
                    log.write("\n".join([*kept, f"piece {first} {n}"]) + "\n")
            now = time.monotonic()
            if now - self.told >= 10:
                self.told = now
                rate = self.fresh / (now - self.began)
                left = (self.a.programs - len(self.done) * PIECE - self.fresh) / rate
                print(f"  {self.counts['programs']} programs, {len(self.found)} differ, {rate:.0f} a second, {left:.0f} s to go",
                      flush=True)


def closing(run):
    """One block: a name and a number a line. Returns the passes that fired too seldom."""
    c = run.counts

    def line(name, number, note=""):
        print(f"{name:<18} {number:>10}{'  ' + note if note else ''}")

    def of(kind):
        return sorted((k[len(kind) + 1:], n) for k, n in c.items() if k.startswith(kind + " "))

    print(f"==> counts, after {time.monotonic() - run.began:.0f} s")
    line("programs", c["programs"])
    line("differences", len(run.found))
    line("errors", c["errors"], "programs that raise one, the same one in every mode")
    line("none", c["none"], "seeds without a program")
    line("steps", c["steps"], f"of {len(of('step'))} kinds; the rarest: " + ", ".join(f"{k} {n}" for n, k in sorted((n, k) for k, n in of("step"))[:5]))
    line("runs", c["runs"], "of whole programs in some mode")
    line("compiled", c["compiled"], f"programs; {c['compiled_steps']} steps of them, in {c['units']} translation units")
    line("exported", c["exported"], f"programs; {c['edges']} elements differ as much as the program is sensitive")
    line("refused", sum(n for _, n in of("refused")), "programs that the exporter does not take:")
    for why, n in sorted(of("refused"), key=lambda x: -x[1]):
        line("", n, why)
    for name, n in of("pass"):
        line(f"pass {name}", n)
    return [f"pass {name}" for name, n in of("pass") if n < run.a.fires]


def main():
    a = arguments()
    run = Run(a)
    pieces = [(s, min(PIECE, a.seed + a.programs - s)) for s in range(a.seed, a.seed + a.programs, PIECE)]
    pieces = [p for p in pieces if p not in run.done]
    print(f"==> {a.programs} random programs from seed {a.seed} on, {a.jobs} processes", flush=True)
    with concurrent.futures.ThreadPoolExecutor(a.jobs) as pool:
        for job in concurrent.futures.as_completed([pool.submit(run.piece, *p) for p in pieces]):
            run.take(*job.result())
    c = run.counts
    rare = closing(run)
    for name in rare:
        print(f"FAILED: {name} fired less than {a.fires} times")
    for line in run.found:
        print(f"FAILED: {line}")
    failed = len(run.found) + len(rare)
    print(f"{c['programs'] - len(run.found)} passed, {failed} failed")
    sys.exit(failed != 0)


main()
