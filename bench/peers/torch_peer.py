"""PyTorch's side of bench/run.py; with the argument `compile`, of the rows that torch.compile takes."""
import sys

import torch
import torch.nn.functional as F

import torch_models
import torch_ops
from serve import serve


def add():
    a, b = torch.ones(4), torch.full((4,), 2.0)

    def run(times):
        for _ in range(times):
            a + b

    return run, 1


def add_tape():
    a, b = torch.ones(4, requires_grad=True), torch.full((4,), 2.0)

    def run(times):
        for _ in range(times):
            a + b

    return run, 1


def chain():
    x = torch.eye(8)

    def run(times):
        for _ in range(times):
            y = x
            for _ in range(1000):
                y = torch.mm(y, x)

    return run, 1000


def matmul(n):
    def make():
        a, b = torch.randn(n, n), torch.randn(n, n)

        def run(times):
            for _ in range(times):
                torch.mm(a, b)

        return run, 1

    return make


def step():
    torch.manual_seed(0)
    hidden, last = torch.nn.Linear(64, 32), torch.nn.Linear(32, 10)
    params = list(hidden.parameters()) + list(last.parameters())
    opt = torch.optim.Adam(params, lr=1e-3)
    x, y = torch.rand(32, 64), torch.arange(32) % 10

    def run(times):
        for _ in range(times):
            loss = F.cross_entropy(last(torch.relu(hidden(x))), y)
            opt.zero_grad(set_to_none=True)
            loss.backward()
            opt.step()

    return run, 1


rows = {"eager_add4": add, "eager_add4_tape": add_tape, "replay_matmul8": chain, "digits_eager": step}
rows.update({f"matmul_{n}": matmul(n) for n in (32, 64, 128, 256, 512, 1024, 2048)})
rows.update({f"op_{name}": row for name, row in torch_ops.rows().items()})
rows.update({f"fused_{name}": row for name, row in torch_ops.fused_rows("compile" in sys.argv).items()})
rows.update({f"model_{name}": row for name, row in torch_models.rows("compile" in sys.argv).items()})
serve(rows)
