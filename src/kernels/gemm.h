/* gemm.h: the portable matrix product, one table an ISA level. Every element of the result is one chain of
   fused multiply-adds over k in ascending order from +0, so its bits depend on nothing but the operands'
   values: not on level, blocking, threads, transposition or strides. */
#ifndef REEL_KERNELS_GEMM_H
#define REEL_KERNELS_GEMM_H
#include "isa.h"
#include <stdint.h>

/* c[m,n] = a[m,k] b[k,n]; strides in elements; c has unit column stride. */
typedef struct reel_gemm_args {
    int64_t m, n, k;
    int64_t ars, acs; /* a's row and column stride */
    int64_t brs, bcs; /* b's */
    int64_t ldc;
    const void *panels; /* NULL, or b as pack_f32 and pack_f64 have left it: then b itself is not read */
} reel_gemm_args;

typedef struct reel_gemm_table {
    void (*f32)(const reel_gemm_args *g, const void *a, const void *b, void *c);
    void (*f64)(const reel_gemm_args *g, const void *a, const void *b, void *c);
    /* y[i] = row i of x (ldx apart, k long) times v: 16 (f64: 8) logical lanes, then a tree of halves */
    void (*dots_f32)(int64_t rows, int64_t k, const void *x, int64_t ldx, const void *v, void *y);
    void (*dots_f64)(int64_t rows, int64_t k, const void *x, int64_t ldx, const void *v, void *y);
    /* b's columns from..to in panels of `wide` columns (from and to are multiples of it, or to is n), each k rows long
       and one after another; panels has room for n rounded up. Only floats have this. */
    void (*pack_f32)(const reel_gemm_args *g, const void *b, int64_t from, int64_t to, void *panels);
    void (*pack_f64)(const reel_gemm_args *g, const void *b, int64_t from, int64_t to, void *panels);
    int wide_f32, wide_f64;
} reel_gemm_table;

REEL_DECLARE_LEVELS(reel_gemm_table, reel_gemm_levels);
#endif
