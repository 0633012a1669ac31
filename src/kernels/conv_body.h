/* conv_body.h: the portable convolution for one element type T; conv_plain.c includes it twice. */

/* n elements of x from `from`, every stride'th. */
static inline void NAME(pick)(T *to, const T *from, int64_t stride, int64_t n)
{
    if (stride == 1)
        memcpy(to, from, (size_t)n * sizeof(T));
    else
        for (int64_t i = 0; i < n; i++) to[i] = from[i * stride];
}

/* One tap of one channel for outputs [p0, p1): the row of patches. plane: the channel. back: adds the row to it instead. */
static void NAME(patch_row)(const conv_shape *s, T *plane, const int64_t tap[3], int64_t p0, int64_t p1, T *row,
                            bool back)
{
    const reel_window *d = &s->win[0], *h = &s->win[1], *w = &s->win[2];
    int64_t low, high;
    inside(w, tap[2], &low, &high);
    const int64_t shift = tap[2] * w->dilation - w->before;
    for (int64_t p = p0; p < p1;) {
        const int64_t line = p / w->out, o0 = p - line * w->out, od = line / h->out, oh = line - od * h->out;
        const int64_t o1 = least(w->out, o0 + p1 - p), n = o1 - o0;
        const int64_t id = od * d->stride - d->before + tap[0] * d->dilation,
                      ih = oh * h->stride - h->before + tap[1] * h->dilation;
        T *const to = row + (p - p0);
        const int64_t a = low < o0 ? o0 : low > o1 ? o1 : low, b = high < a ? a : high > o1 ? o1 : high;
        p += n;
        if (id < 0 || id >= d->in || ih < 0 || ih >= h->in || a == b) {
            if (!back) memset(to, 0, (size_t)n * sizeof(T));
            continue;
        }
        T *const from = plane + (id * h->in + ih) * w->in + a * w->stride + shift;
        if (back) {
            const T *const r = to + (a - o0);
            if (w->stride == 1)
                for (int64_t i = 0; i < b - a; i++) from[i] += r[i];
            else
                for (int64_t i = 0; i < b - a; i++) from[i * w->stride] += r[i];
            continue;
        }
        for (int64_t i = o0; i < a; i++) to[i - o0] = 0;
        NAME(pick)(to + (a - o0), from, w->stride, b - a);
        for (int64_t i = b; i < o1; i++) to[i - o0] = 0;
    }
}

/* Channels first: rows (channel, tap), columns outputs. */
static void NAME(patches)(const conv_shape *s, T *x, int64_t channels, int64_t p0, int64_t p1, T *rows, bool back)
{
    int64_t t[3];
    for (int64_t c = 0; c < channels; c++)
        for (t[0] = 0; t[0] < s->win[0].kernel; t[0]++)
            for (t[1] = 0; t[1] < s->win[1].kernel; t[1]++)
                for (t[2] = 0; t[2] < s->win[2].kernel; t[2]++) {
                    NAME(patch_row)(s, x + c * s->in, t, p0, p1, rows, back);
                    rows += p1 - p0;
                }
}

/* Channels last: rows outputs, columns (tap, channel). */
static void NAME(patches_last)(const conv_shape *s, T *x, int64_t p0, int64_t p1, T *rows, bool back)
{
    const reel_window *d = &s->win[0], *h = &s->win[1], *w = &s->win[2];
    const size_t bytes = (size_t)s->cg * sizeof(T);
    for (int64_t p = p0; p < p1; p++) {
        const int64_t line = p / w->out, ow = p - line * w->out, od = line / h->out, oh = line - od * h->out;
        for (int64_t a = 0; a < d->kernel; a++)
            for (int64_t b = 0; b < h->kernel; b++) {
                const int64_t id = od * d->stride - d->before + a * d->dilation,
                              ih = oh * h->stride - h->before + b * h->dilation;
                const bool line_inside = id >= 0 && id < d->in && ih >= 0 && ih < h->in;
                for (int64_t t = 0; t < w->kernel; t++, rows += s->cg) {
                    const int64_t iw = ow * w->stride - w->before + t * w->dilation;
                    const bool is_inside = line_inside && iw >= 0 && iw < w->in;
                    T *const at = is_inside ? x + ((id * h->in + ih) * w->in + iw) * s->c : NULL;
                    if (!back && is_inside)
                        memcpy(rows, at, bytes);
                    else if (!back)
                        memset(rows, 0, bytes);
                    else if (is_inside)
                        for (int64_t c = 0; c < s->cg; c++) at[c] += rows[c];
                }
            }
    }
}

