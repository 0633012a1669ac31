/* samples_sort.c: sort, argsort, topk, quantiles and searching. p0 axis. */
#include "samples.h"

/* ---- lines along an axis ----------------------------------------------------------------------------- */
static int axis_of(const sample *s, const nd *x)
{
    return s->p[0] < 0 ? (int)s->p[0] + x->shape.rank : (int)s->p[0];
}

/* Where element k of the line of element i lies. */
static int64_t along(const reel_shape *shape, int64_t i, int axis, int64_t k)
{
    int64_t at[REEL_MAX_RANK];
    nd_unravel(shape, i, at);
    at[axis] = k;
    return nd_ravel(shape, at);
}

/* Does element i of the line come before element j? NaN is the greatest, ties are in order. */
static bool before(double a, int64_t i, double b, int64_t j, bool descending)
{
    if (isnan(a) && isnan(b)) return i < j;
    if (isnan(a)) return descending;
    if (isnan(b)) return !descending;
    return a == b ? i < j : descending ? a > b : a < b;
}

/* The place of element k among its line. */
static int64_t place(const double *line, int64_t n, int64_t k, bool descending)
{
    int64_t p = 0;
    for (int64_t j = 0; j < n; j++) p += before(line[j], j, line[k], k, descending);
    return p;
}

/* For each element of each line: f(its line's first index, k, its place). values and index have `keep` along the axis. */
static void sorted(const nd *x, int axis, bool descending, int64_t keep, nd *values, nd *index)
{
    const int64_t n = x->shape.dims[axis];
    reel_shape out = x->shape;
    out.dims[axis] = keep;
    if (values) nd_make(values, x->dtype, out);
    if (index) nd_make(index, REEL_I64, out);
    double *line = calloc((size_t)n + 1, sizeof *line);
    for (int64_t i = 0; i < x->count; i++) {
        if (along(&x->shape, i, axis, 0) != i) continue;
        int64_t at[REEL_MAX_RANK];
        nd_unravel(&x->shape, i, at);
        for (int64_t k = 0; k < n; k++) line[k] = x->data[along(&x->shape, i, axis, k)];
        for (int64_t k = 0; k < n; k++) {
            const int64_t p = place(line, n, k, descending);
            if (p >= keep) continue;
            at[axis] = p;
            if (values) values->data[nd_ravel(&out, at)] = line[k];
            if (index) index->data[nd_ravel(&out, at)] = (double)k;
        }
    }
    free(line);
}

#define LINES                                                                                                 \
    {IN("[1]")}, {IN("[7]")}, {IN("[7]"), WITH(0, 1)}, {IN("[3,4]"), WITH(0)}, {IN("[3,4]"), WITH(-1, 1)},    \
        {IN("[4,3]t"), WITH(1)}, {IN("[7]r"), WITH(0)}, {IN("[2,3]s"), WITH(1, 1)}, {IN("[4,3]o"), WITH(-2)}, \
        {IN("[2,3,4]r"), WITH(1, 1)}, {IN("[1,5,1]"), WITH(1)}, {IN("[3,1]"), WITH(1, 1)}, {IN("[0]")},       \
        {IN("[2,0,3]"), WITH(0)}, {IN("[2,0,3]"), WITH(1, 1)}, {IN("[70,31]="), WITH(0), .flags = NO_GRAD},   \
        {IN("[31,70]t="), WITH(1, 1), .flags = NO_GRAD}, {IN("[5,7]!"), WITH(0)}, {IN("[60]!"), WITH(0, 1)},  \
        {IN("[60]!")}, {IN("[600]="), .flags = NO_GRAD},                                                      \
    {                                                                                                         \
        IN("[3,4]b"), WITH(0)                                                                                 \
    }
static const sample sort_good[] = {LINES, {IN("[90]")}, {IN("[5000]=")}, {IN("[3,300]"), WITH(1, 1)}};
#define argsort_good sort_good

