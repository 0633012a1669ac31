/* samples_sampling.c: grid_sample, its backward, affine_grid, rotary, against plain loops. */
#include "samples.h"

/* ---- grid_sample: p: mode, padding, align --------------------------------------------------------------------- */
static double folded(double x, double low, double high)
{
    if (low == high) return low;
    const double span = high - low, d = fabs(x - low), turns = floor(d / span), extra = d - turns * span;
    return fmod(turns, 2) == 0 ? low + extra : high - extra;
}

static double place(const sample *s, double x, int64_t n)
{
    if (s->p[1] == 2) x = s->p[2] != 0 ? folded(x, 0, (double)(n - 1)) : folded(x, -0.5, (double)n - 0.5);
    return s->p[1] != 0 ? fmin(fmax(x, 0), (double)(n - 1)) : x;
}

/* The kernel at distance d: cubic convolution (Keys 1981, a = -0.75) or the hat; or its slope. */
static double shape_at(int taps, double d, bool slope)
{
    const double A = -0.75;
    if (taps == 1) return !slope;
    if (taps == 2) return slope ? -1 : 1 - d;
    if (d <= 1) return slope ? 3 * (A + 2) * d * d - 2 * (A + 3) * d : (A + 2) * d * d * d - (A + 3) * d * d + 1;
    return slope ? 3 * A * d * d - 10 * A * d + 8 * A : A * d * d * d - 5 * A * d * d + 8 * A * d - 4 * A;
}

/* Weights of all n pixels of an axis at grid coordinate g; or (by) their derivatives by g. */
static void axis_weights(const sample *s, double g, int64_t n, bool by, double *w)
{
    const double rise = s->p[2] != 0 ? (double)(n - 1) / 2 : (double)n / 2, h = 1e-6;
    double x = s->p[2] != 0 ? (g + 1) * rise : (g + 1) * rise - 0.5, slope = rise;
    for (int64_t i = 0; i < n; i++) w[i] = 0;
    if (s->p[0] != 2) { /* places go up and down at most as fast as x does */
        slope *= rint((place(s, x + h, n) - place(s, x - h, n)) / (2 * h));
        x = place(s, x, n);
    }
    const int taps = s->p[0] == 1 ? 1 : s->p[0] == 0 ? 2 : 4;
    for (int k = 0; k < taps; k++) {
        const double at = taps == 1 ? nearbyint(x) : floor(x) + k - (taps == 4), d = fabs(x - at);
        const double f =
            by ? (taps == 1 ? 0 : slope * (x < at ? -1 : 1) * shape_at(taps, d, true)) : shape_at(taps, d, false);
        const double to = taps == 4 ? place(s, at, n) : at;
        if (to > -1 && to < (double)n) w[(int64_t)to] += f;
    }
}

/* y, or with g the gradient by x or by the grid. */
static void sampling(const sample *s, const nd *x, const nd *grid, nd *y, const nd *g, nd *dx, nd *dgrid)
{
    const int k = x->shape.rank - 2;
    int64_t points = 1, pixels = 1;
    double w[4][3][64]; /* [1 + a]: with axis a's derivatives in a's place */
    for (int i = 0; i < k; i++) points *= grid->shape.dims[1 + i], pixels *= x->shape.dims[2 + i];
    for (int64_t p = 0; p < x->shape.dims[0] * points; p++) {
        for (int by = 0; by <= k; by++)
            for (int a = 0; a < k; a++)
                axis_weights(s, grid->data[p * k + k - 1 - a], x->shape.dims[2 + a], by == 1 + a, w[by][a]);
        for (int64_t c = 0; c < x->shape.dims[1]; c++) {
            const int64_t plane = p / points * x->shape.dims[1] + c, at = plane * points + p % points;
            for (int64_t i = 0; i < pixels; i++) {
                double f[4] = {1, 1, 1, 1};
                for (int by = 0; by <= k; by++) {
                    int64_t rest = i;
                    for (int a = k - 1; a >= 0; a--)
                        f[by] *= w[by][a][rest % x->shape.dims[2 + a]], rest /= x->shape.dims[2 + a];
                }
                if (y && f[0] != 0) y->data[at] += f[0] * x->data[plane * pixels + i];
                if (dx && f[0] != 0) dx->data[plane * pixels + i] += f[0] * g->data[at];
                for (int a = 0; dgrid && a < k; a++)
                    dgrid->data[p * k + k - 1 - a] += f[1 + a] * g->data[at] * x->data[plane * pixels + i];
            }
        }
    }
}

