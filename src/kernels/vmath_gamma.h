/* vmath_gamma.h: ln|gamma|, digamma and polygamma. Plain scalar code with branches: loops with them do not become vectors. Left of
   0 they go by reflection, where the error is one of the larger term: near a zero of the function it is no small number of
   units in the last place. */
#ifndef REEL_KERNELS_VMATH_GAMMA_H
#define REEL_KERNELS_VMATH_GAMMA_H
#include "kernels/vmath_trig.h"
#include "kernels/vmath_log.h"

static inline double reel_horner_(const double *c, int n, double x)
{
    double p = c[n - 1];
    for (int i = n - 2; i >= 0; i--) p = F64(p, x, c[i]);
    return p;
}
#define HORNER(c, x) reel_horner_(c, (int)(sizeof(c) / sizeof *(c)), x)

/* sin(pi x), x not an integer, exact in its argument: x = n / 2 + r */
static inline double reel_sin_pi_(double x, double *cosine)
{
    const double n = rint(2.0 * x), r = (x - 0.5 * n) * 0x1.921fb54442d18p+1;
    const double low = (x - 0.5 * n) * 0x1.1a62633145c07p-53 + F64(x - 0.5 * n, 0x1.921fb54442d18p+1, -r);
    const uint64_t q = (uint64_t)(int64_t)(n - 4.0 * floor(0.25 * n));
    *cosine = reel_sin_of_f64_(r, low, q + 1u);
    return reel_sin_of_f64_(r, low, q);
}

static inline double reel_lgamma_positive_(double x)
{
    /* lgamma(1 + y) = y (y - 1) R(y - 1/2) and lgamma(2 + y) = y S(y - 1/2) for 0 <= y <= 1; from 8 on Stirling's series */
    static const double r[] = {
        0x1.eeb95b094c191p-2,  -0x1.2aed059bd608ap-3,  0x1.01af62a2929bfp-4,  -0x1.007aa83cee0f8p-5,
        0x1.133423527f406p-6,  -0x1.34dbda14a66b3p-7,  0x1.64f0664c34cep-8,   -0x1.a50352292505bp-9,
        0x1.f814babf8c6f8p-10, -0x1.313e8bdd8c0d4p-10, 0x1.750a77b8d1ccp-11,  -0x1.cb4489a1f3eb2p-12,
        0x1.1c7e518c016cap-12, -0x1.62448bbae0c2fp-13, 0x1.b9e223c48c624p-14, -0x1.1531d2ac2111dp-14,
        0x1.68ff52725228bp-15, -0x1.cb32fee2a41b1p-16, 0x1.ba08be51e45a3p-17, -0x1.0e44355c05de7p-17,
        0x1.97af1e1414574p-17, -0x1.0c197c2c13249p-17};
    static const double s[] = {0x1.2383e809a67e8p-1,   0x1.1200f695b0dd9p-2,   -0x1.6f0ca9a1c2735p-5,
                               0x1.646ae6e419431p-7,   -0x1.95b11573dd692p-9,  0x1.f7e4615f0440bp-11,
                               -0x1.4a5d12cc30cep-12,  0x1.c135f992cd063p-14,  -0x1.3957c3721050ep-15,
                               0x1.bd757e81cb19fp-17,  -0x1.4134764ae1dbbp-18, 0x1.d497644b448p-20,
                               -0x1.58e2158794a3ep-21, 0x1.f978d309051dap-23,  -0x1.7617de3f828f9p-24,
                               0x1.4c8d0a068196bp-25,  -0x1.054affe7cecaap-26};
    static const double stirling[] = {0x1.5555555555555p-4,   -0x1.6c16c16c16c17p-9, 0x1.a01a01a01a01ap-11,
                                      -0x1.3813813813814p-11, 0x1.b951e2b18ff23p-11, -0x1.f6ab0d9993c7dp-10,
                                      0x1.a41a41a41a41ap-8,   -0x1.e4286cb0f5398p-6, 0x1.6fe96381e068p-3};
    if (x < 1.0) return x * (x - 1.0) * HORNER(r, x - 0.5) - reel_log_f64_(x);
    if (x < 2.0) return (x - 1.0) * (x - 2.0) * HORNER(r, x - 1.5);
    if (x < 8.0) {
        double y = x - 2.0, product = 1.0;
        while (y >= 1.0) {
            product *= y + 1.0;
            y -= 1.0;
        }
        /* gamma(x) = (x - 1) (x - 2) ... (y + 2) gamma(y + 2) */
        const double l = y * HORNER(s, y - 0.5);
        return product == 1.0 ? l : reel_log_f64_(product) + l;
    }
    if (x > 0x1p1015) return INFINITY;
    const double q = 1.0 / x, z = q * q, l = reel_log_f64_(x) - 1.0;
    return F64(x - 0.5, l, 0x1.acfe390c97d69p-2 + (x > 0x1p58 ? 0.0 : q * HORNER(stirling, z)));
}
static inline double reel_lgamma_f64_(double x)
{
    if (x > 0.0) return x < (double)INFINITY ? reel_lgamma_positive_(x) : x;
    if (x != x) return x;
    if (x == floor(x)) return (double)INFINITY; /* poles, -inf, and -2^53 and beyond */
    if (x > -0x1p-60) return -reel_log_f64_(-x);
    double cosine;
    const double s = fabs(reel_sin_pi_(x, &cosine));
    /* gamma(x) gamma(-x) = -pi / (x sin(pi x)) */
    return reel_log_f64_(0x1.921fb54442d18p+1 / (s * -x)) - reel_lgamma_positive_(-x);
}
static inline float reel_lgamma_f32_(float x)
{
    return (float)reel_lgamma_f64_((double)x);
}

