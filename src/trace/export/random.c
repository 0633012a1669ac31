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
