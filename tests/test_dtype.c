/* Dtypes: names, halves against a slow reference, all 81 conversions. */
#include "core/dtype.h"
#include "reel/base.h"
#include "tap.h"
#include <math.h>
#include <stdlib.h>

/* ---- the reference: values by ldexp, rounding by search among all values ------------------------------ */

typedef struct half_kind {
    const char *name;
    int fraction, bias;
    double value[65536]; /* of the non-negative finite codes, growing */
    int n;
} half_kind;

static half_kind f16 = {.name = "f16", .fraction = 10, .bias = 15}, bf16 = {.name = "bf16", .fraction = 7, .bias = 127};

static void fill(half_kind *k)
{
    const int top = 0x7fff >> k->fraction; /* the exponent of infinity */
    k->n = top << k->fraction;
    for (int h = 0; h < k->n; h++) {
        const int e = h >> k->fraction, m = h & ((1 << k->fraction) - 1);
        k->value[h] =
            e ? ldexp(m + (1 << k->fraction), e - k->bias - k->fraction) : ldexp(m, 1 - k->bias - k->fraction);
    }
}

/* The code nearest to |x|, ties to the even one; beyond half a step above the largest: infinity. */
static uint16_t nearest(const half_kind *k, double x)
{
    const int sign = signbit(x) ? 0x8000 : 0;
    const double a = fabs(x);
    int low = 0, high = k->n; /* value[low] <= a < value[high] */
    while (high - low > 1) {
        const int mid = (low + high) / 2;
        if (k->value[mid] <= a) {
            low = mid;
        } else {
            high = mid;
        }
    }
    const double above = high < k->n ? k->value[high] : 2 * k->value[k->n - 1] - k->value[k->n - 2];
    const double down = a - k->value[low], up = above - a; /* exact: close together */
    return (uint16_t)(sign | (up < down || (up == down && low % 2) || isinf(a) ? high : low));
}

static double random_bits(uint64_t *state, bool single)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    const uint64_t bits = *state ^ *state >> 29;
    if (single) {
        const uint32_t u = (uint32_t)(bits >> 20);
        float f;
        memcpy(&f, &u, sizeof f);
        return (double)f;
    }
    double d;
    memcpy(&d, &bits, sizeof d);
    return d;
}

/* ---- names --------------------------------------------------------------------------------------------- */

static void test_names(void)
{
    static const char *const names[] = {"f32", "f64", "f16", "bf16", "i8", "u8", "i32", "i64", "bool"};
    static const size_t sizes[] = {4, 8, 2, 2, 1, 1, 4, 8, 1};
    for (int d = 1; d < REEL_N_DTYPES; d++) {
        TAP_EQ_STR(reel_dtype_name((reel_dtype)d), names[d - 1]);
        TAP_EQ_INT(reel_dtype_size((reel_dtype)d), sizes[d - 1]);
    }
    TAP_EQ_STR(reel_dtype_name((reel_dtype)0), "?");
    TAP_EQ_STR(reel_dtype_name(REEL_N_DTYPES), "?");
    TAP_EQ_INT(reel_dtype_size((reel_dtype)77), 0);
}

/* ---- halves -------------------------------------------------------------------------------------------- */

static void test_halves_to_floats(void)
{
    const half_kind *kinds[2] = {&f16, &bf16};
    fill(&f16);
    fill(&bf16);
    for (int which = 0; which < 2; which++) {
        const half_kind *k = kinds[which];
        int wrong = 0, lost = 0, loud = 0;
        for (int h = 0; h < 65536; h++) {
            const float f = which ? reel_bf16_to_f32_((uint16_t)h) : reel_f16_to_f32_((uint16_t)h);
            const int code = h & 0x7fff;
            const uint16_t back = which ? reel_f32_to_bf16_(f) : reel_f32_to_f16_(f);
            if (code > k->n) {
                wrong += !isnan(f);
                loud += (back & 0x7fff) <= k->n || (back & (1 << (k->fraction - 1))) == 0;
            } else {
                const double want = code == k->n ? INFINITY : k->value[code];
                wrong += (double)f != (h & 0x8000 ? -want : want) || (signbit(f) != 0) != (h >> 15);
                lost += back != h;
            }
        }
        TAP_OK(wrong == 0, "%s to f32: all 65,536 right (%d wrong)", k->name, wrong);
        TAP_OK(lost == 0, "... and back again (%d wrong)", lost);
        TAP_OK(loud == 0, "... NaN stays a quiet NaN (%d do not)", loud);
    }
}

