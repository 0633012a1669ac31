"""The rows of bench/run.py: what is shown, our row, the peers asked (the fastest counts), target, kind of target, and for rows
that memory limits the bytes that must move."""
SIZES = (32, 64, 128, 256, 512, 1024, 2048)
MEGA = 4 << 20  # bytes of 1M floats

ROAD = [
    ("eager add of 4 floats", "eager_add4", ["torch"], 0.12, "ratio"),
    ("the same with a tape", "eager_add4_tape", ["torch"], 0.12, "ratio"),
    ("replay, a node of 1,000 8x8 matmuls", "replay_matmul8", ["torch"], 0.3, "ratio"),
    ("replay, a node that does nothing", "replay_nothing", [], 20, "ns"),
    *[(f"prepared matmul {n}", f"matmul_{n}", ["openblas", "onednn"], 1.05, "ratio") for n in SIZES],
    *[(f"eager matmul {n}, beyond prepared", f"matmul_eager_{n}", [f"reel:matmul_{n}"], 100, "ns above") for n in (32, 64, 128)],
    *[(f"group of {n} light ops, {shown} floats: interpreter against compiled", f"group_{n}_{size}", [f"reel:group_{n}_{size}_compiled"], 1.43, "ratio")
      for size, shown in (("1m", "1M"), ("1k", "1K")) for n in (4, 6, 12)],
    ("digits training step, eager", "digits_eager", ["torch"], 0.3, "ratio"),
    ("digits training step, replay", "digits_replay", ["jax"], 0.25, "ratio"),
    ("process start to first result", "start", [], 20e6, "ns"),
]

