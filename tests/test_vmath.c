/* test_vmath.c: the vector math header against long double libm: ulp over dense samples, special values, and the C
   library's double results for what pow must do at its corners. */
#include "kernels/vmath.h"
#include <float.h>
#include "tap.h"

static uint64_t state = 88172645463325252u;
static uint64_t next(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}
/* uniform in [low, high) */
static double draw(double low, double high)
{
    return low + (double)(next() >> 11) * 0x1p-53 * (high - low);
}

static long double l_exp(long double x)
{
    return expl(x);
}
static long double l_log(long double x)
{
    return logl(x);
}
static long double l_log1p(long double x)
{
    return log1pl(x);
}
static long double l_tanh(long double x)
{
    return tanhl(x);
}
static long double l_sigmoid(long double x)
{
    return x >= 0 ? 1 / (1 + expl(-x)) : expl(x) / (1 + expl(x));
}
static long double l_softplus(long double x)
{
    return (x > 0 ? x : 0) + log1pl(expl(-fabsl(x)));
}

static long double l_sin(long double x)
{
    return sinl(x);
}
#define LIBM(name)                             \
    static long double l_##name(long double x) \
    {                                          \
        return name##l(x);                     \
    }
LIBM(cos)
LIBM(tan)
LIBM(asin)
LIBM(acos)
LIBM(atan)
LIBM(sinh)
LIBM(cosh)
LIBM(asinh)
LIBM(acosh)
LIBM(atanh)
LIBM(expm1)
LIBM(exp2)
LIBM(log2)
LIBM(log10)
LIBM(cbrt)
LIBM(erf)
LIBM(erfc)
LIBM(lgamma)
static long double l_silu(long double x)
{
    return x < -11000 ? -0.0L : x / (1 + expl(-x));
}
static long double l_mish(long double x)
{
    const long double e = expl(x), n = e * (e + 2);
    return x > 1000 ? x : x < -11000 ? -0.0L : x * (n / (n + 2));
}
static long double l_gelu(long double x)
{
    return x < -1000 ? -0.0L : x * (0.5L * erfcl(-x * 0.707106781186547524400844362104849039L));
}
static long double l_gelu_slope(long double x)
{
    return fabsl(x) > 1000 ? x > 0
                           : 0.5L * erfcl(-x * 0.707106781186547524400844362104849039L) +
                                 x * (0.398942280401432677939946059934381868L * expl(-x * x / 2));
}
static long double l_gelu_tanh(long double x)
{
    const long double u = 1.59576912160573071175978423973752747L * (x + 0.044715L * x * x * x);
    return u < -11000 ? -0.0L : x / (1 + expl(-u));
}
/* psi and its derivative: up to 40 by the recurrence, then the asymptotic series */
static const long double bernoulli[] = {1.0L / 6,  -1.0L / 30,     1.0L / 42, -1.0L / 30,
                                        5.0L / 66, -691.0L / 2730, 7.0L / 6};
static long double l_digamma(long double x)
{
    long double s = 0, z;
    for (; x < 40; x += 1) s -= 1 / x;
    z = 1 / (x * x);
    s += logl(x) - 0.5L / x;
    for (int k = 6; k >= 0; k--) s -= bernoulli[k] / (2 * k + 2) * powl(z, k + 1);
    return s;
}
static long double l_trigamma(long double x)
{
    long double s = 0, z;
    for (; x < 40; x += 1) s += 1 / (x * x);
    z = 1 / (x * x);
    for (int k = 6; k >= 0; k--) s += bernoulli[k] * powl(z, k + 1) / x;
    return s + 1 / x + 0.5L * z;
}

/* Distance in units of the last place of the exact result in a type with that many bits and smallest exponent. */
static double ulps(long double got, long double want, int bits, int min_exponent)
{
    if (got == want) {
        return 0;
    }
    int e;
    frexpl(want, &e);
    e = want == 0 || e < min_exponent ? min_exponent : e;
    return (double)(fabsl(got - want) / ldexpl(1, e - bits));
}
static double ulps32(float got, long double want)
{
    if (fabsl(want) >= 0x1.ffffffp127L) {
        return isinf(got) ? 0 : 1e9;
    }
    return ulps((long double)got, want, FLT_MANT_DIG, FLT_MIN_EXP);
}
static double ulps64(double got, long double want)
{
    if (fabsl(want) >= 0x1.fffffffffffff8p1023L) {
        return isinf(got) ? 0 : 1e9;
    }
    return ulps((long double)got, want, DBL_MANT_DIG, DBL_MIN_EXP);
}

