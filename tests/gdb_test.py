#!/usr/bin/env python3
"""The gdb pretty-printer, in a real gdb: gdb_test.py GDB PROGRAM PRINTER ('' for GDB: there is none). Writes TAP."""
import re
import subprocess
import sys

EXPECTED = [
    ("a NULL", r"NULL"),
    ("a matrix", r"f32\[2,3\] \[\[0\. 0\.5 1\.\] \[1\.5 2\. 2\.5\]\]"),
    ("a transposed view", r"f32\[3,2\] \[\[0\. 1\.5\] \[0\.5 2\.\] \[1\. 2\.5\]\]"),
    ("a large one, cut", r"f32\[10,10\] \[\[0\. 0\.5 .* 4\.5\] \[5\. .* 9\.5\] \[10\. 10\.5 11\. 11\.5 \.\.\.\] \.\.\.\]"),
    ("f16", r"f16\[3\] \[1\. 0\.1 -inf\]"),
    ("bf16", r"bf16\[2\] \[1\. 0\.1\]"),
    ("bool", r"bool\[2\] \[True False\]"),
    ("an i64 scalar", r"i64\[\] -9007199254740993"),
    ("an empty one", r"f32\[0,3\] \[\]"),
    ("a weak number", r"f32\[\] 2\.5"),
    ("a variable", r'variable "net/w" f32\[2\] \[0\.5 1\.\]'),
    ("a dead one", r"0x[0-9a-f]+ dead: made at .*gdb_program\.c:\d+, its scope inner \(begun at program\.c:40\) has ended"),
    ("no tensor at all", r"0x[0-9a-f]+ (\(not a tensor\)|dead: .*)"),
]


def main():
    gdb, program, printer = sys.argv[1:4]
    if not gdb:
        print("1..0 # SKIP gdb is not installed")
        return 0
    lines = ["set confirm off", "set pagination off", "set startup-with-shell off", "set debuginfod enabled off", "source " + printer, "break stop", "break stepping", "run"]
    for _ in EXPECTED:
        lines += ["print t", "continue"]
    lines += ["call (void)reel_session_step(st)", "call (void)reel_stepping_show(st, 0)", "call (void)reel_stepping_show(st, \"x\")", "continue"]
    command = [gdb, "--batch", "-nx"]
    for line in lines:
        command += ["-ex", line]
    done = subprocess.run(command + [program], capture_output=True, text=True, timeout=120)
    if "ptrace" in done.stderr and "not permitted" in done.stderr:
        print("1..0 # SKIP gdb may not trace programs here")
        return 0
    shown = re.findall(r"^\$\d+ = (.*)$", done.stdout, re.M)
    failed = 0
    for i, (name, pattern) in enumerate(EXPECTED):
        got = shown[i] if i < len(shown) else "(nothing)"
        ok = re.fullmatch(pattern, got) is not None
        failed += not ok
        print("%s %d - %s" % ("ok" if ok else "not ok", i + 1, name))
        if not ok:
            print("#   got %s\n#   expected %s" % (got, pattern))
    text = done.stdout + done.stderr
    steps = re.search(r"^%\d+ neg  f32\[2\] min -4 max -3 mean -3\.5  .*gdb_program\.c:\d+", text, re.M) and "[3. 4.]" in text
    failed += not steps
    print("%s %d - a replay step by step" % ("ok" if steps else "not ok", len(EXPECTED) + 1))
    ends = "exited normally" in done.stdout
    failed += not ends
    print("%s %d - the program ends without an error" % ("ok" if ends else "not ok", len(EXPECTED) + 2))
    if failed:
        for line in (done.stdout + done.stderr).splitlines():
            print("#   " + line)
    print("1..%d" % (len(EXPECTED) + 2))
    return failed != 0


sys.exit(main())
