/* samples_pad.c: what is put around, repeated and moved round, and windows. */
#include "samples_of.h"

/* ---- pad: p0 axes, p1 mode, p2 value, then low and high of each axis --------------------------------------- */
static int pad_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    const int n = (int)s->p[0];
    int64_t low[4], high[4];
    (void)d;
    for (int i = 0; i < n; i++) low[i] = (int64_t)s->p[3 + 2 * i], high[i] = (int64_t)s->p[4 + 2 * i];
    out[0] = reel_pad(in[0], n, low, high, REEL_OPTS(pad, .mode = (reel_pad_mode)s->p[1], .value = s->p[2]));
    return reel_status();
}

/* Position p of an axis of n extended by mode, one step at a time; -1: the constant. */
static int64_t extended(int mode, int64_t n, int64_t p)
{
    while (p < 0 || p >= n) {
        if (mode == REEL_PAD_CONSTANT) return -1;
        if (mode == REEL_PAD_EDGE) return p < 0 ? 0 : n - 1;
        if (mode == REEL_PAD_WRAP) p += p < 0 ? n : -n;
        if (mode == REEL_PAD_SYMMETRIC) p = p < 0 ? -1 - p : 2 * n - 1 - p;
        if (mode == REEL_PAD_REFLECT) p = n == 1 ? 0 : p < 0 ? -p : 2 * (n - 1) - p;
    }
    return p;
}

/* Where element i of shape y comes from in x; -1: from nowhere. */
static int64_t source(const sample *s, const reel_shape *x, const reel_shape *y, int64_t i)
{
    int64_t at[REEL_MAX_RANK];
    nd_unravel(y, i, at);
    for (int k = 0; k < (int)s->p[0]; k++) {
        at[k] = extended((int)s->p[1], x->dims[k], at[k] - (int64_t)s->p[3 + 2 * k]);
        if (at[k] < 0) return -1;
    }
    return nd_ravel(x, at);
}

static void pad_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    reel_shape y = in->shape;
    for (int k = 0; k < (int)s->p[0]; k++) y.dims[k] += (int64_t)(s->p[3 + 2 * k] + s->p[4 + 2 * k]);
    nd_make(out, d, y);
    for (int64_t i = 0; i < out->count; i++) {
        const int64_t from = source(s, &in->shape, &y, i);
        out->data[i] = from < 0 ? s->p[2] : in->data[from];
    }
}

static void pad_bad(void)
{
    const int64_t one[8] = {1, 1, 1, 1, 1, 1, 1, 1}, less[1] = {-4}, huge[1] = {INT64_MAX};
#define CALL(x) reel_pad(x, 1, one, one, NULL)
    STRANGERS(CALL);
#undef CALL
    BAD(reel_pad(X("[2]"), 1, less, one, NULL), REEL_ESHAPE, "reel_pad|axis 0 of size 2 has no 3 elements to crop");
    BAD(reel_pad(X("[2]"), 2, one, one, NULL), REEL_EARG, "2 axes for rank 1");
    BAD(reel_pad(X("[2]"), -1, one, one, NULL), REEL_EARG, "-1 axes");
    BAD(reel_pad(X("[2]"), 1, NULL, one, NULL), REEL_EARG, "amounts are NULL");
    BAD(reel_pad(X("[2]"), 1, one, huge, NULL), REEL_ESHAPE, "too many");
    BAD(reel_pad(X("[0]"), 1, one, one, REEL_OPTS(pad, .mode = REEL_PAD_EDGE)), REEL_ESHAPE, "axis 0 is empty");
    BAD(reel_pad(X("[2]"), 1, one, one, REEL_OPTS(pad, .mode = (reel_pad_mode)5)), REEL_EARG, "mode 5");
    BAD(reel_pad(XD("[2]", REEL_U8), 1, one, one, REEL_OPTS(pad, .value = -1)), REEL_EDTYPE,
        "value -1 is not a value of u8");
}

