/* reduce_count.h: how many elements have one of the bits in the plan's mask, by element size; included by level_stats.c with
   T and NAME(f) defined. Counts run in T for as many steps as it can hold. */
REEL_DEFINE_GATHER(NAME(gather), T)

static int64_t NAME(chunk)(const T *p, int64_t n, T mask)
{
    enum { L = 64 };
    T lane[L] = {0};
    int64_t i = 0, count = 0;
    for (; i + L <= n; i += L)
        for (int l = 0; l < L; l++) lane[l] = (T)(lane[l] + ((p[i + l] & mask) != 0));
    for (int l = 0; l < L; l++) count += (int64_t)lane[l];
    for (; i < n; i++) count += (p[i] & mask) != 0;
    return count;
}

static void NAME(rows)(const reel_reduce_plan *p, const void *x, void *out, void *partial, int64_t begin, int64_t end)
{
    T buf[REEL_RED_CHUNK];
    const T mask = (T)p->bits;
    int64_t *to = p->n_parts == 1 && p->count_out ? out : partial;
    for (int64_t t = begin; t < end; t++) {
        const int64_t o = p->n_parts == 1 ? t : t / p->n_parts, first = (t - o * p->n_parts) * p->part;
        const int64_t last = first + p->part < p->n_red ? first + p->part : p->n_red;
        const T *base = (const T *)x + reel_walk_offset_(&p->kept, o);
        const bool direct = p->red.n == 0 || (p->red.n == 1 && p->red.stride[0] == 1);
        int64_t count = 0;
        for (int64_t i = first; i < last; i += REEL_RED_CHUNK) {
            const int64_t n = last - i < REEL_RED_CHUNK ? last - i : REEL_RED_CHUNK;
            if (!direct) NAME(gather)(buf, base, &p->red, i, n);
            count += NAME(chunk)(direct ? base + i : buf, n, mask);
        }
        to[t] = count;
    }
}

static void NAME(cols)(const reel_reduce_plan *p, const void *x, void *out, void *partial, int64_t begin, int64_t end)
{
    enum { FEW = 255 };
    const T mask = (T)p->bits;
    const int64_t width = p->kept.dim[p->kept.n - 1];
    int64_t *to = p->n_parts == 1 && p->count_out ? out : partial;
    for (int64_t t = begin; t < end; t++) {
        const int64_t tile = t / p->n_parts, part = t - tile * p->n_parts, first = part * p->part;
        const int64_t last = first + p->part < p->n_red ? first + p->part : p->n_red;
        const int64_t outer = tile / p->n_tiles, col = (tile - outer * p->n_tiles) * REEL_RED_COLS;
        const int64_t w = width - col < REEL_RED_COLS ? width - col : REEL_RED_COLS, o = outer * width + col;
        const T *base = (const T *)x + reel_walk_offset_(&p->kept, o);
        int64_t total[REEL_RED_COLS] = {0};
        reel_place at;
        reel_place_set_(&at, &p->red, first);
        for (int64_t i = first; i < last; i += FEW) {
            const int64_t n = last - i < FEW ? last - i : FEW;
            T count[REEL_RED_COLS] = {0};
            for (int64_t r = 0; r < n; r++) {
                const T *q = base + at.off;
                for (int64_t j = 0; j < w; j++) count[j] = (T)(count[j] + ((q[j] & mask) != 0));
                reel_place_next_(&at, &p->red);
            }
            for (int64_t j = 0; j < w; j++) total[j] += (int64_t)count[j];
        }
        for (int64_t j = 0; j < w; j++) to[(o + j) * p->n_parts + part] = total[j];
    }
}
#undef T
#undef NAME