/* ---- y = w * x --------------------------------------------------------------------------------------- */
static void NAME(forward)(const plain_job *j, int64_t item, T *rows)
{
    const conv_shape *s = j->s;
    const int64_t block = item % j->p->pixel_blocks, at = item / j->p->pixel_blocks, g = at % s->groups,
                  n = at / s->groups;
    const int64_t p0 = block * j->p->nb, p1 = least(p0 + j->p->nb, s->out), np = p1 - p0;
    T *const x = (T *)(uintptr_t)j->x + n * s->c * s->in + g * s->cg * (s->last ? 1 : s->in);
    T *const y = (T *)j->out + n * s->o * s->out;
    const T *const bias = (const T *)j->bias;
    if (s->k == 0) { /* x has no channels */
        for (int64_t o = g * s->og; o < (g + 1) * s->og; o++)
            for (int64_t p = p0; p < p1; p++) y[s->last ? p * s->o + o : o * s->out + p] = bias ? bias[o] : 0;
        return;
    }
    if (s->last) {
        const T *const w = (const T *)(j->work + j->p->weights_at) + g * s->og * s->k;
        const reel_gemm_args m = {np, s->og, s->k, s->pointwise ? s->c : s->k, 1, s->og, 1, s->o, NULL};
        T *const to = y + p0 * s->o + g * s->og;
        if (!s->pointwise) NAME(patches_last)(s, x, p0, p1, rows, false);
        j->p->gemm(&m, s->pointwise ? x + p0 * s->c : rows, w, to);
        for (int64_t p = 0; bias && p < np; p++)
            for (int64_t o = 0; o < s->og; o++) to[p * s->o + o] += bias[g * s->og + o];
        return;
    }
    const T *const w = (const T *)j->w + g * s->og * s->k;
    T *const to = y + g * s->og * s->out + p0;
    const reel_gemm_args m = {s->og, np, s->k, s->k, 1, s->pointwise ? s->in : np, 1, s->out, NULL};
    if (!s->pointwise) NAME(patches)(s, x, s->cg, p0, p1, rows, false);
    j->p->gemm(&m, w, s->pointwise ? x + p0 : rows, to);
    for (int64_t o = 0; bias && o < s->og; o++)
        for (int64_t p = 0; p < np; p++) to[o * s->out + p] += bias[g * s->og + o];
}

/* ---- x = the transpose of w * y ---------------------------------------------------------------------- */
static void NAME(input)(const plain_job *j, int64_t item, T *rows)
{
    const conv_shape *s = j->s;
    const int64_t block = item % j->p->channel_blocks, at = item / j->p->channel_blocks, g = at % s->groups,
                  n = at / s->groups;
    const int64_t c0 = block * j->p->cb, nc = least(j->p->cb, s->cg - c0);
    T *const image = (T *)j->out + n * s->c * s->in;
    T *const x = image + (g * s->cg + c0) * (s->last ? 1 : s->in);
    const T *const y = (const T *)j->y + n * s->o * s->out + g * s->og * (s->last ? 1 : s->out);
    const T *const bias = j->bias ? (const T *)j->bias + g * s->cg + c0 : NULL;
    if (s->last)
        for (int64_t p = 0; p < s->in; p++)
            for (int64_t c = 0; c < nc; c++) x[p * s->c + c] = bias ? bias[c] : 0;
    else
        for (int64_t c = 0; c < nc; c++)
            for (int64_t p = 0; p < s->in; p++) x[c * s->in + p] = bias ? bias[c] : 0;
    for (int64_t p0 = 0; s->og > 0 && p0 < s->out; p0 += j->p->nb) {
        const int64_t p1 = least(p0 + j->p->nb, s->out), np = p1 - p0;
        if (s->last) {
            const T *const w = (const T *)(j->work + j->p->weights_at) + g * s->og * s->k;
            const reel_gemm_args m = {np, s->k, s->og, s->o, 1, s->k, 1, s->k, NULL};
            j->p->gemm(&m, y + p0 * s->o, w, rows);
            NAME(patches_last)(s, x, p0, p1, rows, true);
        } else {
            const T *const w = (const T *)j->w + g * s->og * s->k + c0 * s->taps;
            const reel_gemm_args m = {nc * s->taps, np, s->og, 1, s->k, s->out, 1, np, NULL};
            j->p->gemm(&m, w, y + p0, rows);
            NAME(patches)(s, x, nc, p0, p1, rows, true);
        }
    }
}