static inline double reel_digamma_positive_(double x)
{
    /* (x - x0) D(x - 3/2) for 1 <= x <= 2 with its zero x0 in two parts; from 10 on the asymptotic series */
    static const double d[] = {
        0x1.e6f0cbb873616p-1,  -0x1.b1cb63005ee98p-2,  0x1.eca189b8e6f76p-3,  -0x1.2feeeb98a78d3p-3,
        0x1.8512e590384e1p-4,  -0x1.fb44202a24f82p-5,  0x1.4de9aa17d2e29p-5,  -0x1.b9f8b11b62aecp-6,
        0x1.2564716239b75p-6,  -0x1.8635640eb198ep-7,  0x1.03c0b0f5c1ccbp-7,  -0x1.5a06a32183d2ap-8,
        0x1.cd1f7860f43afp-9,  -0x1.336deaef9352p-9,   0x1.99dce97088885p-10, -0x1.0fb1be8359a28p-10,
        0x1.69e84c9af3235p-11, -0x1.fda554026556cp-12, 0x1.55b4fcac7896fp-12, -0x1.2f5c5dbf6d621p-13,
        0x1.8754031ea9f52p-14, -0x1.75ff1d23022dap-13, 0x1.fc39f06578f87p-14};
    static const double series[] = {0x1.5555555555555p-4,  -0x1.1111111111111p-7, 0x1.041041041041p-8,
                                    -0x1.1111111111111p-8, 0x1.f07c1f07c1f08p-8,  -0x1.5995995995996p-6,
                                    0x1.5555555555555p-4,  -0x1.c5e5e5e5e5e5ep-2};
    if (x >= 10.0) {
        const double q = 1.0 / x, z = q * q;
        return reel_log_f64_(x) - (0.5 * q + z * HORNER(series, z));
    }
    if (x < 1.0) {
        return ((x - 0x1.d8b618d5af8fep-2) + 0x1.1e563779a1f5bp-56) * HORNER(d, x - 0.5) - 1.0 / x;
    }
    double sum = 0.0;
    while (x >= 2.0) {
        x -= 1.0;
        sum += 1.0 / x;
    }
    return sum + ((x - 0x1.762d86356be3fp+0) - 0x1.b86a722197829p-54) * HORNER(d, x - 1.5);
}
static inline double reel_digamma_f64_(double x)
{
    if (x > 0.0) return x < (double)INFINITY ? reel_digamma_positive_(x) : x;
    if (x == 0.0) return reel_copysign_f64_((double)INFINITY, -x);
    if (x != x || x == floor(x)) return (double)NAN; /* poles, -inf */
    double cosine;
    const double s = reel_sin_pi_(x, &cosine);
    /* psi(x) = psi(-x) - 1 / x - pi / tan(pi x) */
    return reel_digamma_positive_(-x) - 1.0 / x - 0x1.921fb54442d18p+1 * (cosine / s);
}
static inline float reel_digamma_f32_(float x)
{
    return (float)reel_digamma_f64_((double)x);
}

