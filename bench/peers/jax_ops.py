"""JAX's side of the rows of single ops, each jitted; the same names as in torch_ops.py."""
import jax
import jax.numpy as jnp
import numpy
from jax import lax

N = 1024


def forward(f, *inputs):
    def make():
        g = jax.jit(f)

        def run(times):
            for _ in range(times):
                jax.block_until_ready(g(*inputs))

        return run, 1

    return make


def train(f, *inputs):
    def make():
        floats = [i for i, x in enumerate(inputs) if jnp.issubdtype(x.dtype, jnp.floating)]

        @jax.jit
        def g(*xs):
            def of(*ys):
                full = list(xs)
                for i, y in zip(floats, ys):
                    full[i] = y
                return f(*full)

            y, back = jax.vjp(of, *[xs[i] for i in floats])
            return back(jnp.ones_like(y))

        def run(times):
            for _ in range(times):
                jax.block_until_ready(g(*inputs))

        return run, 1

    return make


def both(name, f, *inputs):
    return {name: forward(f, *inputs), name + "_train": train(f, *inputs)}


key = [jax.random.PRNGKey(0)]


def randn(*shape):
    key[0], use = jax.random.split(key[0])
    return jax.random.normal(use, shape, dtype=jnp.float32)


def uniform(*shape):
    key[0], use = jax.random.split(key[0])
    return jax.random.uniform(use, shape, minval=-1, maxval=1, dtype=jnp.float32)


def grid_sample(x, grid):
    def image(x, g):
        x, (h, w) = jnp.pad(x, ((0, 0), (1, 1), (1, 1))), x.shape[1:]
        at, down = ((g[..., 0] + 1) * w - 1) / 2 + 1, ((g[..., 1] + 1) * h - 1) / 2 + 1
        left, top = jnp.floor(at), jnp.floor(down)
        s, t, c, r = at - left, down - top, left.astype(int), top.astype(int)
        return (x[:, r, c] * (1 - t) * (1 - s) + x[:, r, c + 1] * (1 - t) * s + x[:, r + 1, c] * t * (1 - s) + x[:, r + 1, c + 1] * t * s)

    return jax.vmap(image)(x, grid)


def conv(batch, channels, size, filters, kernel):
    def f(x, w):
        return lax.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=("NCHW", "OIHW", "NCHW"))

    return f, randn(batch, channels, size, size), randn(filters, channels, kernel, kernel)


def pool(x, start, op, scale=1.0):
    return lax.reduce_window(x, start, op, (1, 1, 2, 2), (1, 1, 2, 2), "VALID") * scale


def layer_norm(x, w, b):
    mean = x.mean(-1, keepdims=True)
    var = jnp.square(x - mean).mean(-1, keepdims=True)
    return (x - mean) * lax.rsqrt(var + 1e-5) * w + b


def batch_norm(x, w, b):
    mean = x.mean((0, 2, 3), keepdims=True)
    var = jnp.square(x - mean).mean((0, 2, 3), keepdims=True)
    return (x - mean) * lax.rsqrt(var + 1e-5) * w[:, None, None] + b[:, None, None]


def attend(q, k, v):
    t = q.shape[-2]
    scores = jnp.einsum("bhqd,bhkd->bhqk", q, k) / jnp.sqrt(q.shape[-1])
    scores = jnp.where(jnp.tril(jnp.ones((t, t), bool)), scores, -jnp.inf)
    return jnp.einsum("bhqk,bhkd->bhqd", jax.nn.softmax(scores), v)


def attention(*shape):
    return attend, randn(*shape), randn(*shape), randn(*shape)


