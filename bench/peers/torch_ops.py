"""PyTorch's side of the rows of single ops: name -> function() giving (run, units in one time). Forward without gradients, or
forward and backward where the name ends in _train."""
import torch
import torch.nn.functional as F

N = 1024


def forward(f, *inputs):
    def make():
        def run(times):
            with torch.no_grad():
                for _ in range(times):
                    f(*inputs)

        return run, 1

    return make


def train(f, *inputs):
    """f(*inputs) and the gradients of its float inputs, for an output gradient of ones."""
    def make():
        xs = [x.detach().requires_grad_(x.is_floating_point()) for x in inputs]
        wanted = [x for x in xs if x.requires_grad]
        dy = torch.ones_like(f(*xs))

        def run(times):
            for _ in range(times):
                torch.autograd.grad(f(*xs), wanted, dy)

        return run, 1

    return make


def both(name, f, *inputs):
    return {name: forward(f, *inputs), name + "_train": train(f, *inputs)}


def randn(*shape):
    return torch.randn(*shape)


def ids(n, bound):
    return torch.arange(n) * 7919 % bound


def conv(batch, channels, size, filters, kernel):
    x, w = randn(batch, channels, size, size), randn(filters, channels, kernel, kernel)
    return lambda x, w: F.conv2d(x, w, padding=kernel // 2), x, w


def attention(*shape):
    return lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True), randn(*shape), randn(*shape), randn(*shape)


def lstm(training):
    def make():
        net, x = torch.nn.LSTM(128, 128), randn(32, 16, 128)
        params = list(net.parameters())

        def run(times):
            for _ in range(times):
                if training:
                    y, _ = net(x)
                    torch.autograd.grad(y, params, torch.ones_like(y))
                else:
                    with torch.no_grad():
                        net(x)

        return run, 1

    return make


def rows():
    torch.manual_seed(0)
    m, square, positive = randn(N * N), randn(N, N), torch.rand(N * N) + 0.1
    table, images = randn(10000, 128), randn(64, 32, 28, 28)
    picked = ids(8192, 10000)
    feature, ones = randn(64, 64, 28, 28), torch.ones(64)
    q, k = randn(12, 4, 64, 32), randn(12, 4, 64, 32)
    a, b, c = randn(256, 64), randn(64, 512), randn(512, 128)
    norm, places = torch.ones(N), (torch.arange(N * N) * 7919 // 1000 % N).reshape(N, N)
    return {
        "chain": forward(lambda x: (x * 2 + 1) * torch.tanh(x) - x / 3, m),
        "exp": forward(torch.exp, m),
        "log": forward(torch.log, positive),
        "sin": forward(torch.sin, m),
        "tanh": forward(torch.tanh, m),
        "erf": forward(torch.erf, m),
        **both("gelu", F.gelu, m),
        "sum_all": forward(torch.sum, m),
        "sum_axis0": forward(lambda x: x.sum(0), square),
        "sum_axis1": forward(lambda x: x.sum(1), square),
        "max_axis1": forward(lambda x: x.amax(1), square),
        **both("softmax", lambda x: F.softmax(x, -1), square),
        **both("layer_norm", lambda x, w, b: F.layer_norm(x, (N,), w, b), square, norm, norm),
        "transpose_copy": forward(lambda x: x.t().contiguous(), square),
        "strided_copy": forward(lambda x: x[:, 1:-1:2].contiguous(), square),
        "gather": forward(lambda t, i: torch.index_select(t, 0, i), table, picked),
        **both("embedding", lambda t, i: F.embedding(i, t), table, picked.reshape(32, 256)),
        "scatter_add": forward(lambda t, i, v: torch.index_add(t, 0, i, v), table, picked, randn(8192, 128)),
        **both("conv_lenet1", *conv(64, 1, 28, 32, 3)),
        **both("conv_lenet2", *conv(64, 32, 14, 64, 3)),
        **both("conv_resnet56", *conv(8, 64, 56, 64, 3)),
        **both("conv_resnet14", *conv(8, 256, 14, 256, 3)),
        **both("max_pool", lambda x: F.max_pool2d(x, 2), images),
        **both("avg_pool", lambda x: F.avg_pool2d(x, 2), images),
        **both("batch_norm", lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True), feature, ones, ones),
        **both("attention_small", *attention(12, 4, 64, 32)),
        **both("attention_long", *attention(1, 8, 1024, 64)),
        "lstm": lstm(False),
        "lstm_train": lstm(True),
        "einsum_scores": forward(lambda q, k: torch.einsum("bhqd,bhkd->bhqk", q, k), q, k),
        "einsum_chain": forward(lambda a, b, c: torch.einsum("ij,jk,kl->il", a, b, c), a, b, c),
        "sort": forward(torch.sort, m),
        "sort_rows": forward(lambda x: torch.sort(x, -1), square),
        "topk": forward(lambda x: torch.topk(x, 100), m),
        "topk_rows": forward(lambda x: torch.topk(x, 8), randn(8192, 64)),
        "topk_rows1000": forward(lambda x: torch.topk(x, 8), randn(1024, 1000)),
        "scatter": forward(lambda x, i, v: torch.scatter(x, 0, i, v), square, places, randn(N, N)),
        "scatter_sum": forward(lambda x, i, v: torch.scatter_add(x, 0, i, v), square, places, randn(N, N)),
        "searchsorted": forward(torch.searchsorted, torch.sort(torch.rand(100000) * 2 - 1)[0], torch.rand(N * N) * 2 - 1),
        **both("grid_sample", lambda x, g: F.grid_sample(x, g, align_corners=False), randn(8, 32, 64, 64), torch.rand(8, 64, 64, 2) * 2 - 1),
    }