/* Every midpoint between neighbours, and the numbers just beside it. */
static void test_midpoints(void)
{
    const half_kind *kinds[2] = {&f16, &bf16};
    for (int which = 0; which < 2; which++) {
        const half_kind *k = kinds[which];
        int wrong32 = 0, wrong64 = 0;
        for (int h = 0; h < k->n; h++) {
            const double above = h + 1 < k->n ? k->value[h + 1] : 2 * k->value[h] - k->value[h - 1];
            const double mid = (k->value[h] + above) / 2;
            for (int side = -1; side <= 1; side++) {
                const double x = side ? nextafter(mid, side * (double)INFINITY) : mid;
                const float f = side ? nextafterf((float)mid, (float)side * INFINITY) : (float)mid;
                const uint16_t got64 = which ? reel_f64_to_bf16_(-x) : reel_f64_to_f16_(-x);
                const uint16_t got32 = which ? reel_f32_to_bf16_(f) : reel_f32_to_f16_(f);
                wrong64 += got64 != nearest(k, -x);
                wrong32 += got32 != nearest(k, (double)f);
            }
        }
        TAP_OK(wrong32 == 0, "f32 to %s around all midpoints (%d wrong)", k->name, wrong32);
        TAP_OK(wrong64 == 0, "f64 to %s around all midpoints, rounded once (%d wrong)", k->name, wrong64);
    }
}

static void test_random_rounding(void)
{
    uint64_t state = 1;
    int wrong[4] = {0};
    for (int i = 0; i < 400000; i++) {
        const bool single = i % 2;
        double x = random_bits(&state, single);
        if (!single && i % 4 == 0) {
            x = ldexp(fmod(x, 1.0) + 1.0, (int)(state >> 40) % 50 - 25); /* where f16 lives */
        }
        if (isnan(x)) {
            continue;
        }
        if (single) {
            wrong[0] += reel_f32_to_f16_((float)x) != nearest(&f16, x);
            wrong[1] += reel_f32_to_bf16_((float)x) != nearest(&bf16, x);
        }
        wrong[2] += reel_f64_to_f16_(x) != nearest(&f16, x);
        wrong[3] += reel_f64_to_bf16_(x) != nearest(&bf16, x);
    }
    static const char *const what[] = {"f32 to f16", "f32 to bf16", "f64 to f16", "f64 to bf16"};
    for (int i = 0; i < 4; i++) {
        TAP_OK(wrong[i] == 0, "%s: random bits (%d wrong)", what[i], wrong[i]);
    }
}

/* ---- all pairs ------------------------------------------------------------------------------------------- */

static const double samples[] = {0.0,
                                 -0.0,
                                 0.5,
                                 -0.5,
                                 1,
                                 -1,
                                 1.5,
                                 2.5,
                                 -2.5,
                                 127,
                                 127.5,
                                 128,
                                 -128,
                                 -129,
                                 255,
                                 255.9,
                                 256,
                                 -0.99,
                                 300,
                                 65504,
                                 65520,
                                 1e5,
                                 -1e5,
                                 3e4,
                                 1e-8,
                                 6e-8,
                                 -6e-8,
                                 1e-40,
                                 1e-46,
                                 2147483647,
                                 2147483648.0,
                                 -2147483648.0,
                                 -2147483649.0,
                                 4294967296.0,
                                 9007199254740993.0,
                                 9.2233720368547748e18,
                                 9.2233720368547758e18,
                                 -9.2233720368547758e18,
                                 -1e19,
                                 1e30,
                                 3.4028235677973366e38,
                                 1e39,
                                 -1e300,
                                 INFINITY,
                                 -INFINITY,
                                 NAN};