typedef struct function {
    const char *name;
    float (*f32)(float);
    double (*f64)(double);
    long double (*exact)(long double);
    double low, high; /* where it is sampled; besides random bits over all of the positive or the whole line */
    bool positive;
    double limit32, limit64;
} function;
#define WRAP(name)                    \
    static float name##32(float x)    \
    {                                 \
        return reel_##name##_f32_(x); \
    }                                 \
    static double name##64(double x)  \
    {                                 \
        return reel_##name##_f64_(x); \
    }
WRAP(exp)
WRAP(log)
WRAP(log1p)
WRAP(tanh)
WRAP(sigmoid)
WRAP(softplus)
WRAP(sin)
WRAP(cos)
WRAP(tan)
WRAP(asin)
WRAP(acos)
WRAP(atan)
WRAP(sinh)
WRAP(cosh)
WRAP(asinh)
WRAP(acosh)
WRAP(atanh)
WRAP(expm1)
WRAP(exp2)
WRAP(log2)
WRAP(log10)
WRAP(cbrt)
WRAP(erf)
WRAP(erfc)
WRAP(lgamma)
WRAP(digamma)
WRAP(silu)
WRAP(mish)
WRAP(gelu)
WRAP(gelu_slope)
WRAP(gelu_tanh)
static float trigamma32(float x)
{
    return reel_polygamma_f32_(x, 1);
}
static double trigamma64(double x)
{
    return reel_polygamma_f64_(x, 1);
}
static const function functions[] = {
    {"expm1", expm132, expm164, l_expm1, -40, 90, false, 1.0, 2.5},
    {"expm1 near 0", expm132, expm164, l_expm1, -1, 1, false, 1.0, 2.5},
    {"exp2", exp232, exp264, l_exp2, -150, 128, false, 2.0, 1.5},
    {"exp2 in double's range", NULL, exp264, l_exp2, -1075, 1024, false, 1.0, 1.5},
    {"log2", log232, log264, l_log2, 0, 4, true, 2.0, 1.0},
    {"log10", log1032, log1064, l_log10, 0, 12, true, 1.0, 1.0},
    {"sin", sin32, sin64, l_sin, -10, 10, false, 2.0, 1.0},
    {"sin of thousands", sin32, sin64, l_sin, -1e6, 1e6, false, 2.0, 1.0},
    {"cos", cos32, cos64, l_cos, -10, 10, false, 2.0, 1.0},
    {"tan", tan32, tan64, l_tan, -10, 10, false, 2.0, 2.5},
    {"asin", asin32, asin64, l_asin, -1, 1, false, 1.0, 1.5},
    {"acos", acos32, acos64, l_acos, -1, 1, false, 1.0, 1.5},
    {"atan", atan32, atan64, l_atan, -6, 6, false, 2.0, 2.5},
    {"sinh", sinh32, sinh64, l_sinh, -3, 3, false, 1.0, 3.0},
    {"sinh in double's range", sinh32, sinh64, l_sinh, -711, 711, false, 1.0, 3.0},
    {"cosh", cosh32, cosh64, l_cosh, -3, 3, false, 1.0, 2.5},
    {"cosh in double's range", cosh32, cosh64, l_cosh, -711, 711, false, 1.0, 2.5},
    {"asinh", asinh32, asinh64, l_asinh, -4, 4, false, 1.0, 3.5},
    {"acosh", acosh32, acosh64, l_acosh, 1, 8, true, 1.0, 3.5},
    {"atanh", atanh32, atanh64, l_atanh, -1, 1, false, 1.0, 3.5},
    {"cbrt", cbrt32, cbrt64, l_cbrt, -9, 9, false, 1.0, 1.0},
    {"erf", erf32, erf64, l_erf, -3, 3, false, 2.0, 2.5},
    {"erfc", erfc32, erfc64, l_erfc, -3, 11, false, 3.5, 4.0},
    {"erfc far right", erfc32, erfc64, l_erfc, 5, 28, false, 3.5, 4.0},
    {"lgamma right of 0", lgamma32, lgamma64, l_lgamma, 0, 12, true, 1.0, 4.0},
    {"digamma right of 0", digamma32, digamma64, l_digamma, 0, 12, true, 1.0, 4.0},
    {"trigamma right of 0", trigamma32, trigamma64, l_trigamma, 0, 12, true, 1.0, 4.0},
    {"silu", silu32, silu64, l_silu, -760, 40, false, 2.5, 3.0},
    {"silu near 0", silu32, silu64, l_silu, -4, 4, false, 2.5, 3.0},
    {"mish", mish32, mish64, l_mish, -760, 40, false, 1.0, 4.0},
    {"mish near 0", mish32, mish64, l_mish, -4, 4, false, 1.0, 4.0},
    {"gelu", gelu32, gelu64, l_gelu, -15, 15, false, 2.5, 4.0},
    {"gelu far left", gelu32, gelu64, l_gelu, -39, -10, false, 2.5, 4.0},
    {"gelu_tanh", gelu_tanh32, gelu_tanh64, l_gelu_tanh, -10, 10, false, 2.5, 4.0},
    {"gelu_tanh far left", gelu_tanh32, gelu_tanh64, l_gelu_tanh, -22, -8, false, 2.5, 4.0},
    {"exp", exp32, exp64, l_exp, -104, 89, false, 1.5, 1.5},
    {"exp of small", exp32, exp64, l_exp, -1, 1, false, 1.5, 1.5},
    {"exp in double's range", NULL, exp64, l_exp, -746, 710, false, 1.5, 1.5},
    {"log", log32, log64, l_log, 0, 4, true, 1.5, 1.5},
    {"log near 1", log32, log64, l_log, 0.9, 1.1, true, 1.5, 1.5},
    {"log1p", log1p32, log1p64, l_log1p, -0.999, 8, true, 2.0, 2.0},
    {"log1p near 0", log1p32, log1p64, l_log1p, -0.1, 0.1, true, 2.0, 2.0},
    {"tanh", tanh32, tanh64, l_tanh, -10, 10, false, 2.5, 2.5},
    {"tanh near 0", tanh32, tanh64, l_tanh, -0.5, 0.5, false, 2.5, 2.5},
    {"sigmoid", sigmoid32, sigmoid64, l_sigmoid, -105, 20, false, 2.5, 2.5},
    {"sigmoid near 0", sigmoid32, sigmoid64, l_sigmoid, -2, 2, false, 2.5, 2.5},
    {"softplus", softplus32, softplus64, l_softplus, -105, 90, false, 2.5, 2.5},
    {"softplus near 0", softplus32, softplus64, l_softplus, -4, 4, false, 2.5, 2.5},
    {"gelu's slope", gelu_slope32, gelu_slope64, l_gelu_slope, -15, 15, false, 4.0, 4.0},
    {"gelu's slope where it is 0", gelu_slope32, gelu_slope64, l_gelu_slope, -0.77, -0.73, false, 4.0, 4.0},
};
enum { N = 300000 };