static const sample pad_good[] = {{IN("[]"), WITH(0)},
                                  {IN("[3]"), WITH(1, 0, 1, 1, 2)},
                                  {IN("[0]"), WITH(1, 0, 0, 1, 2)},
                                  {IN("[4]r"), WITH(1, 1, 0, 2, 9)},
                                  {IN("[4]"), WITH(1, 2, 0, 9, 2)},
                                  {IN("[4]s"), WITH(1, 3, 0, 2, 3)},
                                  {IN("[4]"), WITH(1, 4, 0, 5, 6)},
                                  {IN("[1]"), WITH(1, 1, 0, 2, 2)},
                                  {IN("[5]"), WITH(1, 0, 1, -2, 1)},
                                  {IN("[5]"), WITH(1, 1, 0, -2, 3)},
                                  {IN("[5]o"), WITH(1, 0, 1, -3, -2)},
                                  {IN("[3,4]t"), WITH(2, 0, 0, 1, 2, 0, 3)},
                                  {IN("[3,4]"), WITH(2, 1, 0, 2, 1, 1, 4)},
                                  {IN("[3,4]b"), WITH(2, 2, 0, 2, 1, 3, 0)},
                                  {IN("[3,4]"), WITH(1, 3, 0, 1, 1)},
                                  {IN("[2,3,2]"), WITH(2, 4, 0, 0, 0, 2, 2)},
                                  {IN("[2,2,3]"), WITH(3, 0, 1, 1, 0, -1, 1, 0, 1)},
                                  {IN("[3,4]!"), WITH(2, 0, 0, 1, 1, 1, 1)},
                                  {IN("[70,301]t"), WITH(2, 1, 0, 5, 6, 7, 80)},
                                  {IN("[40000]"), WITH(1, 0, 1, 30000, 5)}};
SAMPLES(pad);

/* ---- pad_grad: g, like; as pad ------------------------------------------------------------------------------ */
static int pad_grad_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    reel_attr_pad a = {.n = (int64_t)s->p[0], .mode = (int64_t)s->p[1]};
    (void)d;
    for (int i = 0; i < (int)a.n; i++) a.low[i] = (int64_t)s->p[3 + 2 * i], a.high[i] = (int64_t)s->p[4 + 2 * i];
    out[0] = reel_pad_grad_at_(REEL_HERE, in[0], in[1], &a);
    return reel_status();
}

static void pad_grad_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    nd_make(out, d, in[1].shape);
    for (int64_t i = 0; i < in[0].count; i++) {
        const int64_t to = source(s, &in[1].shape, &in[0].shape, i);
        if (to >= 0) out->data[to] += in[0].data[i];
    }
}

static void pad_grad_bad(void)
{
    const reel_attr_pad a = {.n = 1, .mode = REEL_PAD_EDGE, .low = {1}};
#define CALL(g) reel_pad_grad_at_(REEL_HERE, g, X("[1]"), &a)
    STRANGERS(CALL);
#undef CALL
    BAD(reel_pad_grad_at_(REEL_HERE, X("[2]"), NULL, &a), REEL_EARG, "reel_pad_grad|like is NULL");
    BAD(reel_pad_grad_at_(REEL_HERE, X("[2]"), dead(), &a), REEL_EARG, "dead");
    BAD(reel_pad_grad_at_(REEL_HERE, X("[2]"), X("[1,1]"), &a), REEL_ESHAPE, "rank 1, not 2");
    BAD(reel_pad_grad_at_(REEL_HERE, X("[]"), X("[1]"), &a), REEL_ESHAPE, "rank 0, not 1");
    BAD(reel_pad_grad_at_(REEL_HERE, XD("[2]", REEL_I32), X("[1]"), &a), REEL_EDTYPE, "g is i32");
    BAD(reel_pad_grad_at_(REEL_HERE, XD("[2]", REEL_BOOL), X("[1]"), &a), REEL_EDTYPE, "g is bool");
}

static const sample pad_grad_good[] = {{IN("[13]", "[2]"), WITH(1, 1, 0, 9, 2)},
                                       {IN("[15]r", "[4]"), WITH(1, 2, 0, 9, 2)},
                                       {IN("[9]s", "[4]"), WITH(1, 3, 0, 2, 3)},
                                       {IN("[15]", "[4]"), WITH(1, 4, 0, 5, 6)},
                                       {IN("[5]", "[1]"), WITH(1, 1, 0, 2, 2)},
                                       {IN("[6]", "[5]"), WITH(1, 1, 0, -2, 3)},
                                       {IN("[0]", "[5]"), WITH(1, 0, 0, -3, -2)},
                                       {IN("[6,7]t", "[3,4]"), WITH(2, 1, 0, 2, 1, 1, 2)},
                                       {IN("[6,7]o", "[3,4]t"), WITH(2, 2, 0, 2, 1, 3, 0)},
                                       {IN("[5,4]b", "[3,4]"), WITH(1, 3, 0, 1, 1)},
                                       {IN("[2,7,2]", "[2,3,2]"), WITH(2, 4, 0, 0, 0, 2, 2)},
                                       {IN("[3,4]!", "[3,2]"), WITH(2, 3, 0, 0, 0, 1, 1)},
                                       {IN("[]", "[]"), WITH(0)},
                                       {IN("[81,388]t", "[70,301]"), WITH(2, 1, 0, 5, 6, 7, 80)}};
