/* samples_matrix.c: diagonals, triangles, images cut into blocks. */
#include "samples_of.h"

/* ---- diagonals: p offset, axis1, axis2 --------------------------------------------------------------------------- */
APPLY(diagonal, reel_diagonal(in[0], (int64_t)s->p[0], (int)s->p[1], (int)s->p[2]))

/* Where element i of the diagonal of a shape lies, and how many there are. */
static reel_shape diagonal_of(const sample *s, const reel_shape *x, int *a1, int *a2)
{
    *a1 = axis_in(s->p[1], x->rank);
    *a2 = axis_in(s->p[2], x->rank);
    reel_shape y = {0};
    for (int i = 0; i < x->rank; i++)
        if (i != *a1 && i != *a2) y.dims[y.rank++] = x->dims[i];
    int64_t n = 0;
    for (int64_t i = 0; i < x->dims[*a1]; i++) n += i + (int64_t)s->p[0] >= 0 && i + (int64_t)s->p[0] < x->dims[*a2];
    y.dims[y.rank++] = n;
    return y;
}

static int64_t on_diagonal(const sample *s, const reel_shape *x, const reel_shape *y, int64_t i, int a1, int a2)
{
    int64_t at[REEL_MAX_RANK], from[REEL_MAX_RANK];
    nd_unravel(y, i, at);
    int n = 0;
    for (int k = 0; k < x->rank; k++)
        if (k != a1 && k != a2) from[k] = at[n++];
    const int64_t k = (int64_t)s->p[0];
    from[a1] = at[n] + (k < 0 ? -k : 0);
    from[a2] = at[n] + (k > 0 ? k : 0);
    return nd_ravel(x, from);
}

static void diagonal_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    int a1, a2;
    nd_make(out, d, diagonal_of(s, &in->shape, &a1, &a2));
    for (int64_t i = 0; i < out->count; i++)
        out->data[i] = in->data[on_diagonal(s, &in->shape, &out->shape, i, a1, a2)];
}

static void diagonal_bad(void)
{
#define CALL(x) reel_diagonal(x, 0, 0, 1)
    BAD(CALL(NULL), REEL_EARG, "is NULL");
    BAD(CALL(dead()), REEL_EARG, "dead");
    BAD(CALL(unset()), REEL_EARG, "unset");
    BAD(CALL(symbol()), REEL_ETRACE, "graph");
#undef CALL
    BAD(reel_diagonal(X("[2]"), 0, 0, 1), REEL_EARG, "reel_diagonal|axis 1 is out of range for rank 1");
    BAD(reel_diagonal(X("[2,3]"), 0, 0, 0), REEL_EARG, "axis1 and axis2 are both 0");
    BAD(reel_diagonal(X("[2,3]"), 0, 1, -1), REEL_EARG, "both 1");
    BAD(reel_diagonal(X("[2,3]"), 0, -3, 1), REEL_EARG, "axis -3");
    BAD(reel_diagonal(X("[2,3]"), 0, 0, 2), REEL_EARG, "axis 2");
    BAD(reel_diagonal(X("[]"), 0, 0, 1), REEL_EARG, "rank 0");
}

static const sample diagonal_good[] = {MATRICES(0, 0, 1),
                                       {IN("[3,4]"), WITH(1, 0, 1)},
                                       {IN("[3,4]r"), WITH(-1, 0, 1)},
                                       {IN("[3,4]"), WITH(4, 0, 1)},
                                       {IN("[3,4]"), WITH(-9, 0, 1)},
                                       {IN("[3,4]t"), WITH(1, 1, 0)},
                                       {IN("[2,3,4]"), WITH(0, -2, -1)},
                                       {IN("[2,3,4]s"), WITH(1, 0, 2)}};
SAMPLES(diagonal);

static int undiagonal_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    (void)d;
    out[0] = reel_undiagonal_at_(REEL_HERE, in[0], in[1], (int64_t)s->p[0], (int)s->p[1], (int)s->p[2]);
    return reel_status();
}

