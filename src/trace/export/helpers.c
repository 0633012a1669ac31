/* helpers.c: functions that exported files have where they need them: what libm lacks, 16-bit floats, integers that never
   trap. In the language of elementwise.def; each is written for float (name_f32) and double (name_f64), or once as it stands. */
#include <string.h>
#include "core/alloc.h"
#include "emit.h"

/* Of T: the file has name_f32 or name_f64. */
static const reel_known real[] = {
    {"sigmoid", "(T x)\n{\n    const T e = V(exp)(-V(fabs)(x));\n    return x < 0 ? e / (1 + e) : 1 / (1 + e);\n}\n"},
    {"softplus", "(T x)\n{\n    return V(log1p)(V(exp)(-V(fabs)(x))) + (x > 0 ? x : 0);\n}\n"},
    {"silu", "(T x)\n{\n    const T c = x < -1000 ? -1000 : x;\n    return c * V(sigmoid)(c);\n}\n"},
    {"silu_slope", "(T x)\n{\n    const T c = x < -1000 ? -1000 : x > 1000 ? 1000 : x;\n"
                   "    return V(sigmoid)(c) * (1 + c * V(sigmoid)(-c));\n}\n"},
    {"mish", "(T x)\n{\n    const T c = x < -1000 ? -1000 : x, e = V(exp)(c > 40 ? 40 : c), n = e * (e + 2);\n"
             "    return c * (n / (n + 2));\n}\n"},
    {"mish_slope", "(T x)\n{\n    const T c = x < -1000 ? -1000 : x > 40 ? 40 : x, e = V(exp)(c), n = e * (e + 2);\n"
                   "    const T q = 1 / (n + 2);\n    return q * (n + c * (4 * e * (1 + e)) * q);\n}\n"},
    {"gelu", "(T x)\n{\n    const T c = x < -1000 ? -1000 : x;\n"
             "    return (T)0.5 * c * V(erfc)(c * (T)-0.70710678118654752440);\n}\n"},
    {"gelu_slope", "(T x)\n{\n    const T c = x < -50 ? -50 : x > 50 ? 50 : x;\n"
                   "    return (T)0.5 * V(erfc)(c * (T)-0.70710678118654752440) + c * ((T)0.39894228040143267794 * "
                   "V(exp)((T)-0.5 * c * c));\n}\n"},
    {"gelu_tanh", "(T x)\n{\n    const T c = x < -100 ? -100 : x > 100 ? 100 : x;\n"
                  "    const T u = (T)1.59576912160573071176 * (c + (T)0.044715 * c * c * c);\n"
                  "    return (x > 100 ? x : c) * V(sigmoid)(u);\n}\n"},
    {"gelu_tanh_slope",
     "(T x)\n{\n    const T c = x < -100 ? -100 : x > 100 ? 100 : x, z = c * c;\n"
     "    const T u = (T)1.59576912160573071176 * (c + (T)0.044715 * c * z), s = V(sigmoid)(u);\n"
     "    return s + c * s * V(sigmoid)(-u) * ((T)1.59576912160573071176 * (1 + (T)0.134145 * z));\n}\n"},
    {"logaddexp", "(T x, T y)\n{\n    const T high = x > y ? x : y, d = x == y ? 0 : -V(fabs)(x - y);\n"
                  "    return high + V(log1p)(V(exp)(d));\n}\n"},
    {"mod", "(T x, T y)\n{\n    const T r = V(fmod)(x, y);\n    if (r == 0) return V(copysign)(0, y);\n"
            "    return (r < 0) != (y < 0) ? r + y : r;\n}\n"},
    {"floor_div", "(T x, T y)\n{\n    const T q = x / y;\n    if (y == 0) return q;\n"
                  "    const T r = V(fmod)(x, y), d = (x - r) / y - (T)((r != 0 && (r < 0) != (y < 0)) ? 1 : 0), f = "
                  "V(floor)(d);\n    return d == 0 ? V(copysign)(0, q) : d - f > (T)0.5 ? f + 1 : f;\n}\n"},
    {"digamma", "(T x)\n{\n    return (T)digamma(x);\n}\n"},
    {"polygamma", "(T x, T order)\n{\n    return (T)polygamma(x, (int)order);\n}\n"},
    {"larger", "(T a, T b)\n{\n    return a > b || a != a ? a : b;\n}\n"},
    {"smaller", "(T a, T b)\n{\n    return a < b || a != a ? a : b;\n}\n"},
};