const samples samples_pad_grad = {GOOD(pad_grad_good), .apply = pad_grad_apply, .reference = pad_grad_reference,
                                  .bad = pad_grad_bad, .scale = 4};

/* ---- roll: p0 axes, then axis and shift of each ----------------------------------------------------------------- */
static int roll_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    reel_axes axes = {.n = (int)s->p[0]};
    int64_t shifts[4] = {(int64_t)s->p[2]};
    (void)d;
    for (int i = 0; i < axes.n; i++) axes.axis[i] = (int)s->p[1 + 2 * i], shifts[i] = (int64_t)s->p[2 + 2 * i];
    out[0] = reel_roll(in[0], axes, shifts);
    return reel_status();
}

static void roll_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    const int n = (int)s->p[0], rank = in->shape.rank;
    nd_make(out, d, in->shape);
    for (int64_t i = 0; i < in->count; i++) {
        int64_t at[REEL_MAX_RANK];
        nd_unravel(&in->shape, i, at);
        for (int k = 0; k < n; k++) {
            const int axis = axis_in(s->p[1 + 2 * k], rank);
            const int64_t size = in->shape.dims[axis], to = (at[axis] + (int64_t)s->p[2 + 2 * k]) % size;
            at[axis] = to < 0 ? to + size : to;
        }
        const int64_t flat = ((i + (int64_t)s->p[2]) % in->count + in->count) % in->count;
        out->data[n ? nd_ravel(&in->shape, at) : flat] = in->data[i];
    }
}

static void roll_bad(void)
{
    const int64_t one[2] = {1, 1}, huge[1] = {INT64_MIN};
#define CALL(x) reel_roll(x, REEL_AXES(0), one)
    STRANGERS(CALL);
#undef CALL
    BAD(reel_roll(X("[2]"), REEL_AXES(1), one), REEL_EARG, "reel_roll|axis 1 is out of range for rank 1");
    BAD(reel_roll(X("[2]"), REEL_AXES(-2), one), REEL_EARG, "axis -2");
    BAD(reel_roll(X("[2]"), REEL_AXES(0), NULL), REEL_EARG, "shifts are NULL");
    BAD(reel_roll(X("[2]"), REEL_AXES(0), huge), REEL_EARG, "a shift by -9223372036854775808");
    BAD(reel_roll(X("[]"), REEL_AXES(0), one), REEL_EARG, "rank 0");
    BAD(reel_roll(X("[2]"), (reel_axes){.n = 9}, one), REEL_EARG, "9 axes");
}

static const sample roll_good[] = {{IN("[]"), WITH(0, 0, 3)},          {IN("[5]"), WITH(1, 0, 2)},
                                   {IN("[5]r"), WITH(1, -1, -7)},      {IN("[3,4]"), WITH(0, 0, 5)},
                                   {IN("[3,4]t"), WITH(0, 0, -1)},     {IN("[3,4]s"), WITH(1, 0, 1)},
                                   {IN("[3,4]o"), WITH(1, 1, 3)},      {IN("[3,4]b"), WITH(1, 0, 2)},
                                   {IN("[3,4]!"), WITH(1, 1, 1)},      {IN("[3,4]"), WITH(2, 0, 1, 1, 2)},
                                   {IN("[3,4]"), WITH(2, 0, 1, 0, 1)}, {IN("[0,3]"), WITH(1, 1, 1)},
                                   {IN("[2,3,2]"), WITH(1, 1, 0)},     {IN("[70,301]t"), WITH(2, 0, 33, 1, -100)}};
SAMPLES(roll);

/* ---- tile: p the times; repeat: p times, axis --------------------------------------------------------------------- */
APPLY(tile, reel_tile(in[0], shape_of(s)))

static reel_shape tiled(const sample *s, const reel_shape *x, reel_shape *padded)
{
    reel_shape times = shape_of(s), y = {.rank = times.rank > x->rank ? times.rank : x->rank};
    *padded = (reel_shape){.rank = y.rank};
    for (int i = 0; i < y.rank; i++) {
        const int a = i - (y.rank - x->rank), b = i - (y.rank - times.rank);
        padded->dims[i] = a < 0 ? 1 : x->dims[a];
        y.dims[i] = padded->dims[i] * (b < 0 ? 1 : times.dims[b]);
    }
    return y;
}

static int64_t tile_source(const reel_shape *x, const reel_shape *y, int64_t i)
{
    int64_t at[REEL_MAX_RANK];
    nd_unravel(y, i, at);
    for (int k = 0; k < y->rank; k++) at[k] %= x->dims[k];
    return nd_ravel(x, at);
}

