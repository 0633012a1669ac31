/* onednn.h: oneDNN 2.x and 3.x behind one small door. Compiled to "not there" without REEL_HAVE_ONEDNN. */
#ifndef REEL_KERNELS_ONEDNN_H
#define REEL_KERNELS_ONEDNN_H
#include "reel/base.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct reel_onednn reel_onednn;

/* c[m,n] = a[m,k] b[k,n] for f32 and bf16 on one thread. ta: a is stored [k,m], rows lda apart; likewise b; c has
   rows ldc apart. *out stays NULL, nothing raised, where oneDNN is missing or has only its reference kernel for this.
   Returns 0 or REEL_ENOMEM. */
int reel_onednn_new_(reel_dtype dtype, int64_t m, int64_t n, int64_t k, bool ta, int64_t lda, bool tb, int64_t ldb,
                     int64_t ldc, reel_onednn **out);
void reel_onednn_free_(reel_onednn *d);
size_t reel_onednn_scratch_(const reel_onednn *d); /* bytes that each product under way needs, 64-byte aligned */
const char *reel_onednn_name_(const reel_onednn *d);
/* May be called from several threads at once. false: oneDNN reports an error. */
bool reel_onednn_run_(reel_onednn *d, void *a, void *b, void *c, void *scratch);
/* Around calls on a thread: keeps oneDNN's OpenMP to one thread. Returns what end wants. */
int reel_onednn_begin_(void);
void reel_onednn_end_(int state);
#endif