# name, what is shown, bytes that must be read and written (0: not limited by memory)
SINGLE = [
    ("triad", "triad a + s b, 1M floats", 3 * MEGA),
    ("chain", "(2x + 1) tanh x - x / 3, 1M floats, replayed", 2 * MEGA),
    ("exp", "exp, 1M floats", 2 * MEGA),
    ("log", "log, 1M floats", 2 * MEGA),
    ("sin", "sin, 1M floats", 2 * MEGA),
    ("tanh", "tanh, 1M floats", 2 * MEGA),
    ("erf", "erf, 1M floats", 2 * MEGA),
    ("gelu", "gelu, 1M floats", 2 * MEGA),
    ("gelu_train", "gelu, forward and backward", 5 * MEGA),
    ("sum_all", "sum of 1K x 1K", MEGA),
    ("sum_axis0", "sum of 1K x 1K, axis 0", MEGA),
    ("sum_axis1", "sum of 1K x 1K, axis 1", MEGA),
    ("max_axis1", "max of 1K x 1K, axis 1", MEGA),
    ("softmax", "softmax 1K x 1K", 2 * MEGA),
    ("softmax_train", "softmax, forward and backward", 5 * MEGA),
    ("layer_norm", "layer_norm 1K x 1K", 2 * MEGA),
    ("layer_norm_train", "layer_norm, forward and backward", 5 * MEGA),
    ("transpose_copy", "transposed copy of 1K x 1K", 2 * MEGA),
    ("strided_copy", "copy of every second column of 1K x 1K", 3 * MEGA // 2),
    ("gather", "gather 8192 rows of 128", 2 * MEGA),
    ("embedding", "embedding 32 x 256 ids, 128 wide", 2 * MEGA),
    ("embedding_train", "embedding, forward and backward", 0),
    ("scatter_add", "scatter_add of 8192 rows to 10,000 x 128", 0),
    ("conv_lenet1", "conv2d 3x3, 64x1x28x28 to 32", 0),
    ("conv_lenet1_train", "the same, forward and backward", 0),
    ("conv_lenet2", "conv2d 3x3, 64x32x14x14 to 64", 0),
    ("conv_lenet2_train", "the same, forward and backward", 0),
    ("conv_resnet56", "conv2d 3x3, 8x64x56x56 to 64", 0),
    ("conv_resnet56_train", "the same, forward and backward", 0),
    ("conv_resnet14", "conv2d 3x3, 8x256x14x14 to 256", 0),
    ("conv_resnet14_train", "the same, forward and backward", 0),
    ("max_pool", "max_pool 2x2, 64x32x28x28", 64 * 32 * 28 * 28 * 5),
    ("max_pool_train", "the same, forward and backward", 0),
    ("avg_pool", "avg_pool 2x2, 64x32x28x28", 64 * 32 * 28 * 28 * 5),
    ("avg_pool_train", "the same, forward and backward", 0),
    ("batch_norm", "batch_norm 64x64x28x28", 64 * 64 * 28 * 28 * 8),
    ("batch_norm_train", "the same, forward and backward", 0),
    ("attention_small", "causal attention 12x4x64x32", 0),
    ("attention_small_train", "the same, forward and backward", 0),
    ("attention_long", "causal attention 1x8x1024x64", 0),
    ("attention_long_train", "the same, forward and backward", 0),
    ("lstm", "LSTM 128, T 32, batch 16", 0),
    ("lstm_train", "the same, forward and backward", 0),
    ("einsum_scores", "einsum bhqd,bhkd->bhqk, 12x4x64x32", 0),
    ("einsum_chain", "einsum ij,jk,kl->il", 0),
    ("sort", "sort of 1M floats", 0),
    ("sort_rows", "sort of 1K x 1K along rows", 0),
    ("topk", "the 100 largest of 1M floats", 0),
    ("topk_rows", "the 8 largest of each of 8192 rows of 64", 0),
    ("topk_rows1000", "the 8 largest of each of 1024 rows of 1000", 0),
    ("scatter", "scatter 1K x 1K along axis 0", 0),
    ("scatter_sum", "scatter-add 1K x 1K along axis 0", 0),
    ("searchsorted", "searchsorted of 1M floats in 100,000", 0),
    ("grid_sample", "grid_sample 8x32x64x64, bilinear", 0),
    ("grid_sample_train", "the same, forward and backward", 0),
]
OPS = [(shown, f"op_{name}", [] if name == "triad" else ["torch", "jax"], 1.0, "ratio", size) for name, shown, size in SINGLE]
# What passes join, replayed: name, what is shown, bytes as above.
JOINED = [
    ("softmax", "softmax by hand, 1K x 1K", 2 * MEGA),
    ("layer_norm", "layer norm by hand, 1K x 1K", 2 * MEGA),
    ("mse_grad", "mean (tanh x - y)^2 and its gradient, 1M floats", 3 * MEGA),
    ("matmul_gelu", "gelu(x w + b), 768x128 by 128x512", 0),
    ("conv_lenet2", "relu(conv2d + bias) 3x3, 64x32x14x14 to 64", 0),
    ("conv_resnet56", "relu(conv2d + bias) 3x3, 8x64x56x56 to 64", 0),
    ("adam20", "Adam of 20 variables, 165,120 floats", 165120 * 28),
]
FUSED = [(shown, f"fused_{name}", ["torch", "torch_compile", "jax"], 0.8, "ratio", size) for name, shown, size in JOINED]
# name, what is shown, target for the replay
STEPS = [
    ("mlp_small", "MLP 64-32-10, batch 32", 0.25),
    ("mlp_wide", "MLP 784-256-10, batch 64", 0.8),
    ("lenet", "LeNet, batch 64", 0.9),
    ("lstm", "LSTM 128, T 32, batch 16", 0.8),
    ("gpt", "GPT of 4 layers, 128 wide, T 64, batch 12", 0.8),
    ("resnet", "ResNet of 8 layers, 32x32, batch 32", 0.9),
]
MODELS = [(f"training step: {shown}", f"model_{name}", ["torch", "torch_compile", "jax"], target, "ratio") for name, shown, target in STEPS]
MODELS += [(f"the same eagerly: {shown}", f"model_{name}_eager", ["torch"], 1.0, "ratio") for name, shown, _ in STEPS]
ROWS = ROAD + MODELS + OPS + FUSED
QUICK = {"eager_add4", "eager_add4_tape", "replay_nothing", "replay_matmul8", "matmul_32", "digits_eager", "digits_replay", "start",
         "fused_adam20", "fused_mse_grad", "op_lstm", "op_softmax_train", "op_conv_lenet2_train", "op_sort_rows", "model_mlp_small"}