/* As they stand; the text begins with the result's type. */
static const reel_known plain[] = {
    {"f16_get", "float f16_get(uint16_t h)\n{\n"
                "    union { uint32_t u; float f; } v, magic;\n"
                "    const uint32_t body = (uint32_t)(h & 0x7fffu) << 13;\n"
                "    magic.u = 0x77800000u; /* 2^112 */\n    v.u = body;\n    v.f *= magic.f;\n"
                "    if ((h & 0x7c00u) == 0x7c00u) v.u = 0x7f800000u | body;\n"
                "    v.u |= (uint32_t)(h & 0x8000u) << 16;\n    return v.f;\n}\n"},
    {"f16_put", "uint16_t f16_put(float f)\n{\n"
                "    union { float f; uint32_t u; } v, low;\n    uint32_t sign, u;\n    v.f = f;\n"
                "    sign = (v.u >> 16) & 0x8000u;\n    u = v.u & 0x7fffffffu;\n"
                "    if (u > 0x7f800000u) return (uint16_t)(sign | 0x7e00u | ((u >> 13) & 0x3ffu));\n"
                "    if (u >= 0x47800000u) return (uint16_t)(sign | 0x7c00u);\n"
                "    if (u >= 0x38800000u) return (uint16_t)(sign | ((u + 0xfffu + ((u >> 13) & 1u) - 0x38000000u) >> "
                "13));\n"
                "    low.u = u;\n    low.f += 0.5f;\n    return (uint16_t)(sign | (low.u - 0x3f000000u));\n}\n"},
    {"bf16_get", "float bf16_get(uint16_t h)\n{\n    union { uint32_t u; float f; } v;\n"
                 "    v.u = (uint32_t)h << 16;\n    return v.f;\n}\n"},
    {"bf16_put", "uint16_t bf16_put(float f)\n{\n    union { float f; uint32_t u; } v;\n    v.f = f;\n"
                 "    if ((v.u & 0x7fffffffu) > 0x7f800000u) return (uint16_t)((v.u >> 16) | 0x40u);\n"
                 "    return (uint16_t)((v.u + 0x7fffu + ((v.u >> 16) & 1u)) >> 16);\n}\n"},
    {"cut", "int64_t cut(double x, int64_t low, int64_t high) /* truncated and saturated; NaN gives 0 */\n{\n"
            "    if (x != x) return 0;\n    if (x <= (double)low) return low;\n"
            "    if (x >= (double)high) return high;\n    return (int64_t)x;\n}\n"},
    {"int_fmod", "int64_t int_fmod(int64_t x, int64_t y) /* x % 0 is 0 */\n{\n"
                 "    return y == 0 || y == -1 ? 0 : x % y;\n}\n"},
    {"int_mod", "int64_t int_mod(int64_t x, int64_t y)\n{\n    const int64_t r = int_fmod(x, y);\n"
                "    return r != 0 && (r < 0) != (y < 0) ? r + y : r;\n}\n"},
    {"int_floor_div", "int64_t int_floor_div(int64_t x, int64_t y) /* x / 0 is 0 */\n{\n    if (y == 0) return 0;\n"
                      "    if (y == -1) return (int64_t)(0 - (uint64_t)x);\n"
                      "    return x / y - (x % y != 0 && (x < 0) != (y < 0));\n}\n"},
    {"int_pow", "uint64_t int_pow(int64_t x, int64_t y)\n{\n    uint64_t r = 1, b = (uint64_t)x, n = (uint64_t)y;\n"
                "    if (y < 0) return x == 1 ? 1u : x == -1 ? (y % 2 ? (uint64_t)-1 : 1u) : 0u;\n"
                "    for (; n; n >>= 1) {\n        if (n & 1) r *= b;\n        b *= b;\n    }\n    return r;\n}\n"},
    {"int_shl", "uint64_t int_shl(int64_t x, int64_t n)\n{\n    return (uint64_t)n < 64 ? (uint64_t)x << n : 0;\n}\n"},
    {"int_shr", "int64_t int_shr(int64_t x, int64_t n)\n{\n    const int by = (uint64_t)n < 64 ? (int)n : 63;\n"
                "    return x < 0 ? ~(~x >> by) : x >> by;\n}\n"},
    {"digamma",
     "double digamma(double x)\n{\n"
     "    double sum = 0, q, z;\n"
     "    if (x != x || x == (double)INFINITY) return x;\n"
     "    if (x == 0) return copysign((double)INFINITY, -x);\n"
     "    if (x < 0) {\n        if (x == floor(x)) return (double)NAN;\n"
     "        q = x - floor(x); /* psi(x) = psi(-x) - 1 / x - pi / tan(pi x) */\n"
     "        return digamma(-x) - 1 / x - 3.14159265358979323846 / tan(3.14159265358979323846 * q);\n    }\n"
     "    for (; x < 12; x++) sum -= 1 / x;\n    q = 1 / x;\n    z = q * q;\n"
     "    return sum + log(x) - 0.5 * q - z * (1 / 12.0 - z * (1 / 120.0 - z * (1 / 252.0 - z * (1 / 240.0 - "
     "z / 132.0))));\n}\n"},
    {"polygamma",
     "double polygamma(double x, int n) /* by its series; n is at least 1 */\n{\n"
     "    static const double b[] = {1 / 6.0, -1 / 30.0, 1 / 42.0, -1 / 30.0, 5 / 66.0, -691 / 2730.0, 7 / "
     "6.0, -3617 / 510.0};\n"
     "    double factorial = 1, terms = 0, sum = 0, c, q;\n"
     "    if (x != x) return x;\n    if (x == (double)INFINITY) return n % 2 ? 0.0 : -0.0;\n"
     "    if (x <= 0 && x == floor(x)) return n % 2 ? (double)INFINITY : (double)NAN;\n"
     "    for (int i = 2; i < n; i++) factorial *= i;\n"
     "    for (; x < n + 16; x++) terms += n / pow(x, n + 1);\n"
     "    q = 1 / x;\n    c = 0.5 * q * q * n * (n + 1);\n"
     "    for (int k = 0; k < 8; k++) {\n        sum += b[k] * c;\n"
     "        c *= q * q * (2 * k + 2 + n) * (2 * k + 3 + n) / ((2 * k + 3.0) * (2 * k + 4.0));\n    }\n"
     "    sum = ((1 + (0.5 * n * q + sum)) * pow(q, n) + terms) * factorial;\n"
     "    return n % 2 ? sum : -sum;\n}\n"},
    {"pad_none", "long pad_none(long i, long n)\n{\n    return i < 0 || i >= n ? -1 : i;\n}\n"},
    {"pad_edge", "long pad_edge(long i, long n)\n{\n    return i < 0 ? 0 : i >= n ? n - 1 : i;\n}\n"},
    {"pad_wrap", "long pad_wrap(long i, long n)\n{\n    const long k = i % n;\n    return k < 0 ? k + n : k;\n}\n"},
    {"pad_reflect", "long pad_reflect(long i, long n)\n{\n    const long k = n > 1 ? pad_wrap(i, 2 * n - 2) : 0;\n"
                    "    return k < n ? k : 2 * n - 2 - k;\n}\n"},
    {"pad_symmetric", "long pad_symmetric(long i, long n)\n{\n    const long k = pad_wrap(i, 2 * n);\n"
                      "    return k < n ? k : 2 * n - 1 - k;\n}\n"},
};

