/* segment_body.h: a segment's rows made one, of one element type; included by segment.c with T, A, NAME(f), LOAD(x) -> A,
   STORE(A) -> T, LOWEST, HIGHEST and COMPENSATED defined. */
static void NAME(reduce)(int kind, void *to_, const void *x_, const int64_t *rows, int64_t n, int64_t inner, int64_t w)
{
    const T *x = x_;
    T *to = to_;
    A acc[REEL_SEGMENT_COLS], err[REEL_SEGMENT_COLS];
    const A first = kind == REEL_OP_segment_sum    ? (A)0
                    : kind == REEL_OP_segment_prod ? (A)1
                    : kind == REEL_OP_segment_max  ? (A)(LOWEST)
                                                   : (A)(HIGHEST);
    for (int64_t j = 0; j < w; j++) acc[j] = first, err[j] = 0;
    for (int64_t i = 0; i < n; i++) {
        const T *row = x + rows[i] * inner;
        if (kind == REEL_OP_segment_sum)
            for (int64_t j = 0; j < w; j++) {
                const A v = LOAD(row[j]), a = acc[j], s = ADD(a, v);
                if (COMPENSATED) err[j] += (a - (s - (s - a))) + (v - (s - a));
                acc[j] = s;
            }
        else if (kind == REEL_OP_segment_prod)
            for (int64_t j = 0; j < w; j++) acc[j] = MUL(acc[j], LOAD(row[j]));
        else if (kind == REEL_OP_segment_max)
            for (int64_t j = 0; j < w; j++) {
                const A v = LOAD(row[j]);
                acc[j] = v > acc[j] || isnan((double)v) ? v : acc[j];
            }
        else
            for (int64_t j = 0; j < w; j++) {
                const A v = LOAD(row[j]);
                acc[j] = v < acc[j] || isnan((double)v) ? v : acc[j];
            }
    }
    for (int64_t j = 0; j < w; j++)
        to[j] = STORE(COMPENSATED && err[j] == err[j] && err[j] != 0 ? acc[j] + err[j] : acc[j]);
}
#undef T
#undef A
#undef NAME
#undef LOAD
#undef STORE
#undef LOWEST
#undef HIGHEST
#undef COMPENSATED
#undef ADD
#undef MUL
