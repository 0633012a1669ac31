"""JAX's side of the rows of whole training steps: the models of bench/models_bench.c, one jitted step each."""
import jax
import jax.numpy as jnp
from jax import lax


class Weights:
    """Hands out initial weights in order; the model's functions take them in the same order."""

    def __init__(self):
        self.key, self.w = jax.random.PRNGKey(0), []

    def add(self, shape, spread, around=0.0):
        self.key, key = jax.random.split(self.key)
        self.w.append(jax.random.normal(key, shape) * spread + around)

    def dense(self, n_in, n_out):
        self.add((n_in, n_out), n_in**-0.5)
        self.add((n_out,), 0)

    def norm(self, n):
        self.add((n,), 0, 1.0)
        self.add((n,), 0)

    def conv(self, n_in, n_out, side):
        self.add((n_out, n_in, side, side), (2 / (n_in * side * side)) ** 0.5)
        self.norm(n_out)


def dense(x, w):
    return x @ next(w) + next(w)


def entropy(logits, labels):
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], 1))


def conv(x, w, stride=1, padding="SAME"):
    return lax.conv_general_dilated(x, w, (stride, stride), padding)


def mlp(x, w):
    return dense(jax.nn.relu(dense(x, w)), w)


def lenet(x, w):
    for _ in range(2):
        x = jax.nn.relu(conv(x, next(w)) + next(w)[:, None, None])
        x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")
    return dense(jax.nn.relu(dense(x.reshape(-1, 3136), w)), w)


def lstm(x, w):
    wx, wh, b = next(w), next(w), next(w)
    inputs = x @ wx.T + b

    def cell(state, a):
        h, c = state
        i, f, g, o = jnp.split(a + h @ wh.T, 4, axis=1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    zero = jnp.zeros((16, 128))
    return dense(lax.scan(cell, (zero, zero), inputs)[1].reshape(-1, 128), w)


def norm(x, w):
    mean = x.mean(-1, keepdims=True)
    return (x - mean) * lax.rsqrt(((x - mean) ** 2).mean(-1, keepdims=True) + 1e-5) * next(w) + next(w)


def gpt(ids, w):
    h = next(w)[ids] + next(w)
    b, t, c = h.shape
    mask = jnp.tril(jnp.ones((t, t), bool))
    for _ in range(4):
        q, k, v = (y.reshape(b, t, 4, c // 4).transpose(0, 2, 1, 3) for y in jnp.split(dense(norm(h, w), w), 3, axis=-1))
        scores = jnp.where(mask, q @ k.transpose(0, 1, 3, 2) * (c // 4) ** -0.5, -jnp.inf)
        y = (jax.nn.softmax(scores) @ v).transpose(0, 2, 1, 3).reshape(b, t, c)
        h = h + dense(y, w)
        h = h + dense(jax.nn.gelu(dense(norm(h, w), w), approximate=False), w)
    return (norm(h, w) @ next(w)).reshape(-1, 65)


def conv_norm(x, w, stride=1, padding="SAME"):
    y = conv(x, next(w), stride, padding)
    mean = y.mean((0, 2, 3), keepdims=True)
    y = (y - mean) * lax.rsqrt(((y - mean) ** 2).mean((0, 2, 3), keepdims=True) + 1e-5)
    return y * next(w)[:, None, None] + next(w)[:, None, None]


def resnet(x, w):
    h = jax.nn.relu(conv_norm(x, w))
    for i in range(3):
        y = jax.nn.relu(conv_norm(h, w, 2 if i else 1))
        y = conv_norm(y, w)
        h = jax.nn.relu(y + (conv_norm(h, w, 2, "VALID") if i else h))
    return dense(h.mean((2, 3)), w)


def mlp_weights(w, n_in, hidden, n_out):
    w.dense(n_in, hidden)
    w.dense(hidden, n_out)


def lenet_weights(w):
    for n_in, n_out in ((1, 32), (32, 64)):
        w.add((n_out, n_in, 5, 5), (1 / (25 * n_in)) ** 0.5)
        w.add((n_out,), 0)
    mlp_weights(w, 3136, 256, 10)


def lstm_weights(w):
    w.add((512, 128), 0.05)
    w.add((512, 128), 0.05)
    w.add((512,), 0)
    w.dense(128, 65)


def gpt_weights(w):
    w.add((65, 128), 0.02)
    w.add((64, 128), 0.02)
    for _ in range(4):
        w.norm(128)
        w.dense(128, 384)
        w.dense(128, 128)
        w.norm(128)
        w.dense(128, 512)
        w.dense(512, 128)
    w.norm(128)
    w.add((128, 65), 0.02)


def resnet_weights(w):
    w.conv(3, 16, 3)
    for n_in, n_out in ((16, 16), (16, 32), (32, 64)):
        w.conv(n_in, n_out, 3)
        w.conv(n_out, n_out, 3)
        if n_in != n_out:
            w.conv(n_in, n_out, 1)
    w.dense(64, 10)


def step(model, make, x, n, classes):
    def row():
        weights = Weights()
        make(weights)
        labels = jnp.arange(n) % classes

        @jax.jit
        def train(w, m, v, t, x):
            loss, g = jax.value_and_grad(lambda w: entropy(model(x, iter(w)), labels))(w)
            t = t + 1
            m = [0.9 * a + 0.1 * b for a, b in zip(m, g)]
            v = [0.999 * a + 0.001 * b * b for a, b in zip(v, g)]
            w = [p - 1e-3 * (a / (1 - 0.9**t)) / (jnp.sqrt(b / (1 - 0.999**t)) + 1e-8) for p, a, b in zip(w, m, v)]
            return w, m, v, t, loss

        zeros = [jnp.zeros_like(p) for p in weights.w]
        state = [weights.w, zeros, zeros, jnp.float32(0)]

        def run(times):
            for _ in range(times):
                *state[:], loss = train(*state, x)
            loss.block_until_ready()

        return run, 1

    return row


def rows():
    key = jax.random.PRNGKey(1)
    return {
        "mlp_small": step(mlp, lambda w: mlp_weights(w, 64, 32, 10), jax.random.uniform(key, (32, 64)), 32, 10),
        "mlp_wide": step(mlp, lambda w: mlp_weights(w, 784, 256, 10), jax.random.uniform(key, (64, 784)), 64, 10),
        "lenet": step(lenet, lenet_weights, jax.random.normal(key, (64, 1, 28, 28)), 64, 10),
        "lstm": step(lstm, lstm_weights, jax.random.normal(key, (32, 16, 128)), 32 * 16, 65),
        "gpt": step(gpt, gpt_weights, (jnp.arange(12 * 64) % 65).reshape(12, 64), 12 * 64, 65),
        "resnet": step(resnet, resnet_weights, jax.random.normal(key, (32, 3, 32, 32)), 32, 10),
    }
