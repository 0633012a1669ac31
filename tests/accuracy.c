/* accuracy.c: ./dev accuracy: every unary function at every float (and every f16 and bf16): the worst error in units of the last
   place. The reference is the library's own function of double, which test_vmath holds against long double libm.

       accuracy [--stride N] [--sums-only] [--markdown FILE] [FUNCTION...]

   A stride takes every N-th bit pattern. Work goes through the public API, so it is the kernels of this machine that are measured,
   in as many threads as the library uses. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "reel/reel.h"

typedef reel_tensor *function(reel_tensor *x);
#define PLAIN(name)                               \
    static reel_tensor *of_##name(reel_tensor *x) \
    {                                             \
        return reel_##name(x);                    \
    }
#define WITH(name, call)                          \
    static reel_tensor *of_##name(reel_tensor *x) \
    {                                             \
        return call;                              \
    }
/* clang-format off */
#define ALL \
    F(reciprocal) F(sqrt) F(rsqrt) F(cbrt) F(square) F(exp) F(exp2) F(expm1) F(log) F(log2) F(log10) F(log1p) \
    F(sin) F(cos) F(tan) F(asin) F(acos) F(atan) F(sinh) F(cosh) F(tanh) F(asinh) F(acosh) F(atanh) F(erf) \
    F(erfc) F(lgamma) F(digamma) F(trigamma) F(sigmoid) F(log_sigmoid) F(softplus) F(softsign) F(silu) F(mish) \
    F(gelu) F(gelu_tanh) F(elu) F(selu) F(celu) F(hard_sigmoid) F(hard_swish)
/* clang-format on */
PLAIN(reciprocal)
PLAIN(sqrt)
PLAIN(rsqrt)
PLAIN(cbrt)
PLAIN(square)
PLAIN(exp)
PLAIN(exp2)
PLAIN(expm1)
PLAIN(log)
PLAIN(log2)
PLAIN(log10)
PLAIN(log1p)
PLAIN(sin)
PLAIN(cos)
PLAIN(tan)
PLAIN(asin)
PLAIN(acos)
PLAIN(atan)
PLAIN(sinh)
PLAIN(cosh)
PLAIN(tanh)
PLAIN(asinh)
PLAIN(acosh)
PLAIN(atanh)
PLAIN(erf)
PLAIN(erfc)
PLAIN(lgamma)
PLAIN(digamma)
PLAIN(sigmoid)
PLAIN(log_sigmoid)
PLAIN(softplus)
PLAIN(softsign)
PLAIN(silu)
PLAIN(mish)
PLAIN(gelu)
PLAIN(gelu_tanh)
PLAIN(selu)
PLAIN(hard_swish)
WITH(trigamma, reel_polygamma(x, 1))
WITH(elu, reel_elu(x, 1))
WITH(celu, reel_celu(x, 2))
WITH(hard_sigmoid, reel_hard_sigmoid(x, 0.25, 0.5))
static const struct {
    const char *name;
    function *f;
} functions[] = {
#define F(name) {#name, of_##name},
    ALL
#undef F
};
enum { N_FUNCTIONS = (int)(sizeof functions / sizeof *functions), CHUNK = 1 << 18 };

typedef struct worst {
    double ulp, at, got, want;
    uint64_t inputs, wrong; /* wrong: NaN, infinity or sign where another is due */
} worst;

/* got against want in units of the last place of a type with that many bits, smallest exponent and overflow limit */
static void compare(worst *w, double x, double got, double want, int bits, int min_exponent, double limit)
{
    w->inputs++;
    if (isnan(want)           ? isnan(got)
        : fabs(want) >= limit ? got == copysign(INFINITY, want)
                              : got == want && (want != 0 || signbit(got) == signbit(want)))
        return;
    double ulp = INFINITY;
    if (isfinite(got) && isfinite(want)) {
        int e;
        frexp(want, &e);
        if (want == 0 || e < min_exponent) e = min_exponent;
        ulp = fabs(got - want) / ldexp(1, e - bits);
        if (got == want || (signbit(got) != signbit(want) && fabs(want) > ldexp(1, e - bits)))
            ulp = INFINITY; /* a zero's or a number's sign */
    } else if (isinf(got) && isfinite(want) && fabs(want) > limit * (1 - 0x1p-20)) {
        ulp = 1; /* to infinity half a place too soon */
    }
    if (isinf(ulp)) w->wrong++;
    if (ulp > w->ulp) *w = (worst){ulp, x, got, want, w->inputs, w->wrong};
}

