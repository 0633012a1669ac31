/* shape.c: shapes with checked arithmetic, broadcasting, axes and ranges. */
#include "core/shape.h"
#include <inttypes.h>
#include <stdio.h>

int64_t reel_shape_count(reel_shape s)
{
    if (s.rank < 0 || s.rank > REEL_MAX_RANK) {
        return -2;
    }
    int64_t n = 1;
    bool zero = false, any = false;
    for (int i = 0; i < s.rank; i++) {
        const int64_t d = s.dims[i];
        if (d < REEL_ANY) {
            return -2;
        }
        zero = zero || d == 0;
        any = any || d == REEL_ANY;
        /* zeros are left out of the product: [0, 2^62, 2^62] overflows as its strides would */
        if (d > 0 && REEL_MUL_OVERFLOW(n, d, &n)) {
            return -2;
        }
    }
    return any ? REEL_ANY : zero ? 0 : n;
}

int reel_shape_check_(reel_shape s, bool allow_any)
{
    char text[REEL_SHAPE_TEXT];
    if (s.rank < 0 || s.rank > REEL_MAX_RANK) {
        return reel_fail(REEL_ESHAPE, "rank %d is not between 0 and %d", s.rank, REEL_MAX_RANK);
    }
    for (int i = 0; i < s.rank; i++) {
        if (s.dims[i] == REEL_ANY && !allow_any) {
            return reel_fail(REEL_ESHAPE,
                             "shape %s has an unknown dimension, which only a graph's placeholders may have",
                             reel_shape_text_(&s, text));
        }
        if (s.dims[i] < REEL_ANY) {
            return reel_fail(REEL_ESHAPE, "shape %s has a negative dimension: axis %d is %" PRId64,
                             reel_shape_text_(&s, text), i, s.dims[i]);
        }
    }
    const int64_t n = reel_shape_count(s);
    if (n < REEL_ANY || n > INT64_MAX / 8) {
        return reel_fail(REEL_ESHAPE, "shape %s is too large: its size overflows", reel_shape_text_(&s, text));
    }
    return REEL_OK;
}

int reel_shape_broadcast_(const reel_shape *a, const reel_shape *b, reel_shape *out)
{
    reel_shape r = {.rank = a->rank > b->rank ? a->rank : b->rank};
    for (int i = 1; i <= r.rank; i++) { /* from the last axis backwards */
        const int64_t x = i <= a->rank ? a->dims[a->rank - i] : 1;
        const int64_t y = i <= b->rank ? b->dims[b->rank - i] : 1;
        int64_t d = x;
        if (x == 1 || (x == REEL_ANY && y != 1)) {
            d = y;
        } else if (y != 1 && y != REEL_ANY && x != y) {
            char ta[REEL_SHAPE_TEXT], tb[REEL_SHAPE_TEXT];
            return reel_fail(REEL_ESHAPE,
                             "shapes %s and %s do not broadcast: %" PRId64 " against %" PRId64 " at axis %d",
                             reel_shape_text_(a, ta), reel_shape_text_(b, tb), x, y, -i);
        }
        r.dims[r.rank - i] = d;
    }
    *out = r;
    /* two legal shapes can broadcast to one that is too large: [2^40,1] with [1,2^40] */
    return reel_shape_check_(r, true);
}

void reel_shape_strides_(const reel_shape *s, int64_t strides[REEL_MAX_RANK])
{
    int64_t step = 1;
    for (int i = s->rank - 1; i >= 0; i--) {
        strides[i] = step;
        step *= s->dims[i] > 0 ? s->dims[i] : 1;
    }
}

bool reel_is_dense_(const reel_shape *s, const int64_t *strides)
{
    int64_t step = 1;
    bool dense = true;
    for (int i = s->rank - 1; i >= 0; i--) {
        if (s->dims[i] == 0) {
            return true; /* nothing in it, no gaps */
        }
        if (s->dims[i] != 1) {
            dense = dense && strides[i] == step;
            step *= s->dims[i];
        }
    }
    return dense;
}

int reel_axis_(int axis, int rank, int *out)
{
    if (axis < -rank || axis >= rank) {
        return reel_fail(REEL_EARG, "axis %d is out of range for rank %d", axis, rank);
    }
    *out = axis < 0 ? axis + rank : axis;
    return REEL_OK;
}

int reel_axes_mask_(const reel_axes *axes, int rank, unsigned *mask)
{
    unsigned m = 0;
    if (axes->n < 0 || axes->n > REEL_MAX_RANK) {
        return reel_fail(REEL_EARG, "%d axes are not between 0 and %d", axes->n, REEL_MAX_RANK);
    }
    for (int i = 0; i < axes->n; i++) {
        int a = 0;
        const int code = reel_axis_(axes->axis[i], rank, &a);
        if (code) {
            return code;
        }
        if (m >> a & 1u) {
            return reel_fail(REEL_EARG, "axis %d is given twice", axes->axis[i]);
        }
        m |= 1u << a;
    }
    *mask = axes->n ? m : (1u << rank) - 1u;
    return REEL_OK;
}

/* An end of a range as an index between low and high; left out: the default. */
static int64_t clip(int64_t x, int64_t dim, int64_t low, int64_t high)
{
    if (x < 0) {
        x = x < -dim ? low : x + dim; /* no sum of two negative numbers: it could overflow */
    }
    return x < low ? low : x > high ? high : x;
}

void reel_range_resolve_(reel_range r, int64_t dim, int64_t *first, int64_t *count, int64_t *step)
{
    const int64_t by = r.step == 0 ? 1 : r.step;
    uint64_t span = 0, stride = 0;
    int64_t a, b;
    if (by > 0) {
        a = r.start == REEL_END ? 0 : clip(r.start, dim, 0, dim);
        b = r.stop == REEL_END ? dim : clip(r.stop, dim, 0, dim);
        span = b > a ? (uint64_t)(b - a) : 0;
        stride = (uint64_t)by;
    } else {
        a = r.start == REEL_END ? dim - 1 : clip(r.start, dim, -1, dim - 1);
        b = r.stop == REEL_END ? -1 : clip(r.stop, dim, -1, dim - 1);
        span = a > b ? (uint64_t)(a - b) : 0;
        stride = 0 - (uint64_t)by;
    }
    *count = (int64_t)(span == 0 ? 0 : (span - 1) / stride + 1);
    *first = *count ? a : 0;
    *step = by;
}

char *reel_shape_text_(const reel_shape *s, char buf[REEL_SHAPE_TEXT])
{
    int at = snprintf(buf, REEL_SHAPE_TEXT, "[");
    for (int i = 0; i < s->rank && i < REEL_MAX_RANK; i++) {
        const char *comma = i ? "," : "";
        if (s->dims[i] == REEL_ANY) {
            at += snprintf(buf + at, (size_t)(REEL_SHAPE_TEXT - at), "%s?", comma);
        } else {
            at += snprintf(buf + at, (size_t)(REEL_SHAPE_TEXT - at), "%s%" PRId64, comma, s->dims[i]);
        }
    }
    snprintf(buf + at, (size_t)(REEL_SHAPE_TEXT - at), "]");
    return buf;
}
