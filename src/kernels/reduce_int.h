/* reduce_int.h: the order-free reductions of one element type, sums and products of integers (wrapping in 64 bits), max,
   min and their arg; included by level_reduce.c once a type with T, K (the signed key type), NAME(f), KEY(x) -> K and
   UNKEY(k) -> T (both may read `flip`), SUM_T (undefined: no integer sum), BITS (floats of at least 32 bits: the unsigned
   type of their size) and ZERO_KEY(k) (argmax: -0 counts as +0) defined. */

enum { NAME(lanes) = 128 / (int)sizeof(K) };
REEL_DEFINE_GATHER(NAME(gather), T)

#define PART_LOOP                                                                                   \
    const int64_t o = p->n_parts == 1 ? t : t / p->n_parts, first = (t - o * p->n_parts) * p->part; \
    const int64_t last = first + p->part < p->n_red ? first + p->part : p->n_red;                   \
    const T *base = (const T *)x + reel_walk_offset_(&p->kept, o);                                  \
    const bool direct = p->red.n == 0 || (p->red.n == 1 && p->red.stride[0] == 1);

#define TILE_LOOP                                                                                         \
    const int64_t tile = t / p->n_parts, part = t - tile * p->n_parts, first = part * p->part;            \
    const int64_t last = first + p->part < p->n_red ? first + p->part : p->n_red;                         \
    const int64_t outer = tile / p->n_tiles, col = (tile - outer * p->n_tiles) * REEL_RED_COLS;           \
    const int64_t w = width - col < REEL_RED_COLS ? width - col : REEL_RED_COLS, o = outer * width + col; \
    const T *base = (const T *)x + reel_walk_offset_(&p->kept, o);                                        \
    reel_place at;                                                                                        \
    reel_place_set_(&at, &p->red, first);

#ifdef SUM_T
static void NAME(sum_rows)(const reel_reduce_plan *p, const void *x, void *out, void *partial, int64_t begin,
                           int64_t end)
{
    T buf[REEL_RED_CHUNK];
    const bool product = p->kind == REEL_RED_PRODUCT;
    for (int64_t t = begin; t < end; t++) {
        PART_LOOP
        uint64_t sum = product;
        for (int64_t i = first; i < last; i += REEL_RED_CHUNK) {
            const int64_t n = last - i < REEL_RED_CHUNK ? last - i : REEL_RED_CHUNK;
            if (!direct) NAME(gather)(buf, base, &p->red, i, n);
            const T *q = direct ? base + i : buf;
            if (product)
                for (int64_t j = 0; j < n; j++) sum *= (uint64_t)(int64_t)q[j];
            else
                for (int64_t j = 0; j < n; j++) sum += (uint64_t)(int64_t)q[j];
        }
        if (p->n_parts == 1)
            ((SUM_T *)out)[o] = (SUM_T)sum;
        else
            ((uint64_t *)partial)[t] = sum;
    }
}

static void NAME(sum_cols)(const reel_reduce_plan *p, const void *x, void *out, void *partial, int64_t begin,
                           int64_t end)
{
    uint64_t acc[REEL_RED_COLS];
    const bool product = p->kind == REEL_RED_PRODUCT;
    const int64_t width = p->kept.dim[p->kept.n - 1];
    for (int64_t t = begin; t < end; t++) {
        TILE_LOOP
        for (int64_t j = 0; j < w; j++) acc[j] = product;
        for (int64_t i = first; i < last; i++) {
            const T *q = base + at.off;
            if (product)
                for (int64_t j = 0; j < w; j++) acc[j] *= (uint64_t)(int64_t)q[j];
            else
                for (int64_t j = 0; j < w; j++) acc[j] += (uint64_t)(int64_t)q[j];
            reel_place_next_(&at, &p->red);
        }
        for (int64_t j = 0; j < w; j++)
            if (p->n_parts == 1)
                ((SUM_T *)out)[o + j] = (SUM_T)acc[j];
            else
                ((uint64_t *)partial)[(o + j) * p->n_parts + part] = acc[j];
    }
}
#endif