/* The same for floats that are ordinary numbers, without branches. */
static void compare_floats(worst *w, const double *x, const double *got, const double *want, size_t n)
{
    static double error[CHUNK];
    double most = 0;
    for (size_t i = 0; i < n; i++) {
        const double a = fabs(want[i]), b = fabs(got[i]), floor = a < 0x1p-126 ? 0x1p-126 : a;
        uint64_t u;
        memcpy(&u, &floor, sizeof u);
        u = (uint64_t)(2046 + 23) * ((uint64_t)1 << 52) - (u & ((uint64_t)0x7ff << 52)); /* 2^(23 - exponent) */
        double scale;
        memcpy(&scale, &u, sizeof scale);
        const bool plain = (a > 0) & (b > 0) & (a < 0x1p127) & (b < 0x1p127);
        const double e = fabs(got[i] - want[i]) * scale;
        error[i] = plain ? e : -1;
        most = error[i] > most ? error[i] : most;
    }
    for (size_t i = 0; i < n; i++)
        if (error[i] < 0)
            compare(w, x[i], got[i], want[i], 24, -125, 0x1.ffffffp127);
        else
            w->inputs++;
    for (size_t i = 0; most > w->ulp && i < n; i++)
        if (error[i] == most) *w = (worst){most, x[i], got[i], want[i], w->inputs, w->wrong};
}

/* every stride-th bit pattern of dtype d, from first on */
static int measure(function *f, reel_dtype d, uint64_t patterns, uint64_t stride, worst *w, bool progress,
                   const char *name)
{
    static uint32_t wide[CHUNK];
    static uint16_t narrow[CHUNK];
    static double x[CHUNK], got[CHUNK], want[CHUNK];
    const int bits = d == REEL_F32 ? 24 : d == REEL_F16 ? 11 : 8, min_exponent = d == REEL_F16 ? -13 : -125;
    const double limit = d == REEL_F32 ? 0x1.ffffffp127 : d == REEL_F16 ? 65520.0 : 0x1.ffp127;
    const time_t begun = time(NULL);
    time_t told = begun;
    for (uint64_t p = 0; p < patterns && !reel_status();) {
        REEL_SCOPED;
        size_t n = 0;
        for (; n < CHUNK && p < patterns; n++, p += stride) wide[n] = (uint32_t)p, narrow[n] = (uint16_t)p;
        const void *data = d == REEL_F32 ? (const void *)wide : narrow;
        reel_tensor *in = reel_from((reel_type){d, REEL_SHAPE((int64_t)n)}, data, n * (d == REEL_F32 ? 4 : 2));
        reel_tensor *exact = reel_cast(in, REEL_F64);
        if (reel_read_f64(exact, x, n) || reel_read_f64(f(in), got, n) || reel_read_f64(f(exact), want, n)) break;
        if (d == REEL_F32)
            compare_floats(w, x, got, want, n);
        else
            for (size_t i = 0; i < n; i++) compare(w, x[i], got[i], want[i], bits, min_exponent, limit);
        if (progress && time(NULL) >= told + 5) {
            told = time(NULL);
            fprintf(stderr, "\r%s: %3.0f %%, %lld s ", name, 100.0 * (double)p / (double)patterns,
                    (long long)(told - begun));
        }
    }
    if (progress && told != begun) fprintf(stderr, "\r%40s\r", "");
    return reel_status();
}

/* ---- sums: the error must not grow with n -------------------------------------------------------------- */
static double sum_of_ones(int64_t n)
{
    REEL_SCOPED;
    return reel_item(reel_sum(reel_ones(REEL_F32, REEL_SHAPE(n))));
}

static double random_sum_error(int64_t n) /* in units of the last place of the exact sum of n floats from [0, 1) */
{
    REEL_SCOPED;
    reel_seed(5);
    reel_tensor *x = reel_uniform(REEL_F32, REEL_SHAPE(n), 0, 1, NULL);
    float *v = malloc((size_t)n * sizeof *v);
    if (!v || reel_read(x, v, (size_t)n * sizeof *v)) return NAN;
    uint64_t exact = 0; /* floats of [0, 1) that the generator makes are multiples of 2^-32 */
    for (int64_t i = 0; i < n; i++) exact += (uint64_t)((double)v[i] * 0x1p32);
    free(v);
    const double want = (double)exact * 0x1p-32, got = reel_item(reel_sum(x));
    return fabs(got - want) / ldexp(1, ilogb(want) - 23);
}

