/* samples.c: operands from their descriptions, and the arrays of the references. */
#include "samples.h"

#include <stdio.h>

/* ---- arrays ------------------------------------------------------------------------------------------ */
void nd_make(nd *a, reel_dtype d, reel_shape s)
{
    a->dtype = d;
    a->shape = s;
    a->count = reel_shape_count(s);
    a->data = calloc((size_t)(a->count > 0 ? a->count : 1), sizeof *a->data);
}

void nd_free(nd *a)
{
    free(a->data);
    a->data = NULL;
}

void nd_unravel(const reel_shape *s, int64_t i, int64_t at[REEL_MAX_RANK])
{
    for (int k = s->rank - 1; k >= 0; k--) {
        at[k] = i % s->dims[k];
        i /= s->dims[k];
    }
}

int64_t nd_ravel(const reel_shape *s, const int64_t at[REEL_MAX_RANK])
{
    int64_t i = 0;
    for (int k = 0; k < s->rank; k++) i = i * s->dims[k] + at[k];
    return i;
}

int64_t nd_index(const nd *a, const reel_shape *to, int64_t i)
{
    int64_t at[REEL_MAX_RANK], mine[REEL_MAX_RANK];
    const int lead = to->rank - a->shape.rank;
    nd_unravel(to, i, at);
    for (int k = 0; k < a->shape.rank; k++) mine[k] = a->shape.dims[k] == 1 ? 0 : at[k + lead];
    return nd_ravel(&a->shape, mine);
}

reel_shape nd_broadcast(reel_shape a, reel_shape b)
{
    reel_shape s = {.rank = a.rank > b.rank ? a.rank : b.rank};
    for (int i = 1; i <= s.rank; i++) {
        const int64_t x = i <= a.rank ? a.dims[a.rank - i] : 1, y = i <= b.rank ? b.dims[b.rank - i] : 1;
        s.dims[s.rank - i] = x == 1 ? y : x;
    }
    return s;
}

double round_to(double x, reel_dtype d)
{
    switch (d) {
    case REEL_F32: return (double)(float)x;
    case REEL_F16: return (double)reel_f16_to_f32_(reel_f64_to_f16_(x));
    case REEL_BF16: return (double)reel_bf16_to_f32_(reel_f64_to_bf16_(x));
    case REEL_I8: return (double)(int8_t)(int64_t)x;
    case REEL_U8: return (double)(uint8_t)(int64_t)x;
    case REEL_I32: return (double)(int32_t)(int64_t)x;
    case REEL_BOOL: return x != 0;
    default: return x;
    }
}

/* ---- operands ---------------------------------------------------------------------------------------- */
typedef struct description {
    reel_shape shape;
    char layout, values; /* 0: none */
    int classes;
    bool f32;
} description;

static description parse(const char *spec)
{
    description d = {0};
    const char *s = spec + 1;
    while (*s && *s != ']') {
        char *end;
        d.shape.dims[d.shape.rank++] = strtoll(s, &end, 10);
        s = end + (*end == ',');
    }
    for (s++; *s; s++) {
        if (strchr("trsob", *s))
            d.layout = *s;
        else if (*s == 'F')
            d.f32 = true;
        else
            d.values = *s;
        if (*s == 'L' || *s == 'M') {
            d.classes = (int)strtol(s + 1, NULL, 10);
            while (s[1] >= '0' && s[1] <= '9') s++;
        }
    }
    return d;
}

static double special(int64_t i, reel_dtype dtype)
{
    static const double values[] = {1,    NAN,   -2.5,  INFINITY, 0.0, 3,    -INFINITY, -0.0,
                                    1e30, 1e-40, -1e30, -1e-6,    0.5, 88.0, -104.0};
    return round_to(values[(size_t)i % (sizeof values / sizeof *values)], dtype);
}