static void undiagonal_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    int a1, a2;
    const reel_shape y = diagonal_of(s, &in[1].shape, &a1, &a2);
    nd_make(out, d, in[1].shape);
    for (int64_t i = 0; i < in[0].count; i++) out->data[on_diagonal(s, &in[1].shape, &y, i, a1, a2)] = in[0].data[i];
}

static void undiagonal_bad(void)
{
#define CALL(g, l, k, a, b) reel_undiagonal_at_(REEL_HERE, g, l, k, a, b)
    BAD(CALL(NULL, X("[2,2]"), 0, 0, 1), REEL_EARG, "g is NULL");
    BAD(CALL(dead(), X("[2,2]"), 0, 0, 1), REEL_EARG, "dead");
    BAD(CALL(unset(), X("[2,2]"), 0, 0, 1), REEL_EARG, "unset");
    BAD(CALL(symbol(), X("[2,2]"), 0, 0, 1), REEL_ETRACE, "graph");
    BAD(CALL(X("[2]"), NULL, 0, 0, 1), REEL_EARG, "like is NULL");
    BAD(CALL(X("[3]"), X("[2,2]"), 0, 0, 1), REEL_ESHAPE, "diagonal's shape");
    BAD(CALL(X("[2]"), X("[2,2]"), 1, 0, 1), REEL_ESHAPE, "diagonal's shape");
    BAD(CALL(X("[2]"), X("[2,2]"), 0, 0, 2), REEL_EARG, "axis 2");
    BAD(CALL(X("[2]"), X("[2,2]"), 0, 1, 1), REEL_EARG, "both 1");
    BAD(CALL(X("[]"), X("[2]"), 0, 0, 1), REEL_EARG, "rank 1");
#undef CALL
}

static const sample undiagonal_good[] = {
    {IN("[3]", "[3,4]"), WITH(0, 0, 1)},       {IN("[3]r", "[3,4]t"), WITH(1, 0, 1)},
    {IN("[2]s", "[3,4]"), WITH(-1, 0, 1)},     {IN("[0]", "[3,4]"), WITH(5, 0, 1)},
    {IN("[0]", "[0,3]"), WITH(0, 0, 1)},       {IN("[1]", "[1,1]"), WITH(0, 0, 1)},
    {IN("[2,3]t", "[2,3,4]"), WITH(0, 1, 2)},  {IN("[3,2]o", "[2,3,4]"), WITH(0, 0, 2)},
    {IN("[2,3]b", "[4,2,3]"), WITH(0, 0, -1)}, {IN("[3]!", "[3,3]"), WITH(0, 1, 0)},
    {IN("[2,2]", "[2,4,3]"), WITH(1, 1, 2)},   {IN("[70]", "[301,70]"), WITH(0, 0, 1)}};
SAMPLES(undiagonal);

/* p offset */
static void embedded(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    const int64_t k = (int64_t)s->p[0], up = k > 0 ? k : 0, down = k < 0 ? -k : 0;
    reel_shape y = in->shape;
    const int64_t n = y.dims[y.rank - 1], side = n + up + down;
    y.dims[y.rank - 1] = side;
    y.dims[y.rank++] = side;
    nd_make(out, d, y);
    for (int64_t i = 0; i < in->count; i++) out->data[(i / n * side + i % n + down) * side + i % n + up] = in->data[i];
}

APPLY(diag_embed, reel_diag_embed(in[0], (int64_t)s->p[0]))

static void diag_embed_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    embedded(s, d, in, out);
}

static void diag_embed_bad(void)
{
#define CALL(x) reel_diag_embed(x, 0)
    STRANGERS(CALL);
#undef CALL
    BAD(reel_diag_embed(X("[]"), 0), REEL_ESHAPE, "reel_diag_embed|rank 0 is not between 1 and 7");
    BAD(reel_diag_embed(X("[1,1,1,1,1,1,1,1]"), 0), REEL_ESHAPE, "rank 8");
    BAD(reel_diag_embed(X("[2]"), 1LL << 40), REEL_ESHAPE, "too large");
    BAD(reel_diag_embed(X("[2]"), INT64_MIN), REEL_ESHAPE, "too large");
    BAD(reel_diag_embed(X("[4]"), INT32_MAX), REEL_ESHAPE, "overflow");
    BAD(reel_diag_embed(X("[4]"), -INT32_MAX), REEL_ESHAPE, "overflow");
}

