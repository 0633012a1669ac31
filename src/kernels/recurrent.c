/* recurrent.c: the scan of a recurrent layer over time, forward and backward. A work item is a block of the batch's rows over
   the whole sequence: rows do not depend on each other, so threads never wait. A step is one product with the recurrent
   weights and one pass over the gates. The weights are copied once a run, to panels of a few columns whose rows lie side by
   side: read in place, rows 2 KB apart fall into the same few sets of the cache. */
#include "kernels/recurrent.h"
#include "kernels/copy.h"
#include "kernels/dense.h"
#include "kernels/gemm.h"
#include "kernels/softmax.h" /* reel_label_ */
#include "ops/attrs.h"

enum { MAX_OPERANDS = 9, ROWS = 8, GRAIN = 1 << 15, PANEL = 128 /* bytes of its rows */ };

typedef struct scan_plan {
    int kind, gates, states, saves; /* numbers a unit: of xp, of last, of saved */
    bool reverse;
    unsigned has;
    reel_dtype compute;
    size_t size;
    int64_t t, b, h;
    const reel_cell_table *table;
    void (*gemm)(const reel_gemm_args *g, const void *a, const void *b, void *c);
    int n_in, n_out, at[32]; /* at[bit]: which input an optional operand is */
    reel_dense_in in[MAX_OPERANDS];
    reel_dense_out out[4];
    reel_walk lengths;
    reel_dtype length_dtype;
    int64_t blocks, grain;
    int regions;
    size_t lengths_at, panels_at, zeros_at, region, regions_at, pre_at, h_at, c_at, tmp_at, on_at, before_at,
        c_before_at, dm_at;
} scan_plan;

static int bit_number(unsigned bit)
{
    int n = 0;
    while (!(bit >> n & 1u)) n++;
    return n;
}

/* The operands from number `from` on are optional ones, in the order of their bits. */
static int plan_operands(scan_plan *p, const reel_ksig *sig, int from, size_t *workspace)
{
    int i = from, code = 0;
    for (int k = 0; k < from && !code; k++) code = reel_dense_plan_(&p->in[k], &sig->in[k], p->compute, workspace);
    for (unsigned bit = 1; bit <= REEL_RNN_DSAVED && !code; bit <<= 1) {
        if (!(p->has & bit)) continue;
        p->at[bit_number(bit)] = i;
        if (bit != REEL_RNN_LENGTHS) {
            code = reel_dense_plan_(&p->in[i], &sig->in[i], p->compute, workspace);
        } else {
            p->length_dtype = sig->in[i].dtype;
            reel_walk_add_(&p->lengths, sig->in[i].dims[0], sig->in[i].strides[0]);
        }
        i++;
    }
    for (int k = 0; k < sig->n_out && !code; k++)
        code = reel_dense_out_plan_(&p->out[k], &sig->out[k], p->compute, workspace);
    p->n_in = sig->n_in;
    p->n_out = sig->n_out;
    if (!code) code = reel_reserve_(workspace, p->b, sizeof(int64_t), &p->lengths_at);
    return code;
}

static void plan_kind(scan_plan *p, const reel_ksig *sig)
{
    const reel_attr_recurrent *a = sig->attr;
    memset(p, 0, sizeof *p);
    p->kind = a->kind;
    p->reverse = a->reverse;
    p->has = a->has;
    reel_recurrent_parts_(a->kind, &p->gates, &p->states, &p->saves);
    p->compute = sig->in[0].dtype == REEL_F64 ? REEL_F64 : REEL_F32;
    p->size = reel_size_(p->compute);
    p->table = p->compute == REEL_F64 ? &REEL_PICK(reel_cell_levels)->f64 : &REEL_PICK(reel_cell_levels)->f32;
    p->gemm = p->compute == REEL_F64 ? REEL_PICK(reel_gemm_levels)->f64 : REEL_PICK(reel_gemm_levels)->f32;
}

