/* loop.c: see loop.h. Three ways through the elements: flat (one call), rows (an inner call for each segment of a row) and,
   where rows are short or operands strided, blocks of whole rows with the awkward operands gathered. */
#include "kernels/loop.h"
#include "kernels/after.h"
#include <string.h>
#include "core/compiler.h"
#include "core/shape.h"
#include "reel/tensor.h"

#define GATHER(T)                                                          \
    do {                                                                   \
        T *d = dst;                                                        \
        for (int64_t r = 0; r < rows; r++, d += cols, src += row_stride) { \
            const char *s = src;                                           \
            for (int64_t c = 0; c < cols; c++, s += col_stride) {          \
                memcpy(d + c, s, sizeof(T));                               \
            }                                                              \
        }                                                                  \
    } while (0)

void reel_gather_(void *dst, const char *src, int64_t rows, int64_t row_stride, int64_t cols, int64_t col_stride,
                  int size)
{
    if (rows > 1 && row_stride == 0) { /* one row, repeated by doubling */
        const size_t row = (size_t)cols * (size_t)size, all = row * (size_t)rows;
        reel_gather_(dst, src, 1, 0, cols, col_stride, size);
        for (size_t have = row; have < all; have *= 2) {
            memcpy((char *)dst + have, dst, have * 2 <= all ? have : all - have);
        }
        return;
    }
    if (col_stride == size && cols >= 16) {
        const size_t bytes = (size_t)cols * (size_t)size;
        for (int64_t r = 0; r < rows; r++) {
            memcpy((char *)dst + (size_t)r * bytes, src + r * row_stride, bytes);
        }
        return;
    }
    switch (size) {
    case 1: GATHER(uint8_t); break;
    case 2: GATHER(uint16_t); break;
    case 4: GATHER(uint32_t); break;
    default: GATHER(uint64_t); break;
    }
}

int reel_merge_dims_(int64_t *dims, int rank, int64_t (*strides)[REEL_MAX_RANK], int n)
{
    int out = 0;
    for (int d = 0; d < rank; d++) {
        if (dims[d] == 1) {
            continue;
        }
        bool merge = out > 0;
        for (int i = 0; i < n && merge; i++) {
            merge = strides[i][out - 1] == strides[i][d] * dims[d];
        }
        const int to = merge ? out - 1 : out;
        dims[to] = merge ? dims[to] * dims[d] : dims[d];
        for (int i = 0; i < n; i++) {
            strides[i][to] = strides[i][d];
        }
        out = to + 1;
    }
    return out;
}

/* One element, or dense with the output's shape? */
static bool is_flat(const reel_kview *v, const reel_kview *out, int64_t n, bool spread, uint8_t *step)
{
    *step = 1;
    if (n == 1) {
        return true;
    }
    bool one = true;
    for (int d = 0; d < v->rank; d++) {
        one = one && v->dims[d] == 1;
    }
    if (one) {
        *step = 0;
        return spread;
    }
    if (v->rank != out->rank) {
        return false;
    }
    int64_t expect = 1;
    for (int d = v->rank; d-- > 0;) {
        if (v->dims[d] != out->dims[d] || (v->dims[d] != 1 && v->strides[d] != expect)) {
            return false;
        }
        expect *= v->dims[d];
    }
    return true;
}

/* Strides against the output's dims: 0 where the input is broadcast. */
static REEL_NOINLINE void init_strided(reel_loop *l, const reel_ksig *sig, bool spread)
{
    const int rank = sig->out[0].rank;
    for (int d = 0; d < rank; d++) {
        l->dims[d] = sig->out[0].dims[d];
    }
    for (int i = 0; i < sig->n_in; i++) {
        const reel_kview *v = &sig->in[i];
        for (int d = 0; d < rank; d++) {
            const int e = d - (rank - v->rank);
            l->strides[i][d] = e < 0 || v->dims[e] == 1 ? 0 : v->strides[e] * l->size[i];
        }
    }
    l->rank = (uint8_t)reel_merge_dims_(l->dims, rank, l->strides, sig->n_in);
    for (int i = 0; i < sig->n_in; i++) {
        const int64_t s = l->strides[i][l->rank - 1];
        l->step[i] = s == l->size[i] || (s == 0 && !spread);
    }
}

void reel_loop_init_(reel_loop *l, const reel_ksig *sig, reel_inner_fn *fn, int64_t grain, bool spread)
{
    int64_t n = 1;
    for (int d = 0; d < sig->out[0].rank; d++) {
        n *= sig->out[0].dims[d];
    }
    l->fn = fn;
    l->n = n;
    l->grain = grain;
    l->n_in = (uint8_t)sig->n_in;
    l->n_out = (uint8_t)sig->n_out;
    l->flat = true;
    for (int i = 0; i < sig->n_in; i++) {
        l->size[i] = reel_dtype_bytes_[sig->in[i].dtype];
        l->flat = is_flat(&sig->in[i], &sig->out[0], n, spread, &l->step[i]) && l->flat;
    }
    for (int i = 0; i < sig->n_out; i++) {
        l->size[sig->n_in + i] = reel_dtype_bytes_[sig->out[i].dtype];
    }
    if (!l->flat && n > 0) {
        init_strided(l, sig, spread);
    }
}

typedef struct task {
    const reel_loop *l;
    void *const *ptr;
    const void *extra;
    int64_t unit; /* elements an index of the parallel loop stands for */
} task;

static void run_flat(void *arg, int64_t begin, int64_t end)
{
    const task *t = arg;
    const reel_loop *l = t->l;
    void *ptr[REEL_LOOP_IN + REEL_LOOP_OUT];
    for (int i = 0; i < l->n_in; i++) {
        ptr[i] = (char *)t->ptr[i] + begin * l->size[i] * l->step[i];
    }
    for (int i = l->n_in; i < l->n_in + l->n_out; i++) {
        ptr[i] = (char *)t->ptr[i] + begin * l->size[i];
    }
    l->fn(ptr, l->step, end - begin, t->extra);
}