# ---- what passes join ----------------------------------------------------------------------------------


def softmax(x):
    e = torch.exp(x - x.amax(-1, keepdim=True))
    return e / e.sum(-1, keepdim=True)


def layer_norm(x, w, b):
    d = x - x.mean(-1, keepdim=True)
    return d * torch.rsqrt((d * d).mean(-1, keepdim=True) + 1e-5) * w + b


def conv_relu(batch, channels, size, filters):
    return lambda x, w, b: F.relu(F.conv2d(x, w, b, padding=1)), randn(batch, channels, size, size), randn(filters, channels, 3, 3), randn(filters)


def mse_grad(f, x, y):
    def make():
        watched = x.detach().requires_grad_()

        def run(times):
            for _ in range(times):
                torch.autograd.grad(f(watched, y), watched)

        return run, 1

    return make


def adam(compiled):
    params = [torch.nn.Parameter(randn(*shape)) for shape in [(128, 128), (128,)] * 10]
    for p in params:
        p.grad = randn(*p.shape)
    opt = torch.optim.Adam(params, lr=1e-3, **({} if compiled else {"fused": True}))
    step = torch.compile(opt.step) if compiled else opt.step

    def make():
        def run(times):
            for _ in range(times):
                step()

        return run, 1

    return make


def fused_rows(compiled):
    """What passes join, as they are or through torch.compile; one in which PyTorch has a kernel for all of it: that, eagerly."""
    torch.manual_seed(0)
    as_is = (lambda f: torch.compile(f)) if compiled else (lambda f: f)

    def joined(f, *inputs):
        return forward(as_is(f), *inputs)

    square, ones = randn(N, N), torch.ones(N)
    return {
        "softmax": joined(softmax, square),
        "layer_norm": joined(layer_norm, square, ones, ones),
        "mse_grad": mse_grad(as_is(lambda x, y: (torch.tanh(x) - y).square().mean()), square, randn(N, N)),
        "matmul_gelu": joined(lambda x, w, b: F.gelu(x @ w + b), randn(768, 128), randn(128, 512), randn(512)),
        "conv_lenet2": joined(*conv_relu(64, 32, 14, 64)),
        "conv_resnet56": joined(*conv_relu(8, 64, 56, 64)),
        "adam20": adam(compiled),
    }