static void test_ulp(void)
{
    for (size_t k = 0; k < sizeof functions / sizeof *functions; k++) {
        const function *f = &functions[k];
        double worst32 = 0, worst64 = 0, at32 = 0, at64 = 0;
        /* near the zero of digamma the reference, and near that of gelu's slope double, is no better: smaller results count as this large */
        const long double least = f->exact == l_digamma || f->exact == l_gelu_slope ? 0.25L : 0;
        for (int i = 0; i < N; i++) {
            const uint64_t bits = next();
            double x = draw(f->low, f->high), e;
            float y = (float)x;
            if (i % 4 == 0) { /* any number at all */
                y = reel_from_bits_f32_((uint32_t)bits & (f->positive ? 0x7fffffffu : 0xffffffffu));
                x = reel_from_bits_f64_(bits & ~((uint64_t)f->positive << 63));
            }
            if (f->f32 && y == y && (e = ulps32(f->f32(y), f->exact((long double)y))) > worst32) {
                worst32 = e;
                at32 = (double)y;
            }
            const long double want = f->exact((long double)x), got = (long double)f->f64(x);
            const long double lift = fabsl(want) < least ? copysignl(least, want) - want : 0;
            if (x == x && (e = fabsl(want) < least ? ulps(got + lift, want + lift, DBL_MANT_DIG, DBL_MIN_EXP)
                                                   : ulps64(f->f64(x), want)) > worst64) {
                worst64 = e;
                at64 = x;
            }
        }
        tap_note("%s: %.3f ulp in float at %a, %.3f in double at %a", f->name, worst32, at32, worst64, at64);
        TAP_OK(worst32 <= f->limit32, "%s in float: %.3f ulp", f->name, worst32);
        TAP_OK(worst64 <= f->limit64, "%s in double: %.3f ulp", f->name, worst64);
    }
}

