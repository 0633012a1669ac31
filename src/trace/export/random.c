/* random.c: emitters of draws, which take their counters as eager would: the same Philox words, and dropout, which makes its mask from a
   state; and of quantizing. */
#include <math.h>
#include <string.h>
#include "core/random.h"
#include "elements.h"

static void draw(reel_emit *e, reel_dtype d)
{
    const reel_attr_random *a = e->attr;
    e->generator = a->generator;
    e->draws = reel_draw_counters_(e->out[0].count, d);
}

/* The largest number of dtype d below x. */
static double below(double x, reel_dtype d)
{
    if (d == REEL_F64) return nextafter(x, -INFINITY);
    if (d == REEL_F32) {
        const float f = (float)x;
        return (double)((double)f < x ? f : nextafterf(f, -INFINITY));
    }
    const double step = d == REEL_F16 ? 0x1p-11 : 0x1p-8;
    int exponent;
    const double m = frexp(x, &exponent);
    return ldexp(m > 0.5 || m < 0 ? m - step : m - step / 2, exponent);
}

int reel_emit_uniform_(reel_emit *e)
{
    const reel_attr_random *a = e->attr;
    const reel_dtype d = e->out[0].dtype;
    const double top = below(a->b, d);
    char buf[REEL_NUMBER_TEXT];
    if (e->out[0].count == 0) return 0;
    draw(e, d);
    reel_set_text_(e, "low", "%s", reel_double_(a->a, buf));
    reel_set_text_(e, "span", "%s", reel_double_(a->b - a->a, buf));
    reel_set_text_(e, "top", "%s", reel_double_(top < a->a ? a->a : top, buf));
    reel_set_(e, "bits", d == REEL_F16 ? 11 : d == REEL_BF16 ? 8 : 24);
    reel_open_(e, "i", e->out[0].count);
    if (d == REEL_F64)
        reel_say_(e,
                  "uint32_t w[4];\nphilox(key, counter + (uint64_t)i / 2, 0, w);\n"
                  "const double u = $low + random_fraction((uint64_t)w[i % 2 * 2] << 32 | w[i % 2 * 2 + 1]) * $span;\n"
                  "ST0(i, u > $top ? $top : u);");
    else
        reel_say_(e, "ST0(i, uniform(random_word(key, counter, 0, i), $bits, $low, $span, $top));");
    reel_close_(e, 1);
    return 0;
}

int reel_emit_normal_(reel_emit *e)
{
    const reel_attr_random *a = e->attr;
    const reel_dtype d = e->out[0].dtype;
    char buf[REEL_NUMBER_TEXT];
    if (e->out[0].count == 0) return 0;
    draw(e, d);
    reel_set_text_(e, "mean", "%s", reel_double_(a->a, buf));
    reel_set_text_(e, "dev", "%s", reel_double_(a->b, buf));
    reel_open_(e, "i", e->out[0].count);
    if (d == REEL_F64)
        reel_say_(e, "uint32_t w[4];\nphilox(key, counter + (uint64_t)i / 2, 0, w);\n"
                     "const double u = random_fraction((uint64_t)w[0] << 32 | w[1]) + 0x1p-53;\n"
                     "const double turn = 4 * random_fraction((uint64_t)w[2] << 32 | w[3]);\n"
                     "ST0(i, $mean + $dev * gauss(u, turn, (int)(i % 2)));");
    else
        reel_say_(e,
                  "const uint32_t u = random_word(key, counter, 0, i / 2 * 2), turn = random_word(key, counter, 0, i / "
                  "2 * 2 + "
                  "1);\nST0(i, $mean + $dev * gauss((double)((u >> 8) + 1u) * 0x1p-24, (double)(turn >> 8) * 0x1p-22, "
                  "(int)(i % 2)));");
    reel_close_(e, 1);
    return 0;
}

int reel_emit_bernoulli_(reel_emit *e)
{
    const reel_attr_random *a = e->attr;
    unsigned char element[8] = {0};
    const double one = 1;
    char buf[REEL_NUMBER_TEXT];
    if (e->out[0].count == 0) return 0;
    draw(e, e->out[0].dtype);
    reel_convert_(element, e->out[0].dtype, 1, &one, REEL_F64, 1, 1);
    reel_set_text_(e, "one", "%s", reel_literal_(e->out[0].dtype, element, buf));
    reel_set_text_(e, "limit", "UINT64_C(%llu)", (unsigned long long)(uint64_t)(a->a * 0x1p32 + 0.5));
    reel_open_(e, "i", e->out[0].count);
    reel_say_(e, "const uint64_t word = random_word(key, counter, 0, i);\nif (word + 1 <= $limit)\n    WR0(i, "
                 "$one);\nelse\n    WR0(i, 0);");
    reel_close_(e, 1);
    return 0;
}

