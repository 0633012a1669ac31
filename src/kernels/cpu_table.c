/* cpu_table.c: which kernel runs which op on the CPU. Ops with a formula in elementwise.def need no line. */
#include "core/device.h"
#include "kernels.h"
#include "kernels/cpu_table.h"
#include "ops/ids.h"

#define K(op, kernel) [REEL_OP_##op] = &reel_k_##kernel##_
static const reel_kernel *const table[REEL_N_OPS] = {
    /* creation */
    K(num, num),
    K(full, full),
    K(full_like, full),
    K(arange, arange),
    K(eye, eye),
    K(uniform, random),
    K(normal, random),
    K(one_hot, one_hot),
    K(one_hot_like, one_hot),
    K(count_like, count),
/* elementwise */
#define UNARY(op, ...) K(op, elementwise),
#define BINARY(op, ...) K(op, elementwise),
#define COMPARE(op, ...) K(op, elementwise),
#include "ops/elementwise.def"
    K(cast, cast),
    K(where, where),
    K(sgd_update, update),
    K(adam_update, update),
    /* reductions */
    K(sum, sum),
    K(mean, sum),
    K(max, max),
    K(min, max),
    K(argmax, max),
    K(argmin, max),
    K(prod, product),
    K(l1, norm),
    K(l2, norm),
    K(sum_square, norm),
    K(variance, variance),
    K(std, variance),
    K(logsumexp, logsumexp),
    K(any, count_nonzero),
    K(all, count_nonzero),
    K(count_nonzero, count_nonzero),
    K(sum_like, sum_like),
    /* scans, sorting, searching */
    K(cumsum, scan),
    K(cumprod, scan),
    K(cummax, scan),
    K(cummin, scan),
    K(logcumsumexp, scan),
    K(linear_scan, scan),

    /* sizes that depend on data, rows of a table */
    [REEL_OP_nonzero] = &reel_k_nonzero_.kernel,
    [REEL_OP_compress] = &reel_k_compress_.kernel,
    [REEL_OP_unique_all] = &reel_k_unique_.kernel,
    K(uncompress, uncompress),
    K(embedding, embedding),
    K(put_rows, put_rows),

    /* shape */
    K(reshape, copy),
    K(reshape_like, copy),
    K(transpose, copy),
    K(slice, copy),
    K(squeeze, copy),
    K(unsqueeze, copy),
    K(broadcast_to, copy),
    K(broadcast_like, copy),
    K(concat_part, copy),
    K(split, split),
    K(concat, concat),
    K(unslice, unslice),
    K(flatten, copy),
    K(unflatten, copy),
    K(expand, copy),
    K(diagonal, copy),
    K(chunk, split),
    K(meshgrid_part, copy),
    K(undiagonal, undiagonal),
    K(diag_embed, undiagonal),
    K(tril, triangle),
    K(triu, triangle),
    K(pad, pad),
    K(tile, pad),
    K(pad_grad, pad_grad),
    K(tile_grad, pad_grad),
    K(unfold, unfold),
    K(fold, fold),
    K(fold_like, fold),
    /* elements picked and put by index */
    K(gather, gather),
    K(gather_nd, gather),
    K(take_along_axis, along),
    K(gather_elements, along),
    K(reverse_sequence, reverse_sequence),
    K(iota_like, iota),
    K(gather_grad, scatter),
    K(take_along_grad, scatter),
    K(gather_nd_grad, scatter),
    K(scatter, scatter),
    K(scatter_reduce, scatter),
    K(scatter_nd, scatter),
    K(scatter_nd_reduce, scatter),
    K(index_add, scatter),
    K(index_copy, scatter),

    /* linear algebra */
    K(matmul, matmul),
    K(einsum, einsum),
    K(cholesky, linalg),
    K(triangular_solve, linalg),
    K(solve, linalg),
    K(inverse, linalg),
    K(det, linalg),
    K(slogdet, linalg),
    K(lu_factor, linalg),
    K(lu, linalg),
    K(qr, linalg),
    K(eigh, linalg),
    K(eigvalsh, linalg),
    K(svd, linalg),
    K(svdvals, linalg),
    K(pinv, linalg),
    K(matrix_rank, linalg),
    K(cofactor, linalg),

    /* softmax, normalisation, losses */
    K(softmax, softmax),
    K(log_softmax, softmax),
    K(softmax_cross_entropy, cross_entropy),

    /* convolution, pooling, resampling */
    K(conv, conv),
    K(conv_transpose, conv),
    K(conv_input, conv),
    K(conv_weights, conv),
    K(max_pool, pool),
    K(max_pool_indices, pool),
    K(max_pool_grad, pool),
    K(avg_pool, pool),
    K(avg_pool_grad, pool),
    K(pool_gather, pool_index),
    K(pool_scatter, pool_index),
    K(max_unpool, pool_index),

    /* embedding, attention, recurrent layers */
    K(attention, attention),
    K(attention_grad, attention_grad),
    K(recurrent, recurrent),
    K(recurrent_grad, recurrent_grad),

    /* gradients */
    K(stop_gradient, copy),
};
const reel_device reel_cpu_device_ = {
    .name = "cpu", .kernels = table, .n_kernels = REEL_N_OPS, .custom = &reel_k_custom_};