/* A walk along the output in C order: the index of the next element and the inputs' addresses there. */
typedef struct walk {
    int64_t index[REEL_MAX_RANK];
    char *at[REEL_LOOP_IN];
} walk;

static void walk_start(walk *w, const reel_loop *l, void *const *ptr, int64_t begin)
{
    for (int i = 0; i < l->n_in; i++) {
        w->at[i] = ptr[i];
    }
    for (int d = l->rank; d-- > 0;) {
        w->index[d] = 0;
        if (begin == 0) {
            continue;
        }
        w->index[d] = begin % l->dims[d];
        begin /= l->dims[d];
        for (int i = 0; i < l->n_in; i++) {
            w->at[i] += w->index[d] * l->strides[i][d];
        }
    }
}

/* k steps along dimension d, which end at most at its end; carries. */
static void walk_on(walk *w, const reel_loop *l, int d, int64_t k)
{
    for (;;) {
        w->index[d] += k;
        for (int i = 0; i < l->n_in; i++) {
            w->at[i] += k * l->strides[i][d];
        }
        if (w->index[d] < l->dims[d] || d == 0) {
            return;
        }
        w->index[d] = 0;
        for (int i = 0; i < l->n_in; i++) {
            w->at[i] -= l->dims[d] * l->strides[i][d];
        }
        d--;
        k = 1;
    }
}

static int64_t min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void run_walk(void *arg, int64_t begin, int64_t end)
{
    const task *t = arg;
    const reel_loop *l = t->l;
    _Alignas(64) char block[REEL_LOOP_IN][REEL_LOOP_BLOCK * 8];
    const char *held[REEL_LOOP_IN] = {0}; /* what a block holds: rows repeated from this address */
    int64_t held_rows[REEL_LOOP_IN] = {0};
    void *ptr[REEL_LOOP_IN + REEL_LOOP_OUT];
    uint8_t step[REEL_LOOP_IN];
    const int last = l->rank - 1;
    const int64_t cols = l->dims[last],
                  rows_in_block = cols * 2 <= REEL_LOOP_BLOCK && last > 0 ? REEL_LOOP_BLOCK / cols : 1;
    bool gathers = false;
    for (int i = 0; i < l->n_in; i++) {
        const int64_t s = l->strides[i][last];
        gathers = gathers || (s != l->size[i] && (s != 0 || l->step[i]));
    }
    begin *= t->unit;
    end = min64(end * t->unit, l->n);
    walk w;
    walk_start(&w, l, t->ptr, begin);
    for (int64_t pos = begin; pos < end;) {
        const int64_t col = w.index[last], left = end - pos;
        int64_t rows = 1, len = min64(cols - col, left);
        if (rows_in_block > 1 && col == 0 && left >= cols) {
            rows = min64(rows_in_block, l->dims[last - 1] - w.index[last - 1]);
            rows = rows * cols > left ? left / cols : rows;
        } else if (gathers) {
            len = min64(len, REEL_LOOP_BLOCK);
        }
        const int64_t count = rows * len;
        for (int i = 0; i < l->n_in; i++) {
            const int64_t s = l->strides[i][last], rs = rows > 1 ? l->strides[i][last - 1] : 0;
            step[i] = 1;
            ptr[i] = w.at[i];
            if (s == l->size[i] && (rows == 1 || rs == s * cols)) {
                continue;
            }
            if (s == 0 && rs == 0 && !l->step[i]) {
                step[i] = 0;
                continue;
            }
            ptr[i] = block[i];
            if (rows > 1 && rs == 0) {
                if (held[i] == w.at[i] && held_rows[i] >= rows) {
                    continue;
                }
                held[i] = w.at[i];
                held_rows[i] = rows;
            } else {
                held[i] = NULL;
            }
            reel_gather_(block[i], w.at[i], rows, rs, len, s, l->size[i]);
        }
        for (int i = l->n_in; i < l->n_in + l->n_out; i++) {
            ptr[i] = (char *)t->ptr[i] + pos * l->size[i];
        }
        l->fn(ptr, step, count, t->extra);
        pos += count;
        if (rows > 1) {
            walk_on(&w, l, last - 1, rows);
        } else {
            walk_on(&w, l, last, len);
        }
    }
}

void reel_loop_run_(const reel_loop *l, void *const *ptr, const void *extra)
{
    if (REEL_LIKELY(l->flat && l->n <= l->grain)) {
        if (REEL_LIKELY(l->n > 0)) {
            l->fn(ptr, l->step, l->n, extra);
        }
        return;
    }
    if (l->n <= 0) {
        return;
    }
    task t = {l, ptr, extra, 1};
    if (l->flat) {
        reel_parallel_for(l->n, l->grain, run_flat, &t);
        return;
    }
    const int64_t cols = l->dims[l->rank - 1];
    t.unit = cols <= l->grain ? cols : 1; /* threads get whole rows where rows are not huge */
    const int64_t units = l->n / t.unit, grain = l->grain / t.unit > 0 ? l->grain / t.unit : 1;
    if (units <= grain) {
        run_walk(&t, 0, units);
    } else {
        reel_parallel_for(units, grain, run_walk, &t);
    }
}

void reel_loop_range_(const reel_loop *l, void *const *ptr, const void *extra, int64_t begin, int64_t end)
{
    task t = {l, ptr, extra, 1};
    if (begin >= end) {
        return;
    }
    if (l->flat) {
        run_flat(&t, begin, end);
    } else {
        run_walk(&t, begin, end);
    }
}
