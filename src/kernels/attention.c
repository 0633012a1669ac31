/* attention.c: attention, forward: for each block of queries all blocks of keys, with a running maximum and denominator
   (Dao et al. 2022). A work item is one head's block of queries. */
#include "kernels/attention.h"
#include <math.h>
#include "core/dtype.h"
#include "kernels/kernels.h"
#include "ops/attrs.h"
#include "reel/sequence.h"

/* ---- what forward and backward share ------------------------------------------------------------------ */
static int64_t dim_from_end(const reel_kview *x, int back)
{
    return x->rank >= back ? x->dims[x->rank - back] : 1;
}

static int64_t batch_walk(reel_walk *w, const reel_kview *x, const int64_t *strides)
{
    int64_t n = 1;
    w->n = 0;
    for (int i = x->rank - 4; i >= 0; i--) {
        n *= x->dims[i];
        reel_walk_add_(w, x->dims[i], strides[i]);
    }
    reel_walk_turn_(w);
    return n;
}

int reel_att_operand_(reel_att_operand *o, const reel_kview *x, reel_dtype compute, size_t *workspace)
{
    reel_shape s = {.rank = x->rank};
    int64_t dense[REEL_MAX_RANK];
    int code = 0;
    memset(o, 0, sizeof *o);
    o->dtype = x->dtype;
    o->rank = x->rank;
    for (int i = 0; i < x->rank; i++) {
        s.dims[i] = o->dims[i] = x->dims[i];
        o->strides[i] = x->strides[i];
    }
    o->count = reel_count_(&s);
    reel_shape_strides_(&s, dense);
    o->convert = x->dtype != compute;
    o->pack = o->convert ? !reel_is_dense_(&s, x->strides) : x->dims[x->rank - 1] > 1 && x->strides[x->rank - 1] != 1;
    const int64_t *strides = o->pack || o->convert ? dense : x->strides;
    (void)batch_walk(&o->batch, x, strides);
    o->hs = x->rank > 2 ? strides[x->rank - 3] : 0;
    o->rs = strides[x->rank - 2];
    if (o->pack) code = reel_reserve_(workspace, o->count, reel_size_(x->dtype), &o->pack_at);
    if (!code && o->convert) code = reel_reserve_(workspace, o->count, reel_size_(compute), &o->convert_at);
    return code;
}

typedef struct convert_job {
    const reel_att_operand *o;
    const char *from;
    char *to;
    reel_dtype compute;
} convert_job;

static void convert_piece(void *arg, int64_t begin, int64_t end)
{
    const convert_job *j = arg;
    reel_convert_(j->to + (size_t)begin * reel_size_(j->compute), j->compute, 1,
                  j->from + (size_t)begin * reel_size_(j->o->dtype), j->o->dtype, 1, end - begin);
}

const char *reel_att_ready_(const reel_att_operand *o, reel_dtype compute, const void *data, char *work)
{
    const char *from = data;
    if (o->pack) {
        const reel_kview v = {o->dtype, o->rank, o->dims, o->strides, (void *)(uintptr_t)data};
        reel_pack_(work + o->pack_at, &v);
        from = work + o->pack_at;
    }
    if (o->convert) {
        convert_job j = {o, from, work + o->convert_at, compute};
        reel_parallel_for(o->count, 32768, convert_piece, &j);
        from = work + o->convert_at;
    }
    return from;
}

static void plan_mask(reel_att_mask *m, const reel_kview *x, const reel_kview *q)
{
    if (!x) return;
    int64_t strides[REEL_MAX_RANK] = {0};
    const int rank = q->rank, lead = rank - x->rank;
    for (int i = 0; i < x->rank; i++) strides[lead + i] = x->dims[i] == 1 ? 0 : x->strides[i];
    m->given = true;
    m->dtype = x->dtype;
    m->is_bool = x->dtype == REEL_BOOL;
    m->ss = strides[rank - 1];
    m->ts = strides[rank - 2];
    m->hs = rank > 2 ? strides[rank - 3] : 0;
    (void)batch_walk(&m->batch, q, strides);
}