int reel_emit_randint_(reel_emit *e)
{
    const reel_attr_randint *a = e->attr;
    if (e->out[0].count == 0) return 0;
    draw(e, e->out[0].dtype);
    reel_set_text_(e, "low", "UINT64_C(%llu)", (unsigned long long)(uint64_t)a->low);
    reel_set_text_(e, "range", "UINT64_C(%llu)", (unsigned long long)((uint64_t)a->high - (uint64_t)a->low));
    reel_open_(e, "i", e->out[0].count);
    reel_say_(e, "ST0(i, $low + random_below(random_bits(key, counter, i), $range));");
    reel_close_(e, 1);
    return 0;
}

/* Fisher and Yates: element i changes places with one of 0..i, which number i decides. */
int reel_emit_permutation_(reel_emit *e)
{
    const int64_t n = e->out[0].count;
    if (n == 0) return 0;
    draw(e, e->out[0].dtype);
    reel_set_(e, "n", n);
    e->work = (size_t)n;
    e->work_type = "int64_t";
    reel_say_(e, "for (long i = 0; i < $n; i++) work[i] = i;\nfor (long i = $n - 1; i > 0; i--) {\n"
                 "    const long with = (long)random_below(random_bits(key, counter, i), (uint64_t)i + 1);\n"
                 "    const int64_t kept = work[i];\n    work[i] = work[with];\n    work[with] = kept;\n}\n"
                 "for (long i = 0; i < $n; i++) ST0(i, work[i]);");
    return 0;
}

/* ---- truncated normal: the inverse of the distribution function between the limits, of the tail that has the precision --------- */

static double normal_below(double x)
{
    return 0.5 * erfc(-x * 0.70710678118654752440);
}

int reel_emit_truncated_normal_(reel_emit *e)
{
    const reel_attr_truncated *a = e->attr;
    const double low = (a->low - a->random.a) / a->random.b, high = (a->high - a->random.a) / a->random.b;
    const bool mirrored = low > 0;
    const double p = normal_below(mirrored ? -high : low), span = normal_below(mirrored ? -low : high) - p;
    const struct {
        const char *name;
        double x;
    } numbers[] = {
        {"p", p},        {"span", span},   {"mean", a->random.a}, {"dev", mirrored ? -a->random.b : a->random.b},
        {"low", a->low}, {"high", a->high}};
    char buf[REEL_NUMBER_TEXT];
    if (e->out[0].count == 0) return 0;
    draw(e, e->out[0].dtype);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        reel_set_text_(e, numbers[i].name, "%s", reel_double_(numbers[i].x, buf));
    reel_open_(e, "i", e->out[0].count);
    reel_say_(e, "const double u = random_fraction(random_bits(key, counter, i)) + 0x1p-54;\n"
                 "const double v = $mean + $dev * normal_quantile($p + u * $span);\n"
                 "ST0(i, v < $low ? $low : v > $high ? $high : v);");
    reel_close_(e, 1);
    return 0;
}

/* ---- categorical: of each row the running sum of its probabilities, then the first class whose sum lies above a number ----------- */

int reel_emit_categorical_(reel_emit *e)
{
    const reel_eoperand *x = &e->in[0];
    const int64_t classes = x->dims[x->rank - 1], n = ((const reel_attr_categorical *)e->attr)->n;
    if (e->out[0].count == 0) return 0;
    draw(e, REEL_I64);
    reel_refuses_(e, "a row of the logits has NaN, infinity, or nothing but -infinity");
    e->work = (size_t)classes;
    e->work_type = "double";
    const int loops = reel_open_rows_(e, x, x->rank - 1);
    reel_set_(e, "samples", n);
    reel_set_(e, "classes", classes);
    reel_set_text_(e, "element", "$y0 + k * $t0");
    reel_say_(e, "double most = -(double)INFINITY, sum = 0;\nfor (long k = 0; k < $classes; k++) {\n"
                 "    const double l = (double)LD0($x0 + k * $s0);\n    if (!(l < (double)INFINITY)) return 1;\n"
                 "    most = l > most ? l : most;\n}\nif (most == -(double)INFINITY) return 1;\n"
                 "for (long k = 0; k < $classes; k++) work[k] = sum += exp((double)LD0($x0 + k * $s0) - most);\n"
                 "for (long k = 0; k < $samples; k++) {\n"
                 "    const double u = random_fraction(random_bits(key, counter, $element)) * sum;\n"
                 "    long first = 0, last = $classes - 1;\n    while (first < last) {\n"
                 "        const long middle = first + (last - first) / 2;\n        if (work[middle] > u)\n"
                 "            last = middle;\n        else\n            first = middle + 1;\n    }\n"
                 "    while (first > 0 && work[first] == work[first - 1]) first--;\n    ST0($element, first);\n}");
    reel_close_(e, loops);
    return 0;
}