static int plan_regions(scan_plan *p, size_t *workspace)
{
    const int64_t rows = p->b < ROWS ? p->b : ROWS, n = rows * p->h;
    const double work = (double)rows * (double)p->t * (double)p->h * (double)p->h * (double)p->gates;
    size_t region = 0;
    int code = reel_reserve_(workspace, p->gates * p->h * p->h, p->size, &p->panels_at);
    if (!code) code = reel_reserve_(workspace, REEL_CELL_ZEROS * p->h, p->size, &p->zeros_at);
    if (!code) code = reel_reserve_(&region, n * p->gates, p->size, &p->pre_at);
    if (!code) code = reel_reserve_(&region, n, p->size, &p->h_at);
    if (!code) code = reel_reserve_(&region, n, p->size, &p->c_at);
    if (!code) code = reel_reserve_(&region, n, p->size, &p->tmp_at);
    if (!code) code = reel_reserve_(&region, n, p->size, &p->before_at);
    if (!code) code = reel_reserve_(&region, n, p->size, &p->c_before_at);
    if (!code) code = reel_reserve_(&region, n, p->size, &p->dm_at);
    if (!code) code = reel_reserve_(&region, rows, 1, &p->on_at);
    p->region = region;
    p->blocks = (p->b + ROWS - 1) / ROWS;
    p->grain = work >= GRAIN ? 1 : (int64_t)((double)GRAIN / (work + 1)) + 1;
    p->regions = reel_regions_plan_(p->blocks);
    return code ? code : reel_reserve_(workspace, p->regions, region, &p->regions_at);
}

static const char *operand(const scan_plan *p, unsigned bit, char *const in[])
{
    return p->has & bit ? in[p->at[bit_number(bit)]] : NULL;
}

/* Inputs made dense, and lengths checked; on the caller's thread. */
static int ready(const scan_plan *p, void *const *ptr, char *work, int from, char *in[MAX_OPERANDS],
                 const int64_t **lengths)
{
    for (int i = 0; i < p->n_in; i++)
        if (i < from || !(p->has & REEL_RNN_LENGTHS) || i != p->at[bit_number(REEL_RNN_LENGTHS)])
            in[i] = (char *)(uintptr_t)reel_dense_ready_(&p->in[i], ptr[i], work);
    int64_t *l = (int64_t *)(void *)(work + p->lengths_at);
    *lengths = l;
    memset(work + p->zeros_at, 0, (size_t)(REEL_CELL_ZEROS * p->h) * p->size);
    for (int64_t k = 0; k < p->b; k++) {
        l[k] = p->t;
        if (!(p->has & REEL_RNN_LENGTHS)) continue;
        l[k] =
            reel_label_(p->length_dtype, ptr[p->at[bit_number(REEL_RNN_LENGTHS)]], reel_walk_offset_(&p->lengths, k));
        if (l[k] < 0 || l[k] > p->t)
            return reel_fail(REEL_EARG, "length %lld at row %lld is out of range for %lld steps", (long long)l[k],
                             (long long)k, (long long)p->t);
    }
    return 0;
}

typedef struct scan_job {
    const scan_plan *p;
    char *in[MAX_OPERANDS], *out[4];
    char *panels; /* of R^T, backward: of R, part after part */
    const char *zeros;
    const int64_t *lengths;
    reel_regions regions;
} scan_job;

/* c[m, n] = a[m, k] b[k, n], of which b stands in panels. */
static void product(const scan_plan *p, int64_t m, int64_t n, int64_t k, const void *a, int64_t lda, const char *b,
                    void *c, int64_t ldc)
{
    const int64_t sz = (int64_t)p->size, wide = PANEL / sz;
    for (int64_t j = 0; j < n && m > 0 && k > 0; j += wide) {
        const int64_t cols = n - j < wide ? n - j : wide;
        const reel_gemm_args g = {m, cols, k, lda, 1, cols, 1, ldc, NULL};
        p->gemm(&g, a, b + j * k * sz, (char *)c + j * sz);
    }
}

/* The parts of R that products take: all of it, or for GRUs r and z, and n. */
static int64_t part_gates(const scan_plan *p, bool backward)
{
    return p->kind == REEL_RNN_GRU_BEFORE || (backward && p->kind == REEL_RNN_GRU) ? 2 : p->gates;
}

/* Panels begin to end of R^T, of all parts. */
static void turn_panels(void *arg, int64_t begin, int64_t end)
{
    const scan_job *j = arg;
    const scan_plan *p = j->p;
    const int64_t sz = (int64_t)p->size, wide = PANEL / sz, h = p->h, head = part_gates(p, false) * h;
    const int64_t first = (head + wide - 1) / wide;
    for (int64_t i = begin; i < end; i++) {
        const int64_t at = i < first ? i * wide : head + (i - first) * wide;
        const int64_t left = (i < first ? head : p->gates * h) - at, cols = left < wide ? left : wide;
        REEL_PICK(reel_copy_table)
            ->tile[sz](j->panels + at * h * sz, cols * sz, j->in[1] + at * h * sz, h * sz, h, cols);
    }
}