int reel_att_common_(reel_att_common *c, const reel_ksig *sig, const reel_kview *mask, size_t *workspace)
{
    const reel_attr_attention *a = sig->attr;
    const reel_kview *q = &sig->in[0], *k = &sig->in[1], *v = &sig->in[2];
    const reel_att_levels *levels = REEL_PICK(reel_att_levels);
    const reel_gemm_table *gemm = REEL_PICK(reel_gemm_levels);
    memset(c, 0, sizeof *c);
    c->dtype = q->dtype;
    c->compute = q->dtype == REEL_F64 ? REEL_F64 : REEL_F32;
    c->size = reel_size_(c->compute);
    c->table = c->compute == REEL_F64 ? &levels->f64 : &levels->f32;
    c->gemm = c->compute == REEL_F64 ? gemm->f64 : gemm->f32;
    c->t = dim_from_end(q, 2), c->d = dim_from_end(q, 1);
    c->s = dim_from_end(k, 2), c->dv = dim_from_end(v, 1);
    c->heads = dim_from_end(q, 3), c->groups = dim_from_end(k, 3);
    c->q_blocks = (c->t + REEL_ATT_QUERIES - 1) / REEL_ATT_QUERIES;
    c->k_blocks = (c->s + REEL_ATT_KEYS - 1) / REEL_ATT_KEYS;
    c->scale = a->own_scale ? a->scale : c->d ? 1 / sqrt((double)c->d) : 0;
    c->softcap = a->softcap;
    c->causal = a->causal != 0;
    c->past = a->causal == REEL_CAUSAL ? a->past : c->s - c->t;
    plan_mask(&c->mask, mask, q);
    int code = reel_att_operand_(&c->q, q, c->compute, workspace);
    if (!code) code = reel_att_operand_(&c->k, k, c->compute, workspace);
    if (!code) code = reel_att_operand_(&c->v, v, c->compute, workspace);
    c->batch = 1;
    for (int i = 0; i < q->rank - 3; i++) c->batch *= q->dims[i];
    return code;
}

void reel_att_scores_(const reel_att_common *c, const char *k, int64_t n, int64_t m, const void *qt, void *s)
{
    if (c->d == 0) memset(s, 0, (size_t)(n * m) * c->size);
    reel_att_gemm_(c, n, m, c->d, k, c->k.rs, 1, qt, m, 1, s, m);
}

static double mask_value(const reel_att_mask *m, const void *data, int64_t at)
{
    if (m->is_bool) return ((const uint8_t *)data)[at] ? 0.0 : -(double)INFINITY;
    switch (m->dtype) {
    case REEL_F64: return ((const double *)data)[at];
    case REEL_F32: return (double)((const float *)data)[at];
    case REEL_F16: return (double)reel_f16_to_f32_(((const uint16_t *)data)[at]);
    default: return (double)reel_bf16_to_f32_(((const uint16_t *)data)[at]);
    }
}

static void bias_row(const reel_att_common *c, const void *mask, int64_t at, int64_t rows, int64_t seen, int64_t m,
                     void *out)
{
    const int64_t ts = c->mask.ts;
    if (c->compute == REEL_F64) {
        double *b = out;
        for (int64_t i = 0; i < m; i++) b[i] = 0;
        for (int64_t i = 0; mask && i < rows; i++) b[i] = mask_value(&c->mask, mask, at + i * ts);
        for (int64_t i = 0; i < seen; i++) b[i] = -(double)INFINITY;
        return;
    }
    float *b = out;
    for (int64_t i = 0; i < m; i++) b[i] = 0;
    if (mask && c->mask.dtype == REEL_F32)
        for (int64_t i = 0; i < rows; i++) b[i] = ((const float *)mask)[at + i * ts];
    else if (mask && c->mask.is_bool)
        for (int64_t i = 0; i < rows; i++) b[i] = ((const uint8_t *)mask)[at + i * ts] ? 0.0f : -INFINITY;
    else if (mask)
        for (int64_t i = 0; i < rows; i++) b[i] = (float)mask_value(&c->mask, mask, at + i * ts);
    for (int64_t i = 0; i < seen; i++) b[i] = -INFINITY;
}

