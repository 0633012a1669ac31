/* numerics.c: the first NaN or infinity, and what went in. */
#include "numerics.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include "context.h"

/* ---- elements in any layout -------------------------------------------------------------------------- */

/* Calls row for each line along the last axis, in C order, with the number of its first element. */
static void each_row(const reel_kview *v, void (*row)(void *arg, const char *p, int64_t stride, int64_t n, int64_t at),
                     void *arg)
{
    int64_t index[REEL_MAX_RANK] = {0}, count = 1, offset = 0;
    const int last = v->rank - 1;
    const int64_t n = v->rank ? v->dims[last] : 1, stride = v->rank ? v->strides[last] : 1;
    const int64_t size = (int64_t)reel_size_(v->dtype);
    for (int i = 0; i < v->rank; i++) count *= v->dims[i];
    for (int64_t at = 0; at < count; at += n) {
        row(arg, (const char *)v->data + offset * size, stride, n, at);
        for (int i = last - 1; i >= 0; i--) {
            offset += v->strides[i];
            if (++index[i] < v->dims[i]) break;
            offset -= v->dims[i] * v->strides[i];
            index[i] = 0;
        }
    }
}

typedef struct gather {
    char *dst;
    reel_dtype dtype;
} gather;

static void gather_row(void *arg, const char *p, int64_t stride, int64_t n, int64_t at)
{
    const gather *g = arg;
    const int64_t size = (int64_t)reel_size_(g->dtype);
    char *dst = g->dst + at * size;
    if (stride == 1) {
        memcpy(dst, p, (size_t)(n * size));
        return;
    }
    for (int64_t i = 0; i < n; i++) memcpy(dst + i * size, p + i * stride * size, (size_t)size);
}

void reel_kview_copy_(void *dst, const reel_kview *v)
{
    gather g = {dst, v->dtype};
    each_row(v, gather_row, &g);
}

/* ---- statistics -------------------------------------------------------------------------------------- */

/* The exponent's bits all set: NaN or infinity. */
#define FINITE(NAME, TYPE, MASK)                                           \
    static bool NAME(const TYPE *x, int64_t n)                             \
    {                                                                      \
        for (int64_t i = 0; i < n;) { /* by pieces, to stop early */       \
            const int64_t end = i + 1024 < n ? i + 1024 : n;               \
            unsigned bad = 0;                                              \
            for (; i < end; i++) bad |= (x[i] & (TYPE)MASK) == (TYPE)MASK; \
            if (bad) return false;                                         \
        }                                                                  \
        return true;                                                       \
    }
FINITE(finite_f32, uint32_t, 0x7f800000u)
FINITE(finite_f64, uint64_t, 0x7ff0000000000000u)
FINITE(finite_f16, uint16_t, 0x7c00u)
FINITE(finite_bf16, uint16_t, 0x7f80u)

bool reel_all_finite_(const void *data, reel_dtype d, int64_t n)
{
    switch (d) {
    case REEL_F32: return finite_f32(data, n);
    case REEL_F64: return finite_f64(data, n);
    case REEL_F16: return finite_f16(data, n);
    case REEL_BF16: return finite_bf16(data, n);
    default: return true;
    }
}

typedef struct counting {
    reel_stats *s;
    reel_dtype dtype;
} counting;

static void count_row(void *arg, const char *p, int64_t stride, int64_t n, int64_t at)
{
    enum { PIECE = 256 };
    const counting *c = arg;
    reel_stats *s = c->s;
    double x[PIECE];
    for (int64_t i = 0; i < n; i += PIECE) {
        const int64_t m = n - i < PIECE ? n - i : PIECE;
        reel_convert_(x, REEL_F64, 1, p + i * stride * (int64_t)reel_size_(c->dtype), c->dtype, stride, m);
        for (int64_t k = 0; k < m; k++) {
            if (isfinite(x[k])) {
                s->min = fmin(s->min, x[k]);
                s->max = fmax(s->max, x[k]);
                s->mean += x[k];
                continue;
            }
            if (s->first_bad < 0) s->first_bad = at + i + k;
            s->nans += isnan(x[k]);
            s->infs += !isnan(x[k]);
        }
    }
    s->n += n;
}

