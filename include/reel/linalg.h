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
reel_tensor *reel_inner_at(const char *site, reel_tensor *a,
                           reel_tensor *b); /* the sum of products along both last axes */
reel_tensor *reel_vdot_at(const char *site, reel_tensor *a,
                          reel_tensor *b); /* the sum of all products: both operands flattened */
reel_tensor *reel_outer_at(const char *site, reel_tensor *a,
                           reel_tensor *b); /* all products a[i] b[j]: both operands flattened */
/* The sum of a diagonal, NumPy's trace; Kronecker's product (rank 4 at most), NumPy's kron. */
reel_tensor *reel_trace_at(const char *site, reel_tensor *x, int64_t offset, int axis1, int axis2);
reel_tensor *reel_kron_at(const char *site, reel_tensor *a,
                          reel_tensor *b); /* Kronecker's product (rank 4 at most), NumPy's kron */
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

/* ---- systems and factorizations: f32 and f64, each matrix of a batch [..., m, n] on its own --------------------------
   Computed in double by one thread a matrix; LAPACK does the larger ones where the library was built with it. An error names
   the first matrix of the batch that fails: "a[2,0] is singular ...". Gradients of all orders are those of the function as
   computed: of a symmetric matrix only the triangle that is read has one. */
/* L with a = L L^T, lower; upper: U = L^T, from a's upper triangle. Of a only that triangle is read. Error: not positive
   definite, with the order of the first leading minor that is not positive. */
reel_tensor *reel_cholesky_at(const char *site, reel_tensor *a, bool upper);
/* op(a)^-1 b for a triangular a, of which only that triangle is read; b [..., n, k], or a vector [n]; leading axes broadcast.
   Error: a zero on the diagonal. */
typedef struct {
    size_t size;
    bool upper, transposed, unit; /* unit: the diagonal counts as ones */
} reel_triangular_solve_opts;
reel_tensor *reel_triangular_solve_at(const char *site, reel_tensor *a, reel_tensor *b,
                                      const reel_triangular_solve_opts *o);
/* a^-1 b by LU with row exchanges; b as above. Error: a is singular (a pivot is exactly zero). */
reel_tensor *reel_solve_at(const char *site, reel_tensor *a, reel_tensor *b);
reel_tensor *reel_inverse_at(const char *site, reel_tensor *a); /* a^-1 */
/* The gradient is the matrix of cofactors: right for singular a too (its own derivative, the second, then is not finite). */
reel_tensor *reel_det_at(const char *site, reel_tensor *a);
/* out: sign and ln |det a|; 0 and -inf if a is singular, which its gradient refuses. */
int reel_slogdet_at(const char *site, reel_tensor *a, reel_tensor *out[2]);
/* a = P L U, pivots by largest magnitude. lu: P [m,m], L [m,k], U [k,n], k = min(m, n). lu_factor: L below, U on and above the
   diagonal, and perm i32[m]: row i of L U is row perm[i] of a (gradient: square a). lu_solve takes what lu_factor gave. */
int reel_lu_at(const char *site, reel_tensor *a, reel_tensor *out[3]);
int reel_lu_factor_at(const char *site, reel_tensor *a,
                      reel_tensor *out[2]); /* L and U in one matrix, and the pivots */
reel_tensor *reel_lu_solve_at(const char *site, reel_tensor *lu, reel_tensor *perm,
                              reel_tensor *b); /* the x of a x = b, from what lu_factor(a) gave */
/* a = Q R with R's diagonal nonnegative, which makes them unique for full rank: Q [m,k], R [k,n], k = min(m, n); complete:
   Q [m,m], R [m,n] (no gradient if m > n). Gradient infinite where a's first k columns are dependent. */
int reel_qr_at(const char *site, reel_tensor *a, bool complete, reel_tensor *out[2]);
/* Of a symmetric matrix (one triangle is read): w ascending [n] and V [n,n], a = V diag(w) V^T. A column's sign, and the basis
   for equal values, are arbitrary: gradients are of what does not depend on them, and equal values count as not mixing.
   Error: NaN or infinite elements. */
int reel_eigh_at(const char *site, reel_tensor *a, bool upper, reel_tensor *out[2]);
reel_tensor *reel_eigvalsh_at(const char *site, reel_tensor *a, bool upper); /* the eigenvalues alone */
/* a = U diag(s) Vh, s descending [k]: U [m,k], Vh [k,n]; full: U [m,m], Vh [n,n] (gradient through s only, unless square).
   Arbitrary signs, equal values and errors as eigh's. Gradient of svdvals at 0: of the branch that the vectors give. */
int reel_svd_at(const char *site, reel_tensor *a, bool full, reel_tensor *out[3]);
reel_tensor *reel_svdvals_at(const char *site, reel_tensor *a); /* the singular values alone */
/* Moore and Penrose's inverse [n,m]: singular values up to rtol times the largest count as zero. rtol 0: max(m, n) times the
   dtype's epsilon; REEL_ZERO: 0. The gradient is that at constant rank. */
reel_tensor *reel_pinv_at(const char *site, reel_tensor *a, double rtol);
reel_tensor *reel_matrix_rank_at(const char *site, reel_tensor *a, double rtol); /* i64; rtol as above */
reel_tensor *reel_lstsq_at(const char *site, reel_tensor *a, reel_tensor *b,
                           double rtol); /* pinv(a) b: the shortest x that brings a x nearest to b */
/* a a ... a, n times; 0: the identity; negative: of the inverse. Half types and integers too, but for negative n. */
reel_tensor *reel_matrix_power_at(const char *site, reel_tensor *a, int n);

REEL_END_DECLS
#endif