bool reel_att_bias_(const reel_att_common *c, const void *mask, int64_t batch, int64_t head, int64_t t0, int64_t rows,
                    int64_t m, int64_t j0, int64_t n, void *bias)
{
    const bool cut = c->causal && c->past < j0 + n - 1 - t0; /* some query does not see the last key */
    if (!c->mask.given && (!cut || c->softcap <= 0)) return false;
    const int64_t at = c->mask.given ? reel_walk_offset_(&c->mask.batch, batch) + head * c->mask.hs : 0;
    for (int64_t j = 0; j < n; j++) {
        int64_t hidden = cut ? j0 + j - c->past - t0 : 0; /* queries before key j */
        hidden = hidden < 0 ? 0 : hidden > rows ? rows : hidden;
        bias_row(c, mask, at + t0 * c->mask.ts + (j0 + j) * c->mask.ss, rows, hidden, m,
                 (char *)bias + (size_t)(j * m) * c->size);
    }
    return true;
}

void reel_att_hide_(const reel_att_common *c, int64_t t0, int64_t rows, int64_t m, int64_t j0, int64_t n, void *s)
{
    if (!c->causal || c->mask.given || c->softcap > 0) return;
    for (int64_t j = 0; j < n; j++) {
        int64_t hidden = j0 + j - c->past - t0;
        hidden = hidden > rows ? rows : hidden;
        if (c->compute == REEL_F64)
            for (int64_t i = 0; i < hidden; i++) ((double *)s)[j * m + i] = -(double)INFINITY;
        else
            for (int64_t i = 0; i < hidden; i++) ((float *)s)[j * m + i] = -INFINITY;
    }
}

/* ---- forward ------------------------------------------------------------------------------------------ */
typedef struct forward_plan {
    reel_att_common c;
    int64_t items, grain, columns; /* columns: of a tile */
    int regions;
    size_t region, regions_at, qt_at, s_at, bias_at, o_at, more_at, vectors_at;
    bool straight; /* y is computed in its own dtype */
} forward_plan;

static int prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    forward_plan *p = plan;
    reel_att_common *c = &p->c;
    size_t region = 0;
    int code = reel_att_common_(c, sig, sig->n_in > 3 ? &sig->in[3] : NULL, workspace);
    if (code) return code;
    const int64_t rows = c->t < REEL_ATT_QUERIES ? c->t : REEL_ATT_QUERIES,
                  keys = c->s < REEL_ATT_KEYS ? c->s : REEL_ATT_KEYS;
    p->columns = reel_att_columns_(rows);
    p->items = c->batch * c->heads * c->q_blocks;
    const double each = (double)rows * (double)c->s * (double)(c->d + c->dv + 16);
    p->grain = each >= (double)REEL_ATT_GRAIN ? 1 : (int64_t)((double)REEL_ATT_GRAIN / (each + 1)) + 1;
    p->straight = c->dtype == c->compute;
    code = reel_reserve_(&region, c->d * p->columns, c->size, &p->qt_at);
    if (!code) code = reel_reserve_(&region, keys * p->columns, c->size, &p->s_at);
    if (!code) code = reel_reserve_(&region, keys * p->columns, c->size, &p->bias_at);
    if (!code) code = reel_reserve_(&region, rows * c->dv, c->size, &p->o_at);
    if (!code) code = reel_reserve_(&region, rows * c->dv, c->size, &p->more_at);
    if (!code) code = reel_reserve_(&region, 3 * p->columns, c->size, &p->vectors_at);
    p->region = region;
    p->regions = reel_regions_plan_(p->items);
    return code ? code : reel_reserve_(workspace, p->regions, region, &p->regions_at);
}

typedef struct forward_job {
    const forward_plan *p;
    const char *q, *k, *v;
    const void *mask;
    char *y, *lse;
    reel_regions regions;
} forward_job;

static void fill(void *x, reel_dtype d, int64_t n, double value)
{
    if (d == REEL_F64)
        for (int64_t i = 0; i < n; i++) ((double *)x)[i] = value;
    else
        for (int64_t i = 0; i < n; i++) ((float *)x)[i] = (float)value;
}