static void refused(reel_tensor *(*f)(const char *, reel_tensor *, int, bool))
{
    BAD(f(REEL_HERE, NULL, 0, false), REEL_EARG, "x is NULL");
    BAD(f(REEL_HERE, dead(), 0, false), REEL_EARG, "x is |dead");
    BAD(f(REEL_HERE, X("[2,3]"), 2, false), REEL_EARG, "axis 2 is out of range for rank 2|x f32[2,3]");
    BAD(f(REEL_HERE, X("[2,3]"), -3, true), REEL_EARG, "axis -3 is out of range for rank 2");
    BAD(f(REEL_HERE, X("[]"), 0, false), REEL_EARG, "axis 0 is out of range for rank 0");
    BAD(f(REEL_HERE, X("[]"), -1, true), REEL_EARG, "axis -1 is out of range for rank 0");
    BAD(f(REEL_HERE, X("[4]"), INT32_MIN, true), REEL_EARG, "out of range for rank 1");
    BAD(f(REEL_HERE, X("[4]"), INT32_MAX, true), REEL_EARG, "out of range for rank 1");
    BAD(f(REEL_HERE, unset(), 0, false), REEL_EARG, "before it has a value");
    BAD(f(REEL_HERE, symbol(), 0, false), REEL_ETRACE, "graph");
}

static int sort_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    (void)d;
    out[0] = reel_sort(in[0], (int)s->p[0], s->p[1] != 0);
    return reel_status();
}

static int argsort_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    (void)d;
    out[0] = reel_argsort(in[0], (int)s->p[0], s->p[1] != 0);
    return reel_status();
}

static void sort_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    const int axis = axis_of(s, in);
    (void)d;
    sorted(in, axis, s->p[1] != 0, in->shape.dims[axis], out, NULL);
}

static void argsort_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    const int axis = axis_of(s, in);
    (void)d;
    sorted(in, axis, s->p[1] != 0, in->shape.dims[axis], NULL, out);
}

static void sort_bad(void)
{
    refused(reel_sort_at);
}

static void argsort_bad(void)
{
    refused(reel_argsort_at);
}

const samples samples_sort = {GOOD(sort_good), .apply = sort_apply, .reference = sort_reference, .bad = sort_bad};
const samples samples_argsort = {GOOD(argsort_good), .apply = argsort_apply, .reference = argsort_reference,
                                 .bad = argsort_bad};

/* ---- topk: p1 k, p2 smallest, p3 unsorted -------------------------------------------------------------- */
static const sample topk_good[] = {{IN("[1]"), WITH(0, 1)},
                                   {IN("[7]"), WITH(0, 3)},
                                   {IN("[7]"), WITH(0, 7, 1)},
                                   {IN("[7]"), WITH(0, 0)},
                                   {IN("[3,4]"), WITH(0, 2)},
                                   {IN("[3,4]"), WITH(-1, 2, 1)},
                                   {IN("[4,3]t"), WITH(1, 1)},
                                   {IN("[7]r"), WITH(0, 4, 0, 1)},
                                   {IN("[2,5]s"), WITH(1, 3, 1, 1)},
                                   {IN("[4,3]o"), WITH(-2, 2)},
                                   {IN("[2,3,4]r"), WITH(1, 2)},
                                   {IN("[3,4]b"), WITH(0, 2)},
                                   {IN("[0]"), WITH(0, 0)},
                                   {IN("[2,0,3]"), WITH(0, 1)},
                                   {IN("[2,0,3]"), WITH(1, 0)},
                                   {IN("[70,31]="), WITH(0, 5), .flags = NO_GRAD},
                                   {IN("[300]="), WITH(0, 20, 1), .flags = NO_GRAD},
                                   {IN("[5,7]!"), WITH(0, 3)},
                                   {IN("[60]!"), WITH(0, 20, 1)},
                                   {IN("[60]!"), WITH(0, 20)},
                                   {IN("[9000]="), WITH(0, 10), .flags = NO_GRAD}};