static void tile_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    reel_shape x;
    nd_make(out, d, tiled(s, &in->shape, &x));
    for (int64_t i = 0; i < out->count; i++) out->data[i] = in->data[tile_source(&x, &out->shape, i)];
}

static void tile_bad(void)
{
#define CALL(x) reel_tile(x, REEL_SHAPE(2))
    STRANGERS(CALL);
#undef CALL
    BAD(reel_tile(X("[2]"), REEL_SHAPE(-1)), REEL_EARG, "reel_tile|axis 0 is to be repeated -1 times");
    BAD(reel_tile(X("[2,2]"), REEL_SHAPE(-5)), REEL_EARG, "axis 1|-5 times");
    BAD(reel_tile(X("[2]"), (reel_shape){.rank = 9}), REEL_ESHAPE, "rank 9");
    BAD(reel_tile(X("[2]"), (reel_shape){.rank = -1}), REEL_ESHAPE, "rank -1");
    BAD(reel_tile(X("[2]"), REEL_SHAPE(INT64_MAX)), REEL_ESHAPE, "axis 0 overflows");
    BAD(reel_tile(X("[2,2]"), REEL_SHAPE(1LL << 40, 1LL << 40)), REEL_ESHAPE, "overflow");
}

static const sample tile_good[] = {{IN("[]"), WITH(0)},
                                   {IN("[]"), WITH(2, 2, 3)},
                                   {IN("[3]"), WITH(1, 3)},
                                   {IN("[3]r"), WITH(2, 2, 2)},
                                   {IN("[2,3]t"), WITH(2, 2, 1)},
                                   {IN("[2,3]s"), WITH(1, 2)},
                                   {IN("[2,3]o"), WITH(2, 1, 3)},
                                   {IN("[2,3]b"), WITH(2, 2, 2)},
                                   {IN("[2,3]!"), WITH(2, 2, 2)},
                                   {IN("[2,3]"), WITH(2, 0, 2)},
                                   {IN("[0,3]"), WITH(2, 2, 2)},
                                   {IN("[1,1]"), WITH(2, 3, 4)},
                                   {IN("[2,1,3]"), WITH(3, 1, 2, 2)},
                                   {IN("[70,101]t"), WITH(2, 2, 3)}};
SAMPLES(tile);

static int tile_grad_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    const reel_shape times = shape_of(s);
    (void)d;
    out[0] = reel_tile_grad_at_(REEL_HERE, in[0], in[1], &times);
    return reel_status();
}

static void tile_grad_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    (void)s;
    nd_make(out, d, in[1].shape);
    for (int64_t i = 0; i < in[0].count; i++) out->data[tile_source(&in[1].shape, &in[0].shape, i)] += in[0].data[i];
}

static void tile_grad_bad(void)
{
    const reel_shape two = {1, {2}};
#define CALL(g) reel_tile_grad_at_(REEL_HERE, g, X("[1]"), &two)
    STRANGERS(CALL);
#undef CALL
    BAD(reel_tile_grad_at_(REEL_HERE, X("[2]"), NULL, &two), REEL_EARG, "reel_tile_grad|like is NULL");
    BAD(reel_tile_grad_at_(REEL_HERE, X("[2]"), dead(), &two), REEL_EARG, "dead");
    BAD(reel_tile_grad_at_(REEL_HERE, X("[2]"), X("[1,1]"), &two), REEL_ESHAPE, "rank 1, not 2");
    BAD(reel_tile_grad_at_(REEL_HERE, X("[]"), X("[1]"), &two), REEL_ESHAPE, "rank 0, not 1");
    BAD(reel_tile_grad_at_(REEL_HERE, XD("[2]", REEL_I32), X("[1]"), &two), REEL_EDTYPE, "g is i32");
    BAD(reel_tile_grad_at_(REEL_HERE, XD("[2]", REEL_BOOL), X("[1]"), &two), REEL_EDTYPE, "g is bool");
}

static const sample tile_grad_good[] = {{IN("[9]", "[3]"), WITH(1, 3)},
                                        {IN("[4,6]t", "[2,3]"), WITH(2, 2, 2)},
                                        {IN("[4,3]r", "[2,3]t"), WITH(2, 2, 1)},
                                        {IN("[2,6]s", "[2,3]"), WITH(2, 1, 2)},
                                        {IN("[2,9]o", "[2,3]"), WITH(2, 1, 3)},
                                        {IN("[4,6]b", "[2,3]"), WITH(2, 2, 2)},
                                        {IN("[4,6]!", "[2,3]"), WITH(2, 2, 2)},
                                        {IN("[0,6]", "[2,3]"), WITH(2, 0, 2)},
                                        {IN("[0,6]", "[0,3]"), WITH(2, 2, 2)},
                                        {IN("[3,4]", "[1,1]"), WITH(2, 3, 4)},
                                        {IN("[]", "[]"), WITH(0)},
                                        {IN("[2,2,6]", "[2,1,3]"), WITH(3, 1, 2, 2)},
                                        {IN("[140,303]", "[70,101]"), WITH(2, 2, 3)}};