static void forward_block(const forward_job *j, int64_t item, char *work)
{
    const forward_plan *p = j->p;
    const reel_att_common *c = &p->c;
    const int64_t qb = item % c->q_blocks, head = item / c->q_blocks % c->heads, batch = item / c->q_blocks / c->heads;
    const int64_t t0 = qb * REEL_ATT_QUERIES, rows = c->t - t0 < REEL_ATT_QUERIES ? c->t - t0 : REEL_ATT_QUERIES;
    const int64_t m = reel_att_columns_(rows), group = head / (c->heads / c->groups);
    const int64_t sz = (int64_t)c->size, row = (batch * c->heads + head) * c->t + t0;
    const char *q = j->q + (reel_walk_offset_(&c->q.batch, batch) + head * c->q.hs + t0 * c->q.rs) * sz;
    const char *k = j->k + (reel_walk_offset_(&c->k.batch, batch) + group * c->k.hs) * sz;
    const char *v = j->v + (reel_walk_offset_(&c->v.batch, batch) + group * c->v.hs) * sz;
    char *const out = p->straight ? j->y + row * c->dv * sz : work + p->o_at;
    char *const top = work + p->vectors_at, *const sum = top + m * sz;
    reel_att_tile tile = {
        .m = m, .s = work + p->s_at, .softcap = c->softcap, .top = top, .sum = sum, .alpha = sum + m * sz};
    bool first = true;
    c->table->turn(work + p->qt_at, m, q, c->q.rs, rows, c->d, c->scale);
    fill(top, c->compute, m, -(double)INFINITY);
    fill(sum, c->compute, m, 0);
    for (int64_t kb = 0; kb < c->k_blocks; kb++) {
        const int64_t j0 = kb * REEL_ATT_KEYS, n = reel_att_keys_(c, kb, t0, rows);
        if (n == 0) break;
        reel_att_scores_(c, k + j0 * c->k.rs * sz, n, m, work + p->qt_at, tile.s);
        reel_att_hide_(c, t0, rows, m, j0, n, tile.s);
        tile.n = n;
        tile.bias =
            reel_att_bias_(c, j->mask, batch, head, t0, rows, m, j0, n, work + p->bias_at) ? work + p->bias_at : NULL;
        c->table->forward(&tile);
        reel_att_gemm_(c, rows, c->dv, n, tile.s, 1, m, v + j0 * c->v.rs * sz, c->v.rs, 1,
                       first ? out : work + p->more_at, c->dv);
        if (!first) c->table->add(out, work + p->more_at, tile.alpha, rows, c->dv);
        first = false;
    }
    c->table->finish(out, top, sum, j->lse + row * sz, rows, c->dv);
    if (!p->straight)
        reel_convert_(j->y + row * c->dv * (int64_t)reel_size_(c->dtype), c->dtype, 1, out, c->compute, 1,
                      rows * c->dv);
}

static void forward_piece(void *arg, int64_t begin, int64_t end)
{
    forward_job *j = arg;
    int which;
    char *work = reel_region_take_(&j->regions, &which);
    for (int64_t i = begin; i < end; i++) forward_block(j, i, work);
    reel_region_give_(&j->regions, which);
}

static int run(const void *plan, void *const *ptr, void *work)
{
    const forward_plan *p = plan;
    const reel_att_common *c = &p->c;
    const int out = c->mask.given ? 4 : 3;
    if (p->items == 0) return 0;
    forward_job j = {.p = p, .mask = c->mask.given ? ptr[3] : NULL, .y = ptr[out], .lse = ptr[out + 1]};
    j.q = reel_att_ready_(&c->q, c->compute, ptr[0], work);
    j.k = reel_att_ready_(&c->k, c->compute, ptr[1], work);
    j.v = reel_att_ready_(&c->v, c->compute, ptr[2], work);
    reel_regions_init_(&j.regions, (char *)work + p->regions_at, p->region, p->regions);
    reel_parallel_for(p->items, p->grain, forward_piece, &j);
    return 0;
}

const reel_kernel reel_k_attention_ = {.plan_size = sizeof(forward_plan), .prepare = prepare, .run = run};