static void make_turned(const scan_job *j)
{
    const int64_t wide = PANEL / (int64_t)j->p->size, head = part_gates(j->p, false) * j->p->h;
    const int64_t n = (head + wide - 1) / wide + (j->p->gates * j->p->h - head + wide - 1) / wide;
    if (n > 0) reel_parallel_for(n, (1 << 12) / (wide * j->p->h) + 1, turn_panels, (void *)(uintptr_t)j);
}

/* Panels of R's columns: begin to end, of each part. */
static void copy_panels(void *arg, int64_t begin, int64_t end)
{
    const scan_job *j = arg;
    const scan_plan *p = j->p;
    const int64_t sz = (int64_t)p->size, wide = PANEL / sz, h = p->h, head = part_gates(p, true) * h;
    for (int64_t at = 0; at < p->gates * h; at += head) {
        const int64_t rows = p->gates * h - at < head ? p->gates * h - at : head;
        for (int64_t i = begin * wide; i < h && i < end * wide; i += wide) {
            const int64_t cols = h - i < wide ? h - i : wide;
            char *to = j->panels + (at * h + i * rows) * sz;
            const char *from = j->in[0] + (at * h + i) * sz;
            for (int64_t r = 0; r < rows; r++) memcpy(to + r * cols * sz, from + r * h * sz, (size_t)(cols * sz));
        }
    }
}

static void make_panels(const scan_job *j)
{
    const int64_t wide = PANEL / (int64_t)j->p->size, n = (j->p->h + wide - 1) / wide;
    if (n > 0) reel_parallel_for(n, (1 << 12) / (wide * j->p->gates * j->p->h) + 1, copy_panels, (void *)(uintptr_t)j);
}

static void switch_on(const scan_job *j, int64_t b0, int64_t rows, int64_t t, uint8_t *on)
{
    for (int64_t i = 0; i < rows; i++) on[i] = t < j->lengths[b0 + i];
}

static void start(void *to, const char *from, int64_t b0, int64_t n, const scan_plan *p)
{
    if (from)
        memcpy(to, from + b0 * p->h * (int64_t)p->size, (size_t)n * p->size);
    else
        memset(to, 0, (size_t)n * p->size);
}

/* ---- forward ------------------------------------------------------------------------------------------- */
static int prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    scan_plan *p = plan;
    plan_kind(p, sig);
    p->t = sig->in[0].dims[0], p->b = sig->in[0].dims[1], p->h = sig->in[1].dims[1];
    int code = plan_operands(p, sig, 2, workspace);
    return code ? code : plan_regions(p, workspace);
}

static void scan_block(const scan_job *j, int64_t block, char *work)
{
    const scan_plan *p = j->p;
    const int64_t b0 = block * ROWS, rows = p->b - b0 < ROWS ? p->b - b0 : ROWS, h = p->h, n = rows * h;
    const int64_t sz = (int64_t)p->size, wide = p->gates * h;
    const char *h0 = operand(p, REEL_RNN_H0, j->in), *c0 = operand(p, REEL_RNN_C0, j->in);
    char *const pre = work + p->pre_at;
    reel_cell c = {.rows = rows,
                   .h = h,
                   .hs = work + p->h_at,
                   .cs = work + p->c_at,
                   .tmp = work + p->tmp_at,
                   .on = (uint8_t *)work + p->on_at,
                   .zeros = j->zeros,
                   .relu = p->kind == REEL_RNN_RELU};
    c.b = operand(p, REEL_RNN_BIAS, j->in);
    c.rb = operand(p, REEL_RNN_RBIAS, j->in);
    start(c.hs, h0, b0, n, p);
    start(c.cs, c0, b0, n, p);
    bool zero = !h0; /* the state is 0: nothing to multiply */
    for (int64_t step = 0; step < p->t; step++) {
        const int64_t t = p->reverse ? p->t - 1 - step : step, row = t * p->b + b0;
        switch_on(j, b0, rows, t, (uint8_t *)work + p->on_at);
        c.x = j->in[0] + row * wide * sz;
        c.y = j->out[0] + row * h * sz;
        c.s = p->saves ? j->out[2] + row * p->saves * h * sz : NULL;
        c.pre = zero ? NULL : pre;
        if (p->kind == REEL_RNN_GRU_BEFORE) {
            if (!zero) product(p, rows, 2 * h, h, c.hs, h, j->panels, pre, 2 * h);
            p->table->gru_rz(&c);
            if (!zero) product(p, rows, h, h, c.tmp, h, j->panels + 2 * h * h * sz, pre, h);
            p->table->gru_n(&c);
        } else {
            if (!zero) product(p, rows, wide, h, c.hs, h, j->panels, pre, wide);
            if (p->kind == REEL_RNN_LSTM)
                p->table->lstm(&c);
            else if (p->kind == REEL_RNN_GRU)
                p->table->gru(&c);
            else
                p->table->rnn(&c);
        }
        zero = false;
    }
    memcpy(j->out[1] + b0 * h * sz, c.hs, (size_t)(n * sz));
    if (p->states == 2) memcpy(j->out[1] + (p->b + b0) * h * sz, c.cs, (size_t)(n * sz));
}