const samples samples_tile_grad = {GOOD(tile_grad_good), .apply = tile_grad_apply, .reference = tile_grad_reference,
                                   .bad = tile_grad_bad, .scale = 4};

APPLY(repeat, reel_repeat(in[0], (int64_t)s->p[0], (int)s->p[1]))

static void repeat_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    const int axis = axis_in(s->p[1], in->shape.rank);
    reel_shape y = in->shape;
    y.dims[axis] *= (int64_t)s->p[0];
    nd_make(out, d, y);
    for (int64_t i = 0; i < out->count; i++) {
        int64_t at[REEL_MAX_RANK];
        nd_unravel(&y, i, at);
        at[axis] /= (int64_t)s->p[0];
        out->data[i] = in->data[nd_ravel(&in->shape, at)];
    }
}

static void repeat_bad(void)
{
#define CALL(x) reel_repeat(x, 2, 0)
    STRANGERS(CALL);
#undef CALL
    BAD(reel_repeat(X("[2]"), -1, 0), REEL_EARG, "reel_repeat|-1 times");
    BAD(reel_repeat(X("[2]"), 2, 1), REEL_EARG, "axis 1 is out of range for rank 1");
    BAD(reel_repeat(X("[2]"), 2, -2), REEL_EARG, "axis -2");
    BAD(reel_repeat(X("[]"), 2, 0), REEL_EARG, "rank 0");
    BAD(reel_repeat(X("[1,1,1,1,1,1,1,1]"), 2, 0), REEL_ESHAPE, "rank 8, at most 7");
    BAD(reel_repeat(X("[2]"), INT64_MAX, 0), REEL_ESHAPE, "overflow");
}

static const sample repeat_good[] = {
    {IN("[3]"), WITH(2, 0)},      {IN("[3]r"), WITH(3, -1)},  {IN("[2,3]t"), WITH(2, 0)}, {IN("[2,3]t"), WITH(2, 1)},
    {IN("[2,3]s"), WITH(1, 1)},   {IN("[2,3]o"), WITH(3, 0)}, {IN("[2,3]b"), WITH(2, 1)}, {IN("[2,3]!"), WITH(2, 0)},
    {IN("[2,3]"), WITH(0, 1)},    {IN("[0,3]"), WITH(2, 0)},  {IN("[1]"), WITH(5, 0)},    {IN("[2,2,2]"), WITH(2, 1)},
    {IN("[70,101]t"), WITH(4, 1)}};
SAMPLES(repeat);

/* ---- unfold, fold: p0 axes, kernel.., p3 stride.., p5 dilation.., p7 low.., p9 high.. ------------------------------- */
static reel_unfold_opts window_of(const sample *s, reel_shape *kernel)
{
    reel_unfold_opts o = {.size = sizeof o};
    *kernel = (reel_shape){.rank = (int)s->p[0]};
    for (int i = 0; i < kernel->rank; i++) {
        kernel->dims[i] = (int64_t)s->p[1 + i];
        o.stride[i] = (int64_t)s->p[3 + i];
        o.dilation[i] = (int64_t)s->p[5 + i];
        o.low[i] = (int64_t)s->p[7 + i];
        o.high[i] = (int64_t)s->p[9 + i];
    }
    return o;
}

static int unfold_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    reel_shape kernel;
    const reel_unfold_opts o = window_of(s, &kernel);
    (void)d;
    out[0] = reel_unfold(in[0], kernel, &o);
    return reel_status();
}

