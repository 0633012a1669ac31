/* gemm_int.h: products of integers, modulo 2^bits, so that signed and unsigned share a loop of their size. Exact in any
   order. */
#ifndef REEL_KERNELS_GEMM_INT_H
#define REEL_KERNELS_GEMM_INT_H
#include "gemm.h"

typedef struct reel_gemm_int_table { /* by the size of an element: 1, 4, 8 */
    void (*gemm[9])(const reel_gemm_args *g, const void *a, const void *b, void *c);
    void (*dots[9])(int64_t rows, int64_t k, const void *x, int64_t ldx, const void *v, void *y);
} reel_gemm_int_table;

REEL_DECLARE_LEVELS(reel_gemm_int_table, reel_gemm_int_levels);
#endif
