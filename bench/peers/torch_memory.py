"""PyTorch's side of bench/memory.py: one model in a process of its own. `torch_memory.py NAME eager|compile` prints a line of JSON:
resident, as bench/memory.c has it; ready: the first call beyond a step (torch.compile's cache on disk is switched off)."""
import json
import os
import sys
import time

os.environ.setdefault("TORCHINDUCTOR_FORCE_DISABLE_CACHES", "1")
import torch  # noqa: E402

import torch_models  # noqa: E402


def resident():
    for line in open("/proc/self/status", encoding="ascii"):  # ru_maxrss also counts what the process was before exec
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def main():
    name, way = sys.argv[1:3]
    torch.set_num_threads(2)
    torch.ones(192, 192) @ torch.ones(192, 192)
    a = torch.ones(64, 64, requires_grad=True)
    torch.optim.Adam([a])  # the optimizer's own imports
    (a @ a).sum().backward()
    base = resident()
    run, _ = torch_models.rows(way == "compile")[name]()
    times = []
    for _ in range(10):
        start = time.perf_counter()
        run(1)
        times.append(time.perf_counter() - start)
    step = min(times)
    print(json.dumps({"model": name, "resident": resident() - base, "ready": max(times[0] - step, 0), "step": step}))


main()