/* Element i of the columns of images x: which pixel; -1: outside. y gets the shape of the columns. */
static int64_t pixel(const sample *s, const reel_shape *x, reel_shape *y, int64_t i)
{
    reel_shape kernel, grid = {.rank = 2};
    const reel_unfold_opts o = window_of(s, &kernel);
    int64_t places = 1, window = 1, at[REEL_MAX_RANK], to[REEL_MAX_RANK];
    const int n = kernel.rank;
    grid.dims[0] = x->dims[0];
    grid.dims[1] = x->dims[1];
    for (int k = 0; k < n; k++) {
        const int64_t stride = o.stride[k] ? o.stride[k] : 1, dilation = o.dilation[k] ? o.dilation[k] : 1;
        const int64_t size = (x->dims[2 + k] + o.low[k] + o.high[k] - dilation * (kernel.dims[k] - 1) - 1) / stride + 1;
        grid.dims[2 + k] = kernel.dims[k];
        window *= kernel.dims[k];
        places *= size;
        to[k] = size;
    }
    *y = REEL_SHAPE(x->dims[0], x->dims[1] * window, places);
    if (i < 0) return -1;
    int64_t place = i % places, row = i / places;
    for (int k = n - 1; k >= 0; k--) {
        at[2 + k] = place % to[k];
        place /= to[k];
    }
    grid.rank = 2 + n;
    nd_unravel(&grid, row, to);
    for (int k = 0; k < n; k++) {
        const int64_t stride = o.stride[k] ? o.stride[k] : 1, dilation = o.dilation[k] ? o.dilation[k] : 1;
        to[2 + k] = at[2 + k] * stride + to[2 + k] * dilation - o.low[k];
        if (to[2 + k] < 0 || to[2 + k] >= x->dims[2 + k]) return -1;
    }
    return nd_ravel(x, to);
}

static void unfold_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    reel_shape y;
    pixel(s, &in->shape, &y, -1);
    nd_make(out, d, y);
    for (int64_t i = 0; i < out->count; i++) {
        const int64_t from = pixel(s, &in->shape, &y, i);
        out->data[i] = from < 0 ? 0 : in->data[from];
    }
}

static void unfold_bad(void)
{
    const reel_shape k = REEL_SHAPE(2, 2);
    BAD(reel_unfold(NULL, k, NULL), REEL_EARG, "reel_unfold|x is NULL");
    BAD(reel_unfold(dead(), k, NULL), REEL_EARG, "dead");
    BAD(reel_unfold(symbol(), k, NULL), REEL_ETRACE, "graph");
    BAD(reel_unfold(X("[2,3]"), k, NULL), REEL_ESHAPE, "a window of 2 axes for rank 2");
    BAD(reel_unfold(X("[1,1,1,3]"), k, NULL), REEL_ESHAPE, "a window of 2 does not fit into axis 2 of size 1");
    BAD(reel_unfold(X("[1,1,3,3]"), k, REEL_OPTS(unfold, .dilation = {1, 3})), REEL_ESHAPE, "window of 4");
    BAD(reel_unfold(X("[1,1,3,3]"), k, REEL_OPTS(unfold, .stride = {-1, 1})), REEL_EARG, "a stride of -1");
    BAD(reel_unfold(X("[1,1,3,3]"), k, REEL_OPTS(unfold, .low = {0, -1})), REEL_EARG, "a low padding of -1");
    BAD(reel_unfold(X("[1,1,3,3]"), REEL_SHAPE(0, 2), NULL), REEL_EARG, "a window of 0");
    BAD(reel_unfold(X("[1,1,3,3]"), REEL_SCALAR, NULL), REEL_ESHAPE, "a window of 0 axes");
    BAD(reel_unfold(XD("[1,1,3,3]", REEL_BOOL), k, NULL), REEL_EDTYPE, "x is bool");
    BAD(reel_unfold(X("[1,1,3,3]"), k, REEL_OPTS(unfold, .high = {1LL << 40})), REEL_EARG, "a high padding of");
}

#define W2(a, b) 2, a, b
#define WINDOWS(X1, X2, X3)                                                                                     \
    {IN(X1("[1,1,3,3]")), WITH(W2(2, 2))}, {IN(X1("[1,2,3,3]t")), WITH(W2(3, 2))},                              \
        {IN(X1("[2,1,2,3]r")), WITH(W2(2, 2), [7] = 1, 1, 1, 1)}, {IN(X1("[1,1,4,5]s")), WITH(W2(2, 2), 2, 2)}, \
        {IN(X1("[1,1,4,5]o")), WITH(W2(2, 2), 1, 1, 2, 3)}, {IN(X1("[1,1,3,3]b")), WITH(W2(2, 2), [9] = 1, 0)}, \
        {IN(X1("[1,1,3,3]!")), WITH(W2(2, 2))}, {IN(X1("[0,1,3,3]")), WITH(W2(2, 2))},                          \
        {IN(X1("[1,1,1,1]")), WITH(W2(1, 1))}, {IN(X2("[2,2,5]")), WITH(1, 3, 0, 2, 0, 0, 0, 2, 0, 1)},         \
        {IN(X1("[1,1,2,2]")), WITH(W2(1, 1), 2, 1, 1, 1, 2, 3, 3, 3)},                                          \
    {                                                                                                           \
        IN(X1("[3,4,20,31]")), WITH(W2(3, 3), 1, 1, 1, 1, 1, 1, 1, 1)                                           \
    }
