"""JAX's side of bench/run.py (CPU)."""
import os

os.environ["JAX_PLATFORMS"] = "cpu"
import jax
import jax.numpy as jnp

import jax_models
import jax_ops
from serve import serve


def step():
    key = jax.random.split(jax.random.PRNGKey(0), 3)
    w = [jax.random.normal(key[0], (64, 32)) * 0.1, jnp.zeros(32), jax.random.normal(key[1], (32, 10)) * 0.1, jnp.zeros(10)]
    zeros = [jnp.zeros_like(p) for p in w]
    x, y = jax.random.uniform(key[2], (32, 64)), jnp.arange(32) % 10

    def loss_fn(w, x, y):
        logits = jax.nn.relu(x @ w[0] + w[1]) @ w[2] + w[3]
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], 1))

    @jax.jit
    def train(w, m, v, t, x, y):
        loss, g = jax.value_and_grad(loss_fn)(w, x, y)
        t = t + 1
        m = [0.9 * a + 0.1 * b for a, b in zip(m, g)]
        v = [0.999 * a + 0.001 * b * b for a, b in zip(v, g)]
        w = [p - 1e-3 * (a / (1 - 0.9**t)) / (jnp.sqrt(b / (1 - 0.999**t)) + 1e-8) for p, a, b in zip(w, m, v)]
        return w, m, v, t, loss

    state = [w, zeros, zeros, jnp.float32(0)]

    def run(times):
        for _ in range(times):
            *state[:], loss = train(*state, x, y)
        loss.block_until_ready()

    return run, 1


def add():
    a, b = jnp.ones(4), jnp.full(4, 2.0)

    def run(times):
        for _ in range(times):
            c = a + b
        c.block_until_ready()

    return run, 1


def chain():
    x = jnp.eye(8)

    @jax.jit
    def f(x):
        y = x
        for _ in range(1000):
            y = y @ x
        return y

    def run(times):
        for _ in range(times):
            f(x).block_until_ready()

    return run, 1000


rows = {"digits_replay": step, "eager_add4": add, "replay_matmul8": chain}
rows.update({f"op_{name}": row for name, row in jax_ops.rows().items()})
rows.update({f"fused_{name}": row for name, row in jax_ops.fused_rows().items()})
rows.update({f"model_{name}": row for name, row in jax_models.rows().items()})
serve(rows)
