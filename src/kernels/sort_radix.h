/* sort_radix.h: a stable sort of records of one kind by the bits [low, high) of BITS(r): least significant digit first, in one
   block, or for many records in blocks side by side. Included by sort.c with R, NAME(f) and BITS(r) -> uint64_t, for a
   selection SELECT, defined. */

static void NAME(insertion)(R *a, int64_t n, int low, int high)
{
    const uint64_t mask = high < 64 ? (UINT64_C(1) << high) - 1 : UINT64_MAX;
    for (int64_t i = 1; i < n; i++) {
        const R r = a[i];
        const uint64_t key = (BITS(r) & mask) >> low;
        int64_t j = i;
        for (; j > 0 && (BITS(a[j - 1]) & mask) >> low > key; j--) a[j] = a[j - 1];
        a[j] = r;
    }
}

typedef struct NAME(job) {
    const R *from;
    R *to;
    int64_t n;
    int shift;
    uint32_t mask;
    uint32_t *hist; /* a row of counts a block */
} NAME(job);

static void NAME(count)(void *arg, int64_t begin, int64_t end)
{
    const NAME(job) *j = arg;
    for (int64_t b = begin; b < end; b++) {
        uint32_t *count = j->hist + b * (j->mask + 1);
        const int64_t first = b * REEL_SORT_BLOCK,
                      last = first + REEL_SORT_BLOCK < j->n ? first + REEL_SORT_BLOCK : j->n;
        memset(count, 0, (j->mask + 1) * sizeof *count);
        for (int64_t i = first; i < last; i++) count[(uint32_t)(BITS(j->from[i]) >> j->shift) & j->mask]++;
    }
}

static void NAME(scatter)(void *arg, int64_t begin, int64_t end)
{
    const NAME(job) *j = arg;
    for (int64_t b = begin; b < end; b++) {
        uint32_t *at = j->hist + b * (j->mask + 1);
        const int64_t first = b * REEL_SORT_BLOCK,
                      last = first + REEL_SORT_BLOCK < j->n ? first + REEL_SORT_BLOCK : j->n;
        for (int64_t i = first; i < last; i++) {
            const R r = j->from[i];
            j->to[at[(uint32_t)(BITS(r) >> j->shift) & j->mask]++] = r;
        }
    }
}

/* hist: a row of 2^REEL_SORT_DIGIT counters for each block of REEL_SORT_BLOCK records */
static void NAME(radix)(R *a, R *tmp, int64_t n, int low, int high, uint32_t *hist)
{
    if (n <= 48) {
        NAME(insertion)(a, n, low, high);
        return;
    }
    const int digit = n < 4096 ? 8 : REEL_SORT_DIGIT;
    const int64_t blocks = (n + REEL_SORT_BLOCK - 1) / REEL_SORT_BLOCK;
    R *from = a, *to = tmp;
    for (int shift = low; shift < high; shift += digit) {
        const int bits = high - shift < digit ? high - shift : digit;
        NAME(job) job = {from, to, n, shift, (1u << bits) - 1, hist};
        if (blocks > 1)
            reel_parallel_for(blocks, 1, NAME(count), &job);
        else
            NAME(count)(&job, 0, blocks);
        uint32_t sum = 0;
        bool same = false; /* all records have this digit */
        for (uint32_t d = 0; d <= job.mask; d++) {
            const uint32_t before = sum;
            for (int64_t b = 0; b < blocks; b++) {
                uint32_t *count = &hist[b * (job.mask + 1) + d];
                const uint32_t c = *count;
                *count = sum;
                sum += c;
            }
            same = same || sum - before == (uint32_t)n;
        }
        if (same) continue;
        if (blocks > 1)
            reel_parallel_for(blocks, 1, NAME(scatter), &job);
        else
            NAME(scatter)(&job, 0, blocks);
        R *t = from;
        from = to, to = t;
    }
    if (from != a) memcpy(a, from, (size_t)n * sizeof *a);
}

#ifdef SELECT
/* The record that would be k-th: digit by digit from the top, only those that share them stay, in their order. */
static R NAME(select)(R *a, int64_t n, int64_t k, int low, int high, uint32_t *hist)
{
    for (int top = high; n > 1 && top > low;) {
        const int bits = top - low < REEL_SORT_DIGIT ? top - low : REEL_SORT_DIGIT, shift = top - bits;
        const uint32_t mask = (1u << bits) - 1;
        int64_t below = 0, stay = 0;
        uint32_t digit = 0;
        memset(hist, 0, (mask + 1) * sizeof *hist);
        for (int64_t i = 0; i < n; i++) hist[(uint32_t)(BITS(a[i]) >> shift) & mask]++;
        while (below + hist[digit] <= k) below += hist[digit++];
        for (int64_t i = 0; i < n; i++) {
            const R r = a[i];
            a[stay] = r;
            stay += ((uint32_t)(BITS(r) >> shift) & mask) == digit;
        }
        n = stay, k -= below, top = shift;
    }
    return a[k];
}
#endif
#undef SELECT
#undef R
#undef NAME
#undef BITS