static int topk_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    (void)d;
    return reel_topk(in[0], (int64_t)s->p[1], (int)s->p[0],
                     REEL_OPTS(topk, .smallest = s->p[2] != 0, .unsorted = s->p[3] != 0), out);
}

static void topk_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    const int axis = axis_of(s, in);
    const int64_t k = (int64_t)s->p[1];
    (void)d;
    sorted(in, axis, s->p[2] == 0, k, &out[0], &out[1]);
    if (s->p[3] == 0) return;
    for (int64_t i = 0; i < out[1].count; i++) /* in order of index: exchange sort of each line */
        for (int64_t j = 0, first = along(&out[1].shape, i, axis, 0); first == i && j < k; j++)
            for (int64_t l = j + 1; l < k; l++) {
                const int64_t a = along(&out[1].shape, i, axis, j), b = along(&out[1].shape, i, axis, l);
                if (out[1].data[a] < out[1].data[b]) continue;
                const double v = out[0].data[a], n = out[1].data[a];
                out[0].data[a] = out[0].data[b], out[1].data[a] = out[1].data[b];
                out[0].data[b] = v, out[1].data[b] = n;
            }
}

static void topk_bad(void)
{
    reel_tensor *y[2];
    BAD_CODE(reel_topk(NULL, 1, 0, NULL, y), REEL_EARG, "reel_topk|x is NULL");
    BAD_CODE(reel_topk(dead(), 1, 0, NULL, y), REEL_EARG, "x is |dead");
    BAD_CODE(reel_topk(X("[2,3]"), 1, 2, NULL, y), REEL_EARG, "axis 2 is out of range for rank 2|x f32[2,3]");
    BAD_CODE(reel_topk(X("[2,3]"), 4, 1, NULL, y), REEL_EARG, "k is 4, axis 1 has 3 elements");
    BAD_CODE(reel_topk(X("[2,3]"), 3, 0, NULL, y), REEL_EARG, "k is 3, axis 0 has 2 elements");
    BAD_CODE(reel_topk(X("[2,3]"), -1, 0, NULL, y), REEL_EARG, "k is -1, axis 0 has 2 elements");
    BAD_CODE(reel_topk(X("[2,3]"), INT64_MAX, 0, NULL, y), REEL_EARG, "k is 9223372036854775807");
    BAD_CODE(reel_topk(X("[]"), 0, 0, NULL, y), REEL_EARG, "axis 0 is out of range for rank 0");
    BAD_CODE(reel_topk(X("[2,3]"), 1, 0, NULL, NULL), REEL_EARG, "out is NULL");
    BAD_CODE(reel_topk(unset(), 1, 0, NULL, y), REEL_EARG, "before it has a value");
    BAD_CODE(reel_topk(symbol(), 1, 0, NULL, y), REEL_ETRACE, "graph");
}

const samples samples_topk = {GOOD_OF(topk_good, 2), .apply = topk_apply, .reference = topk_reference, .bad = topk_bad};

/* ---- quantiles: p1 q, p2 method, p3 keepdims ------------------------------------------------------------- */
static const sample quantile_good[] = {{IN("[1]"), WITH(0, 0.3)},
                                       {IN("[7]"), WITH(0, 0.5)},
                                       {IN("[7]"), WITH(0, 0.3)},
                                       {IN("[7]"), WITH(0, 0)},
                                       {IN("[7]"), WITH(0, 1, 0, 1)},
                                       {IN("[6]r"), WITH(0, 0.45, REEL_QUANTILE_LOWER)},
                                       {IN("[6]"), WITH(0, 0.45, REEL_QUANTILE_HIGHER)},
                                       {IN("[6]s"), WITH(0, 0.45, REEL_QUANTILE_NEAREST)},
                                       {IN("[6]"), WITH(0, 0.5, REEL_QUANTILE_NEAREST)},
                                       {IN("[4]"), WITH(0, 0.5, REEL_QUANTILE_NEAREST)},
                                       {IN("[6]o"), WITH(0, 0.45, REEL_QUANTILE_MIDPOINT)},
                                       {IN("[3,4]"), WITH(0, 0.25)},
                                       {IN("[3,4]t"), WITH(-1, 0.75, 0, 1)},
                                       {IN("[2,5,3]r"), WITH(1, 0.6)},
                                       {IN("[3,4]b"), WITH(0, 0.9)},
                                       {IN("[2,0,3]"), WITH(0, 0.4)},
                                       {IN("[0,3]"), WITH(1, 0.4, 0, 1)},
                                       {IN("[300]="), WITH(0, 0.9), .flags = NO_GRAD},
                                       {IN("[70,31]="), WITH(1, 0.1), .flags = NO_GRAD},
                                       {IN("[5,7]!"), WITH(1, 0.5)},
                                       {IN("[15]!"), WITH(0, 0.2)}};