/* ---- w = y * x, in parts ----------------------------------------------------------------------------- */
static void NAME(weights)(const plain_job *j, int64_t item, T *rows)
{
    const conv_shape *s = j->s;
    const int64_t block = item / s->groups, g = item % s->groups, count = s->og * s->k;
    const int64_t n0 = s->n * block / j->p->batch_blocks, n1 = s->n * (block + 1) / j->p->batch_blocks;
    T *const part = (T *)(j->work + j->p->parts_at) + (block * s->groups + g) * count;
    T *const product = rows + j->p->nb * s->k;
    for (int64_t i = 0; i < count; i++) part[i] = 0;
    for (int64_t n = n0; n < n1; n++) {
        T *const x = (T *)(uintptr_t)j->x + n * s->c * s->in + g * s->cg * (s->last ? 1 : s->in);
        const T *const y = (const T *)j->y + n * s->o * s->out + g * s->og * (s->last ? 1 : s->out);
        for (int64_t p0 = 0; p0 < s->out; p0 += j->p->nb) {
            const int64_t p1 = least(p0 + j->p->nb, s->out), np = p1 - p0;
            if (s->last) {
                const reel_gemm_args m = {s->og, s->k, np, 1, s->o, s->pointwise ? s->c : s->k, 1, s->k, NULL};
                if (!s->pointwise) NAME(patches_last)(s, x, p0, p1, rows, false);
                j->p->gemm(&m, y + p0 * s->o, s->pointwise ? x + p0 * s->c : rows, product);
            } else {
                const reel_gemm_args m = {s->og, s->k, np, s->out, 1, 1, s->pointwise ? s->in : np, s->k, NULL};
                if (!s->pointwise) NAME(patches)(s, x, s->cg, p0, p1, rows, false);
                j->p->gemm(&m, y + p0, s->pointwise ? x + p0 : rows, product);
            }
            for (int64_t i = 0; i < count; i++) part[i] += product[i];
        }
    }
}

/* Outputs [begin, end) of the sum of the parts, back in the order of w. */
static void NAME(sum_parts)(void *arg, int64_t begin, int64_t end)
{
    const plain_job *j = arg;
    const conv_shape *s = j->s;
    const T *const parts = (const T *)(j->work + j->p->parts_at);
    for (int64_t o = begin; o < end; o++) {
        T *const to = (T *)j->out + o * s->k;
        for (int64_t i = 0; i < s->k; i++) {
            T sum = 0;
            for (int64_t b = 0; b < j->p->batch_blocks; b++) sum += parts[(b * s->o + o) * s->k + i];
            if (s->last)
                to[i % s->cg * s->taps + i / s->cg] = sum;
            else
                to[i] = sum;
        }
    }
}

/* ---- all --------------------------------------------------------------------------------------------- */
static void NAME(piece)(void *arg, int64_t begin, int64_t end)
{
    plain_job *j = arg;
    const int region = reel_region_take_(&j->regions);
    T *const rows = (T *)(j->work + j->p->regions_at) + region * j->p->region;
    int64_t from = begin;
    for (int64_t i = begin; i < end; i++) {
        if (j->s->kind == CONV_FORWARD)
            NAME(forward)(j, i, rows);
        else if (j->s->kind == CONV_INPUT)
            NAME(input)(j, i, rows);
        else
            NAME(weights)(j, i, rows);
        if (j->after) from = item_done(j, from, i, i + 1 == end);
    }
    reel_region_give_(&j->regions, region);
}

static void NAME(run)(plain_job *j)
{
    const conv_shape *s = j->s;
    if (s->last && s->kind != CONV_WEIGHTS) { /* w with the taps before the channels; y = x w wants the outputs last */
        T *const to = (T *)(j->work + j->p->weights_at);
        const T *w = (const T *)j->w;
        for (int64_t o = 0; o < s->o; o++)
            for (int64_t c = 0; c < s->cg; c++)
                for (int64_t t = 0; t < s->taps; t++) {
                    const int64_t row = t * s->cg + c, g = o / s->og * s->og;
                    to[s->kind == CONV_FORWARD ? g * s->k + row * s->og + (o - g) : o * s->k + row] = *w++;
                }
    }
    reel_parallel_for(j->p->items, j->p->grain, NAME(piece), j);
    if (s->kind == CONV_WEIGHTS) reel_parallel_for(s->o, GRAIN / (s->k + 1) + 1, NAME(sum_parts), j);
}
