/* samples_sequence.c: sequences of numbers, and matrices with ones in places. */
#include "samples.h"

/* ---- linspace: p start, stop, n, endpoint, base ------------------------------------------------------- */
static int linspace_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    (void)in;
    out[0] = reel_linspace(d, s->p[0], s->p[1], (int64_t)s->p[2], s->p[3] != 0);
    return reel_status();
}

static int logspace_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    (void)in;
    out[0] = reel_logspace(d, s->p[0], s->p[1], (int64_t)s->p[2], s->p[3] != 0, s->p[4]);
    return reel_status();
}

static int geomspace_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    (void)in;
    out[0] = reel_geomspace(d, s->p[0], s->p[1], (int64_t)s->p[2], s->p[3] != 0);
    return reel_status();
}

/* NumPy's: the step first, so that integers are cut at the same places */
static double step_of(const sample *s)
{
    const double parts = s->p[3] != 0 ? s->p[2] - 1 : s->p[2];
    return parts > 0 ? (s->p[1] - s->p[0]) / parts : 0;
}

static double share(const sample *s, int64_t i)
{
    const double parts = s->p[3] != 0 ? s->p[2] - 1 : s->p[2];
    return parts > 0 ? (double)i / parts : 0;
}

static void linspace_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    (void)in;
    nd_make(out, d, REEL_SHAPE((int64_t)s->p[2]));
    for (int64_t i = 0; i < out->count; i++) {
        const double x = s->p[0] + (double)i * step_of(s);
        out->data[i] = is_int(d) ? floor(x) : x;
    }
}

static void logspace_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    (void)in;
    nd_make(out, d, REEL_SHAPE((int64_t)s->p[2]));
    for (int64_t i = 0; i < out->count; i++) {
        const double x = pow(s->p[4], s->p[0] + share(s, i) * (s->p[1] - s->p[0]));
        out->data[i] = is_int(d) ? floor(x) : x;
    }
}

static void geomspace_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    (void)in;
    nd_make(out, d, REEL_SHAPE((int64_t)s->p[2]));
    for (int64_t i = 0; i < out->count; i++) {
        const double x = s->p[0] * pow(s->p[1] / s->p[0], share(s, i));
        out->data[i] = is_int(d) ? floor(x) : x;
    }
}

#define BAD_SPACED(CALL)                                               \
    BAD(CALL(REEL_F32, 1, 2, -2), REEL_EARG, "-2 elements");           \
    BAD(CALL(REEL_F32, 1, INFINITY, 3), REEL_EARG, "finite");          \
    BAD(CALL(REEL_F32, NAN, 2, 3), REEL_EARG, "finite");               \
    BAD(CALL(REEL_F32, 1, -INFINITY, 3), REEL_EARG, "finite");         \
    BAD(CALL(REEL_F32, 1, NAN, 0), REEL_EARG, "finite");               \
    BAD(CALL(REEL_BOOL, 1, 2, 3), REEL_EDTYPE, "bool");                \
    BAD(CALL((reel_dtype)0, 1, 2, 3), REEL_EDTYPE, "0 is no dtype");   \
    BAD(CALL((reel_dtype)-5, 1, 2, 3), REEL_EDTYPE, "-5 is no dtype"); \
    BAD(CALL(REEL_F32, 1, 2, INT64_MAX), REEL_ESHAPE, "overflow");     \
    BAD(CALL(REEL_F32, 1, 2, INT64_MIN), REEL_EARG, "elements")

static void linspace_bad(void)
{
#define CALL(d, a, b, n) reel_linspace(d, a, b, n, true)
    BAD_SPACED(CALL);
#undef CALL
}

static void logspace_bad(void)
{
#define CALL(d, a, b, n) reel_logspace(d, a, b, n, true, 10)
    BAD_SPACED(CALL);
#undef CALL
    BAD(reel_logspace(REEL_F32, 0, 1, 3, true, -2), REEL_EARG, "base");
    BAD(reel_logspace(REEL_F32, 0, 1, 3, true, 0), REEL_EARG, "base");
    BAD(reel_logspace(REEL_F32, 0, 1, 3, true, NAN), REEL_EARG, "base");
    BAD(reel_logspace(REEL_F32, 0, 1, 3, true, INFINITY), REEL_EARG, "base");
}

static void geomspace_bad(void)
{
#define CALL(d, a, b, n) reel_geomspace(d, a, b, n, true)
    BAD_SPACED(CALL);
#undef CALL
    BAD(reel_geomspace(REEL_F32, 1, -2, 3, true), REEL_EARG, "differ in sign");
    BAD(reel_geomspace(REEL_F32, 0, 2, 3, true), REEL_EARG, "0");
    BAD(reel_geomspace(REEL_F32, 2, 0, 3, true), REEL_EARG, "0");
}

