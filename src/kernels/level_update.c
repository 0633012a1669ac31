/* level_update.c: the optimizer steps' inner loops, compiled once for each ISA level. The formulas are those of
   ops/attrs.h; what depends on the step alone comes in reel_update_step, computed in double. */
#include "kernels/elementwise.h"
#include "kernels/half.h"

/* NARROW: how a result becomes an element, WIDEN: how an element becomes a T. */
#define UPDATE(SUFFIX, E, T, SQRT, WIDEN, NARROW)                                                                    \
    static void sgd_##SUFFIX(void *const *ptr, const uint8_t *step, int64_t n, const void *extra)                    \
    {                                                                                                                \
        const reel_update_step *s = extra;                                                                           \
        const T momentum = (T)s->momentum, decay = (T)s->decay, lr = (T)s->lr;                                       \
        const E *w = ptr[0], *v = ptr[1], *g = ptr[2];                                                               \
        E *w_new = ptr[3], *v_new = ptr[4];                                                                          \
        (void)step;                                                                                                  \
        REEL_IVDEP                                                                                                   \
        for (int64_t i = 0; i < n; i++) {                                                                            \
            const T wi = WIDEN(w[i]);                                                                                \
            const T vi = momentum * WIDEN(v[i]) + (WIDEN(g[i]) + decay * wi);                                        \
            w_new[i] = NARROW(wi - lr * vi);                                                                         \
            v_new[i] = NARROW(vi);                                                                                   \
        }                                                                                                            \
    }                                                                                                                \
    static void adam_##SUFFIX(void *const *ptr, const uint8_t *step, int64_t n, const void *extra)                   \
    {                                                                                                                \
        const reel_update_step *s = extra;                                                                           \
        const T b1 = (T)s->beta1, b2 = (T)s->beta2, c1 = (T)(1 - s->beta1), c2 = (T)(1 - s->beta2), eps = (T)s->eps; \
        const T decay = (T)s->decay, rate = (T)s->rate, scale = (T)s->scale;                                         \
        const E *w = ptr[0], *m = ptr[1], *v = ptr[2], *g = ptr[3];                                                  \
        E *w_new = ptr[4], *m_new = ptr[5], *v_new = ptr[6];                                                         \
        (void)step;                                                                                                  \
        REEL_IVDEP                                                                                                   \
        for (int64_t i = 0; i < n; i++) {                                                                            \
            const T wi = WIDEN(w[i]), gi = WIDEN(g[i]) + decay * wi;                                                 \
            const T mi = b1 * WIDEN(m[i]) + c1 * gi, vi = b2 * WIDEN(v[i]) + c2 * gi * gi;                           \
            w_new[i] = NARROW(wi - rate * mi / (SQRT(vi * scale) + eps));                                            \
            m_new[i] = NARROW(mi);                                                                                   \
            v_new[i] = NARROW(vi);                                                                                   \
        }                                                                                                            \
    }
#define SAME(x) (x)
UPDATE(f32, float, float, sqrtf, SAME, SAME)
UPDATE(f64, double, double, sqrt, SAME, SAME)
UPDATE(f16, uint16_t, float, sqrtf, reel_widen_f16_, reel_narrow_f16_)
UPDATE(bf16, uint16_t, float, sqrtf, reel_widen_bf16_, reel_narrow_bf16_)
const reel_update_table REEL_LEVELED(reel_update_table) = {
    .sgd = {[REEL_F32] = sgd_f32, [REEL_F64] = sgd_f64, [REEL_F16] = sgd_f16, [REEL_BF16] = sgd_bf16},
    .adam = {[REEL_F32] = adam_f32, [REEL_F64] = adam_f64, [REEL_F16] = adam_f16, [REEL_BF16] = adam_bf16},
};