void reel_stats_(const reel_kview *v, reel_stats *out)
{
    *out = (reel_stats){.first_bad = -1, .min = NAN, .max = NAN};
    counting c = {out, v->dtype};
    each_row(v, count_row, &c);
    const int64_t finite = out->n - out->nans - out->infs;
    out->mean = finite > 0 ? out->mean / (double)finite : NAN;
}

/* ---- the check --------------------------------------------------------------------------------------- */

static bool is_finite(const reel_kview *v)
{
    if (!v->data || !reel_is_float_(v->dtype)) return true;
    int64_t n = 1;
    bool dense = true;
    for (int i = v->rank - 1; i >= 0; i--) {
        dense = dense && (v->strides[i] == n || v->dims[i] == 1);
        n *= v->dims[i];
    }
    if (dense) return reel_all_finite_(v->data, v->dtype, n);
    reel_stats s;
    reel_stats_(v, &s);
    return s.first_bad < 0;
}

/* An infinite number among the attributes: clip's bounds, a mask's fill. They are plain bytes; whole numbers are never that. */
static bool has_infinity(const void *attr, size_t size)
{
    for (size_t i = 0; attr && i + sizeof(uint64_t) <= size; i += sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, (const char *)attr + i, sizeof word);
        if ((word & ~(UINT64_C(1) << 63)) == UINT64_C(0x7ff0000000000000)) return true;
    }
    return false;
}

static void type_text(const reel_kview *v, char *buf, size_t size)
{
    char shape[REEL_SHAPE_TEXT];
    reel_shape s = {.rank = v->rank};
    for (int i = 0; i < v->rank; i++) s.dims[i] = v->dims[i];
    snprintf(buf, size, "%s%s", reel_dtype_name(v->dtype), reel_shape_text_(&s, shape));
}

static void index_text(const reel_kview *v, int64_t at, char *buf, size_t size)
{
    int64_t index[REEL_MAX_RANK];
    size_t n = 0;
    for (int i = v->rank - 1; i >= 0; i--) {
        index[i] = at % v->dims[i];
        at /= v->dims[i];
    }
    for (int i = 0; i < v->rank && n < size; i++)
        n += (size_t)snprintf(buf + n, size - n, "%s%" PRId64, i ? "," : "", index[i]);
    if (!v->rank) buf[0] = '\0';
}

REEL_COLD static int report(const reel_op *op, const reel_kview *in, int n_in, const reel_kview *out, int j, int n_out,
                            const char *name)
{
    char type[REEL_SHAPE_TEXT + 8], where[REEL_MAX_RANK * 21], which[32] = "", called[80] = "";
    reel_stats s;
    reel_stats_(out, &s);
    type_text(out, type, sizeof type);
    index_text(out, s.first_bad, where, sizeof where);
    if (n_out > 1) snprintf(which, sizeof which, "output %d, ", j);
    if (name) snprintf(called, sizeof called, "\"%.70s\", ", name);
    const int rc = reel_fail(REEL_ENUMERICS,
                             "numbers checked: %s%s%s, has %" PRId64 " NaN and %" PRId64 " infinite of %" PRId64
                             ", the first at [%s], from finite inputs",
                             which, called, type, s.nans, s.infs, s.n, where);
    for (int i = 0; i < n_in; i++) {
        char arg[REEL_ARG_TEXT];
        if (!in[i].data) continue;
        reel_stats_(&in[i], &s);
        type_text(&in[i], type, sizeof type);
        reel_error_append_("%s %s %s min %g max %g mean %g NaN %" PRId64 " inf %" PRId64, i ? "," : ":",
                           reel_arg_name_(op, i, arg), type, s.min, s.max, s.mean, s.nans, s.infs);
    }
    return rc;
}

int reel_check_finite_(const reel_op *op, const void *attr, const reel_kview *in, int n_in, const reel_kview *out,
                       int n_out, const char *name)
{
    if (n_in == 0 || op->flags & (REEL_OPF_CREATE | REEL_OPF_EFFECT)) return 0; /* these give what they were told to */
    int j = 0;
    while (j < n_out && is_finite(&out[j])) j++;
    if (j == n_out || has_infinity(attr, op->attr_size)) return 0;
    for (int i = 0; i < n_in; i++)
        if (!is_finite(&in[i])) return 0;
    return report(op, in, n_in, &out[j], j, n_out, name);
}