static reel_shape shape_of(const nd *x, const nd *grid)
{
    reel_shape s = x->shape;
    for (int i = 0; i < s.rank - 2; i++) s.dims[2 + i] = grid->shape.dims[1 + i];
    return s;
}

static int grid_sample_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    (void)d;
    out[0] = reel_grid_sample(
        in[0], in[1],
        REEL_OPTS(grid_sample, .mode = (int)s->p[0], .padding = (int)s->p[1], .align_corners = s->p[2] != 0));
    return reel_status();
}
static void grid_sample_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    nd_make(&out[0], d, shape_of(&in[0], &in[1]));
    sampling(s, &in[0], &in[1], &out[0], NULL, NULL, NULL);
}

#define G(...) REEL_OPTS(grid_sample, __VA_ARGS__)
static void grid_sample_bad(void)
{
    BAD(reel_grid_sample(NULL, X("[1,2,2,2]"), NULL), REEL_EARG, "x is NULL");
    BAD(reel_grid_sample(X("[1,1,2,2]"), NULL, NULL), REEL_EARG, "grid is NULL");
    BAD(reel_grid_sample(X("[2,2]"), X("[2,2]"), NULL), REEL_ESHAPE, "x has rank 2, it needs 3 to 5");
    BAD(reel_grid_sample(X("[1,1,2,2]"), X("[1,2,2]"), NULL), REEL_ESHAPE, "grid has rank 3, x has 4");
    BAD(reel_grid_sample(X("[1,1,2,2]"), X("[1,2,2,3]"), NULL), REEL_ESHAPE, "grid has 3 coordinates, x 2 axes");
    BAD(reel_grid_sample(X("[2,1,2,2]"), X("[1,2,2,2]"), NULL), REEL_ESHAPE, "x has 2 images, grid 1");
    BAD(reel_grid_sample(X("[1,1,0,2]"), X("[1,2,2,2]"), NULL), REEL_ESHAPE, "axis 2 of x is empty");
    BAD(reel_grid_sample(reel_broadcast_to(X("[1,1,1,1]"), REEL_SHAPE(1, 1, 65536, 65536)), X("[1,2,2,2]"), NULL),
        REEL_ESHAPE, "4294967296 pixels a plane");
    BAD(reel_grid_sample(X("[1,1,2,2]"), X("[1,2,2,2]"), G(.mode = 3)), REEL_EARG, "mode is 3");
    BAD(reel_grid_sample(X("[1,1,2,2]"), X("[1,2,2,2]"), G(.padding = -1)), REEL_EARG, "padding is -1");
    BAD(reel_grid_sample(X("[1,1,2,2]"), XD("[1,2,2,2]", REEL_F64), NULL), REEL_EDTYPE, "dtypes differ");
    BAD(reel_grid_sample(XD("[1,1,2,2]", REEL_I32), XD("[1,2,2,2]", REEL_I32), NULL), REEL_EDTYPE, "x is i32");
}

#define SAMPLING(G4, G3, G5)                                                               \
    {IN(G4("[1,1,1,1]", "[1,1,1,1]") "[1,1,1,1]", "[1,1,1,2]"), .flags = NO_GRAD},         \
        {IN(G4("[1,2,3,4]", "[1,2,2,3]") "[1,2,3,4]", "[1,2,3,2]")},                       \
        {IN(G4("[1,1,3,4]", "[1,1,2,3]") "[1,1,3,4]", "[1,2,3,2]"), WITH(0, 1)},           \
        {IN(G4("[1,1,3,4]", "[1,1,2,3]") "[1,1,3,4]", "[1,2,3,2]"), WITH(0, 2)},           \
        {IN(G4("[1,1,3,4]", "[1,1,2,3]") "[1,1,3,4]", "[1,2,3,2]"), WITH(0, 0, 1)},        \
        {IN(G4("[1,1,3,4]", "[1,1,2,3]") "[1,1,3,4]", "[1,2,3,2]"), WITH(0, 2, 1)},        \
        {IN(G4("[1,1,3,4]", "[1,1,2,3]") "[1,1,3,4]", "[1,2,3,2]"), WITH(1)},              \
        {IN(G4("[1,1,3,4]", "[1,1,2,3]") "[1,1,3,4]", "[1,2,3,2]"), WITH(1, 2, 1)},        \
        {IN(G4("[1,1,3,4]", "[1,1,2,3]") "[1,1,3,4]", "[1,2,3,2]"), WITH(2)},              \
        {IN(G4("[1,1,3,4]", "[1,1,2,3]") "[1,1,3,4]", "[1,2,3,2]"), WITH(2, 1)},           \
        {IN(G4("[1,1,3,4]", "[1,1,2,3]") "[1,1,3,4]", "[1,2,3,2]"), WITH(2, 2, 1)},        \
        {IN(G3("[2,2,5]", "[2,2,3]") "[2,2,5]r", "[2,3,1]s")},                             \
        {IN(G5("[1,2,2,3,2]", "[1,2,1,2,3]") "[1,2,2,3,2]t", "[1,1,2,3,3]o"), WITH(0, 1)}, \
        {IN(G4("[2,2,3,4]s", "[2,2,2,2]o") "[2,2,3,4]o", "[2,2,2,2]b"), WITH(0, 1)},       \
        {IN(G4("[1,0,3,4]", "[1,0,2,2]") "[1,0,3,4]", "[1,2,2,2]")},                       \
        {IN(G4("[1,2,3,4]", "[1,2,0,2]") "[1,2,3,4]", "[1,0,2,2]")},                       \
    {                                                                                      \
        IN(G4("[2,5,15,20]", "[2,5,20,15]") "[2,5,15,20]", "[2,20,15,2]"), WITH(0, 1)      \
    }