#ifdef BITS
REEL_ALWAYS_INLINE T NAME(turned)(T x, K flip)
{
    BITS u;
    memcpy(&u, &x, sizeof u);
    u ^= (BITS)flip;
    memcpy(&x, &u, sizeof x);
    return x;
}

/* The largest of n >= lanes elements by comparing floats, which is faster than comparing keys; false if keys have to
   decide: there is NaN, or the largest is a 0, whose sign counts. */
static bool NAME(float_max)(const T *p, int64_t n, K flip, K *best)
{
    enum { L = NAME(lanes) };
    T top[L];
    BITS nan[L];
    int64_t i = L;
    for (int l = 0; l < L; l++) {
        top[l] = NAME(turned)(p[l], flip);
        nan[l] = top[l] != top[l] ? ~(BITS)0 : 0;
    }
    for (; i + L <= n; i += L)
        for (int l = 0; l < L; l++) {
            const T v = NAME(turned)(p[i + l], flip);
            top[l] = v > top[l] ? v : top[l];
            nan[l] |= v != v ? ~(BITS)0 : 0;
        }
    for (int l = 0; i + l < n; l++) {
        const T v = NAME(turned)(p[i + l], flip);
        top[l] = v > top[l] ? v : top[l];
        nan[l] |= v != v ? ~(BITS)0 : 0;
    }
    for (int h = L / 2; h; h >>= 1)
        for (int l = 0; l < h; l++) {
            top[l] = top[l + h] > top[l] ? top[l + h] : top[l];
            nan[l] |= nan[l + h];
        }
    const T m = NAME(turned)(top[0], flip);
    *best = KEY(m);
    return nan[0] == 0 && m != 0;
}
#endif

/* The largest key of n > 0 contiguous elements. */
static K NAME(chunk_max)(const T *p, int64_t n, K flip)
{
    (void)flip;
    enum { L = NAME(lanes) };
#ifdef BITS
    K fast;
    if (n >= L && NAME(float_max)(p, n, flip, &fast)) return fast;
#endif
    int64_t i = 0;
    K best = KEY(p[0]);
    if (n >= L) {
        K lane[L];
        for (int l = 0; l < L; l++) lane[l] = best;
        for (; i + L <= n; i += L)
            for (int l = 0; l < L; l++) {
                const K k = KEY(p[i + l]);
                lane[l] = k > lane[l] ? k : lane[l];
            }
        for (int l = 0; l < L; l++) best = lane[l] > best ? lane[l] : best;
    }
    for (; i < n; i++) {
        const K k = KEY(p[i]);
        best = k > best ? k : best;
    }
    return best;
}

static void NAME(max_rows)(const reel_reduce_plan *p, const void *x, void *out, void *partial, int64_t begin,
                           int64_t end)
{
    const K flip = (K)p->bits;
    T buf[REEL_RED_CHUNK];
    for (int64_t t = begin; t < end; t++) {
        PART_LOOP
        K best = 0;
        if (direct) {
            best = NAME(chunk_max)(base + first, last - first, flip);
        } else {
            for (int64_t i = first; i < last; i += REEL_RED_CHUNK) {
                const int64_t n = last - i < REEL_RED_CHUNK ? last - i : REEL_RED_CHUNK;
                NAME(gather)(buf, base, &p->red, i, n);
                const K k = NAME(chunk_max)(buf, n, flip);
                best = i == first || k > best ? k : best;
            }
        }
        if (p->n_parts == 1)
            ((T *)out)[o] = UNKEY(best);
        else
            ((int64_t *)partial)[t] = best;
    }
}

static void NAME(max_cols)(const reel_reduce_plan *p, const void *x, void *out, void *partial, int64_t begin,
                           int64_t end)
{
    const K flip = (K)p->bits;
    K acc[REEL_RED_COLS];
    const int64_t width = p->kept.dim[p->kept.n - 1];
    for (int64_t t = begin; t < end; t++) {
        TILE_LOOP
        for (int64_t j = 0; j < w; j++) acc[j] = KEY(base[at.off + j]);
        for (int64_t i = first + 1; i < last; i++) {
            reel_place_next_(&at, &p->red);
            const T *q = base + at.off;
            for (int64_t j = 0; j < w; j++) {
                const K k = KEY(q[j]);
                acc[j] = k > acc[j] ? k : acc[j];
            }
        }
        for (int64_t j = 0; j < w; j++)
            if (p->n_parts == 1)
                ((T *)out)[o + j] = UNKEY(acc[j]);
            else
                ((int64_t *)partial)[(o + j) * p->n_parts + part] = acc[j];
    }
}

