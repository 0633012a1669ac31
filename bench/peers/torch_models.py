"""PyTorch's side of the rows of whole training steps: the models of bench/models_bench.c."""
import functools

import torch
import torch.nn.functional as F
from torch import nn


def mlp(*sizes):
    return nn.Sequential(nn.Linear(sizes[0], sizes[1]), nn.ReLU(), nn.Linear(sizes[1], sizes[2]))


def lenet():
    return nn.Sequential(nn.Conv2d(1, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 5, padding=2), nn.ReLU(),
                         nn.MaxPool2d(2), nn.Flatten(), nn.Linear(3136, 256), nn.ReLU(), nn.Linear(256, 10))


class Lstm(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.out = nn.LSTM(128, 128), nn.Linear(128, 65)

    def forward(self, x):
        return self.out(self.lstm(x)[0].reshape(-1, 128))


class Block(nn.Module):
    def __init__(self, wide, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(wide), nn.LayerNorm(wide)
        self.qkv, self.proj = nn.Linear(wide, 3 * wide), nn.Linear(wide, wide)
        self.up, self.down = nn.Linear(wide, 4 * wide), nn.Linear(4 * wide, wide)

    def forward(self, x):
        b, t, c = x.shape
        q, k, v = (y.view(b, t, self.heads, c // self.heads).transpose(1, 2) for y in self.qkv(self.norm1(x)).split(c, dim=2))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(b, t, c)
        x = x + self.proj(y)
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class Gpt(nn.Module):
    def __init__(self):
        super().__init__()
        self.chars, self.places = nn.Embedding(65, 128), nn.Parameter(torch.randn(64, 128) * 0.02)
        self.blocks, self.norm = nn.Sequential(*(Block(128, 4) for _ in range(4))), nn.LayerNorm(128)
        self.head = nn.Linear(128, 65, bias=False)

    def forward(self, ids):
        return self.head(self.norm(self.blocks(self.chars(ids) + self.places))).view(-1, 65)


class Residual(nn.Module):
    def __init__(self, n_in, n_out, stride):
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False), nn.BatchNorm2d(n_out, track_running_stats=False)
        self.conv2, self.norm2 = nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False), nn.BatchNorm2d(n_out, track_running_stats=False)
        self.short = nn.Identity() if n_in == n_out else nn.Sequential(
            nn.Conv2d(n_in, n_out, 1, stride, bias=False), nn.BatchNorm2d(n_out, track_running_stats=False))

    def forward(self, x):
        return F.relu(self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x))))) + self.short(x))


class Resnet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16, track_running_stats=False)
        self.blocks, self.out = nn.Sequential(Residual(16, 16, 1), Residual(16, 32, 2), Residual(32, 64, 2)), nn.Linear(64, 10)

    def forward(self, x):
        return self.out(self.blocks(F.relu(self.norm(self.stem(x)))).mean((2, 3)))


def step(make, x, n, classes, compiled):
    @functools.cache  # what is compiled once serves all rounds
    def row():
        torch.manual_seed(0)
        net = make()
        opt = torch.optim.Adam(net.parameters(), lr=1e-3)
        labels = torch.arange(n) % classes

        def loss_of(x):
            return F.cross_entropy(net(x), labels)

        loss_fn = torch.compile(loss_of) if compiled else loss_of

        def run(times):
            for _ in range(times):
                loss = loss_fn(x)
                opt.zero_grad(set_to_none=True)
                loss.backward()
                opt.step()

        return run, 1

    return row


def rows(compiled=False):
    torch.manual_seed(0)
    models = {
        "mlp_small": (lambda: mlp(64, 32, 10), torch.rand(32, 64), 32, 10),
        "mlp_wide": (lambda: mlp(784, 256, 10), torch.rand(64, 784), 64, 10),
        "lenet": (lenet, torch.randn(64, 1, 28, 28), 64, 10),
        "lstm": (Lstm, torch.randn(32, 16, 128), 32 * 16, 65),
        "gpt": (Gpt, (torch.arange(12 * 64) % 65).view(12, 64), 12 * 64, 65),
        "resnet": (Resnet, torch.randn(32, 3, 32, 32), 32, 10),
    }
    made = {}
    for name, model in models.items():
        made[name] = step(*model, compiled)
        if not compiled:
            made[name + "_eager"] = made[name]
    return made