static const sample diag_embed_good[] = {{IN("[3]"), WITH(0)},    {IN("[3]r"), WITH(1)},      {IN("[3]s"), WITH(-2)},
                                         {IN("[1]"), WITH(0)},    {IN("[0]"), WITH(0)},       {IN("[0]"), WITH(2)},
                                         {IN("[2,3]t"), WITH(0)}, {IN("[2,3]o"), WITH(-1)},   {IN("[2,3]b"), WITH(1)},
                                         {IN("[3]!"), WITH(0)},   {IN("[2,2,3]"), WITH(1)},   {IN("[0,3]"), WITH(1)},
                                         {IN("[170]"), WITH(3)},  {IN("[5000,5]t"), WITH(-1)}};
SAMPLES(diag_embed);

APPLY(diag, reel_diag(in[0], (int64_t)s->p[0]))

static void diag_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    const sample plain = {.p = {s->p[0], 0, 1}};
    if (in->shape.rank == 1)
        embedded(s, d, in, out);
    else
        diagonal_reference(&plain, d, in, out);
}

static void diag_bad(void)
{
#define CALL(x) reel_diag(x, 0)
    STRANGERS(CALL);
#undef CALL
    BAD(reel_diag(X("[]"), 0), REEL_ESHAPE, "reel_diag|x has rank 0, not 1 or 2");
    BAD(reel_diag(X("[2,2,2]"), 0), REEL_ESHAPE, "rank 3");
    BAD(reel_diag(X("[1,1,1,1,1,1,1,1]"), 0), REEL_ESHAPE, "rank 8");
    BAD(reel_diag(X("[2]"), 1LL << 40), REEL_ESHAPE, "too large");
    BAD(reel_diag(X("[2]"), INT64_MIN), REEL_ESHAPE, "too large");
    BAD(reel_diag(X("[4]"), INT32_MAX), REEL_ESHAPE, "overflow");
}

static const sample diag_good[] = {
    MATRICES(0), {IN("[3]"), WITH(0)}, {IN("[3]r"), WITH(-1)}, {IN("[3,4]"), WITH(2)}, {IN("[3,4]t"), WITH(-2)}};
SAMPLES(diag);

/* ---- triangles: p k ------------------------------------------------------------------------------------------------ */
static void triangle(const sample *s, bool lower, reel_dtype d, const nd *in, nd *out)
{
    const int64_t cols = in->shape.dims[in->shape.rank - 1], rows = in->shape.dims[in->shape.rank - 2];
    nd_make(out, d, in->shape);
    for (int64_t n = 0; n < out->count; n++) {
        const double i = (double)(n / cols % rows), j = (double)(n % cols);
        out->data[n] = (lower ? j <= i + s->p[0] : j >= i + s->p[0]) ? in->data[n] : 0;
    }
}

#define TRIANGLE(name, lower)                                                          \
    APPLY(name, reel_##name(in[0], (int64_t)s->p[0]))                                  \
    static void name##_reference(const sample *s, reel_dtype d, const nd *in, nd *out) \
    {                                                                                  \
        triangle(s, lower, d, in, out);                                                \
    }                                                                                  \
    static const sample name##_good[] = {MATRICES(0),                                  \
                                         {IN("[3,4]"), WITH(1)},                       \
                                         {IN("[4,3]r"), WITH(-2)},                     \
                                         {IN("[3,3]"), WITH(1e9)},                     \
                                         {IN("[3,3]t"), WITH(-1e9)},                   \
                                         {IN("[2,3,4]s"), WITH(1)},                    \
                                         {IN("[2,2,3,3]"), WITH(-1)}}
TRIANGLE(tril, true);
TRIANGLE(triu, false);