static bool has_helper(const reel_exporter *x, const char *name)
{
    for (size_t i = 0; i < x->n_helpers; i++)
        if (strcmp(x->helpers[i].name, name) == 0) return true;
    return false;
}

int reel_add_helper_(reel_exporter *x, const char *name, const char *text)
{
    if (has_helper(x, name)) return 0;
    if (reel_grow_((void **)&x->helpers, &x->cap_helpers, x->n_helpers + 1, sizeof *x->helpers)) return REEL_ENOMEM;
    reel_helper *h = &x->helpers[x->n_helpers++];
    *h = (reel_helper){.name = ""};
    snprintf(h->name, sizeof h->name, "%s", name);
    reel_text_add_(&h->text, text);
    return reel_status();
}

static int add_real(reel_exporter *x, const reel_known *k, reel_dtype d)
{
    char name[64];
    reel_text t = {0};
    reel_math_(d, k->name, name);
    if (has_helper(x, name)) return 0;
    reel_text_fmt_(&t, "static %s %s", reel_ctype_(d), name);
    reel_translate_(&t, d, k->text);
    int rc = reel_need_helpers_(x, reel_text_of_(&t) + 7 + strlen(reel_ctype_(d)) + 1 + strlen(name));
    if (!rc) rc = reel_add_helper_(x, name, reel_text_of_(&t));
    reel_text_free_(&t);
    return rc;
}

static int add_plain(reel_exporter *x, const reel_known *k)
{
    reel_text t = {0};
    if (has_helper(x, k->name)) return 0;
    reel_text_fmt_(&t, "static %s", k->text);
    const char *body = strstr(k->text, k->name) + strlen(k->name);
    int rc = strcmp(k->name, "digamma") == 0 ? 0 : reel_need_helpers_(x, body); /* which calls itself */
    if (!rc) rc = reel_add_helper_(x, k->name, reel_text_of_(&t));
    reel_text_free_(&t);
    return rc;
}

static int need(reel_exporter *x, const char *s, size_t n)
{
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        if (strlen(plain[i].name) == n && memcmp(plain[i].name, s, n) == 0) return add_plain(x, &plain[i]);
    static const reel_known *const lists[] = {reel_matrix_helpers_, reel_ctc_helpers_, reel_roi_helpers_,
                                              reel_random_helpers_};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        for (const reel_known *k = lists[i]; k->name; k++)
            if (strlen(k->name) == n && memcmp(k->name, s, n) == 0) return add_plain(x, k);
    if (n < 5 || (memcmp(s + n - 4, "_f32", 4) != 0 && memcmp(s + n - 4, "_f64", 4) != 0)) return 0;
    for (size_t i = 0; i < sizeof real / sizeof *real; i++)
        if (strlen(real[i].name) == n - 4 && memcmp(real[i].name, s, n - 4) == 0)
            return add_real(x, &real[i], s[n - 2] == '6' ? REEL_F64 : REEL_F32);
    for (const reel_known *k = reel_grid_helpers_; k->name; k++)
        if (strlen(k->name) == n - 4 && memcmp(k->name, s, n - 4) == 0)
            return add_real(x, k, s[n - 2] == '6' ? REEL_F64 : REEL_F32);
    return 0;
}

int reel_need_helpers_(reel_exporter *x, const char *s)
{
    int rc = reel_status();
    while (*s && !rc) {
        size_t n = 0;
        while (reel_is_word_(s[n])) n++;
        if (n) rc = need(x, s, n);
        s += n ? n : 1;
    }
    return rc;
}
