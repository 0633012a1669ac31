"""A tiny TAP writer for the structural tests."""
import subprocess
import sys

_results = [0, 0]


def ok(condition, name, note=""):
    _results[0] += 1
    _results[1] += not condition
    print(f"{'ok' if condition else 'not ok'} {_results[0]} - {name}", flush=True)
    if not condition:
        for line in str(note).strip().splitlines()[-40:]:
            print(f"#   {line}", flush=True)
    return bool(condition)


def skip(name, why):
    _results[0] += 1
    print(f"ok {_results[0]} - {name} # SKIP {why}", flush=True)


def run(*command, **options):
    """Exit status and output, both streams together; a list of words, nothing of the shell."""
    options.setdefault("timeout", 600)
    try:
        done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
                              errors="replace", **options)
        return done.returncode, done.stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        return -1, str(error)


def succeeds(name, *command, **options):
    code, out = run(*command, **options)
    ok(code == 0, name, f"{' '.join(map(str, command))}: exit status {code}\n{out}")
    return code == 0


def finish():
    print(f"1..{_results[0]}", flush=True)
    sys.exit(_results[1] != 0)
