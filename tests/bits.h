/* bits.h: are two tensors the same, bit for bit? */
#ifndef REEL_TESTS_BITS_H
#define REEL_TESTS_BITS_H
#include <stdlib.h>
#include <string.h>
#include "reel/reel.h"
#include "tap.h"

/* Same type and the same bytes in C order. */
TAP_UNUSED static bool same_bits(reel_tensor *a, reel_tensor *b)
{
    if (!a || !b) return false;
    const reel_shape s = reel_shape_of(a), t = reel_shape_of(b);
    const size_t bytes = (size_t)reel_shape_count(s) * reel_dtype_size(reel_dtype_of(a));
    char *x = malloc(bytes + 1), *y = malloc(bytes + 1);
    const bool same = x && y && reel_dtype_of(a) == reel_dtype_of(b) && s.rank == t.rank &&
                      !memcmp(s.dims, t.dims, (size_t)s.rank * sizeof *s.dims) && !reel_read(a, x, bytes) &&
                      !reel_read(b, y, bytes) && !memcmp(x, y, bytes);
    free(x);
    free(y);
    return same;
}
#endif