/* Element i of an operand. A walk over a grid of 101 points: distinct within an operand, shifted between operands. */
static double element(const description *d, reel_dtype dtype, int64_t i, int seed)
{
    const int64_t k = (i * 37 + seed * 13 + 5) % 101;
    const double size = 0.15 + 1.7 * (double)k / 101 + 0.003 * seed, x = k % 2 ? size : -size;
    if (d->values == 'L') return (double)((i * 7 + seed) % d->classes);
    if (d->values == 'M') return (double)((i * 11 + seed) % (2 * d->classes) - d->classes);
    if (d->values == '?' || dtype == REEL_BOOL) return (double)(k % 2);
    if (d->values == '=') return (double)(dtype == REEL_U8 ? k % 5 : k % 5 - 2);
    if (d->values == '!') return special(i + seed, dtype);
    if (reel_is_int_(dtype)) return round((dtype == REEL_U8 || d->values == '+' ? size : x) * 6);
    return d->values == '+' ? size : x;
}

static reel_tensor *dense(const description *d, reel_dtype dtype, reel_shape shape, int seed)
{
    const int64_t n = reel_shape_count(shape);
    const size_t size = reel_dtype_size(dtype);
    char *bytes = calloc((size_t)n + 1, size);
    for (int64_t i = 0; i < n; i++) {
        const double x = element(d, dtype, i, seed);
        reel_convert_(bytes + (size_t)i * size, dtype, 1, &x, REEL_F64, 1, 1);
    }
    reel_tensor *t = reel_from((reel_type){dtype, shape}, bytes, (size_t)n * size);
    free(bytes);
    return t;
}

reel_tensor *operand(const char *spec, reel_dtype dtype, int seed)
{
    if (spec[0] == '#') return reel_num(strtod(spec + 1, NULL));
    const description d = parse(spec);
    reel_shape big = d.shape;
    reel_range r[REEL_MAX_RANK];
    const int rank = d.shape.rank;
    if (d.values == 'L') dtype = REEL_I32;
    if (d.values == 'M') dtype = REEL_I64;
    if (d.values == '?') dtype = REEL_BOOL;
    if (d.f32) dtype = REEL_F32;
    for (int i = 0; i < rank; i++) {
        const int64_t n = d.shape.dims[i];
        r[i] = (reel_range)REEL_ALL;
        if (d.layout == 't') big.dims[i] = d.shape.dims[rank - 1 - i];
        if (d.layout == 'r') r[i] = (reel_range){REEL_END, REEL_END, -1};
        if (d.layout == 's') big.dims[i] = 2 * n + 1, r[i] = (reel_range){1, REEL_END, 2};
        if (d.layout == 'o') big.dims[i] = n + 3, r[i] = (reel_range){2, n + 2, 1};
        if (d.layout == 'b' && i == rank - 1) big.dims[i] = 1;
    }
    reel_tensor *t = dense(&d, dtype, big, seed);
    if (d.layout == 't') return reel_transpose(t, REEL_ALL_AXES);
    if (d.layout == 'b') return reel_broadcast_to(t, d.shape);
    return d.layout ? reel_slice(t, rank, r) : t;
}

reel_tensor *dead(void)
{
    REEL_SCOPED;
    return reel_from_f32(REEL_SHAPE(1), (float[]){1}, 1);
}

/* ---- operands that no op may take -------------------------------------------------------------------- */
static struct {
    reel_vars *vars;
    reel_graph *graph;
    reel_tensor *unset, *symbol;
} strangers;

void strangers_begin(void)
{
    strangers.vars = reel_vars_new("");
    strangers.unset = reel_var_empty(strangers.vars, "unset", REEL_F32, REEL_SHAPE(2));
    strangers.graph = reel_graph_begin();
    strangers.symbol = reel_placeholder(REEL_F32, REEL_SHAPE(2), "symbol");
    reel_graph_end(strangers.graph);
}

void strangers_end(void)
{
    reel_vars_free(strangers.vars);
    reel_graph_free(strangers.graph);
}

reel_tensor *unset(void)
{
    return strangers.unset;
}

reel_tensor *symbol(void)
{
    return strangers.symbol;
}