/* ---- candidates: how many words they take is chance, so these come from the high counters of the first one ----------------------- */

int reel_emit_candidates_(reel_emit *e)
{
    const reel_attr_candidates *a = e->attr;
    int64_t slots = 0;
    if (a->unique && a->n > 0)
        for (slots = 2; slots < 2 * a->n;) slots *= 2;
    reel_refuses_(e, "a class is out of range");
    if (a->n > 0) draw(e, REEL_I64);
    reel_set_(e, "n", a->n);
    reel_set_(e, "range", a->range);
    reel_set_(e, "slots", slots);
    if (e->in[0].count) {
        const int loops = reel_open_elements_(e, &e->in[0], 1u);
        reel_say_(
            e, "{\n    const int64_t label = (int64_t)LD0($i0);\n    if (label < 0 || label >= $range) return 1;\n}");
        reel_close_(e, loops);
    }
    reel_set_text_(e, "expected", a->unique ? "-expm1(draws * log1p(-q))" : "q * $n");
    reel_say_(e, "double draws = 0;");
    if (a->n > 0) {
        if (slots) {
            e->work = (size_t)slots;
            e->work_type = "int64_t";
            reel_say_(e, "for (long i = 0; i < $slots; i++) work[i] = -1;");
        }
        reel_say_(e, "const double span = log($range + 1.0);\nfor (long i = 0; i < $n; draws++) {\n    uint32_t w[4];\n"
                     "    philox(key, counter, 1 + (uint64_t)draws / 2, w);\n"
                     "    const int k = (int)((uint64_t)draws % 2) * 2;\n"
                     "    const double u = random_fraction((uint64_t)w[k] << 32 | w[k + 1]);\n"
                     "    const int64_t c = ((int64_t)exp(u * span) - 1) % $range;");
        reel_say_(e, slots ? "    if (random_new(work, $slots, c)) ST0(i++, c);\n}" : "    ST0(i++, c);\n}");
        reel_say_(e, "for (long i = 0; i < $n; i++) {\n"
                     "    const double q = log(((double)LO0(i) + 2) / ((double)LO0(i) + 1)) / log($range + 1.0);\n"
                     "    ST2(i, $expected);\n}");
    }
    if (e->in[0].count == 0) return 0;
    const int loops = reel_open_elements_(e, &e->in[0], 1u);
    reel_say_(e, "const double label = (double)LD0($i0), q = log((label + 2) / (label + 1)) / log($range + 1.0);\n"
                 "ST1($o, $expected);");
    reel_close_(e, loops);
    return 0;
}

int reel_emit_random_state_(reel_emit *e)
{
    const reel_attr_random *a = e->attr;
    e->generator = a->generator;
    e->draws = 1;
    reel_say_(e, "uint32_t w[4];\nphilox(key, counter, 0, w);\nWR0(0, (int64_t)((uint64_t)w[0] << 32 | w[1]));\n"
                 "WR0(1, (int64_t)((uint64_t)w[2] << 32 | w[3]));");
    return 0;
}