enum { N = sizeof samples / sizeof *samples };
static const int64_t integers[] = {0,
                                   1,
                                   -1,
                                   2,
                                   7,
                                   -8,
                                   127,
                                   128,
                                   129,
                                   -128,
                                   -129,
                                   255,
                                   256,
                                   1000,
                                   -1000,
                                   32767,
                                   65535,
                                   65536,
                                   70000,
                                   16777217,
                                   -16777217,
                                   33686018,
                                   2147483647,
                                   -2147483647 - 1,
                                   4294967297,
                                   9007199254740993,
                                   -9007199254740993,
                                   36099165763141633,
                                   4647714815446351873,
                                   INT64_MAX,
                                   INT64_MIN,
                                   INT64_MIN + 1};
enum { NI = sizeof integers / sizeof *integers };

/* The rules in words of double and long double, for one value that the source dtype holds exactly. */
static long double source_value(reel_dtype d, const void *p)
{
    int64_t i = 0;
    switch (d) {
    case REEL_I8: i = *(const int8_t *)p; break;
    case REEL_U8: i = *(const uint8_t *)p; break;
    case REEL_I32: i = *(const int32_t *)p; break;
    case REEL_I64: i = *(const int64_t *)p; break;
    case REEL_BOOL: i = *(const uint8_t *)p; break;
    case REEL_F32: return *(const float *)p;
    case REEL_F16: return reel_f16_to_f32_(*(const uint16_t *)p);
    case REEL_BF16: return reel_bf16_to_f32_(*(const uint16_t *)p);
    default: return *(const double *)p;
    }
    return i;
}

