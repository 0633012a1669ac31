/* einsum.h: in which order an einsum takes its operands. */
#ifndef REEL_KERNELS_EINSUM_H
#define REEL_KERNELS_EINSUM_H
#include <stdbool.h>
#include <stdint.h>

enum { REEL_EINSUM_TERMS = 64 };

/* pair[s]: the two terms that step s multiplies; the product takes the first one's place, the second is gone. Cheapest by
   multiplications: exact up to 8 terms, greedy beyond. label[i], out: sets of labels; size by label. false: some
   intermediate must have more axes than a tensor can. */
bool reel_einsum_path_(int n, const uint64_t *label, uint64_t out, const int64_t *size, int (*pair)[2]);
#endif
