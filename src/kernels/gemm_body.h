/* gemm_body.h: the product for one element type; level_gemm.c includes it twice with T, BITS and V(name) set.
   Tiles of up to REEL_GEMM_ROWS rows by two vectors stay in registers over a stretch of k; b is read in place where its
   rows are contiguous and near, else a panel of it is copied (transposed) to the stack, unless the caller has had all of
   them copied before; a is read in place. */

enum {
    CAT(w, BITS) = CAT(REEL_W, BITS),
    CAT(nr, BITS) = 2 * CAT(REEL_W, BITS),
    CAT(kc, BITS) = 16384 / (2 * CAT(REEL_W, BITS) * (int)sizeof(T))
};

/* c rows 0..mr by nv vectors (the last one masked by tail if masked) over k; mr, nv, masked are constants in each
   call. */
REEL_ALWAYS_INLINE void CAT(tile, BITS)(int mr, int nv, bool masked, int64_t k, const T *a, int64_t ars, int64_t acs,
                                        const T *b, int64_t ldb, T *c, int64_t ldc, CAT(reel_m, BITS) tail, bool first)
{
    const int W = CAT(w, BITS);
#define LOAD(p, v) (masked && (v) == nv - 1 ? V(loadm)((p) + (v)*W, tail) : V(load)((p) + (v)*W))
#define START(i, v) CAT(reel_v, BITS) c##i##v = i < mr && v < nv && !first ? LOAD(c + i * ldc, v) : V(zero)()
#define ROW_START(i) \
    START(i, 0);     \
    START(i, 1)
#define ROW(i)                                          \
    if (i < mr) {                                       \
        const CAT(reel_v, BITS) s = V(set)(a[i * ars]); \
        c##i##0 = V(fma)(s, b0, c##i##0);               \
        if (nv > 1) c##i##1 = V(fma)(s, b1, c##i##1);   \
    }
#define STORE(i, v)                                        \
    if (i < mr && v < nv) {                                \
        if (masked && v == nv - 1)                         \
            V(storem)(c + i * ldc + v * W, c##i##v, tail); \
        else                                               \
            V(store)(c + i * ldc + v * W, c##i##v);        \
    }
#define ROW_STORE(i) STORE(i, 0) STORE(i, 1)
    ROW_START(0);
    ROW_START(1);
    ROW_START(2);
    ROW_START(3);
    ROW_START(4);
    ROW_START(5);
    ROW_START(6);
    ROW_START(7);
    for (int64_t p = 0; p < k; p++) {
        const CAT(reel_v, BITS) b0 = LOAD(b, 0), b1 = nv > 1 ? LOAD(b, 1) : b0;
        ROW(0);
        ROW(1);
        ROW(2);
        ROW(3);
        ROW(4);
        ROW(5);
        ROW(6);
        ROW(7);
        a += acs;
        b += ldb;
    }
    ROW_STORE(0);
    ROW_STORE(1);
    ROW_STORE(2);
    ROW_STORE(3);
    ROW_STORE(4);
    ROW_STORE(5);
    ROW_STORE(6);
    ROW_STORE(7);
#undef LOAD
#undef START
#undef ROW_START
#undef ROW
#undef STORE
#undef ROW_STORE
}

/* All rows of one panel of columns, in tiles of nearly equal height (short last tiles would wait for their own sums).
   */
#define PANEL(name, nv, masked)                                                                                \
    static void CAT(name, BITS)(const reel_gemm_args *g, int64_t k, const T *a, const T *b, int64_t ldb, T *c, \
                                CAT(reel_m, BITS) tail, bool first)                                            \
    {                                                                                                          \
        const int64_t tiles = (g->m + REEL_GEMM_ROWS - 1) / REEL_GEMM_ROWS, rows = g->m / tiles;               \
        int64_t longer = g->m % tiles;                                                                         \
        for (int64_t t = 0; t < tiles; t++) {                                                                  \
            const int64_t mr = rows + (longer-- > 0);                                                          \
            switch (mr) {                                                                                      \
                TILE_CASES(nv, masked)                                                                         \
            default: break;                                                                                    \
            }                                                                                                  \
            a += mr * g->ars;                                                                                  \
            c += mr * g->ldc;                                                                                  \
        }                                                                                                      \
    }
#define TILE_CASE(r, nv, masked)                                                              \
    case r:                                                                                   \
        CAT(tile, BITS)(r, nv, masked, k, a, g->ars, g->acs, b, ldb, c, g->ldc, tail, first); \
        break;
#if REEL_GEMM_ROWS == 8
#define TILE_CASES(nv, masked) \
    TILE_CASE(1, nv, masked)   \
    TILE_CASE(2, nv, masked)   \
    TILE_CASE(3, nv, masked)   \
    TILE_CASE(4, nv, masked)   \
    TILE_CASE(5, nv, masked) TILE_CASE(6, nv, masked) TILE_CASE(7, nv, masked) TILE_CASE(8, nv, masked)
#elif REEL_GEMM_ROWS == 6
#define TILE_CASES(nv, masked) \
    TILE_CASE(1, nv, masked)   \
    TILE_CASE(2, nv, masked)   \
    TILE_CASE(3, nv, masked) TILE_CASE(4, nv, masked) TILE_CASE(5, nv, masked) TILE_CASE(6, nv, masked)
#else
#define TILE_CASES(nv, masked) \
    TILE_CASE(1, nv, masked) TILE_CASE(2, nv, masked) TILE_CASE(3, nv, masked) TILE_CASE(4, nv, masked)
#endif
PANEL(panel_full, 2, false)
PANEL(panel_part, 2, true)
PANEL(panel_thin, 1, true)
#undef PANEL
#undef TILE_CASE
#undef TILE_CASES

/* A panel of b, k by n, to rows of nr elements; what lies beyond n is left as it is and never used. A transposed b is
   read along its rows, in square blocks. */
static void CAT(pack_panel, BITS)(T *panel, const T *b, int64_t brs, int64_t bcs, int64_t k, int64_t n)
{
    enum { NR = CAT(nr, BITS), S = CAT(REEL_SQUARE, BITS) };
    if (bcs == 1) {
        for (int64_t p = 0; p < k; p++)
            for (int64_t j = 0; j < n; j++) panel[p * NR + j] = b[p * brs + j];
        return;
    }
    const int64_t js = n / S * S, ps = k / S * S;
    for (int64_t j = 0; j < js; j += S) {
        for (int64_t p = 0; p < ps; p += S) V(transpose)(panel + p * NR + j, NR, b + j * bcs + p, bcs);
        for (int64_t p = ps; p < k; p++)
            for (int64_t i = j; i < j + S; i++) panel[p * NR + i] = b[p + i * bcs];
    }
    for (int64_t j = js; j < n; j++)
        for (int64_t p = 0; p < k; p++) panel[p * NR + j] = b[p + j * bcs];
}

/* One row: the same chains, with more of them under way at once. Narrow ones stay in registers, four or eight vectors
   wide; wide ones take four rows of b in one pass, so that b is read along its rows. */
#define WIDE(v) s##v = V(fma)(x, V(load)(b + (v)*W), s##v)
REEL_ALWAYS_INLINE void CAT(row_piece, BITS)(int nv, const reel_gemm_args *g, const T *a, const T *b, T *c)
{
    const int W = CAT(w, BITS);
    CAT(reel_v, BITS) s0 = V(zero)(), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0;
    for (int64_t p = 0; p < g->k; p++, b += g->brs) {
        const CAT(reel_v, BITS) x = V(set)(a[p * g->acs]);
        WIDE(0), WIDE(1), WIDE(2), WIDE(3);
        if (nv == 8) WIDE(4), WIDE(5), WIDE(6), WIDE(7);
    }
    V(store)(c, s0), V(store)(c + W, s1), V(store)(c + 2 * W, s2), V(store)(c + 3 * W, s3);
    if (nv == 8) V(store)(c + 4 * W, s4), V(store)(c + 5 * W, s5), V(store)(c + 6 * W, s6), V(store)(c + 7 * W, s7);
}
#undef WIDE
REEL_ALWAYS_INLINE CAT(reel_v, BITS)
    CAT(row_four, BITS)(const CAT(reel_v, BITS) x[4], const T *b, int64_t ldb, CAT(reel_v, BITS) s)
{
    s = V(fma)(x[0], V(load)(b), s);
    s = V(fma)(x[1], V(load)(b + ldb), s);
    s = V(fma)(x[2], V(load)(b + 2 * ldb), s);
    return V(fma)(x[3], V(load)(b + 3 * ldb), s);
}
static void CAT(row_stream, BITS)(const reel_gemm_args *g, int64_t n, const T *a, const T *b, T *c)
{
    enum { W = CAT(w, BITS) };
    for (int64_t j = 0; j < n; j += W) V(store)(c + j, V(zero)());
    int64_t p = 0;
    for (; p + 4 <= g->k; p += 4) {
        const T *from = b + p * g->brs, *at = a + p * g->acs;
        const CAT(reel_v, BITS)
            x[4] = {V(set)(at[0]), V(set)(at[g->acs]), V(set)(at[2 * g->acs]), V(set)(at[3 * g->acs])};
        for (int64_t j = 0; j < n; j += W) V(store)(c + j, CAT(row_four, BITS)(x, from + j, g->brs, V(load)(c + j)));
    }
    for (; p < g->k; p++) {
        const CAT(reel_v, BITS) x = V(set)(a[p * g->acs]);
        for (int64_t j = 0; j < n; j += W) V(store)(c + j, V(fma)(x, V(load)(b + p * g->brs + j), V(load)(c + j)));
    }
}
static void CAT(row, BITS)(const reel_gemm_args *g, const T *a, const T *b, T *c)
{
    enum { W = CAT(w, BITS) };
    int64_t j = 0;
    if (g->n > 16 * W) {
        j = g->n / W * W;
        CAT(row_stream, BITS)(g, j, a, b, c);
    }
    for (; j + 8 * W <= g->n; j += 8 * W) CAT(row_piece, BITS)(8, g, a, b + j, c + j);
    if (j + 4 * W <= g->n) {
        CAT(row_piece, BITS)(4, g, a, b + j, c + j);
        j += 4 * W;
    }
    for (; j < g->n; j += 2 * W) {
        const int64_t n = g->n - j;
        const CAT(reel_m, BITS) tail = V(mask)((int)(n > 2 * W ? W : n > W ? n - W : n));
        if (n > W)
            CAT(tile, BITS)(1, 2, true, g->k, a, 0, g->acs, b + j, g->brs, c + j, 0, tail, true);
        else
            CAT(tile, BITS)(1, 1, true, g->k, a, 0, g->acs, b + j, g->brs, c + j, 0, tail, true);
    }
}

/* y[i] = row i of x times v: 64 bytes of logical lanes a row, then a tree, at every level. */
REEL_ALWAYS_INLINE void CAT(dots_rows, BITS)(int rows, int64_t k, const T *x, int64_t ldx, const T *v, T *y)
{
    enum { W = CAT(w, BITS), H = 64 / ((int)sizeof(T) * CAT(w, BITS)) };
    CAT(reel_v, BITS) s[4][H];
    for (int r = 0; r < rows; r++)
        for (int h = 0; h < H; h++) s[r][h] = V(zero)();
    int64_t p = 0;
    for (; p + H * W <= k; p += H * W)
        for (int h = 0; h < H; h++) {
            const CAT(reel_v, BITS) vv = V(load)(v + p + h * W);
            for (int r = 0; r < rows; r++) s[r][h] = V(fma)(V(load)(x + r * ldx + p + h * W), vv, s[r][h]);
        }
    for (int h = 0; h < H && p < k; h++, p += W) {
        const CAT(reel_m, BITS) tail = V(mask)((int)(k - p < W ? k - p : W));
        const CAT(reel_v, BITS) vv = V(loadm)(v + p, tail);
        for (int r = 0; r < rows; r++) s[r][h] = V(fma)(V(loadm)(x + r * ldx + p, tail), vv, s[r][h]);
    }
    for (int r = 0; r < rows; r++) y[r] = V(sum)(s[r]);
}
static void CAT(dots, BITS)(int64_t rows, int64_t k, const void *xv, int64_t ldx, const void *v, void *yv)
{
    const T *x = xv;
    T *y = yv;
    int64_t i = 0;
    for (; i + 4 <= rows; i += 4) CAT(dots_rows, BITS)(4, k, x + i * ldx, ldx, v, y + i);
    for (; i < rows; i++) CAT(dots_rows, BITS)(1, k, x + i * ldx, ldx, v, y + i);
}

static void CAT(gemm, BITS)(const reel_gemm_args *g, const void *av, const void *bv, void *cv)
{
    enum { W = CAT(w, BITS), NR = CAT(nr, BITS), KC = CAT(kc, BITS) };
    T panel[KC * NR];
    const T *const a = av, *const b = bv, *const panels = g->panels;
    T *const c = cv;
    if (g->m == 1 && g->bcs == 1 && !panels) {
        CAT(row, BITS)(g, a, b, c);
        return;
    }
    /* far rows cost a page each: worth copying once they are read by many tiles */
    const bool pack =
        panels || g->bcs != 1 || (g->m > 4 * REEL_GEMM_ROWS && g->k * g->brs > (int64_t)(131072 / sizeof(T)));
    const int64_t step = pack ? KC : g->k > 0 ? g->k : 1;
    for (int64_t j = 0; j < g->n; j += NR) {
        const int64_t n = g->n - j < NR ? g->n - j : NR;
        const CAT(reel_m, BITS) tail = V(mask)((int)(n > W ? n - W : n));
        for (int64_t p = 0; p < g->k; p += step) {
            const int64_t k = g->k - p < step ? g->k - p : step;
            const T *from = panels ? panels + j * g->k + p * NR : b + p * g->brs + j * g->bcs;
            const int64_t ldb = pack ? NR : g->brs;
            if (pack && !panels) {
                CAT(pack_panel, BITS)(panel, from, g->brs, g->bcs, k, n);
                from = panel;
            }
            if (n == NR)
                CAT(panel_full, BITS)(g, k, a + p * g->acs, from, ldb, c + j, tail, p == 0);
            else if (n > W)
                CAT(panel_part, BITS)(g, k, a + p * g->acs, from, ldb, c + j, tail, p == 0);
            else
                CAT(panel_thin, BITS)(g, k, a + p * g->acs, from, ldb, c + j, tail, p == 0);
        }
    }
}

static void CAT(pack, BITS)(const reel_gemm_args *g, const void *b, int64_t from, int64_t to, void *panels)
{
    enum { NR = CAT(nr, BITS) };
    for (int64_t j = from; j < to; j += NR) CAT(pack_panel, BITS)
    ((T *)panels + j * g->k, (const T *)b + j * g->bcs, g->brs, g->bcs, g->k, to - j < NR ? to - j : NR);
}