static void tril_bad(void)
{
    BAD(reel_tril(NULL, 0), REEL_EARG, "is NULL");
    BAD(reel_tril(dead(), 0), REEL_EARG, "dead");
    BAD(reel_tril(unset(), 0), REEL_EARG, "unset");
    BAD(reel_tril(symbol(), 0), REEL_ETRACE, "graph");
    BAD(reel_tril(X("[2]"), 0), REEL_ESHAPE, "reel_tril|rank 1: a matrix has at least 2 axes");
    BAD(reel_tril(X("[]"), 0), REEL_ESHAPE, "rank 0");
    BAD(reel_tril(XD("[2]", REEL_BOOL), 0), REEL_ESHAPE, "rank 1|bool[2]");
    BAD(reel_tril(XD("[7]", REEL_I8), INT64_MIN), REEL_ESHAPE, "rank 1|i8[7]");
    BAD(reel_tril(reel_num(2), 1), REEL_ESHAPE, "rank 0");
    BAD(reel_tril(reel_select(X("[2,3]"), 0, 0), INT64_MAX), REEL_ESHAPE, "f32[3]");
}

static void triu_bad(void)
{
    BAD(reel_triu(NULL, 0), REEL_EARG, "is NULL");
    BAD(reel_triu(dead(), 0), REEL_EARG, "dead");
    BAD(reel_triu(unset(), 0), REEL_EARG, "unset");
    BAD(reel_triu(symbol(), 0), REEL_ETRACE, "graph");
    BAD(reel_triu(X("[2]"), 0), REEL_ESHAPE, "reel_triu|rank 1: a matrix has at least 2 axes");
    BAD(reel_triu(X("[]"), 0), REEL_ESHAPE, "rank 0");
    BAD(reel_triu(XD("[2]", REEL_BOOL), 0), REEL_ESHAPE, "rank 1|bool[2]");
    BAD(reel_triu(XD("[7]", REEL_I8), INT64_MIN), REEL_ESHAPE, "rank 1|i8[7]");
    BAD(reel_triu(reel_num(2), 1), REEL_ESHAPE, "rank 0");
    BAD(reel_triu(reel_select(X("[2,3]"), 0, 0), INT64_MAX), REEL_ESHAPE, "f32[3]");
}
SAMPLES(tril);
SAMPLES(triu);

/* ---- images: p block, mode -------------------------------------------------------------------------------------------- */
/* Element [n, c, y, x] of the image lies at [n, depth, y / b, x / b]. */
static int64_t depth_index(const sample *s, const reel_shape *deep, int64_t c, int64_t y, int64_t x)
{
    const int64_t b = (int64_t)s->p[0], channels = deep->dims[1] / (b * b), in = y % b * b + x % b;
    return s->p[1] == 0 ? in * channels + c : c * b * b + in;
}

static void between(const sample *s, reel_dtype d, const nd *in, nd *out, bool to_space)
{
    const int64_t b = (int64_t)s->p[0];
    reel_shape y = in->shape;
    y.dims[1] = to_space ? y.dims[1] / (b * b) : y.dims[1] * b * b;
    for (int i = 2; i < 4; i++) y.dims[i] = to_space ? y.dims[i] * b : y.dims[i] / b;
    nd_make(out, d, y);
    const nd *space = to_space ? out : in, *deep = to_space ? in : out;
    for (int64_t i = 0; i < out->count; i++) {
        int64_t at[REEL_MAX_RANK], other[REEL_MAX_RANK];
        nd_unravel(&space->shape, i, at);
        other[0] = at[0];
        other[1] = depth_index(s, &deep->shape, at[1], at[2], at[3]);
        other[2] = at[2] / b;
        other[3] = at[3] / b;
        const int64_t k = nd_ravel(&deep->shape, other);
        if (to_space)
            out->data[i] = in->data[k];
        else
            out->data[k] = in->data[i];
    }
}

APPLY(depth_to_space, reel_depth_to_space(in[0], (int64_t)s->p[0], s->p[1] != 0 ? REEL_CRD : REEL_DCR))
APPLY(space_to_depth, reel_space_to_depth(in[0], (int64_t)s->p[0]))

static void depth_to_space_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    between(s, d, in, out, true);
}

static void space_to_depth_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    between(s, d, in, out, false);
}