/* Element i is kept if the i-th uniform number of the state's stream is at least p. */
int reel_emit_drop_(reel_emit *e)
{
    const reel_attr_num *a = e->attr;
    char buf[REEL_NUMBER_TEXT];
    if (e->out[0].count == 0) return 0;
    reel_set_(e, "s", e->in[1].strides[0]);
    reel_set_text_(e, "p", "%s", reel_float_(REEL_F32, a->value, buf));
    reel_set_text_(e, "scale", "%s", reel_float_(e->real, 1 / (1 - a->value), buf));
    reel_set_offset_(e, "x", &e->in[0], "i");
    reel_set_offset_(e, "o", &e->out[0], "i");
    reel_say_(e, "const uint64_t key = (uint64_t)LD1(0), counter = (uint64_t)LD1($s);");
    const int n = reel_open_all_(e, "i", e->in[0].dims, e->in[0].rank);
    reel_say_(e, "if ((float)uniform(random_word(key, counter, 0, $o), 24, 0, 1, 0x1.fffffep-1) >= $p)\n"
                 "    ST0($o, LD0($x) * $scale);\nelse\n    ST0($o, 0);");
    reel_close_(e, n);
    return 0;
}

/* ---- saturate(round(x / scale) + zero) ------------------------------------------------------------------------------------------ */

int reel_emit_quantize_(reel_emit *e)
{
    const reel_dtype d = e->out[0].dtype;
    e->real = e->in[0].dtype == REEL_F64 ? REEL_F64 : REEL_F32;
    if (e->out[0].count == 0) return 0;
    const int n = reel_open_elements_(e, &e->out[0], 7u);
    reel_set_text_(e, "low", d == REEL_I8 ? "-128.0" : d == REEL_U8 ? "0.0" : "-2147483648.0");
    reel_set_text_(e, "high", d == REEL_I8 ? "127.0" : d == REEL_U8 ? "255.0" : "2147483647.0");
    reel_say_(e, "double v = (double)(LD0($i0) / LD1($i1));\nv = v == v ? v : 0;\nv = v > 0x1p40 ? 0x1p40 : v < "
                 "-0x1p40 ? -0x1p40 : v;\n"
                 "v = rint(v) + (double)LD2($i2);\nv = v < $low ? $low : v;\nST0($o, v > $high ? $high : v);");
    reel_close_(e, n);
    return 0;
}

int reel_emit_fake_quantize_(reel_emit *e)
{
    const reel_attr_range *a = e->attr;
    char buf[REEL_NUMBER_TEXT];
    if (e->out[0].count == 0) return 0;
    reel_set_text_(e, "low", "%s", reel_double_(a->low, buf));
    reel_set_text_(e, "high", "%s", reel_double_(a->high, buf));
    const int n = reel_open_elements_(e, &e->out[0], 7u);
    reel_say_(e,
              "const double s = (double)LD1($i1), z = (double)LD2($i2);\ndouble v = rint((double)LD0($i0) / s) + z;\n"
              "v = v < $low ? $low : v;\nST0($o, ((v > $high ? $high : v) - z) * s);");
    reel_close_(e, n);
    return 0;
}

/* ---- helpers of the file ---------------------------------------------------------------------------------------------------------- */