/* The n-th derivative of digamma, 1 <= n <= 20: (-1)^(n+1) n! sum over k >= 0 of 1 / (x + k)^(n+1). Terms up to x + k >= n + 16, then
   the asymptotic series; all terms have one sign. Left of -30 by reflection:
   psi_n(x) = (-1)^n psi_n(1 - x) - pi d^n/dx^n cot(pi x). */
enum { REEL_POLYGAMMA_MAX = 20 };
static inline double reel_power_(double x, int n)
{
    double p = 1.0;
    for (int i = 0; i < n; i++) p *= x;
    return p;
}
static inline double reel_polygamma_right_(double x, int n)
{
    static const double bernoulli[] = {0x1.5555555555555p-3,  -0x1.1111111111111p-5, 0x1.8618618618618p-6,
                                       -0x1.1111111111111p-5, 0x1.364d9364d9365p-4,  -0x1.033033033033p-2,
                                       0x1.2aaaaaaaaaaabp+0,  -0x1.c5e5e5e5e5e5ep+2, 0x1.b7c4f8f13e3c5p+5,
                                       -0x1.088fe72cfe72dp+9, 0x1.8301f89467e25p+12, -0x1.523440cc0cc0dp+16};
    double factorial = 1.0; /* (n - 1)! */
    for (int i = 2; i < n; i++) factorial *= (double)i;
    const double enough = (double)n + 16.0, x0 = x;
    const int steps = x < enough ? (int)ceil(enough - x) : 0;
    x += (double)steps;
    /* (n-1)! / x^n + n! / (2 x^(n+1)) + sum B_2k (2k+n-1)! / ((2k)! x^(2k+n)) */
    const double q = 1.0 / x;
    double c = 0.5 * q * q * (double)n, sum = 0.0; /* n (n+1) ... / (2k)! x^-2k: the next coefficient over (n-1)! */
    c *= (double)(n + 1) * 1.0;
    for (int k = 0; k < 12; k++) {
        const double add = bernoulli[k] * c;
        sum += add;
        if (fabs(add) < 0x1p-56) break;
        c *= q * q * (double)(2 * k + 2 + n) * (double)(2 * k + 3 + n) / ((double)(2 * k + 3) * (double)(2 * k + 4));
    }
    double y = (1.0 + (0.5 * (double)n * q + sum)) * reel_power_(q, n);
    double lost = 0.0; /* the sum's roundings (Knuth); the small terms come first */
    for (int k = steps - 1; k >= 0; k--) {
        const double term = (double)n / reel_power_(x0 + (double)k, n + 1), t = y + term, back = t - y;
        lost += (y - (t - back)) + (term - back);
        y = t;
    }
    y = (lost == lost ? y + lost : y) * factorial; /* NaN: y is infinite */
    return n % 2 ? y : -y;
}
/* pi d^n/dx^n cot(pi x) as a polynomial in c = cot(pi x): d/dx c = -pi (1 + c c) */
static inline double reel_cot_derivative_(double x, int n)
{
    double p[REEL_POLYGAMMA_MAX + 2] = {0.0, 1.0}, cosine;
    const double pi = 0x1.921fb54442d18p+1, s = reel_sin_pi_(x, &cosine), c = cosine / s;
    for (int k = 0; k < n; k++) {
        double d[REEL_POLYGAMMA_MAX + 2] = {0.0};
        for (int i = 1; i <= k + 1; i++) {
            d[i - 1] -= (double)i * p[i];
            if (i < REEL_POLYGAMMA_MAX + 1) d[i + 1] -= (double)i * p[i];
        }
        memcpy(p, d, sizeof p);
    }
    return reel_horner_(p, n + 2, c) * reel_power_(pi, n + 1);
}
static inline double reel_polygamma_f64_(double x, double order)
{
    const int n = (int)order;
    if (x != x) return x;
    if (x == (double)INFINITY) return n % 2 ? 0.0 : -0.0;
    if (x <= 0.0 && x == floor(x)) return n % 2 ? (double)INFINITY : (double)NAN;
    if (x > -30.0) return reel_polygamma_right_(x, n);
    const double mirrored = reel_polygamma_right_(1.0 - x, n);
    return (n % 2 ? -mirrored : mirrored) - reel_cot_derivative_(x, n);
}
static inline float reel_polygamma_f32_(float x, float order)
{
    return (float)reel_polygamma_f64_((double)x, (double)order);
}
#undef HORNER
#endif