static void depth_to_space_bad(void)
{
#define CALL(x) reel_depth_to_space(x, 2, REEL_DCR)
    BAD(CALL(NULL), REEL_EARG, "is NULL");
    BAD(CALL(dead()), REEL_EARG, "dead");
    BAD(CALL(X("[4]")), REEL_ESHAPE, "reel_depth_to_space|x has rank 1, not 4");
    BAD(CALL(X("[4,4,4]")), REEL_ESHAPE, "rank 3");
    BAD(CALL(X("[1,3,2,2]")), REEL_ESHAPE, "axis 1 of size 3");
    BAD(CALL(unset()), REEL_ESHAPE, "rank 1");
    BAD(CALL(symbol()), REEL_ESHAPE, "rank 1");
#undef CALL
    BAD(reel_depth_to_space(X("[1,4,2,2]"), 0, REEL_DCR), REEL_EARG, "a block of 0");
    BAD(reel_depth_to_space(X("[1,4,2,2]"), -2, REEL_DCR), REEL_EARG, "a block of -2");
    BAD(reel_depth_to_space(X("[1,4,2,2]"), 1LL << 40, REEL_CRD), REEL_EARG, "a block of");
    BAD(reel_depth_to_space(X("[1,4,2,2]"), 2, (reel_depth_mode)7), REEL_EARG, "mode 7");
}

static void space_to_depth_bad(void)
{
#define CALL(x) reel_space_to_depth(x, 2)
    BAD(CALL(NULL), REEL_EARG, "is NULL");
    BAD(CALL(dead()), REEL_EARG, "dead");
    BAD(CALL(X("[4]")), REEL_ESHAPE, "reel_space_to_depth|x has rank 1, not 4");
    BAD(CALL(X("[4,4,4]")), REEL_ESHAPE, "rank 3");
    BAD(CALL(X("[1,3,3,2]")), REEL_ESHAPE, "axis 2 of size 3");
    BAD(CALL(X("[1,3,2,3]")), REEL_ESHAPE, "axis 3 of size 3");
    BAD(CALL(symbol()), REEL_ESHAPE, "rank 1");
#undef CALL
    BAD(reel_space_to_depth(X("[1,4,2,2]"), 0), REEL_EARG, "a block of 0");
    BAD(reel_space_to_depth(X("[1,4,2,2]"), -2), REEL_EARG, "a block of -2");
    BAD(reel_space_to_depth(X("[1,4,2,2]"), 1LL << 40), REEL_EARG, "a block of");
}

static const sample depth_to_space_good[] = {
    {IN("[1,4,1,1]"), WITH(2)},     {IN("[1,1,1,1]"), WITH(1)},      {IN("[1,8,2,3]"), WITH(2)},
    {IN("[1,8,2,3]"), WITH(2, 1)},  {IN("[2,4,2,1]t"), WITH(2, 1)},  {IN("[1,9,1,2]r"), WITH(3)},
    {IN("[1,9,1,2]s"), WITH(3, 1)}, {IN("[1,4,2,2]o"), WITH(2)},     {IN("[1,4,2,2]b"), WITH(2)},
    {IN("[1,4,2,2]!"), WITH(2, 1)}, {IN("[0,4,2,2]"), WITH(2)},      {IN("[1,4,0,2]"), WITH(2)},
    {IN("[1,3,2,2]"), WITH(1)},     {IN("[3,36,15,17]"), WITH(3, 1)}};
static const sample space_to_depth_good[] = {
    {IN("[1,1,2,2]"), WITH(2)},  {IN("[1,1,1,1]"), WITH(1)},  {IN("[1,2,4,6]"), WITH(2)},  {IN("[2,1,2,4]t"), WITH(2)},
    {IN("[1,2,3,6]r"), WITH(3)}, {IN("[1,1,2,4]s"), WITH(2)}, {IN("[2,2,2,2]o"), WITH(2)}, {IN("[1,1,4,4]b"), WITH(2)},
    {IN("[1,1,4,2]!"), WITH(2)}, {IN("[0,1,2,2]"), WITH(2)},  {IN("[1,0,2,2]"), WITH(2)},  {IN("[1,3,2,2]"), WITH(1)},
    {IN("[3,4,30,33]"), WITH(3)}};
SAMPLES(depth_to_space);
SAMPLES(space_to_depth);