static const sample median_good[] = {{IN("[1]")},
                                     {IN("[7]")},
                                     {IN("[6]")},
                                     {IN("[6]r"), WITH(0, [3] = 1)},
                                     {IN("[3,4]"), WITH(0)},
                                     {IN("[3,4]t"), WITH(1)},
                                     {IN("[4,5]s"), WITH(-1, [3] = 1)},
                                     {IN("[4,3]o"), WITH(0)},
                                     {IN("[2,5,3]"), WITH(1)},
                                     {IN("[3,4]b"), WITH(0)},
                                     {IN("[2,0,3]"), WITH(2)},
                                     {IN("[500]="), .flags = NO_GRAD},
                                     {IN("[5,7]!"), WITH(1)},
                                     {IN("[30,71]="), WITH(1), .flags = NO_GRAD}};
static const sample quantile_pick_good[] = {{IN("[1]"), WITH(0, 0.3)},
                                            {IN("[7]"), WITH(0, 0.5)},
                                            {IN("[7]"), WITH(0, 0.3)},
                                            {IN("[7]"), WITH(0, 0)},
                                            {IN("[7]"), WITH(0, 1)},
                                            {IN("[6]r"), WITH(0, 0.45, REEL_QUANTILE_LOWER)},
                                            {IN("[6]"), WITH(0, 0.45, REEL_QUANTILE_HIGHER)},
                                            {IN("[6]s"), WITH(0, 0.45, REEL_QUANTILE_NEAREST)},
                                            {IN("[6]"), WITH(0, 0.5, REEL_QUANTILE_NEAREST)},
                                            {IN("[6]o"), WITH(0, 0.45, REEL_QUANTILE_MIDPOINT)},
                                            {IN("[3,4]t"), WITH(-1, 0.75)},
                                            {IN("[2,0,3]"), WITH(0, 0.4)},
                                            {IN("[5,7]!"), WITH(1, 0.5)},
                                            {IN("[3,4]b"), WITH(0, 0.9)},
                                            {IN("[70,31]="), WITH(0, 0.9)}};

/* Indices of the neighbours and the distance, of one line. */
static void neighbours(const double *line, int64_t n, double q, int method, int64_t at[2], double *weight)
{
    const double h = q * (double)(n - 1);
    const int64_t k = (int64_t)floor(h);
    double w = h - floor(h);
    int64_t low = 0, nan = -1;
    for (int64_t i = n - 1; i >= 0; i--)
        if (isnan(line[i])) nan = i;
    if (method == REEL_QUANTILE_LOWER) w = 0;
    if (method == REEL_QUANTILE_HIGHER) w = w > 0;
    if (method == REEL_QUANTILE_NEAREST) w = w == 0.5 ? (double)(k & 1) : w > 0.5;
    if (method == REEL_QUANTILE_MIDPOINT) w = w > 0 ? 0.5 : 0;
    low = w == 1 ? k + 1 : k;
    if (w == 1) w = 0;
    for (int64_t i = 0; i < n; i++) {
        const int64_t p = place(line, n, i, false);
        if (p == low) at[0] = i;
        if (p == low + (w > 0)) at[1] = i;
    }
    if (nan >= 0) at[0] = at[1] = nan, w = 0;
    *weight = w;
}