static void scan_piece(void *arg, int64_t begin, int64_t end)
{
    scan_job *j = arg;
    int which;
    char *work = reel_region_take_(&j->regions, &which);
    for (int64_t i = begin; i < end; i++) scan_block(j, i, work);
    reel_region_give_(&j->regions, which);
}

static int run(const void *plan, void *const *ptr, void *work)
{
    const scan_plan *p = plan;
    char *const w = work;
    scan_job j = {.p = p, .panels = w + p->panels_at, .zeros = w + p->zeros_at};
    const int code = ready(p, ptr, w, 2, j.in, &j.lengths);
    if (code) return code;
    for (int k = 0; k < p->n_out; k++) j.out[k] = reel_dense_out_(&p->out[k], ptr[p->n_in + k], work);
    make_turned(&j);
    reel_regions_init_(&j.regions, w + p->regions_at, p->region, p->regions);
    reel_parallel_for(p->blocks, p->grain, scan_piece, &j);
    for (int k = 0; k < p->n_out; k++) reel_dense_done_(&p->out[k], ptr[p->n_in + k], work);
    return 0;
}

/* ---- backward: r, saved, y, ... -> dxp, d0, before, dm --------------------------------------------------- */
static int grad_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    scan_plan *p = plan;
    plan_kind(p, sig);
    p->t = sig->in[2].dims[0], p->b = sig->in[2].dims[1], p->h = sig->in[2].dims[2];
    const int code = plan_operands(p, sig, 3, workspace);
    return code ? code : plan_regions(p, workspace);
}

/* The states before step t of the rows that are on: from: [T, B, ld] whose part begins at `at`. */
static void states_before(const scan_job *j, int64_t b0, int64_t rows, int64_t t, const char *from, int64_t ld,
                          int64_t at, const char *first, const uint8_t *on, char *to)
{
    const scan_plan *p = j->p;
    const int64_t sz = (int64_t)p->size, h = p->h, earlier = p->reverse ? t + 1 : t - 1;
    for (int64_t i = 0; i < rows; i++, to += h * sz) {
        const bool none = earlier < 0 || earlier >= j->lengths[b0 + i];
        if (!on[i] || (none && !first))
            memset(to, 0, (size_t)(h * sz));
        else if (none)
            memcpy(to, first + (b0 + i) * h * sz, (size_t)(h * sz));
        else
            memcpy(to, from + ((earlier * p->b + b0 + i) * ld + at) * sz, (size_t)(h * sz));
    }
}

