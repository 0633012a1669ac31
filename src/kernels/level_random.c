/* level_random.c: Philox4x32-10, uniform and normal numbers in batches, compiled once for each ISA level. The words are
   those of core/random.c; logarithm, sine and cosine are ours, so the bits do not depend on libm or level. */
#include "kernels/half.h"
#include "kernels/random.h"
#include "kernels/vmath.h"

enum { BATCH = 64 }; /* counters at a time: 256 floats or 128 doubles */
typedef uint32_t batch_words[4][BATCH];

static void philox(batch_words w, uint64_t key, uint64_t counter, uint64_t high)
{
    for (uint32_t j = 0; j < BATCH; j++) {
        const uint64_t at = counter + j;
        uint32_t c0 = (uint32_t)at, c1 = (uint32_t)(at >> 32), c2 = (uint32_t)high, c3 = (uint32_t)(high >> 32);
        uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
        for (int round = 0; round < 10; round++) {
            const uint64_t p0 = (uint64_t)0xd2511f53u * c0, p1 = (uint64_t)0xcd9e8d57u * c2;
            c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
            c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
            c1 = (uint32_t)p1;
            c3 = (uint32_t)p0;
            k0 += 0x9e3779b9u;
            k1 += 0xbb67ae85u;
        }
        w[0][j] = c0;
        w[1][j] = c1;
        w[2][j] = c2;
        w[3][j] = c3;
    }
}

/* ---- uniform: the upper bits of a word as a fraction, scaled in double, rounded once ------------------- */
/* bits: the precision of the dtype, so that a draw from [0, 1) is exact */
REEL_ALWAYS_INLINE float uniform32(uint32_t word, int bits, double low, double span, double top)
{
    const double x = (double)(int32_t)(word >> (32 - bits)) * (1.0 / (double)(1 << bits)) * span + low;
    return (float)(x > top ? top : x);
}
REEL_ALWAYS_INLINE double fraction53(uint32_t high, uint32_t low)
{
    const uint64_t word = ((uint64_t)high << 32 | low) >> 11;
    return (double)(int64_t)word * 0x1p-53;
}

/* ---- normal: Box and Muller (1958), r = sqrt(-2 ln u), u in (0, 1] ------------------------------------- */
/* sine and cosine of x quarter turns, |x| <= 1/2, then turned by q quarters */
REEL_ALWAYS_INLINE void turn32(float x, uint32_t q, float *sine, float *cosine)
{
    const float z = x * x;
    float s = reel_fma_f32_(z, 0x1.4bc7e2p-13f, -0x1.32ca9cp-8f);
    s = reel_fma_f32_(s, z, 0x1.466bbap-4f);
    s = reel_fma_f32_(s, z, -0x1.4abbcep-1f);
    s = reel_fma_f32_(s, z, 0x1.921fb6p+0f) * x;
    float c = reel_fma_f32_(z, -0x1.a0ed7ap-16f, 0x1.e1e7cap-11f);
    c = reel_fma_f32_(c, z, -0x1.55d3bap-6f);
    c = reel_fma_f32_(c, z, 0x1.03c1fp-2f);
    c = reel_fma_f32_(c, z, -0x1.3bd3ccp+0f);
    c = reel_fma_f32_(c, z, 1.0f);
    const float a = (q & 1u) ? c : s, b = (q & 1u) ? s : c;
    *sine = reel_from_bits_f32_(reel_bits_f32_(a) ^ ((q & 2u) << 30));
    *cosine = reel_from_bits_f32_(reel_bits_f32_(b) ^ (((q + 1u) & 2u) << 30));
}
REEL_ALWAYS_INLINE void normal32(uint32_t w0, uint32_t w1, float mean, float dev, float *even, float *odd)
{
    const float r = sqrtf(-2.0f * reel_log_f32_((float)(int32_t)((w0 >> 8) + 1u) * 0x1p-24f));
    const uint32_t t = w1 >> 8, q = (t + (1u << 21)) >> 22;
    float s, c;
    turn32((float)((int32_t)t - (int32_t)(q << 22)) * 0x1p-22f, q, &s, &c);
    *even = reel_fma_f32_(dev, r * c, mean);
    *odd = reel_fma_f32_(dev, r * s, mean);
}
REEL_ALWAYS_INLINE void normal64(const uint32_t w[4], double mean, double dev, double *even, double *odd)
{
    const double r = sqrt(-2.0 * reel_log_f64_(fraction53(w[0], w[1]) + 0x1p-53));
    const uint64_t t = ((uint64_t)w[2] << 32 | w[3]) >> 11, q = (t + ((uint64_t)1 << 50)) >> 51;
    const double x = (double)((int64_t)t - (int64_t)(q << 51)) * 0x1p-51, z = x * x;
    static const double sines[] = {-0x1.6c5b30ad4a311p-31, 0x1.e8eed015130e6p-25, -0x1.e3074b4e8d43ep-19,
                                   0x1.50783485caf89p-13,  -0x1.32d2cce62ac19p-8, 0x1.466bc6775aad9p-4,
                                   -0x1.4abbce625be53p-1,  0x1.921fb54442d18p+0};
    static const double cosines[] = {0x1.1e2a25e3ed389p-34,  -0x1.b6dd6bfac55ffp-28, 0x1.f9d385468f41ep-22,
                                     -0x1.a6d1f29f1b4f3p-16, 0x1.e1f5068919a7ap-11,  -0x1.55d3c7e3cbfedp-6,
                                     0x1.03c1f081b5ac4p-2,   -0x1.3bd3cc9be45dep+0,  1.0};
    double s = sines[0], c = cosines[0];
    for (int i = 1; i < 8; i++) {
        s = reel_fma_f64_(s, z, sines[i]);
    }
    for (int i = 1; i < 9; i++) {
        c = reel_fma_f64_(c, z, cosines[i]);
    }
    s *= x;
    const double a = (q & 1u) ? c : s, b = (q & 1u) ? s : c;
    *odd = reel_fma_f64_(dev, r * ((q & 2u) ? -a : a), mean);
    *even = reel_fma_f64_(dev, r * (((q + 1u) & 2u) ? -b : b), mean);
}