static void test_pow_ulp(void)
{
    double worst32 = 0, worst64 = 0;
    for (int i = 0; i < N; i++) {
        /* x^y spread over the whole range of results */
        const double x = i % 3 ? draw(0, 4) : reel_from_bits_f64_(next() >> 1), l = fabs(log(x));
        const double y = i % 5 ? draw(-750, 750) / (l > 1e-300 ? l : 1) : draw(-3, 3);
        if (!(x == x) || isinf(x) || x == 0) {
            continue;
        }
        const float xf = (float)draw(0, 8), yf = (float)(i % 5 ? draw(-110, 95) / fabs(log((double)xf)) : draw(-3, 3));
        const double e64 = ulps64(reel_pow_f64_(x, y), powl((long double)x, (long double)y));
        const double e32 = xf > 0 ? ulps32(reel_pow_f32_(xf, yf), powl((long double)xf, (long double)yf)) : 0;
        worst64 = e64 > worst64 ? e64 : worst64;
        worst32 = e32 > worst32 ? e32 : worst32;
    }
    TAP_OK(worst32 <= 0.6, "pow in float: %.4f ulp", worst32);
    TAP_OK(worst64 <= 1.5, "pow in double: %.4f ulp", worst64);
}

static bool same64(double a, double b)
{
    return (a != a && b != b) || reel_bits_f64_(a) == reel_bits_f64_(b);
}
static bool same32(float a, float b)
{
    return (a != a && b != b) || reel_bits_f32_(a) == reel_bits_f32_(b);
}

/* Exact cases: infinities, zeros with their signs, NaN, integers. libm's pow gives all of these exactly. */
static void test_pow_special(void)
{
    static const double v[] = {0.0,       -0.0,       1,
                               -1,        2,          -2,
                               3,         -3,         0.5,
                               -0.5,      4,          5,
                               -5,        1e300,      -1e300,
                               0x1p-1074, -0x1p-1074, 0x1p52,
                               0x1p53,    -0x1p53,    0x1.0000000000001p52,
                               0x1.8p10,  INFINITY,   -INFINITY,
                               NAN,       0x1p-1022,  -4,
                               1.5,       7,          0x1.fffffffffffffp1023,
                               0x1p-149,  0x1p126};
    const size_t n = sizeof v / sizeof *v;
    int bad64 = 0, bad32 = 0;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++) {
            const double want = pow(v[i], v[j]), got = reel_pow_f64_(v[i], v[j]);
            const bool near =
                same64(got, want) || (fabs(got - want) <= 2.3e-16 * fabs(want) && signbit(got) == signbit(want));
            const float x = (float)v[i], y = (float)v[j], wantf = powf(x, y), gotf = reel_pow_f32_(x, y);
            const bool nearf = same32(gotf, wantf) ||
                               (fabsf(gotf - wantf) <= 1.2e-7f * fabsf(wantf) && signbit(gotf) == signbit(wantf));
            if (!near) {
                tap_note("pow(%a, %a) = %a, not %a", v[i], v[j], got, want);
            }
            if (!nearf) {
                tap_note("powf(%a, %a) = %a, not %a", (double)x, (double)y, (double)gotf, (double)wantf);
            }
            bad64 += !near;
            bad32 += !nearf;
        }
    }
    TAP_OK(bad64 == 0, "pow's special cases in double: %d wrong", bad64);
    TAP_OK(bad32 == 0, "pow's special cases in float: %d wrong", bad32);
}