static void sums(FILE *out)
{
    fprintf(out, "\n## Sums\n\n| n | sum of n ones | error of a sum of n random floats, ulp |\n|---|---|---|\n");
    for (int e = 3; e <= 27; e += 4) {
        const int64_t n = (int64_t)1 << e;
        fprintf(out, "| 2^%d | %s | %.2f |\n", e, sum_of_ones(n) == (double)n ? "exact" : "WRONG", random_sum_error(n));
        fflush(out);
    }
}

static bool chosen(int argc, char **argv, int first, const char *name)
{
    for (int i = first; i < argc; i++)
        if (strcmp(argv[i], name) == 0) return true;
    return first >= argc;
}

int main(int argc, char **argv)
{
    uint64_t stride = 1;
    const char *file = NULL;
    bool only_sums = false;
    int first = 1;
    for (; first < argc && argv[first][0] == '-'; first++) {
        if (strcmp(argv[first], "--stride") == 0 && first + 1 < argc) {
            stride = strtoull(argv[++first], NULL, 10);
            stride += stride == 0;
        } else if (strcmp(argv[first], "--markdown") == 0 && first + 1 < argc) {
            file = argv[++first];
        } else if (strcmp(argv[first], "--sums-only") == 0) {
            only_sums = true;
        } else {
            fprintf(stderr, "usage: accuracy [--stride N] [--sums-only] [--markdown FILE] [FUNCTION...]\n");
            return 2;
        }
    }
    FILE *out = file ? fopen(file, "w") : stdout;
    if (!out) return perror(file), 1;
    char today[32] = "";
    const time_t now = time(NULL);
    strftime(today, sizeof today, "%Y-%m-%d", gmtime(&now));
    char sampled[128] = "Every one of the 2^32 floats, and every f16 and bf16.";
    if (stride != 1)
        snprintf(sampled, sizeof sampled, "A sample, every %llu-th of the 2^32 floats, and every f16 and bf16.",
                 (unsigned long long)stride);
    fprintf(out,
            "# Accuracy\n\nGenerated by `./dev accuracy` on %s, kernels of %s. %s\n"
            "The reference is the library's own function of doubles, which `tests/test_vmath.c` holds to a few units "
            "in the last place of\n"
            "double against long double libm, 2^-27 of a float's. Errors are in units of the last place of the exact "
            "result (subnormals: of the\n"
            "smallest subnormal); 0.5 is a rounding. elu is taken at alpha 1, celu at 2, hard_sigmoid at 0.25 and 0.5; "
            "trigamma is polygamma 1.\n\n"
            "| function | f32: worst ulp | at | f16 | bf16 |\n|---|---|---|---|---|\n",
            today, reel_isa(), sampled);
    if (stride != 1 && out != stdout) fprintf(stderr, "stride %llu\n", (unsigned long long)stride);
    int bad = 0;
    for (int k = 0; k < N_FUNCTIONS && !only_sums; k++) {
        worst w[3] = {{0}};
        if (!chosen(argc, argv, first, functions[k].name)) continue;
        if (measure(functions[k].f, REEL_F32, (uint64_t)1 << 32, stride, &w[0], true, functions[k].name) ||
            measure(functions[k].f, REEL_F16, 65536, 1, &w[1], false, "") ||
            measure(functions[k].f, REEL_BF16, 65536, 1, &w[2], false, "")) {
            reel_error e;
            reel_take_error(&e);
            fprintf(stderr, "%s: %s\n", functions[k].name, e.text);
            return 1;
        }
        fprintf(out, "| %s | %.3f | %.9g | %.3f | %.3f |\n", functions[k].name, w[0].ulp, w[0].at, w[1].ulp, w[2].ulp);
        fflush(out);
        for (int i = 0; i < 3; i++) {
            if (w[i].wrong || w[i].ulp > 4)
                fprintf(stderr, "%s: %llu wrong in kind; worst %.3f ulp at %a: %a, not %a\n", functions[k].name,
                        (unsigned long long)w[i].wrong, w[i].ulp, w[i].at, w[i].got, w[i].want);
            bad += w[i].wrong || w[i].ulp > 4;
        }
    }
    if (first >= argc || only_sums) sums(out);
    if (file) fclose(out);
    return bad != 0;
}