#define SPACED(a, b, base)                                                                                      \
    {WITH(a, b, 0, 1, base)}, {WITH(a, b, 1, 1, base)}, {WITH(a, b, 1, 0, base)}, {WITH(a, b, 2, 1, base)},     \
        {WITH(a, b, 2, 0, base)}, {WITH(a, b, 5, 1, base)}, {WITH(a, b, 5, 0, base)}, {WITH(b, a, 5, 1, base)}, \
        {WITH(b, a, 4, 0, base)}, {WITH(a, a, 3, 1, base)}, {WITH(a, b, 301, 1, base)},                         \
    {                                                                                                           \
        WITH(a, b, 20001, 0, base)                                                                              \
    }
static const sample linspace_good[] = {SPACED(1, 101.3, 0)};
static const sample logspace_good[] = {SPACED(0.7, 5.3, 2)};
static const sample geomspace_good[] = {SPACED(1.5, 99.4, 0)};
const samples samples_linspace = {GOOD(linspace_good), .apply = linspace_apply, .reference = linspace_reference,
                                  .bad = linspace_bad, .scale = 64};
const samples samples_logspace = {GOOD(logspace_good), .apply = logspace_apply, .reference = logspace_reference,
                                  .bad = logspace_bad, .scale = 64};
const samples samples_geomspace = {GOOD(geomspace_good), .apply = geomspace_apply, .reference = geomspace_reference,
                                   .bad = geomspace_bad, .scale = 64};

/* ---- eye_k, tri: p rows, columns, k --------------------------------------------------------------------- */
static int eye_k_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    (void)in;
    out[0] = reel_eye_k(d, (int64_t)s->p[0], (int64_t)s->p[1], (int64_t)s->p[2]);
    return reel_status();
}

static int tri_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    (void)in;
    out[0] = reel_tri(d, (int64_t)s->p[0], (int64_t)s->p[1], (int64_t)s->p[2]);
    return reel_status();
}

static void eye_k_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    (void)in;
    nd_make(out, d, REEL_SHAPE((int64_t)s->p[0], (int64_t)s->p[1]));
    for (int64_t i = 0; i < out->count; i++)
        out->data[i] = i / out->shape.dims[1] + (int64_t)s->p[2] == i % out->shape.dims[1];
}

static void tri_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    (void)in;
    nd_make(out, d, REEL_SHAPE((int64_t)s->p[0], (int64_t)s->p[1]));
    for (int64_t i = 0; i < out->count; i++)
        out->data[i] = i % out->shape.dims[1] <= i / out->shape.dims[1] + (int64_t)s->p[2];
}

#define BAD_MATRIX(name)                                                            \
    BAD(reel_##name(REEL_F32, -2, 2, 0), REEL_ESHAPE, "negative dimension");        \
    BAD(reel_##name(REEL_F32, 2, -4, 1), REEL_ESHAPE, "axis 1 is -4");              \
    BAD(reel_##name(REEL_F32, -1, 2, 0), REEL_ESHAPE, "unknown dimension");         \
    BAD(reel_##name(REEL_F32, 2, -1, 0), REEL_ESHAPE, "unknown dimension");         \
    BAD(reel_##name(REEL_F32, 1LL << 40, 1LL << 40, 0), REEL_ESHAPE, "overflow");   \
    BAD(reel_##name(REEL_F32, INT64_MAX, 1, 0), REEL_ESHAPE, "overflow");           \
    BAD(reel_##name(REEL_F32, INT64_MIN, 1, 0), REEL_ESHAPE, "negative dimension"); \
    BAD(reel_##name((reel_dtype)0, 2, 2, 0), REEL_EDTYPE, "0 is no dtype");         \
    BAD(reel_##name((reel_dtype)-1, 2, 2, 0), REEL_EDTYPE, "is no dtype");          \
    BAD(reel_##name(REEL_N_DTYPES, 2, 2, 9), REEL_EDTYPE, "is no dtype")

static void eye_k_bad(void)
{
    BAD_MATRIX(eye_k);
}

static void tri_bad(void)
{
    BAD_MATRIX(tri);
}

#define MATRICES                                                                                           \
    {WITH(1, 1, 0)}, {WITH(0, 3, 0)}, {WITH(3, 0, 1)}, {WITH(3, 3, 1)}, {WITH(3, 3, -1)}, {WITH(2, 5, 2)}, \
        {WITH(5, 2, -3)}, {WITH(3, 4, 9)}, {WITH(3, 4, -9)}, {WITH(3, 3, 1e15)}, {WITH(3, 3, -1e15)},      \
    {                                                                                                      \
        WITH(150, 151, 7)                                                                                  \
    }
static const sample eye_k_good[] = {MATRICES};
static const sample tri_good[] = {MATRICES};
const samples samples_eye_k = {GOOD(eye_k_good), .apply = eye_k_apply, .reference = eye_k_reference, .bad = eye_k_bad};
const samples samples_tri = {GOOD(tri_good), .apply = tri_apply, .reference = tri_reference, .bad = tri_bad};