#define ONLY(x, y)
static const sample grid_sample_good[] = {SAMPLING(ONLY, ONLY, ONLY)};
const samples samples_grid_sample = {GOOD(grid_sample_good),
                                     .dtypes = REEL_BIT(REEL_F32) | REEL_BIT(REEL_F64),
                                     .scale = 16,
                                     .apply = grid_sample_apply,
                                     .reference = grid_sample_reference,
                                     .bad = grid_sample_bad};

/* ---- grid_sample_grad: g, x, grid ------------------------------------------------------------------------------- */
static reel_attr_grid attr_of(const sample *s)
{
    return (reel_attr_grid){.mode = (int)s->p[0], .padding = (int)s->p[1], .align = s->p[2] != 0};
}
static int grid_sample_grad_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    const reel_attr_grid a = attr_of(s);
    (void)d;
    return reel_grid_sample_grad_at_(REEL_HERE, in[0], in[1], in[2], &a, out);
}
static void grid_sample_grad_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    nd_make(&out[0], d, in[1].shape);
    nd_make(&out[1], d, in[2].shape);
    sampling(s, &in[1], &in[2], NULL, &in[0], &out[0], &out[1]);
}
static int back(const char *site, reel_tensor *g, reel_tensor *x, reel_tensor *grid, int mode)
{
    const reel_attr_grid a = {.mode = mode};
    reel_tensor *out[2];
    return reel_grid_sample_grad_at_(site, g, x, grid, &a, out);
}
static void grid_sample_grad_bad(void)
{
    BAD_CODE(back(REEL_HERE, NULL, X("[1,1,2,2]"), X("[1,3,2,2]"), 0), REEL_EARG, "g is NULL");
    BAD_CODE(back(REEL_HERE, X("[1,1,3,2]"), NULL, X("[1,3,2,2]"), 0), REEL_EARG, "x is NULL");
    BAD_CODE(back(REEL_HERE, X("[1,1,3,2]"), X("[1,1,2,2]"), NULL, 0), REEL_EARG, "grid is NULL");
    BAD_CODE(back(REEL_HERE, X("[1,1,2,2]"), X("[1,1,2,2]"), X("[1,3,2,2]"), 0), REEL_ESHAPE,
             "g is [1,1,2,2], it should be [1,1,3,2]");
    BAD_CODE(back(REEL_HERE, X("[1,1,3,2]"), X("[1,1,2,2]"), X("[1,3,2,2]"), 5), REEL_EARG, "mode is 5");
    BAD_CODE(back(REEL_HERE, X("[1,1,3,2]"), X("[1,1,2,2]"), X("[1,3,2,4]"), 0), REEL_ESHAPE, "4 coordinates");
    BAD_CODE(back(REEL_HERE, X("[1,1,3,2]"), X("[1,1,2,2]"), X("[2,3,2,2]"), 0), REEL_ESHAPE, "1 images, grid 2");
    BAD_CODE(back(REEL_HERE, XD("[1,1,3,2]", REEL_F64), X("[1,1,2,2]"), X("[1,3,2,2]"), 0), REEL_EDTYPE,
             "dtypes differ");
    BAD_CODE(back(REEL_HERE, X("[1,1,3,2]"), dead(), X("[1,3,2,2]"), 0), REEL_EARG, "x is |dead");
    BAD_CODE(back(REEL_HERE, symbol(), X("[1,1,2,2]"), X("[1,3,2,2]"), 0), REEL_ETRACE, "part of a graph");
}
#define BEFORE(x, y) y,
static const sample grid_sample_grad_good[] = {SAMPLING(BEFORE, BEFORE, BEFORE)};
const samples samples_grid_sample_grad = {
    GOOD_OF(grid_sample_grad_good, 2), .dtypes = REEL_BIT(REEL_F32) | REEL_BIT(REEL_F64), .scale = 256,
    .apply = grid_sample_grad_apply,   .reference = grid_sample_grad_reference,           .bad = grid_sample_grad_bad};