static void quantiles(const sample *s, const nd *x, double q, int method, bool keepdims, nd *low, nd *high, nd *weight,
                      nd *y)
{
    const int axis = axis_of(s, x);
    const int64_t n = x->shape.dims[axis];
    reel_shape out = x->shape, cut = {0};
    out.dims[axis] = 1;
    for (int i = 0; i < out.rank; i++)
        if (i != axis || keepdims) cut.dims[cut.rank++] = out.dims[i];
    if (low) nd_make(low, REEL_I64, out), nd_make(high, REEL_I64, out), nd_make(weight, x->dtype, out);
    if (y) nd_make(y, x->dtype, cut);
    double *line = calloc((size_t)n + 1, sizeof *line);
    for (int64_t o = 0; o < reel_shape_count(out); o++) {
        int64_t at[REEL_MAX_RANK], two[2] = {0, 0};
        double w = 0;
        nd_unravel(&out, o, at);
        for (int64_t k = 0; k < n; k++) {
            at[axis] = k;
            line[k] = x->data[nd_ravel(&x->shape, at)];
        }
        neighbours(line, n, q, method, two, &w);
        if (low) low->data[o] = (double)two[0], high->data[o] = (double)two[1], weight->data[o] = w;
        if (y) y->data[o] = two[0] == two[1] ? line[two[0]] : line[two[0]] + (line[two[1]] - line[two[0]]) * w;
    }
    free(line);
}

static int quantile_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    (void)d;
    out[0] = reel_quantile(in[0], s->p[1], (int)s->p[0], (reel_quantile_method)s->p[2], s->p[3] != 0);
    return reel_status();
}

static int median_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    (void)d;
    out[0] = reel_median(in[0], (int)s->p[0], s->p[3] != 0);
    return reel_status();
}

static int quantile_pick_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    (void)d;
    return reel_quantile_pick_at_(REEL_HERE, in[0], s->p[1], (int)s->p[0], (int)s->p[2], out);
}

static void quantile_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    (void)d;
    quantiles(s, in, s->p[1], (int)s->p[2], s->p[3] != 0, NULL, NULL, NULL, out);
}

static void median_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    (void)d;
    quantiles(s, in, 0.5, REEL_QUANTILE_LINEAR, s->p[3] != 0, NULL, NULL, NULL, out);
}

static void quantile_pick_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    (void)d;
    quantiles(s, in, s->p[1], (int)s->p[2], true, &out[0], &out[1], &out[2], NULL);
}

static void quantile_bad(void)
{
    BAD(reel_quantile(NULL, 0.5, 0, REEL_QUANTILE_LINEAR, false), REEL_EARG, "x is NULL");
    BAD(reel_quantile(dead(), 0.5, 0, REEL_QUANTILE_LINEAR, false), REEL_EARG, "x is |dead");
    BAD(reel_quantile(X("[2,3]"), 0.5, 2, REEL_QUANTILE_LINEAR, false), REEL_EARG, "axis 2 is out of range for rank 2");
    BAD(reel_quantile(X("[2,3]"), 1.5, 0, REEL_QUANTILE_LINEAR, false), REEL_EARG, "q is 1.5, it must be in [0, 1]");
    BAD(reel_quantile(X("[2,3]"), -0.1, 0, REEL_QUANTILE_LINEAR, false), REEL_EARG, "q is -0.1");
    BAD(reel_quantile(X("[2,3]"), NAN, 0, REEL_QUANTILE_LINEAR, false), REEL_EARG, "q is nan");
    BAD(reel_quantile(X("[2,3]"), 0.5, 0, (reel_quantile_method)5, false), REEL_EARG, "5 is no method");
    BAD(reel_quantile(X("[2,0]"), 0.5, 1, REEL_QUANTILE_LINEAR, false), REEL_ESHAPE,
        "axis 1 is empty: there is no quantile");
    BAD(reel_quantile(XD("[2,3]", REEL_I32), 0.5, 0, REEL_QUANTILE_LINEAR, false), REEL_EDTYPE,
        "x is i32, allowed: f32");
    BAD(reel_quantile(X("[]"), 0.5, 0, REEL_QUANTILE_LINEAR, false), REEL_EARG, "axis 0 is out of range for rank 0");
    BAD(reel_quantile(unset(), 0.5, 0, REEL_QUANTILE_LINEAR, false), REEL_EARG, "before it has a value");
    BAD(reel_quantile(symbol(), 0.5, 0, REEL_QUANTILE_LINEAR, false), REEL_ETRACE, "graph");
}