/* ---- the loops: a batch of counters at a time into buffer, then out ---------------------------------- */
#define DRAW(name, E, PER, ...)                                                   \
    static void name(void *out, int64_t begin, int64_t end, const reel_draw *d)   \
    {                                                                             \
        E *o = (E *)out + begin, buffer[PER * BATCH];                             \
        batch_words w;                                                            \
        for (int64_t at = begin; at < end; at += PER * BATCH, o += PER * BATCH) { \
            philox(w, d->key, d->counter + (uint64_t)at / PER, 0);                \
            for (int j = 0; j < BATCH; j++) {                                     \
                __VA_ARGS__                                                       \
            }                                                                     \
            const int64_t k = end - at < PER * BATCH ? end - at : PER * BATCH;    \
            memcpy(o, buffer, (size_t)k * sizeof(E));                             \
        }                                                                         \
    }
#define SAME(x) (x)
#define UNIFORM(SUFFIX, E, BITS, NARROW)                                                     \
    DRAW(uniform_##SUFFIX, E, 4, {                                                           \
        for (int k = 0; k < 4; k++) {                                                        \
            buffer[4 * j + k] = NARROW(uniform32(w[k][j], BITS, d->a, d->b - d->a, d->top)); \
        }                                                                                    \
    })
#define NORMAL(SUFFIX, E, NARROW)                                           \
    DRAW(normal_##SUFFIX, E, 4, {                                           \
        float x[4];                                                         \
        normal32(w[0][j], w[1][j], (float)d->a, (float)d->b, &x[0], &x[1]); \
        normal32(w[2][j], w[3][j], (float)d->a, (float)d->b, &x[2], &x[3]); \
        buffer[4 * j] = NARROW(x[0]);                                       \
        buffer[4 * j + 1] = NARROW(x[1]);                                   \
        buffer[4 * j + 2] = NARROW(x[2]);                                   \
        buffer[4 * j + 3] = NARROW(x[3]);                                   \
    })
UNIFORM(f32, float, 24, SAME)
UNIFORM(f16, uint16_t, 11, reel_narrow_f16_)
UNIFORM(bf16, uint16_t, 8, reel_narrow_bf16_)
NORMAL(f32, float, SAME)
NORMAL(f16, uint16_t, reel_narrow_f16_)
NORMAL(bf16, uint16_t, reel_narrow_bf16_)
DRAW(uniform_f64, double, 2, {
    const double x = d->a + fraction53(w[0][j], w[1][j]) * (d->b - d->a);
    const double y = d->a + fraction53(w[2][j], w[3][j]) * (d->b - d->a);
    buffer[2 * j] = x > d->top ? d->top : x;
    buffer[2 * j + 1] = y > d->top ? d->top : y;
})
DRAW(normal_f64, double, 2, {
    const uint32_t words[4] = {w[0][j], w[1][j], w[2][j], w[3][j]};
    normal64(words, d->a, d->b, &buffer[2 * j], &buffer[2 * j + 1]);
})

/* ---- plain words ---------------------------------------------------------------------------------------- */
static void words(uint32_t *out, int64_t begin, int64_t end, uint64_t key, uint64_t counter, uint64_t high)
{
    uint32_t buffer[4 * BATCH];
    batch_words w;
    for (int64_t at = begin; at < end; at += 4 * BATCH, out += 4 * BATCH) {
        philox(w, key, counter + (uint64_t)at / 4, high);
        for (int j = 0; j < 4 * BATCH; j++) {
            buffer[j] = w[j % 4][j / 4];
        }
        const int64_t k = end - at < 4 * BATCH ? end - at : 4 * BATCH;
        memcpy(out, buffer, (size_t)k * sizeof *out);
    }
}

const reel_random_table REEL_LEVELED(reel_random_table) = {
    .uniform =
        {[REEL_F32] = uniform_f32, [REEL_F64] = uniform_f64, [REEL_F16] = uniform_f16, [REEL_BF16] = uniform_bf16},
    .normal = {[REEL_F32] = normal_f32, [REEL_F64] = normal_f64, [REEL_F16] = normal_f16, [REEL_BF16] = normal_bf16},
    .words = words,
};