/* ---- affine_grid: p: n, sizes, align --------------------------------------------------------------------------- */
static int affine_grid_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    const int64_t size[3] = {(int64_t)s->p[1], (int64_t)s->p[2], (int64_t)s->p[3]};
    (void)d;
    out[0] = reel_affine_grid(in[0], (int)s->p[0], size, s->p[4] != 0);
    return reel_status();
}
static void affine_grid_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    const int k = (int)s->p[0];
    reel_shape shape = {.rank = k + 2, .dims = {in[0].shape.dims[0]}};
    for (int i = 0; i < k; i++) shape.dims[1 + i] = (int64_t)s->p[1 + i];
    shape.dims[k + 1] = k;
    nd_make(&out[0], d, shape);
    for (int64_t i = 0; i < out[0].count; i++) {
        int64_t at[REEL_MAX_RANK];
        nd_unravel(&shape, i, at);
        const double *row = in[0].data + (at[0] * k + at[k + 1]) * (k + 1);
        double sum = row[k];
        for (int c = 0; c < k; c++) {
            const double n = s->p[k - c], j = (double)at[k - c];
            sum += row[c] * (s->p[4] != 0 ? (n > 1 ? 2 * j / (n - 1) - 1 : 0) : (2 * j + 1) / n - 1);
        }
        out[0].data[i] = sum;
    }
}
static void affine_grid_bad(void)
{
    const int64_t two[2] = {2, 3}, three[3] = {2, 3, 4}, odd[2] = {2, 0}, huge[2] = {INT32_MAX, INT32_MAX};
    BAD(reel_affine_grid(NULL, 2, two, false), REEL_EARG, "reel_affine_grid: theta is NULL");
    BAD(reel_affine_grid(dead(), 2, two, false), REEL_EARG, "theta is |dead");
    BAD(reel_affine_grid(X("[1,2,3]"), 1, two, false), REEL_EARG, "1 sizes, it takes 2 or 3");
    BAD(reel_affine_grid(X("[1,2,3]"), 4, two, false), REEL_EARG, "4 sizes");
    BAD(reel_affine_grid(X("[1,2,3]"), 2, NULL, false), REEL_EARG, "size is NULL");
    BAD(reel_affine_grid(X("[1,2,3]"), 3, three, false), REEL_ESHAPE, "theta is [1,2,3], it should be [?,3,4]");
    BAD(reel_affine_grid(X("[2,3]"), 2, two, false), REEL_ESHAPE, "theta is [2,3]");
    BAD(reel_affine_grid(X("[1,2,3]"), 2, odd, false), REEL_ESHAPE, "size 1 is 0");
    BAD(reel_affine_grid(X("[1,2,3]"), 2, huge, false), REEL_ESHAPE, "size 1 is");
    BAD(reel_affine_grid(XD("[1,2,3]", REEL_I32), 2, two, false), REEL_EDTYPE, "theta is i32");
}
static const sample affine_grid_good[] = {
    {IN("[1,2,3]"), WITH(2, 1, 1)},       {IN("[1,2,3]"), WITH(2, 2, 3)},        {IN("[1,2,3]"), WITH(2, 2, 3, 0, 1)},
    {IN("[2,2,3]"), WITH(2, 1, 4, 0, 1)}, {IN("[1,3,4]"), WITH(3, 2, 3, 2)},     {IN("[2,3,4]"), WITH(3, 2, 1, 2, 1)},
    {IN("[2,2,3]t"), WITH(2, 2, 2)},      {IN("[2,2,3]r"), WITH(2, 2, 2)},       {IN("[2,2,3]s"), WITH(2, 3, 2)},
    {IN("[2,2,3]o"), WITH(2, 2, 3)},      {IN("[2,2,3]b"), WITH(2, 2, 2, 0, 1)}, {IN("[0,2,3]"), WITH(2, 2, 2)},
    {IN("[400,2,3]"), WITH(2, 5, 4)}};
