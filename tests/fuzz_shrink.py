#!/usr/bin/env python3
"""A fault that is switched on is found by the fuzzer, the program that shows it is made small, and as a C program of its own it shows
it still. Programs without a difference compile and show none.

    fuzz_shrink.py FUZZ BUILD SOURCE       TAP
"""
import os
import pathlib
import re
import signal
import sys
import tempfile

import tap

FLAGS = ["-std=c17", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror"]
LARGEST = 6


def main():
    fuzz, build, source = (pathlib.Path(x).resolve() for x in sys.argv[1:4])
    cc = os.environ.get("CC", "cc").split()

    def compiled(file):
        exe = file.with_suffix("")
        done, out = tap.run(*cc, *FLAGS, f"-I{source}/include", f"-I{build}/include", file, "-o", exe, f"-L{build}/src", "-lreel",
                            "-lm", f"-Wl,-rpath,{build}/src")
        tap.ok(done == 0, f"{file.name}: compiles", out)
        return exe

    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for first, how in ((1, ["--fault"]), (1001, ["--fault"]), (2001, ["--fault"]), (3001, ["--fault", "--exported"]),
                           (4001, ["--crash"])):
            file = folder / f"found_{first}.c"
            done, out = tap.run(fuzz, *how, "--seed", str(first), "--programs", "1000", "--shrink", file,
                                env={**os.environ, "TMPDIR": name})
            shrunk = re.search(r"shrunk: seed (\d+) has (\d+) steps", out)
            tap.ok(done == 1 and shrunk is not None, f"a pass that is wrong is found in programs from {first} on {' '.join(how)}", out[-2000:])
            if not shrunk:
                continue
            tap.ok(int(shrunk[2]) <= LARGEST, f"the program has {shrunk[2]} steps, at most {LARGEST}", file.read_text())
            if "--exported" in how:
                tap.ok("reel_export_c(" in file.read_text(), "which exports itself", file.read_text())
            tap.ok("reel_maximum(" in file.read_text(), "with the op that the pass gets wrong", file.read_text())
            exe = compiled(file)
            done, out = tap.run(exe)
            shows = done == -signal.SIGABRT if "--crash" in how else done == 1 and "differs" in out
            tap.ok(shows, "it shows the fault", out)
            done, out = tap.run(fuzz, "--seed", shrunk[1])
            tap.ok(done == 0, "without the fault the program is the same in every mode", out)
        left = [*folder.glob("*.part"), *folder.glob("reel-fuzz-*")]
        tap.ok(not left, "nothing but the programs is left", left)
        for seed in ("7", "21", "33", "54"):
            file = folder / f"program_{seed}.c"
            done, out = tap.run(fuzz, "--seed", seed, "--print")
            file.write_text(out[:out.rindex("\n}\n") + 3])
            exe = compiled(file)
            done, out = tap.run(exe)
            tap.ok(done == 0 and "the same" in out, f"program {seed}, printed whole, shows no difference", out)
    tap.finish()


main()