static void median_bad(void)
{
    BAD(reel_median(NULL, 0, false), REEL_EARG, "x is NULL");
    BAD(reel_median(dead(), 0, false), REEL_EARG, "x is |dead");
    BAD(reel_median(X("[2,3]"), 2, false), REEL_EARG, "axis 2 is out of range for rank 2");
    BAD(reel_median(X("[2,3]"), -3, false), REEL_EARG, "axis -3 is out of range for rank 2");
    BAD(reel_median(X("[2,0]"), 1, false), REEL_ESHAPE, "axis 1 is empty");
    BAD(reel_median(X("[0]"), 0, true), REEL_ESHAPE, "axis 0 is empty");
    BAD(reel_median(XD("[2,3]", REEL_I32), 0, false), REEL_EDTYPE, "x is i32, allowed: f32");
    BAD(reel_median(XD("[2,3]", REEL_BOOL), 0, false), REEL_EDTYPE, "x is bool, allowed: f32");
    BAD(reel_median(X("[]"), 0, false), REEL_EARG, "axis 0 is out of range for rank 0");
    BAD(reel_median(unset(), 0, false), REEL_EARG, "before it has a value");
    BAD(reel_median(symbol(), 0, false), REEL_ETRACE, "graph");
}

#define PICK(x, q, axis, method) reel_quantile_pick_at_(REEL_HERE, x, q, axis, method, y)
static void quantile_pick_bad(void)
{
    reel_tensor *y[3];
    BAD_CODE(PICK(NULL, 0.5, 0, 0), REEL_EARG, "x is NULL");
    BAD_CODE(PICK(dead(), 0.5, 0, 0), REEL_EARG, "dead");
    BAD_CODE(PICK(X("[2,3]"), 0.5, 2, 0), REEL_EARG, "axis 2 is out of range for rank 2");
    BAD_CODE(PICK(X("[2,3]"), 1.5, 0, 0), REEL_EARG, "q is 1.5");
    BAD_CODE(PICK(X("[2,3]"), NAN, 0, 0), REEL_EARG, "q is nan");
    BAD_CODE(PICK(X("[2,3]"), 0.5, 0, -1), REEL_EARG, "-1 is no method");
    BAD_CODE(PICK(X("[2,0]"), 0.5, 1, 0), REEL_ESHAPE, "axis 1 is empty");
    BAD_CODE(PICK(XD("[2,3]", REEL_I32), 0.5, 0, 0), REEL_EDTYPE, "x is i32");
    BAD_CODE(PICK(X("[]"), 0.5, 0, 0), REEL_EARG, "rank 0");
    BAD_CODE(PICK(unset(), 0.5, 0, 0), REEL_EARG, "before it has a value");
    BAD_CODE(PICK(symbol(), 0.5, 0, 0), REEL_ETRACE, "graph");
}

const samples samples_quantile = {GOOD(quantile_good), .scale = 4, .apply = quantile_apply,
                                  .reference = quantile_reference, .bad = quantile_bad};
const samples samples_median = {GOOD(median_good), .scale = 4, .apply = median_apply, .reference = median_reference,
                                .bad = median_bad};