const samples samples_affine_grid = {GOOD(affine_grid_good),
                                     .scale = 4,
                                     .never_single = true,
                                     .apply = affine_grid_apply,
                                     .reference = affine_grid_reference,
                                     .bad = affine_grid_bad};

/* ---- rotary: x, cos, sin; p0 interleaved -------------------------------------------------------------------------- */
static int rotary_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    (void)d;
    out[0] = reel_rotary(in[0], in[1], in[2], REEL_OPTS(rotary, .interleaved = s->p[0] != 0));
    return reel_status();
}
static void rotary_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    const int rank = in[0].shape.rank;
    const int64_t h = in[1].shape.dims[in[1].shape.rank - 1], n = in[0].shape.dims[rank - 1];
    reel_shape table = in[0].shape;
    table.dims[rank - 1] = h;
    nd_make(&out[0], d, in[0].shape);
    for (int64_t i = 0; i < out[0].count; i++) {
        const int64_t row = i / n, c = i % n, pair = s->p[0] != 0 ? c / 2 : c % (h ? h : 1);
        const bool second = s->p[0] != 0 ? c % 2 : c >= h;
        if (c >= 2 * h) {
            out[0].data[i] = in[0].data[i];
            continue;
        }
        const double a = in[0].data[row * n + (s->p[0] != 0 ? 2 * pair : pair)];
        const double b = in[0].data[row * n + (s->p[0] != 0 ? 2 * pair + 1 : pair + h)];
        const double co = nd_at(&in[1], &table, row * h + pair), si = nd_at(&in[2], &table, row * h + pair);
        out[0].data[i] = second ? a * si + b * co : a * co - b * si;
    }
}
static void rotary_bad(void)
{
    BAD(reel_rotary(NULL, X("[2,2]"), X("[2,2]"), NULL), REEL_EARG, "x is NULL");
    BAD(reel_rotary(X("[2,4]"), NULL, X("[2,2]"), NULL), REEL_EARG, "cos is NULL");
    BAD(reel_rotary(X("[2,4]"), X("[2,2]"), NULL, NULL), REEL_EARG, "sin is NULL");
    BAD(reel_rotary(X("[]"), X("[]"), X("[]"), NULL), REEL_ESHAPE, "x is a scalar");
    BAD(reel_rotary(X("[2,4]"), X("[3,2]"), X("[2,2]"), NULL), REEL_ESHAPE, "cos [3,2] does not fit x [2,4]");
    BAD(reel_rotary(X("[2,4]"), X("[2,2]"), X("[2,1]"), NULL), REEL_ESHAPE, "sin [2,1] does not fit x");
    BAD(reel_rotary(X("[2,4]"), X("[1,2,2]"), X("[2,2]"), NULL), REEL_ESHAPE, "cos [1,2,2] does not fit x");
    BAD(reel_rotary(X("[2,4]"), X("[2,3]"), X("[2,3]"), NULL), REEL_ESHAPE, "3 angles turn pairs, x has 4");
    BAD(reel_rotary(X("[2,4]"), XD("[2,2]", REEL_F64), X("[2,2]"), NULL), REEL_EDTYPE, "dtypes differ");
    BAD(reel_rotary(XD("[2,4]", REEL_I32), XD("[2,2]", REEL_I32), XD("[2,2]", REEL_I32), NULL), REEL_EDTYPE,
        "x is i32");
}
static const sample rotary_good[] = {{IN("[1]", "[0]", "[0]")},
                                     {IN("[2]", "[1]", "[1]")},
                                     {IN("[3,4]", "[3,2]", "[3,2]")},
                                     {IN("[3,4]", "[3,2]", "[3,2]"), WITH(1)},
                                     {IN("[3,5]", "[3,2]", "[3,2]")},
                                     {IN("[3,6]", "[3,2]", "[3,2]"), WITH(1)},
                                     {IN("[2,3,4]", "[3,2]", "[2]")},
                                     {IN("[2,2,3,2]", "[2,1,3,1]", "[2,1,3,1]"), WITH(1)},
                                     {IN("[3,4]t", "[3,2]r", "[3,2]s")},
                                     {IN("[3,4]r", "[3,2]o", "[3,2]b"), WITH(1)},
                                     {IN("[3,4]o", "[3,2]t", "[1,2]")},
                                     {IN("[0,4]", "[0,2]", "[1,2]")},
                                     {IN("[4,5,11,16]s", "[11,8]t", "[11,8]")}};
const samples samples_rotary = {GOOD(rotary_good), .apply = rotary_apply, .reference = rotary_reference,
                                .bad = rotary_bad};