static long double rounded(const half_kind *k, long double x)
{
    int best = 0;
    const long double a = fabsl(x);
    if (isinf(x)) {
        return x;
    }
    for (int low = 0, high = k->n; high - low > 0;) { /* the last code not above a */
        const int mid = (low + high) / 2;
        if ((long double)k->value[mid] <= a) {
            best = mid;
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    const long double above = best + 1 < k->n ? (long double)k->value[best + 1]
                                              : 2 * (long double)k->value[k->n - 1] - (long double)k->value[k->n - 2];
    const long double down = a - (long double)k->value[best], up = above - a;
    const bool take = up < down || (up == down && best % 2);
    return copysignl(take ? (best + 1 < k->n ? above : (long double)INFINITY) : (long double)k->value[best], x);
}

static bool as_ruled(reel_dtype sd, reel_dtype dd, const void *src, const void *dst)
{
    static const long double low[] = {[REEL_I8] = -128, [REEL_U8] = 0, [REEL_I32] = INT32_MIN, [REEL_I64] = INT64_MIN};
    static const long double high[] = {
        [REEL_I8] = 127, [REEL_U8] = 255, [REEL_I32] = INT32_MAX, [REEL_I64] = INT64_MAX};
    const long double x = source_value(sd, src), got = source_value(dd, dst);
    long double want = x;
    if (dd == REEL_BOOL) {
        want = x != 0;
    } else if (reel_is_int_(dd) && reel_is_float_(sd)) {
        want = isnan(x) ? 0 : truncl(x);
        want = want < low[dd] ? low[dd] : want > high[dd] ? high[dd] : want;
    } else if (reel_is_int_(dd)) { /* wraps: the low bits */
        const int bits = (int)reel_size_(dd) * 8;
        const uint64_t u = (uint64_t)(int64_t)x, mask = bits == 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1;
        return ((uint64_t)(int64_t)got & mask) == (u & mask);
    } else if (dd == REEL_F16 || dd == REEL_BF16) {
        want = isnan(x) ? x : rounded(dd == REEL_F16 ? &f16 : &bf16, x);
    } else if (dd == REEL_F32) {
        want = (long double)(float)x;
    } else {
        want = (long double)(double)x;
    }
    return isnan(want) ? isnan(got)
                       : got == want && (!reel_is_float_(dd) || !reel_is_float_(sd) || !signbit(got) == !signbit(x));
}

/* long double holds every i64 only where it has 64 bits of mantissa. */
static void test_pairs(void)
{
    enum { MAX = N + NI };
    for (int s = 1; s < REEL_N_DTYPES; s++) {
        for (int d = 1; d < REEL_N_DTYPES; d++) {
            const reel_dtype sd = (reel_dtype)s, dd = (reel_dtype)d;
            const size_t ss = reel_size_(sd), ds = reel_size_(dd);
            _Alignas(64) char src[MAX * 8], dense[MAX * 8], spread[MAX * 8 * 3];
            const int n = reel_is_float_(sd) ? N : NI;
            for (int i = 0; i < n; i++) {
                if (reel_is_float_(sd)) {
                    reel_convert_(src + (size_t)i * ss, sd, 1, &samples[i], REEL_F64, 1, 1);
                } else {
                    const int64_t v = sd == REEL_BOOL ? integers[i] & 1 : integers[i];
                    memcpy(src + (size_t)i * ss, &v, ss); /* little-endian low bytes */
                }
            }
            reel_convert_(dense, dd, 1, src, sd, 1, n);
            int wrong = 0, differ = 0;
            for (int i = 0; i < n; i++) {
                const bool ok = as_ruled(sd, dd, src + (size_t)i * ss, dense + (size_t)i * ds);
                wrong += !ok;
                if (!ok && wrong < 3) {
                    tap_note("%s %.20Lg to %s gave %.20Lg", reel_dtype_name(sd), source_value(sd, src + (size_t)i * ss),
                             reel_dtype_name(dd), source_value(dd, dense + (size_t)i * ds));
                }
            }
            TAP_OK(wrong == 0, "%s to %s (%d of %d wrong)", reel_dtype_name(sd), reel_dtype_name(dd), wrong, n);
            memset(spread, 0x55, sizeof spread);
            reel_convert_(spread, dd, 3, src + (size_t)(n - 1) * ss, sd, -1, n); /* backwards, with gaps */
            for (int i = 0; i < n; i++) {
                differ += memcmp(spread + (size_t)i * 3 * ds, dense + (size_t)(n - 1 - i) * ds, ds) != 0;
                differ += (size_t)i * 3 * ds + ds < sizeof spread && spread[(size_t)i * 3 * ds + ds] != 0x55;
            }
            TAP_OK(differ == 0, "%s to %s, strided: the same (%d differ)", reel_dtype_name(sd), reel_dtype_name(dd),
                   differ);
        }
    }
}

static void test_numbers(void)
{
    char buf[8];
    static const struct {
        reel_dtype d;
        double value;
        bool fits;
    } cases[] = {
        {REEL_I8, 127, true},
        {REEL_I8, 128, false},
        {REEL_I8, -128, true},
        {REEL_I8, -129, false},
        {REEL_I8, 0.5, false},
        {REEL_U8, 255, true},
        {REEL_U8, -1, false},
        {REEL_U8, 256, false},
        {REEL_I32, 2147483647, true},
        {REEL_I32, 2147483648.0, false},
        {REEL_I64, 9.2233720368547748e18, true},
        {REEL_I64, 9.2233720368547758e18, false},
        {REEL_I64, -9.2233720368547758e18, true},
        {REEL_BOOL, 1, true},
        {REEL_BOOL, 2, false},
        {REEL_BOOL, 0.5, false},
        {REEL_I32, NAN, false},
        {REEL_I32, INFINITY, false},
        {REEL_F16, 1e9, true},
        {REEL_F32, NAN, true},
        {REEL_BF16, 0.1, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        memset(buf, 0x55, sizeof buf);
        const bool fits = reel_store_number_(buf, cases[i].d, cases[i].value);
        TAP_OK(fits == cases[i].fits, "%g %s %s", cases[i].value, cases[i].fits ? "fits" : "does not fit",
               reel_dtype_name(cases[i].d));
        if (!fits) {
            TAP_OK(buf[0] == 0x55, "... and nothing is written");
        } else if (!reel_is_float_(cases[i].d)) {
            TAP_OK(reel_load_number_(buf, cases[i].d) == cases[i].value, "... and is read back");
        }
    }
    reel_store_number_(buf, REEL_F16, 0.1);
    TAP_CLOSE(reel_load_number_(buf, REEL_F16), 0.0999755859375, 0, 0, "0.1 in f16");
    const uint32_t payload = 0x7fc12345;
    uint32_t copy;
    reel_convert_(&copy, REEL_F32, 1, &payload, REEL_F32, 1, 1);
    TAP_OK(copy == payload, "copying keeps a NaN's payload");
}

TAP_MAIN(test_names, test_halves_to_floats, test_midpoints, test_random_rounding, test_pairs, test_numbers)