static void back_block(const scan_job *j, int64_t block, char *work)
{
    const scan_plan *p = j->p;
    const int64_t b0 = block * ROWS, rows = p->b - b0 < ROWS ? p->b - b0 : ROWS, h = p->h, n = rows * h;
    const int64_t sz = (int64_t)p->size, wide = p->gates * h;
    const char *r = j->panels, *saved = j->in[1], *y = j->in[2];
    const char *h0 = operand(p, REEL_RNN_H0, j->in), *c0 = operand(p, REEL_RNN_C0, j->in);
    const char *dy = operand(p, REEL_RNN_DY, j->in), *dlast = operand(p, REEL_RNN_DLAST, j->in),
               *ds = operand(p, REEL_RNN_DSAVED, j->in);
    uint8_t *const on = (uint8_t *)work + p->on_at;
    reel_cell c = {.rows = rows,
                   .h = h,
                   .on = on,
                   .zeros = j->zeros,
                   .relu = p->kind == REEL_RNN_RELU,
                   .dh = work + p->h_at,
                   .dc = work + p->c_at,
                   .tmp = work + p->tmp_at,
                   .c_before = work + p->c_before_at};
    start(c.dh, dlast, b0, n, p);
    start(c.dc, dlast && p->states == 2 ? dlast + p->b * h * sz : NULL, b0, n, p);
    for (int64_t step = p->t - 1; step >= 0; step--) {
        const int64_t t = p->reverse ? p->t - 1 - step : step, row = t * p->b + b0;
        char *const before = j->out[2] + row * h * sz;
        switch_on(j, b0, rows, t, on);
        states_before(j, b0, rows, t, y, h, 0, h0, on, before);
        c.before = before;
        c.out = y + row * h * sz;
        c.saved = saved + row * p->saves * h * sz;
        c.dy = dy ? dy + row * h * sz : NULL;
        c.ds = ds && p->saves ? ds + row * p->saves * h * sz : NULL;
        c.dx = j->out[0] + row * wide * sz;
        c.dm = p->kind == REEL_RNN_GRU ? j->out[3] + row * h * sz : work + p->dm_at;
        if (p->kind == REEL_RNN_LSTM) {
            states_before(j, b0, rows, t, saved, 5 * h, 4 * h, c0, on, work + p->c_before_at);
            p->table->lstm_back(&c);
            product(p, rows, h, wide, c.dx, wide, r, c.tmp, h);
            p->table->pass(&c, false);
        } else if (p->kind == REEL_RNN_GRU) {
            p->table->gru_back(&c);
            product(p, rows, h, 2 * h, c.dx, wide, r, c.tmp, h);
            p->table->pass(&c, true);
            product(p, rows, h, h, c.dm, h, r + 2 * h * h * sz, c.tmp, h);
            p->table->pass(&c, true);
        } else if (p->kind == REEL_RNN_GRU_BEFORE) {
            p->table->gru_n_back(&c);
            product(p, rows, h, h, (char *)c.dx + 2 * h * sz, wide, r + 2 * h * h * sz, c.dm, h);
            p->table->gru_rz_back(&c);
            product(p, rows, h, 2 * h, c.dx, wide, r, c.tmp, h);
            p->table->pass(&c, true);
        } else {
            p->table->rnn_back(&c);
            product(p, rows, h, wide, c.dx, wide, r, c.tmp, h);
            p->table->pass(&c, false);
        }
    }
    memcpy(j->out[1] + b0 * h * sz, c.dh, (size_t)(n * sz));
    if (p->states == 2) memcpy(j->out[1] + (p->b + b0) * h * sz, c.dc, (size_t)(n * sz));
}

static void back_piece(void *arg, int64_t begin, int64_t end)
{
    scan_job *j = arg;
    int which;
    char *work = reel_region_take_(&j->regions, &which);
    for (int64_t i = begin; i < end; i++) back_block(j, i, work);
    reel_region_give_(&j->regions, which);
}

static int grad_run(const void *plan, void *const *ptr, void *work)
{
    const scan_plan *p = plan;
    char *const w = work;
    scan_job j = {.p = p, .panels = w + p->panels_at, .zeros = w + p->zeros_at};
    const int code = ready(p, ptr, w, 3, j.in, &j.lengths);
    if (code) return code;
    make_panels(&j);
    for (int k = 0; k < p->n_out; k++) j.out[k] = reel_dense_out_(&p->out[k], ptr[p->n_in + k], work);
    reel_regions_init_(&j.regions, w + p->regions_at, p->region, p->regions);
    reel_parallel_for(p->blocks, p->grain, back_piece, &j);
    for (int k = 0; k < p->n_out; k++) reel_dense_done_(&p->out[k], ptr[p->n_in + k], work);
    return 0;
}

const reel_kernel reel_k_recurrent_ = {.plan_size = sizeof(scan_plan), .prepare = prepare, .run = run};
const reel_kernel reel_k_recurrent_grad_ = {.plan_size = sizeof(scan_plan), .prepare = grad_prepare, .run = grad_run};