static void test_special(void)
{
    static const struct {
        const char *name;
        float (*f32)(float);
        double (*f64)(double);
        double x, y;
    } c[] = {
        {"exp", exp32, exp64, INFINITY, INFINITY},
        {"exp", exp32, exp64, -INFINITY, 0},
        {"exp", exp32, exp64, 0, 1},
        {"exp", exp32, exp64, -0.0, 1},
        {"exp", exp32, exp64, 1e30, INFINITY},
        {"exp", exp32, exp64, -1e30, 0},
        {"exp", exp32, exp64, NAN, NAN},
        {"log", log32, log64, 0, -INFINITY},
        {"log", log32, log64, -0.0, -INFINITY},
        {"log", log32, log64, 1, 0},
        {"log", log32, log64, INFINITY, INFINITY},
        {"log", log32, log64, -1, NAN},
        {"log", log32, log64, -INFINITY, NAN},
        {"log", log32, log64, NAN, NAN},
        {"log1p", log1p32, log1p64, 0, 0},
        {"log1p", log1p32, log1p64, -0.0, -0.0},
        {"log1p", log1p32, log1p64, -1, -INFINITY},
        {"log1p", log1p32, log1p64, -2, NAN},
        {"log1p", log1p32, log1p64, INFINITY, INFINITY},
        {"log1p", log1p32, log1p64, NAN, NAN},
        {"log1p", log1p32, log1p64, -INFINITY, NAN},
        {"tanh", tanh32, tanh64, 0, 0},
        {"tanh", tanh32, tanh64, -0.0, -0.0},
        {"tanh", tanh32, tanh64, INFINITY, 1},
        {"tanh", tanh32, tanh64, -INFINITY, -1},
        {"tanh", tanh32, tanh64, NAN, NAN},
        {"tanh", tanh32, tanh64, 100, 1},
        {"sigmoid", sigmoid32, sigmoid64, 0, 0.5},
        {"sigmoid", sigmoid32, sigmoid64, INFINITY, 1},
        {"sigmoid", sigmoid32, sigmoid64, -INFINITY, 0},
        {"sigmoid", sigmoid32, sigmoid64, NAN, NAN},
        {"softplus", softplus32, softplus64, INFINITY, INFINITY},
        {"softplus", softplus32, softplus64, -INFINITY, 0},
        {"softplus", softplus32, softplus64, NAN, NAN},
        {"softplus", softplus32, softplus64, 1e30, 1e30},
        {"erf", erf32, erf64, 0, 0},
        {"erf", erf32, erf64, -0.0, -0.0},
        {"erf", erf32, erf64, INFINITY, 1},
        {"erf", erf32, erf64, -INFINITY, -1},
        {"erf", erf32, erf64, 7, 1},
        {"erf", erf32, erf64, NAN, NAN},
        {"erf", erf32, erf64, -NAN, NAN},
        {"gelu", gelu32, gelu64, 0, 0},
        {"gelu", gelu32, gelu64, -0.0, -0.0},
        {"gelu", gelu32, gelu64, INFINITY, INFINITY},
        {"gelu", gelu32, gelu64, -INFINITY, -0.0},
        {"gelu", gelu32, gelu64, -1e30, -0.0},
        {"gelu", gelu32, gelu64, 1e30, 1e30},
        {"gelu", gelu32, gelu64, NAN, NAN},
        {"gelu", gelu32, gelu64, -NAN, NAN},
        {"gelu_slope", gelu_slope32, gelu_slope64, 0, 0.5},
        {"gelu_slope", gelu_slope32, gelu_slope64, -0.0, 0.5},
        {"gelu_slope", gelu_slope32, gelu_slope64, INFINITY, 1},
        {"gelu_slope", gelu_slope32, gelu_slope64, NAN, NAN},
        {"gelu_slope", gelu_slope32, gelu_slope64, -NAN, NAN},
    };
    for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
        const float y = c[i].f32((float)c[i].x);
        const double z = c[i].f64(c[i].x);
        TAP_OK(same32(y, (float)c[i].y) && same64(z, c[i].y), "%s(%g) = %g: %g, %g", c[i].name, c[i].x, c[i].y,
               (double)y, z);
    }
    const float tiny = 0x1p-149f;
    TAP_OK(same32(tanh32(tiny), tiny) && same64(tanh64(0x1p-1074), 0x1p-1074), "tanh keeps the smallest subnormal");
    TAP_OK(same32(log32(tiny), logf(tiny)), "log of the smallest float");
    TAP_OK(sigmoid32(-100.0f) > 0 && sigmoid64(-740) > 0, "sigmoid goes down to the subnormals");
}

