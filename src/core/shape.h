/* shape.h: shapes with checked arithmetic. REEL_ANY is a legal dimension unless said otherwise.
   Functions returning int raise with reel_fail() and return the code. */
#ifndef REEL_CORE_SHAPE_H
#define REEL_CORE_SHAPE_H
#include "compiler.h"
#include "dtype.h"
#include "reel/base.h"

int reel_shape_check_(reel_shape s,
                      bool allow_any); /* rank 0..8, dims >= 0 (or ANY), element count and bytes (x8) fit int64 */
static inline bool reel_shape_same_(const reel_shape *a, const reel_shape *b)
{
    if (a->rank != b->rank) return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dims[i] != b->dims[i]) return false;
    return true;
}
static inline bool reel_shape_known_(const reel_shape *s)
{
    for (int i = 0; i < s->rank; i++)
        if (s->dims[i] < 0) return false;
    return true;
}
/* May they be one size? */
static inline bool reel_dims_agree_(int64_t a, int64_t b)
{
    return a == b || a == REEL_ANY || b == REEL_ANY;
}
/* product of known, already checked dims */
static inline int64_t reel_count_(const reel_shape *s)
{
    int64_t n = 1;
    for (int i = 0; i < s->rank; i++) n *= s->dims[i];
    return n;
}
/* NumPy broadcasting. ANY with 1 is ANY; ANY with n > 1 is n; ANY with ANY is ANY. */
int reel_shape_broadcast_(const reel_shape *a, const reel_shape *b, reel_shape *out);
/* C-order strides in elements; a dimension of size 0 or 1 gets the stride it would have. */
void reel_shape_strides_(const reel_shape *s, int64_t strides[REEL_MAX_RANK]);
bool reel_is_dense_(const reel_shape *s, const int64_t *strides); /* C order without gaps; dims of size 1 ignored */
/* Axis -rank..rank-1 to 0..rank-1; raises EARG "axis 3 is out of range for rank 2". */
int reel_axis_(int axis, int rank, int *out);
/* Bit mask of axes (n = 0: all); out of range or twice: raises. */
int reel_axes_mask_(const reel_axes *axes, int rank, unsigned *mask);
/* A slice range against a dimension, NumPy's rules: first index, count, step. Step 0 counts as 1. */
void reel_range_resolve_(reel_range r, int64_t dim, int64_t *first, int64_t *count, int64_t *step);
/* "[32,784]", "[?,784]", "[]" into buf; returns buf. 8 dims of 20 digits fit in REEL_SHAPE_TEXT. */
enum { REEL_SHAPE_TEXT = 192 };
char *reel_shape_text_(const reel_shape *s, char buf[REEL_SHAPE_TEXT]);
#endif