const reel_known reel_random_helpers_[] = {
    {"philox", "void philox(uint64_t key, uint64_t low, uint64_t high, uint32_t w[4]) /* Philox4x32-10 */\n{\n"
               "    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);\n"
               "    uint32_t c0 = (uint32_t)low, c1 = (uint32_t)(low >> 32), c2 = (uint32_t)high, c3 = (uint32_t)(high "
               ">> 32);\n"
               "    for (int round = 0; round < 10; round++) {\n"
               "        const uint64_t p0 = (uint64_t)0xd2511f53u * c0, p1 = (uint64_t)0xcd9e8d57u * c2;\n"
               "        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;\n        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;\n"
               "        c1 = (uint32_t)p1;\n        c3 = (uint32_t)p0;\n        k0 += 0x9e3779b9u;\n        k1 += "
               "0xbb67ae85u;\n    }\n"
               "    w[0] = c0;\n    w[1] = c1;\n    w[2] = c2;\n    w[3] = c3;\n}\n"},
    {"random_word",
     "uint32_t random_word(uint64_t key, uint64_t counter, uint64_t high, long i) /* word i of a draw */\n{\n"
     "    uint32_t w[4];\n    philox(key, counter + (uint64_t)i / 4, high, w);\n    return w[i % 4];\n}\n"},
    {"random_bits",
     "uint64_t random_bits(uint64_t key, uint64_t counter, long i)\n{\n"
     "    return (uint64_t)random_word(key, counter, 0, i) << 32 | random_word(key, counter, 1, i);\n}\n"},
    {"random_below", "uint64_t random_below(uint64_t bits, uint64_t n) /* the upper 64 bits of a product */\n{\n"
                     "    const uint64_t a = bits >> 32, b = bits & 0xffffffffu, c = n >> 32, d = n & 0xffffffffu;\n"
                     "    const uint64_t bd = b * d, ad = a * d + (bd >> 32), bc = b * c + (ad & 0xffffffffu);\n"
                     "    return a * c + (ad >> 32) + (bc >> 32);\n}\n"},
    {"random_fraction", "double random_fraction(uint64_t bits) /* in [0, 1) */\n{\n"
                        "    return (double)(int64_t)(bits >> 11) * 0x1p-53;\n}\n"},
    {"uniform",
     "double uniform(uint32_t word, int bits, double low, double span, double top)\n{\n"
     "    const double x = (double)(int32_t)(word >> (32 - bits)) * (1.0 / (double)(1 << bits)) * span + low;\n"
     "    return x > top ? top : x;\n}\n"},
    {"gauss", "double gauss(double u, double turn, int odd) /* Box and Muller; turn in quarters of a circle */\n{\n"
              "    const double r = sqrt(-2.0 * log(u)), a = 1.57079632679489661923 * turn;\n"
              "    return r * (odd ? sin(a) : cos(a));\n}\n"},
    {"normal_polynomial", "double normal_polynomial(const double *c, double x)\n{\n    double y = c[7];\n"
                          "    for (int i = 6; i >= 0; i--) y = y * x + c[i];\n    return y;\n}\n"},
    {"normal_quantile",
     "double normal_quantile(double p) /* the inverse of the normal distribution function: AS 241's PPND16 */\n{\n"
     "    static const double a[] = {3.3871328727963666080, 133.14166789178437745, 1971.5909503065514427, "
     "13731.693765509461125, 45921.953931549871457, 67265.770927008700853, 33430.575583588128105, "
     "2509.0809287301226727};\n"
     "    static const double b[] = {1, 42.313330701600911252, 687.18700749205790830, 5394.1960214247511077, "
     "21213.794301586595867, 39307.895800092710610, 28729.085735721942674, 5226.4952788528545610};\n"
     "    static const double c[] = {1.42343711074968357734, 4.63033784615654529590, 5.76949722146069140550, "
     "3.64784832476320460504, 1.27045825245236838258, 0.241780725177450611770, 0.0227238449892691845833, "
     "0.000774545014278341407640};\n"
     "    static const double d[] = {1, 2.05319162663775882187, 1.67638483018380384940, 0.689767334985100004550, "
     "0.148103976427480074590, 0.0151986665636164571966, 0.000547593808499534494600, 1.05075007164441684324e-9};\n"
     "    static const double e[] = {6.65790464350110377720, 5.46378491116411436990, 1.78482653991729133580, "
     "0.296560571828504891230, 0.0265321895265761230930, 0.00124266094738807843860, 0.0000271155556874348757815, "
     "2.01033439929228813265e-7};\n"
     "    static const double f[] = {1, 0.599832206555887937690, 0.136929880922735805310, 0.0148753612908506148525, "
     "0.000786869131145613259100, 0.0000184631831751005468180, 1.42151175831644588870e-7, "
     "2.04426310338993978564e-15};\n"
     "    const double q = p - 0.5, tail = q < 0 ? p : 1 - p;\n    double r = 0.180625 - q * q, z;\n"
     "    if (fabs(q) <= 0.425) return q * normal_polynomial(a, r) / normal_polynomial(b, r);\n"
     "    if (!(tail > 0)) return q < 0 ? -(double)INFINITY : (double)INFINITY;\n    r = sqrt(-log(tail));\n"
     "    z = r <= 5 ? normal_polynomial(c, r - 1.6) / normal_polynomial(d, r - 1.6)\n"
     "               : normal_polynomial(e, r - 5) / normal_polynomial(f, r - 5);\n    return q < 0 ? -z : z;\n}\n"},
    {"random_new",
     "int random_new(int64_t *slot, uint64_t slots, int64_t c) /* puts c into an open table; 0: it is there */\n{\n"
     "    uint64_t at = (uint64_t)c * UINT64_C(0x9e3779b97f4a7c15) & (slots - 1);\n"
     "    for (; slot[at] >= 0; at = (at + 1) & (slots - 1))\n        if (slot[at] == c) return 0;\n"
     "    slot[at] = c;\n    return 1;\n}\n"},
    {NULL, NULL}};