#define JUST(spec) spec
static const sample unfold_good[] = {WINDOWS(JUST, JUST, JUST)};
SAMPLES(unfold);

/* fold: the columns of an image; p11: image as h * 1000 + w */
static reel_shape image_of(const sample *s, const reel_shape *g)
{
    reel_shape kernel, x = {.rank = 2};
    window_of(s, &kernel);
    x.dims[0] = g->dims[0];
    x.dims[1] = g->dims[1];
    for (int i = 0; i < kernel.rank; i++) x.dims[1] /= kernel.dims[i];
    if (kernel.rank == 2) x.dims[x.rank++] = (int64_t)s->p[11] / 1000;
    x.dims[x.rank++] = (int64_t)s->p[11] % 1000;
    return x;
}

static int fold_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    reel_shape kernel, image = {.rank = (int)s->p[0]};
    const reel_unfold_opts o = window_of(s, &kernel);
    (void)d;
    if (kernel.rank == 2) image.dims[0] = (int64_t)s->p[11] / 1000;
    image.dims[image.rank - 1] = (int64_t)s->p[11] % 1000;
    out[0] = reel_fold(in[0], image, kernel, &o);
    return reel_status();
}

static void folded(const sample *s, reel_dtype d, const nd *g, const reel_shape *x, nd *out)
{
    reel_shape y;
    nd_make(out, d, *x);
    for (int64_t i = 0; i < g->count; i++) {
        const int64_t to = pixel(s, x, &y, i);
        if (to >= 0) out->data[to] += g->data[i];
    }
    for (int64_t i = 0; i < out->count && is_int(d); i++) out->data[i] = round_to(out->data[i], d);
}

static void fold_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    const reel_shape x = image_of(s, &in->shape);
    folded(s, d, in, &x, out);
}

static void fold_bad(void)
{
    const reel_shape i = REEL_SHAPE(3, 3), k = REEL_SHAPE(2, 2);
    BAD(reel_fold(NULL, i, k, NULL), REEL_EARG, "reel_fold|x is NULL");
    BAD(reel_fold(dead(), i, k, NULL), REEL_EARG, "dead");
    BAD(reel_fold(X("[2]"), i, k, NULL), REEL_ESHAPE, "rank 1, not 3");
    BAD(reel_fold(X("[1,5,4]"), i, k, NULL), REEL_ESHAPE, "columns of 5 elements do not hold windows of 4");
    BAD(reel_fold(X("[1,4,5]"), i, k, NULL), REEL_ESHAPE, "the columns are [1,4,5], windows of this image are [1,4,4]");
    BAD(reel_fold(X("[1,4,4]"), REEL_SHAPE(1, 3), k, NULL), REEL_ESHAPE, "does not fit");
    BAD(reel_fold(X("[1,4,4]"), REEL_SHAPE(3), k, NULL), REEL_ESHAPE, "an image of 1 axes, a window of 2");
    BAD(reel_fold(X("[1,4,4]"), REEL_SHAPE(3, -3), k, NULL), REEL_ESHAPE, "axis 1 of the image is -3");
    BAD(reel_fold(X("[1,4,4]"), i, REEL_SHAPE(2, -2), NULL), REEL_EARG, "a window of -2");
    BAD(reel_fold(XD("[1,4,4]", REEL_BOOL), i, k, NULL), REEL_EDTYPE, "x is bool");
    BAD(reel_fold(X("[1,4,4]"), REEL_SHAPE(1LL << 62, 3), k, NULL), REEL_ESHAPE, "overflow");
}

#define FOLD(spec, image, ...)                    \
    {                                             \
        IN(spec), WITH(__VA_ARGS__, [11] = image) \
    }
static const sample fold_good[] = {FOLD("[1,4,4]", 3003, W2(2, 2)),
                                   FOLD("[1,12,2]t", 3003, W2(3, 2)),
                                   FOLD("[2,4,12]r", 2003, W2(2, 2), [7] = 1, 1, 1, 1),
                                   FOLD("[1,4,4]s", 4005, W2(2, 2), 2, 2),
                                   FOLD("[1,4,4]o", 4005, W2(2, 2), 1, 1, 2, 3),
                                   FOLD("[1,4,6]b", 3003, W2(2, 2), [9] = 1, 0),
                                   FOLD("[1,4,4]!", 3003, W2(2, 2)),
                                   FOLD("[0,4,4]", 3003, W2(2, 2)),
                                   FOLD("[1,1,1]", 1001, W2(1, 1)),
                                   FOLD("[2,6,3]", 5, 1, 3, 0, 2, 0, 0, 0, 1, 0, 1),
                                   FOLD("[1,2,32]", 2002, W2(1, 1), 2, 1, 1, 1, 2, 3, 3, 3),
                                   FOLD("[3,36,620]", 20031, W2(3, 3), 1, 1, 1, 1, 1, 1, 1, 1)};