def lstm(w, r, b, x):
    def step(state, xt):
        h, c = state
        i, f, g, o = jnp.split(xt + h @ r, 4, axis=-1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    zero = jnp.zeros((x.shape[1], r.shape[0]))
    return lax.scan(step, (zero, zero), x @ w + b)[1]


def rows():
    m, square = randn(N * N), randn(N, N)
    positive = jnp.abs(m) + 0.1
    table, images = randn(10000, 128), randn(64, 32, 28, 28)
    picked = jnp.arange(8192) * 7919 % 10000
    feature, ones = randn(64, 64, 28, 28), jnp.ones(64)
    q, k = randn(12, 4, 64, 32), randn(12, 4, 64, 32)
    a, b, c = randn(256, 64), randn(64, 512), randn(512, 128)
    norm, places, columns = jnp.ones(N), jnp.array(numpy.arange(N * N) * 7919 // 1000 % N).reshape(N, N), jnp.arange(N)[None, :]
    weights = [randn(128, 512) * 0.1, randn(128, 512) * 0.1, randn(512) * 0.1]
    x = randn(32, 16, 128)
    return {
        "chain": forward(lambda x: (x * 2 + 1) * jnp.tanh(x) - x / 3, m),
        "exp": forward(jnp.exp, m),
        "log": forward(jnp.log, positive),
        "sin": forward(jnp.sin, m),
        "tanh": forward(jnp.tanh, m),
        "erf": forward(lax.erf, m),
        **both("gelu", lambda x: jax.nn.gelu(x, approximate=False), m),
        "sum_all": forward(jnp.sum, m),
        "sum_axis0": forward(lambda x: x.sum(0), square),
        "sum_axis1": forward(lambda x: x.sum(1), square),
        "max_axis1": forward(lambda x: x.max(1), square),
        **both("softmax", jax.nn.softmax, square),
        **both("layer_norm", layer_norm, square, norm, norm),
        "transpose_copy": forward(lambda x: x.T + 0, square),
        "strided_copy": forward(lambda x: x[:, 1:-1:2], square),
        "gather": forward(lambda t, i: t[i], table, picked),
        **both("embedding", lambda t, i: t[i], table, picked.reshape(32, 256)),
        "scatter_add": forward(lambda t, i, v: t.at[i].add(v), table, picked, randn(8192, 128)),
        **both("conv_lenet1", *conv(64, 1, 28, 32, 3)),
        **both("conv_lenet2", *conv(64, 32, 14, 64, 3)),
        **both("conv_resnet56", *conv(8, 64, 56, 64, 3)),
        **both("conv_resnet14", *conv(8, 256, 14, 256, 3)),
        **both("max_pool", lambda x: pool(x, -jnp.inf, lax.max), images),
        **both("avg_pool", lambda x: pool(x, 0.0, lax.add, 0.25), images),
        **both("batch_norm", batch_norm, feature, ones, ones),
        **both("attention_small", *attention(12, 4, 64, 32)),
        **both("attention_long", *attention(1, 8, 1024, 64)),
        "lstm": forward(lstm, *weights, x),
        "lstm_train": train(lambda *p: lstm(*p, x), *weights),
        "einsum_scores": forward(lambda q, k: jnp.einsum("bhqd,bhkd->bhqk", q, k), q, k),
        "einsum_chain": forward(lambda a, b, c: jnp.einsum("ij,jk,kl->il", a, b, c), a, b, c),
        "sort": forward(jnp.sort, m),
        "sort_rows": forward(lambda x: jnp.sort(x, -1), square),
        "topk": forward(lambda x: lax.top_k(x, 100)[0], m),
        "topk_rows": forward(lambda x: lax.top_k(x, 8)[0], randn(8192, 64)),
        "topk_rows1000": forward(lambda x: lax.top_k(x, 8)[0], randn(1024, 1000)),
        "scatter": forward(lambda x, i, v: x.at[i, columns].set(v), square, places, randn(N, N)),
        "scatter_sum": forward(lambda x, i, v: x.at[i, columns].add(v), square, places, randn(N, N)),
        "searchsorted": forward(jnp.searchsorted, jnp.sort(uniform(100000)), uniform(N * N)),
        **both("grid_sample", grid_sample, randn(8, 32, 64, 64), uniform(8, 64, 64, 2)),
    }


# ---- what passes join ----------------------------------------------------------------------------------


def softmax(x):
    e = jnp.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def conv_relu(*shape):
    f, x, w = conv(*shape, 3)
    return lambda x, w, b: jax.nn.relu(f(x, w) + b[:, None, None]), x, w, randn(shape[-1])


def adam():
    def make():
        shapes = [(128, 128), (128,)] * 10
        grads = [randn(*s) for s in shapes]

        @jax.jit
        def step(w, m, v, t, g):
            t = t + 1
            m = [0.9 * a + 0.1 * b for a, b in zip(m, g)]
            v = [0.999 * a + 0.001 * b * b for a, b in zip(v, g)]
            w = [p - 1e-3 * (a / (1 - 0.9**t)) / (jnp.sqrt(b / (1 - 0.999**t)) + 1e-8) for p, a, b in zip(w, m, v)]
            return w, m, v, t

        zeros = [jnp.zeros(s) for s in shapes]
        state = [[randn(*s) for s in shapes], zeros, zeros, jnp.float32(0)]

        def run(times):
            for _ in range(times):
                state[:] = step(*state, grads)
            jax.block_until_ready(state)

        return run, 1

    return make


def fused_rows():
    square, ones = randn(N, N), jnp.ones(N)
    return {
        "softmax": forward(softmax, square),
        "layer_norm": forward(layer_norm, square, ones, ones),
        "mse_grad": forward(jax.value_and_grad(lambda x, y: jnp.square(jnp.tanh(x) - y).mean()), square, randn(N, N)),
        "matmul_gelu": forward(lambda x, w, b: jax.nn.gelu(x @ w + b, approximate=False), randn(768, 128), randn(128, 512), randn(512)),
        "conv_lenet2": forward(*conv_relu(64, 32, 14, 64)),
        "conv_resnet56": forward(*conv_relu(8, 64, 56, 64)),
        "adam20": adam(),
    }
