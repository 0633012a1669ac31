/* scan_body.h: the scans of one element type; included by level_scan.c with T, A (the accumulator), NAME(f), LOAD(x) -> A and
   STORE(A) -> T defined; floats also FLOAT, f64 COMPENSATED, integers LOWEST and HIGHEST. */

/* The common loop: how v joins the accumulator a of its line. */
#define LOOP(name, first, JOIN)                                                                              \
    static void NAME(name)(void *y_, const void *x_, const void *unused, int64_t n, int64_t step, int64_t w, \
                           bool exclusive)                                                                   \
    {                                                                                                        \
        const T *x = x_;                                                                                     \
        T *y = y_;                                                                                           \
        A acc[REEL_SCAN_COLS];                                                                               \
        (void)unused;                                                                                        \
        if (w == 1) {                                                                                        \
            A a = first;                                                                                     \
            for (int64_t i = 0; i < n; i++, x += step, y += step) {                                          \
                const A v = LOAD(*x), before = a;                                                            \
                a = JOIN(a, v);                                                                              \
                *y = STORE(exclusive ? before : a);                                                          \
            }                                                                                                \
            return;                                                                                          \
        }                                                                                                    \
        for (int64_t j = 0; j < w; j++) acc[j] = first;                                                      \
        for (int64_t i = 0; i < n; i++, x += step, y += step)                                                \
            if (exclusive)                                                                                   \
                for (int64_t j = 0; j < w; j++) {                                                            \
                    const A v = LOAD(x[j]), before = acc[j];                                                 \
                    acc[j] = JOIN(before, v);                                                                \
                    y[j] = STORE(before);                                                                    \
                }                                                                                            \
            else                                                                                             \
                for (int64_t j = 0; j < w; j++) {                                                            \
                    const A v = LOAD(x[j]);                                                                  \
                    acc[j] = JOIN(acc[j], v);                                                                \
                    y[j] = STORE(acc[j]);                                                                    \
                }                                                                                            \
    }

#ifdef FLOAT
#define TIMES(a, v) ((a) * (v))
#define LARGER(a, v) ((v) > (a) || (v) != (v) ? (v) : (a))
#define SMALLER(a, v) ((v) < (a) || (v) != (v) ? (v) : (a))
LOOP(prod, 1, TIMES)
LOOP(max, -(A)INFINITY, LARGER)
LOOP(min, (A)INFINITY, SMALLER)
LOOP(exps, -(A)INFINITY, reel_log_add_)

/* b + a s */
static void NAME(linear)(void *y_, const void *b_, const void *a_, int64_t n, int64_t step, int64_t w, bool exclusive)
{
    const T *b = b_, *a = a_;
    T *y = y_;
    A acc[REEL_SCAN_COLS];
    for (int64_t j = 0; j < w; j++) y[j] = STORE(acc[j] = LOAD(b[j]));
    for (int64_t i = 1; i < n; i++) {
        const T *by = exclusive ? a : a + step;
        a += step, b += step, y += step;
        for (int64_t j = 0; j < w; j++) {
            acc[j] = LOAD(b[j]) + LOAD(by[j]) * acc[j];
            y[j] = STORE(acc[j]);
        }
    }
}

#ifdef COMPENSATED
/* Sum and what rounding lost of it (Knuth's TwoSum), which is NaN once the sum is infinite. */
static void NAME(sum)(void *y_, const void *x_, const void *unused, int64_t n, int64_t step, int64_t w, bool exclusive)
{
    const T *x = x_;
    T *y = y_;
    A acc[REEL_SCAN_COLS], err[REEL_SCAN_COLS];
    (void)unused;
    for (int64_t j = 0; j < w; j++) acc[j] = -0.0, err[j] = 0;
    for (int64_t i = 0; i < n; i++, x += step, y += step)
        for (int64_t j = 0; j < w; j++) {
            const A v = LOAD(x[j]), a = acc[j], s = a + v, back = s - a, lost = (a - (s - back)) + (v - back);
            const A before = i ? err[j] == err[j] ? a + err[j] : a : 0;
            acc[j] = s;
            err[j] += lost;
            const A after = err[j] == err[j] && err[j] != 0 ? s + err[j] : s;
            y[j] = STORE(exclusive ? before : after);
        }
}
#else
#define PLUS(a, v) ((a) + (v))
LOOP(sum_cols, exclusive ? 0.0 : -0.0, PLUS)

/* A single line in fours, whose inner sums do not wait for what came before. */
static void NAME(sum)(void *y_, const void *x_, const void *unused, int64_t n, int64_t step, int64_t w, bool exclusive)
{
    const T *x = x_;
    T *y = y_;
    if (w != 1) {
        NAME(sum_cols)(y_, x_, unused, n, step, w, exclusive);
        return;
    }
    A a = exclusive ? 0.0 : -0.0;
    int64_t i = 0;
    for (; i + 4 <= n; i += 4, x += 4 * step, y += 4 * step) {
        const A v0 = LOAD(x[0]), v1 = LOAD(x[step]), v2 = LOAD(x[2 * step]), v3 = LOAD(x[3 * step]);
        const A v01 = v0 + v1, v012 = v01 + v2, all = v01 + (v2 + v3);
        const A s0 = a + v0, s1 = a + v01, s2 = a + v012, s3 = a + all;
        y[0] = STORE(exclusive ? a : s0);
        y[step] = STORE(exclusive ? s0 : s1);
        y[2 * step] = STORE(exclusive ? s1 : s2);
        y[3 * step] = STORE(exclusive ? s2 : s3);
        a = s3;
    }
    for (; i < n; i++, x += step, y += step) {
        const A before = a;
        a += LOAD(*x);
        *y = STORE(exclusive ? before : a);
    }
}
#undef PLUS
#endif
#undef TIMES
#undef LARGER
#undef SMALLER
#else
#define PLUS(a, v) ((A)((uint64_t)(a) + (uint64_t)(v)))
#define TIMES(a, v) ((A)((uint64_t)(a) * (uint64_t)(v)))
#define LARGER(a, v) ((v) > (a) ? (v) : (a))
#define SMALLER(a, v) ((v) < (a) ? (v) : (a))
LOOP(sum, 0, PLUS)
LOOP(prod, 1, TIMES)
LOOP(max, LOWEST, LARGER)
LOOP(min, HIGHEST, SMALLER)
#undef PLUS
#undef TIMES
#undef LARGER
#undef SMALLER
#endif
#undef LOOP
#undef T
#undef A
#undef NAME
#undef LOAD
#undef STORE
#undef FLOAT
#undef COMPENSATED
#undef LOWEST
#undef HIGHEST