const samples samples_fold = {GOOD(fold_good), .apply = fold_apply, .reference = fold_reference, .bad = fold_bad,
                              .scale = 8};

/* fold_like: columns, like */
static int fold_like_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    reel_shape kernel;
    const reel_unfold_opts o = window_of(s, &kernel);
    reel_attr_unfold a;
    (void)d;
    memset(&a, 0, sizeof a);
    a.n = kernel.rank;
    for (int i = 0; i < kernel.rank; i++) {
        a.kernel[i] = (int32_t)kernel.dims[i];
        a.stride[i] = (int32_t)(o.stride[i] ? o.stride[i] : 1);
        a.dilation[i] = (int32_t)(o.dilation[i] ? o.dilation[i] : 1);
        a.low[i] = (int32_t)o.low[i];
        a.high[i] = (int32_t)o.high[i];
    }
    out[0] = reel_fold_like_at_(REEL_HERE, in[0], in[1], &a);
    return reel_status();
}

static void fold_like_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    folded(s, d, &in[0], &in[1].shape, out);
}

static void fold_like_bad(void)
{
    const reel_attr_unfold a = {.n = 2, .kernel = {2, 2}, .stride = {1, 1}, .dilation = {1, 1}};
#define CALL(g, like) reel_fold_like_at_(REEL_HERE, g, like, &a)
    BAD(CALL(NULL, X("[1,1,3,3]")), REEL_EARG, "reel_fold_like|g is NULL");
    BAD(CALL(dead(), X("[1,1,3,3]")), REEL_EARG, "dead");
    BAD(CALL(symbol(), X("[1,1,3,3]")), REEL_ETRACE, "graph");
    BAD(CALL(X("[1,4,4]"), NULL), REEL_EARG, "like is NULL");
    BAD(CALL(X("[1,4,4]"), X("[1,1,3]")), REEL_ESHAPE, "an image of rank 3");
    BAD(CALL(X("[4,4]"), X("[1,1,3,3]")), REEL_ESHAPE, "columns of rank 2");
    BAD(CALL(X("[1,4,5]"), X("[1,1,3,3]")), REEL_ESHAPE, "the columns are [1,4,5]");
    BAD(CALL(X("[1,4,4]"), X("[1,2,3,3]")), REEL_ESHAPE, "windows of this image are [1,8,4]");
    BAD(CALL(X("[1,4,4]"), X("[1,1,1,3]")), REEL_ESHAPE, "does not fit into axis 2");
    BAD(CALL(XD("[1,4,4]", REEL_I32), X("[1,1,3,3]")), REEL_EDTYPE, "g is i32");
#undef CALL
}

static const sample fold_like_good[] = {{IN("[1,4,4]", "[1,1,3,3]"), WITH(W2(2, 2))},
                                        {IN("[1,12,2]t", "[1,2,3,3]t"), WITH(W2(3, 2))},
                                        {IN("[2,4,12]r", "[2,1,2,3]"), WITH(W2(2, 2), [7] = 1, 1, 1, 1)},
                                        {IN("[1,4,4]s", "[1,1,4,5]"), WITH(W2(2, 2), 2, 2)},
                                        {IN("[1,4,4]o", "[1,1,4,5]"), WITH(W2(2, 2), 1, 1, 2, 3)},
                                        {IN("[1,4,6]b", "[1,1,3,3]"), WITH(W2(2, 2), [9] = 1, 0)},
                                        {IN("[1,4,4]!", "[1,1,3,3]"), WITH(W2(2, 2))},
                                        {IN("[0,4,4]", "[0,1,3,3]"), WITH(W2(2, 2))},
                                        {IN("[1,1,1]", "[1,1,1,1]"), WITH(W2(1, 1))},
                                        {IN("[2,6,3]", "[2,2,5]"), WITH(1, 3, 0, 2, 0, 0, 0, 1, 0, 1)},
                                        {IN("[1,2,32]", "[1,2,2,2]"), WITH(W2(1, 1), 2, 1, 1, 1, 2, 3, 3, 3)},
                                        {IN("[3,36,620]", "[3,4,20,31]"), WITH(W2(3, 3), 1, 1, 1, 1, 1, 1, 1, 1)}};
const samples samples_fold_like = {GOOD(fold_like_good), .apply = fold_like_apply, .reference = fold_like_reference,
                                   .bad = fold_like_bad, .scale = 8};