/* fmaf by way of double must be fmaf. */
static void test_fma(void)
{
    int bad = 0;
    for (int i = 0; i < 2000000; i++) {
        const uint64_t r = next(), s = next();
        float a = reel_from_bits_f32_((uint32_t)r), b = reel_from_bits_f32_((uint32_t)(r >> 32)),
              c = reel_from_bits_f32_((uint32_t)s);
        if (i % 2) { /* products near c, where rounding twice would show */
            a = (float)draw(0.5, 2);
            b = (float)draw(0.5, 2);
            c = (float)ldexp(draw(-1, 1), (int)(s % 60) - 30);
        }
        if (i % 4 == 3) { /* half a unit of the result, exactly or but for c */
            a = reel_from_bits_f32_(reel_bits_f32_(a) & 0xfffff800u);
            b = reel_from_bits_f32_((reel_bits_f32_(b) & 0x7ffff000u) | (uint32_t)(s & 0x80000000u));
            c = s % 3 ? copysignf(ldexpf(1, (int)(s % 60) - 90), c) : 0;
        }
        bad += !same32(reel_fma_f32_(a, b, c), fmaf(a, b, c));
    }
    TAP_OK(bad == 0, "the float fma of this build rounds once: %d of 2000000 differ", bad);
}

/* The short emulations where they are allowed: c of 24 - short_by bits, products up to 8 2^short_by c. */
static void test_fma_near(void)
{
    int bad = 0, bad_exact = 0, used = 0;
    for (int i = 0; i < 4000000; i++) {
        const uint32_t k = (uint32_t)next() & 0xfff, short_by = i % 3 ? (uint32_t)next() % 24 : 0;
        float a = (float)draw(-2, 2), b = (float)draw(0.5, 2);
        float c = reel_from_bits_f32_(((uint32_t)(next() >> 32) & 0x007fffffu & (~0u << short_by)) | 0x3f800000u);
        if (i % 2) { /* a product half a unit of c, but for its last digit */
            a = (i & 2 ? 1.0f : -1.0f) * (1.0f + 0x1p-23f * (float)k);
            b = ldexpf(1.0f - 0x1p-23f * (float)k, (int)(next() % 4) - 26);
        } else {
            b = ldexpf(b, i % 5 ? (int)(next() % (short_by + 4)) - 1 : -(int)(next() % 60));
        }
        if (i % 16 == 0) c = 0;
        const double p = (double)a * (double)b, s = p + (double)c;
        if (c == 0 || (fabs(p) < 8 * ldexp(c, (int)short_by) && fabs(s) >= fabs(p) / 4)) {
            used++;
            bad += !same32(reel_fma_near_f32_(a, b, c), fmaf(a, b, c));
        }
        if (fabs(p) >= (double)c / 16 && fabs(p) < 0x1p28 * (double)c)
            bad_exact += !same32(reel_fma_exact_f32_(a, b, c), fmaf(a, b, c));
    }
    TAP_OK(bad == 0 && used > 2000000, "the short one is as good where it may be used: %d of %d differ", bad, used);
    TAP_OK(bad_exact == 0, "so is that by double where double holds the sum: %d differ", bad_exact);
}

TAP_MAIN(test_ulp, test_pow_ulp, test_pow_special, test_special, test_fma, test_fma_near)