const samples samples_quantile_pick = {GOOD_OF(quantile_pick_good, 3), .apply = quantile_pick_apply,
                                       .reference = quantile_pick_reference, .bad = quantile_pick_bad};

/* ---- searchsorted: p0 right. The sorted rows are sorted here. --------------------------------------------- */
static const sample searchsorted_good[] = {{IN("[7]", "[]")},
                                           {IN("[7]", "[5]")},
                                           {IN("[7]", "[5]"), WITH(1)},
                                           {IN("[7]=", "[9]=")},
                                           {IN("[7]=", "[9]="), WITH(1)},
                                           {IN("[1]", "[1]")},
                                           {IN("[0]", "[4]")},
                                           {IN("[6]", "[0]")},
                                           {IN("[3,6]=", "[3,4]=")},
                                           {IN("[3,6]=", "[3,4]=t"), WITH(1)},
                                           {IN("[2,3,5]", "[2,3,4]r")},
                                           {IN("[9]r", "[2,3]s")},
                                           {IN("[9]s", "[2,3]o"), WITH(1)},
                                           {IN("[3,0]", "[3,2]")},
                                           {IN("[9]", "[3,4]b")},
                                           {IN("[20]!", "[30]!")},
                                           {IN("[20]!", "[30]!"), WITH(1)},
                                           {IN("[100]=", "[3000]=")},
                                           {IN("[2,100]", "[2,1500]")}};

static int searchsorted_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    (void)d;
    out[0] = reel_searchsorted(reel_sort(in[0], -1, false), in[1], s->p[0] != 0);
    return reel_status();
}

static void searchsorted_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    const int64_t n = in[0].shape.dims[in[0].shape.rank - 1];
    const int64_t per_row =
        in[0].shape.rank == 1 || in[1].shape.rank == 0 ? in[1].count + 1 : in[1].shape.dims[in[1].shape.rank - 1];
    (void)d;
    nd_make(out, REEL_I64, in[1].shape);
    for (int64_t i = 0; i < in[1].count; i++)
        for (int64_t k = 0; k < n; k++) {
            const double a = in[0].data[i / per_row * n + k], v = in[1].data[i];
            const bool less = isnan(v) ? !isnan(a) : a < v, equal = a == v || (isnan(a) && isnan(v));
            out->data[i] += less || (s->p[0] != 0 && equal);
        }
}

static void searchsorted_bad(void)
{
    BAD(reel_searchsorted(NULL, X("[2]"), false), REEL_EARG, "sorted is NULL");
    BAD(reel_searchsorted(X("[2]"), NULL, false), REEL_EARG, "values is NULL");
    BAD(reel_searchsorted(dead(), X("[2]"), false), REEL_EARG, "sorted is |dead");
    BAD(reel_searchsorted(X("[]"), X("[2]"), false), REEL_ESHAPE, "values [2] cannot be searched for in []");
    BAD(reel_searchsorted(X("[2,3]"), X("[3,3]"), false), REEL_ESHAPE, "values [3,3] cannot be searched for in [2,3]");
    BAD(reel_searchsorted(X("[2,3]"), X("[]"), false), REEL_ESHAPE, "values [] cannot be searched for in [2,3]");
    BAD(reel_searchsorted(X("[2,3]"), X("[3]"), false), REEL_ESHAPE, "values [3] cannot be searched for in [2,3]");
    BAD(reel_searchsorted(X("[2]"), XD("[2]", REEL_F64), false), REEL_EDTYPE, "f64");
    BAD(reel_searchsorted(unset(), X("[2]"), false), REEL_EARG, "before it has a value");
    BAD(reel_searchsorted(X("[2]"), symbol(), false), REEL_ETRACE, "graph");
}

const samples samples_searchsorted = {GOOD(searchsorted_good), .apply = searchsorted_apply,
                                      .reference = searchsorted_reference, .bad = searchsorted_bad};
