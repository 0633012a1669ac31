"""One question a line: "<row> <seconds>" in, one JSON line out; the twin of bench/bench.h."""
import json
import sys
import time


def measure(run, per, seconds):
    """run(times) is the measured loop; returns ns a unit: median and quartiles."""
    run(3)
    times = 1
    while True:
        start = time.perf_counter()
        run(times)
        took = time.perf_counter() - start
        if took > 1e-3 or took > seconds / 11:
            break
        times = times * 16 if took < 1e-5 else int(times * 1.2e-3 / took) + 1
    ns = []
    begin = time.perf_counter()
    while len(ns) < 201 and (len(ns) < 11 or time.perf_counter() - begin < seconds):
        start = time.perf_counter()
        run(times)
        ns.append((time.perf_counter() - start) * 1e9 / (times * per))
    ns.sort()
    n = len(ns)
    return {"ns": ns[n // 2], "low": ns[n // 4], "high": ns[3 * n // 4], "samples": n}


def serve(rows):
    """rows: name -> function() giving (run, units in one time)."""
    for line in sys.stdin:
        name, seconds = line.split()
        if name in rows:
            run, per = rows[name]()
            answer = {"row": name, **measure(run, per, float(seconds))}
        else:
            answer = {"row": name, "error": "no such row"}
        print(json.dumps(answer), flush=True)