/* Where the first, or last, of n elements with this key is; there is one. */
static int64_t NAME(find)(const T *q, int64_t n, K best, K flip, bool last)
{
    enum { BLOCK = 64 };
    int64_t j = 0;
    (void)flip;
    if (last) {
        for (j = n - 1; ZERO_KEY(KEY(q[j])) != best; j--) continue;
        return j;
    }
    for (; j + BLOCK <= n; j += BLOCK) { /* whole blocks without branches */
        int found = 0;
        for (int l = 0; l < BLOCK; l++) {
            const K raw = KEY(q[j + l]);
            found |= ZERO_KEY(raw) == best;
        }
        if (found) break;
    }
    while (ZERO_KEY(KEY(q[j])) != best) j++;
    return j;
}

/* Each chunk's largest key first, at full speed; then one search in the chunk that won. */
static void NAME(argmax_rows)(const reel_reduce_plan *p, const void *x, void *out, void *partial, int64_t begin,
                              int64_t end)
{
    const K flip = (K)p->bits;
    T buf[REEL_RED_CHUNK];
    for (int64_t t = begin; t < end; t++) {
        PART_LOOP
        K best = 0;
        int64_t where = first;
        for (int64_t i = first; i < last; i += REEL_RED_CHUNK) {
            const int64_t n = last - i < REEL_RED_CHUNK ? last - i : REEL_RED_CHUNK;
            if (!direct) NAME(gather)(buf, base, &p->red, i, n);
            const K k = ZERO_KEY(NAME(chunk_max)(direct ? base + i : buf, n, flip));
            if (i == first || k > best || (p->last && k == best)) best = k, where = i;
        }
        const int64_t n = last - where < REEL_RED_CHUNK ? last - where : REEL_RED_CHUNK;
        if (!direct) NAME(gather)(buf, base, &p->red, where, n);
        const T *q = direct ? base + where : buf;
        int64_t j = NAME(find)(q, n, best, flip, p->last);
        if (p->n_parts == 1)
            ((int64_t *)out)[o] = where + j;
        else
            ((reel_best *)partial)[t] = (reel_best){best, where + j};
    }
}

static void NAME(argmax_cols)(const reel_reduce_plan *p, const void *x, void *out, void *partial, int64_t begin,
                              int64_t end)
{
    const K flip = (K)p->bits;
    const int last_wins = p->last;
    K acc[REEL_RED_COLS];
    int32_t index[REEL_RED_COLS]; /* from the part's first on */
    const int64_t width = p->kept.dim[p->kept.n - 1];
    for (int64_t t = begin; t < end; t++) {
        TILE_LOOP
        for (int64_t j = 0; j < w; j++) {
            const K k = KEY(base[at.off + j]);
            acc[j] = ZERO_KEY(k);
            index[j] = 0;
        }
        for (int32_t i = 1; i < (int32_t)(last - first); i++) {
            reel_place_next_(&at, &p->red);
            const T *q = base + at.off;
            for (int64_t j = 0; j < w; j++) {
                const K raw = KEY(q[j]), k = ZERO_KEY(raw);
                const int take = (k > acc[j]) | (last_wins & (k == acc[j]));
                index[j] = take ? i : index[j];
                acc[j] = k > acc[j] ? k : acc[j];
            }
        }
        for (int64_t j = 0; j < w; j++)
            if (p->n_parts == 1)
                ((int64_t *)out)[o + j] = first + index[j];
            else
                ((reel_best *)partial)[(o + j) * p->n_parts + part] = (reel_best){acc[j], first + index[j]};
    }
}
#undef PART_LOOP
#undef TILE_LOOP
#undef T
#undef K
#undef NAME
#undef KEY
#undef UNKEY
#undef ZERO_KEY
#undef SUM_T
#undef BITS
