/* linalg.h: products and linear algebra. The rules for all ops stand in ops.h. */
#ifndef REEL_LINALG_H
#define REEL_LINALG_H
#include "base.h"
REEL_BEGIN_DECLS

/* ---- products: floats (f16 and bf16 summed in f32) and integers (modulo 2^bits) --------------------------------- */
/* NumPy's matmul: [..., m, k] x [..., k, n], leading axes broadcast; a vector operand counts as a row or column that goes. */
reel_tensor *reel_matmul_at(const char *site, reel_tensor *a, reel_tensor *b);
/* NumPy's einsum: "ij,jk->ik", "...ii->...i", "ij,jk" (result: "..." and then, sorted, the indices that stand once). An axis
   of size 1 broadcasts. Sums in the cheapest order of pairs (exact up to 8 operands, greedy beyond), each pair one matmul;
   half types keep f32 in between. At most 240 axes in all, 8 in each intermediate. */
reel_tensor *reel_einsum_at(const char *site, const char *spec, reel_list xs);
/* Sums over a's last n axes and b's first n / over pairs of axes; the axes left are a's, then b's. n = 0: the outer product. */
reel_tensor *reel_tensordot_at(const char *site, reel_tensor *a, reel_tensor *b, int n);
reel_tensor *reel_tensordot_axes_at(const char *site, reel_tensor *a, reel_tensor *b, reel_axes axes_a,
                                    reel_axes axes_b); /* here n = 0 means none, not all */
/* NumPy's: dot over a's last axis and b's last but one (its only one); inner over both last axes; a scalar multiplies.
   vdot and outer see their operands flattened. */
reel_tensor *reel_dot_at(const char *site, reel_tensor *a, reel_tensor *b);
reel_tensor *reel_inner_at(const char *site, reel_tensor *a, reel_tensor *b);
reel_tensor *reel_vdot_at(const char *site, reel_tensor *a, reel_tensor *b);
reel_tensor *reel_outer_at(const char *site, reel_tensor *a, reel_tensor *b);
/* alpha op(a) op(b) + beta c, ONNX's Gemm: op swaps the last two axes if asked to; c broadcasts to the product's shape and may
   be NULL. Leading axes as matmul's. Integers take whole alpha and beta. */
typedef struct {
    size_t size;
    double alpha, beta; /* 0: 1; REEL_ZERO: 0 */
    bool trans_a, trans_b;
} reel_gemm_opts;
reel_tensor *reel_gemm_at(const char *site, reel_tensor *a, reel_tensor *b, reel_tensor *c, const reel_gemm_opts *o);
reel_tensor *reel_addmm_at(const char *site, reel_tensor *c, reel_tensor *a, reel_tensor *b, double beta,
                           double alpha); /* PyTorch's: beta c + alpha a b; zeros are zeros here */

REEL_END_DECLS
#endif
