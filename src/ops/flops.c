/* flops.c: how many floating-point operations an op does, for reel_session_explain: one place for all rows. A multiply-add counts as two,
   as everywhere in the field; an elementwise op as one for each element, whatever its formula; moving data as none. Where the
   number depends on data (iterations), it is that of the textbook. */
#include "attrs.h"
#include "core/op.h"
#include "ids.h"

static double count(const reel_type *t)
{
    return (double)reel_count_(&t->shape);
}

static double dim(const reel_type *t, int from_end)
{
    return t->shape.rank >= from_end ? (double)t->shape.dims[t->shape.rank - from_end] : 1;
}

/* w: [o, c / groups, taps ...], or for a transposed convolution [c, o / groups, taps ...]: a product for each element that its first
   dimension goes with. */
static double window_flops(const reel_type *positions, const reel_type *w)
{
    return w->shape.rank && w->shape.dims[0] > 0 ? 2 * count(positions) * count(w) / (double)w->shape.dims[0] : 0;
}

/* All labels of an einsum, each once, as one loop nest; it may find a cheaper order. */
static double einsum_flops(const reel_attr_einsum *a, const reel_type *const *in, int n_in)
{
    double n = 1;
    uint8_t seen[64];
    int n_seen = 0, at = 0;
    for (int i = 0; i < n_in; i++)
        for (int k = 0; k < in[i]->shape.rank && at < REEL_EINSUM_AXES; k++, at++) {
            int j = 0;
            while (j < n_seen && seen[j] != a->label[at]) j++;
            if (j < n_seen || n_seen == 64) continue;
            seen[n_seen++] = a->label[at];
            n *= (double)in[i]->shape.dims[k];
        }
    return n_in > 1 ? 2 * n : n;
}

/* xp [T,B,gates H], r [gates H,H]: a product a step, and the gates. */
static double recurrent_flops(const reel_type *steps, const reel_type *r)
{
    const double rows = dim(steps, 1) > 0 ? count(steps) / dim(steps, 1) : 0;
    return rows * (2 * count(r) + 10 * dim(r, 1));
}

static double linalg_flops(int id, const reel_type *const *in)
{
    const double n = dim(in[0], 1), m = dim(in[0], 2), small = m < n ? m : n, large = m < n ? n : m;
    const double batches = m * n > 0 ? count(in[0]) / (m * n) : 0;
    switch (id) {
    case REEL_OP_cholesky: return batches * n * n * n / 3;
    case REEL_OP_triangular_solve: return n * count(in[1]);
    case REEL_OP_solve: return batches * 2 * n * n * n / 3 + 2 * n * count(in[1]);
    case REEL_OP_inverse: return batches * 2 * n * n * n;
    case REEL_OP_qr: return batches * 4 * small * small * large;
    case REEL_OP_eigh: return batches * 9 * n * n * n;
    case REEL_OP_svd: return batches * 12 * small * small * large;
    case REEL_OP_svdvals: return batches * 4 * small * small * large;
    default: return batches * 2 * small * small * (large - small / 3);
    }
}

double reel_flops_(const reel_op *op, const void *attr, const reel_type *const *in, int n_in, const reel_type *out,
                   int n_out)
{
    if (!n_out) return 0;
    switch (op->id) {
    case REEL_OP_matmul: return 2 * count(out) * dim(in[0], 1);
    case REEL_OP_einsum: return einsum_flops(attr, in, n_in);
    case REEL_OP_conv: return window_flops(out, in[1]);
    case REEL_OP_conv_transpose: return window_flops(in[0], in[1]);
    case REEL_OP_conv_input: return window_flops(in[1], in[2]);
    case REEL_OP_conv_weights: return window_flops(in[1], out);
    case REEL_OP_attention: /* q k^T and p v */
        return 2 * count(in[0]) * dim(in[1], 2) + 2 * count(out) * dim(in[1], 2);
    case REEL_OP_attention_grad: /* p anew, dp, dq, dk, dv */ return 10 * count(in[0]) * dim(in[1], 2);
    case REEL_OP_recurrent: return recurrent_flops(in[0], in[1]);
    case REEL_OP_recurrent_grad: return recurrent_flops(in[2], in[0]);
    case REEL_OP_cholesky:
    case REEL_OP_triangular_solve:
    case REEL_OP_solve:
    case REEL_OP_inverse:
    case REEL_OP_det:
    case REEL_OP_lu_factor:
    case REEL_OP_lu:
    case REEL_OP_qr:
    case REEL_OP_eigh:
    case REEL_OP_svd:
    case REEL_OP_svdvals: return linalg_flops(op->id, in);
    case REEL_OP_softmax:
    case REEL_OP_softmax_grad:
    case REEL_OP_softmax_cross_entropy: return 4 * count(in[0]);
    case REEL_OP_normalize:
    case REEL_OP_normalize_grad: return 8 * count(in[0]);
    case REEL_OP_max_pool:
    case REEL_OP_max_pool_grad:
    case REEL_OP_avg_pool:
    case REEL_OP_sum_like: return count(in[0]);
    default: break;
    }
    if (op->flags & REEL_OPF_REDUCTION && n_in) return count(in[0]);
    return op->flags & REEL_OPF_ELEMENTWISE && op->id != REEL_OP_cast ? count(out) : 0;
}
