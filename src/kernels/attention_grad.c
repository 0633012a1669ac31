/* attention_grad.c: attention, backward: the weights are made again tile by tile. A work item is a chunk of keys of one key
   head, against all queries that read it: dk and dv of the chunk are its own, and each chunk has a dq of its own, summed in order
   at the end. */
#include "core/dtype.h"
#include "kernels/attention.h"
#include "kernels/kernels.h"
#include "ops/attrs.h"

enum { ITEMS = 16 /* fewer heads than that are cut into chunks of keys */ };

typedef struct grad_plan {
    reel_att_common c;
    reel_att_operand g, lse, delta;
    int64_t chunks, chunk_blocks, items, grain;
    int64_t n_q, n_k, n_v; /* elements of dq, dk, dv */
    int regions;
    size_t region, regions_at, qt_at, gt_at, s_at, dp_at, bias_at, tmp_at, rows_at, dq_at, dk_at, dv_at;
    bool straight;
} grad_plan;

static int prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    grad_plan *p = plan;
    reel_att_common *c = &p->c;
    size_t region = 0;
    int code = reel_att_common_(c, sig, sig->n_in > 6 ? &sig->in[6] : NULL, workspace);
    if (!code) code = reel_att_operand_(&p->g, &sig->in[3], c->compute, workspace);
    for (int i = 4; i < 6 && !code; i++) { /* read as a column: [..., T, 1] */
        reel_kview x = sig->in[i];
        int64_t dims[REEL_MAX_RANK + 1], strides[REEL_MAX_RANK + 1];
        for (int k = 0; k < x.rank; k++) dims[k] = x.dims[k], strides[k] = x.strides[k];
        dims[x.rank] = 1, strides[x.rank++] = 1;
        x.dims = dims, x.strides = strides;
        code = reel_att_operand_(i == 4 ? &p->lse : &p->delta, &x, c->compute, workspace);
    }
    if (code) return code;
    const int64_t rows = c->t < REEL_ATT_QUERIES ? c->t : REEL_ATT_QUERIES, m = reel_att_columns_(rows);
    const int64_t keys = c->s < REEL_ATT_KEYS ? c->s : REEL_ATT_KEYS, widest = c->d > c->dv ? c->d : c->dv;
    const int64_t each_head = c->batch * c->groups;
    int64_t chunks = each_head > 0 ? (ITEMS + each_head - 1) / each_head : 1;
    if (chunks > c->k_blocks) chunks = c->k_blocks;
    p->chunk_blocks = chunks > 0 ? (c->k_blocks + chunks - 1) / chunks : 0;
    p->chunks = p->chunk_blocks > 0 ? (c->k_blocks + p->chunk_blocks - 1) / p->chunk_blocks : 0;
    p->items = each_head * p->chunks;
    p->grain = 1;
    p->n_q = c->q.count, p->n_k = c->k.count, p->n_v = c->v.count;
    p->straight = c->dtype == c->compute;
    if (p->chunks > 1 || !p->straight)
        code = p->chunks > 0 && p->n_q > INT64_MAX / p->chunks
                   ? reel_fail(REEL_ESHAPE, "the scratch memory it takes would not fit")
                   : reel_reserve_(workspace, p->n_q * p->chunks, c->size, &p->dq_at);
    if (!code && !p->straight) code = reel_reserve_(workspace, p->n_k, c->size, &p->dk_at);
    if (!code && !p->straight) code = reel_reserve_(workspace, p->n_v, c->size, &p->dv_at);
    if (!code) code = reel_reserve_(&region, c->d * m, c->size, &p->qt_at);
    if (!code) code = reel_reserve_(&region, c->dv * m, c->size, &p->gt_at);
    if (!code) code = reel_reserve_(&region, keys * m, c->size, &p->s_at);
    if (!code) code = reel_reserve_(&region, keys * m, c->size, &p->dp_at);
    if (!code) code = reel_reserve_(&region, keys * m, c->size, &p->bias_at);
    if (!code) code = reel_reserve_(&region, (rows > keys ? rows : keys) * widest, c->size, &p->tmp_at);
    if (!code) code = reel_reserve_(&region, 2 * m, c->size, &p->rows_at);
    p->region = region;
    p->regions = reel_regions_plan_(p->items);
    return code ? code : reel_reserve_(workspace, p->regions, region, &p->regions_at);
}

typedef struct grad_job {
    const grad_plan *p;
    const char *q, *k, *v, *g, *lse, *delta;
    const void *mask;
    char *dq, *dk, *dv;
    reel_regions regions;
} grad_job;

static const char *place(const reel_att_operand *o, const char *base, int64_t batch, int64_t head, int64_t row,
                         size_t size)
{
    return base + (reel_walk_offset_(&o->batch, batch) + head * o->hs + row * o->rs) * (int64_t)size;
}

/* The numbers of a block of queries, 0 beyond them. */
static void column(const reel_att_common *c, const reel_att_operand *o, const char *from, int64_t rows, int64_t m,
                   char *to)
{
    memset(to, 0, (size_t)m * c->size);
    for (int64_t i = 0; i < rows; i++) memcpy(to + (size_t)i * c->size, from + i * o->rs * (int64_t)c->size, c->size);
}

/* tmp is added to rows x cols of a gradient */
static void gather_in(const grad_job *j, char *to, const char *tmp, int64_t rows, int64_t cols)
{
    j->p->c.table->add(to, tmp, NULL, rows, cols);
}

static void grad_queries(const grad_job *j, int64_t batch, int64_t group, int64_t chunk, int64_t head, int64_t qb,
                         char *work)
{
    const grad_plan *p = j->p;
    const reel_att_common *c = &p->c;
    const int64_t sz = (int64_t)c->size, t0 = qb * REEL_ATT_QUERIES;
    const int64_t rows = c->t - t0 < REEL_ATT_QUERIES ? c->t - t0 : REEL_ATT_QUERIES, m = reel_att_columns_(rows);
    const char *q = place(&c->q, j->q, batch, head, t0, c->size), *g = place(&p->g, j->g, batch, head, t0, c->size);
    char *const lse = work + p->rows_at, *const delta = lse + m * sz, *const tmp = work + p->tmp_at;
    char *const dq = j->dq + (chunk * p->n_q + ((batch * c->heads + head) * c->t + t0) * c->d) * sz;
    const int64_t kv_row = (batch * c->groups + group) * c->s;
    int64_t last = (chunk + 1) * p->chunk_blocks;
    if (last > c->k_blocks) last = c->k_blocks;
    if (reel_att_keys_(c, chunk * p->chunk_blocks, t0, rows) == 0) return;

    c->table->turn(work + p->qt_at, m, q, c->q.rs, rows, c->d, c->scale);
    c->table->turn(work + p->gt_at, m, g, p->g.rs, rows, c->dv, 1);
    column(c, &p->lse, place(&p->lse, j->lse, batch, head, t0, c->size), rows, m, lse);
    column(c, &p->delta, place(&p->delta, j->delta, batch, head, t0, c->size), rows, m, delta);
    reel_att_tile tile = {.m = m,
                          .s = work + p->s_at,
                          .dp = work + p->dp_at,
                          .softcap = c->softcap,
                          .lse = lse,
                          .delta = delta,
                          .scale = c->scale};
    for (int64_t kb = chunk * p->chunk_blocks; kb < last; kb++) {
        const int64_t j0 = kb * REEL_ATT_KEYS, n = reel_att_keys_(c, kb, t0, rows);
        if (n == 0) break;
        const char *k = place(&c->k, j->k, batch, group, j0, c->size),
                   *v = place(&c->v, j->v, batch, group, j0, c->size);
        tile.n = n;
        reel_att_scores_(c, k, n, m, work + p->qt_at, tile.s);
        reel_att_hide_(c, t0, rows, m, j0, n, tile.s);
        if (c->dv == 0) memset(tile.dp, 0, (size_t)(n * m) * c->size);
        reel_att_gemm_(c, n, m, c->dv, v, c->v.rs, 1, work + p->gt_at, m, 1, tile.dp, m);
        tile.bias =
            reel_att_bias_(c, j->mask, batch, head, t0, rows, m, j0, n, work + p->bias_at) ? work + p->bias_at : NULL;
        c->table->backward(&tile);
        reel_att_gemm_(c, n, c->dv, rows, tile.s, m, 1, g, p->g.rs, 1, tmp, c->dv);
        gather_in(j, j->dv + (kv_row + j0) * c->dv * sz, tmp, n, c->dv);
        reel_att_gemm_(c, n, c->d, rows, tile.dp, m, 1, q, c->q.rs, 1, tmp, c->d);
        gather_in(j, j->dk + (kv_row + j0) * c->d * sz, tmp, n, c->d);
        reel_att_gemm_(c, rows, c->d, n, tile.dp, 1, m, k, c->k.rs, 1, tmp, c->d);
        gather_in(j, dq, tmp, rows, c->d);
    }
}

static void grad_piece(void *arg, int64_t begin, int64_t end)
{
    grad_job *j = arg;
    const grad_plan *p = j->p;
    const reel_att_common *c = &p->c;
    const int64_t sz = (int64_t)c->size, shared = c->heads / c->groups;
    int which;
    char *work = reel_region_take_(&j->regions, &which);
    for (int64_t i = begin; i < end; i++) {
        const int64_t chunk = i % p->chunks, group = i / p->chunks % c->groups, batch = i / p->chunks / c->groups;
        const int64_t j0 = chunk * p->chunk_blocks * REEL_ATT_KEYS, most = p->chunk_blocks * REEL_ATT_KEYS;
        const int64_t n = c->s - j0 < most ? c->s - j0 : most, row = (batch * c->groups + group) * c->s + j0;
        const int64_t first = (batch * c->heads + group * shared) * c->t;
        memset(j->dk + row * c->d * sz, 0, (size_t)(n * c->d * sz));
        memset(j->dv + row * c->dv * sz, 0, (size_t)(n * c->dv * sz));
        memset(j->dq + (chunk * p->n_q + first * c->d) * sz, 0, (size_t)(shared * c->t * c->d * sz));
        for (int64_t h = 0; h < shared; h++)
            for (int64_t qb = 0; qb < c->q_blocks; qb++)
                grad_queries(j, batch, group, chunk, group * shared + h, qb, work);
    }
    reel_region_give_(&j->regions, which);
}

typedef struct sum_job {
    const grad_job *j;
    char *dq;
} sum_job;

static void sum_chunks(void *arg, int64_t begin, int64_t end)
{
    const sum_job *s = arg;
    const grad_plan *p = s->j->p;
    const size_t sz = p->c.size;
    char *to = s->j->dq + (size_t)begin * sz;
    for (int64_t k = 1; k < p->chunks; k++)
        p->c.table->add(to, s->j->dq + (size_t)(k * p->n_q + begin) * sz, NULL, 1, end - begin);
    reel_convert_(s->dq + (size_t)begin * reel_size_(p->c.dtype), p->c.dtype, 1, to, p->c.compute, 1, end - begin);
}

static void narrow(const reel_att_common *c, void *to, const void *from, int64_t n)
{
    if (to != from) reel_convert_(to, c->dtype, 1, from, c->compute, 1, n);
}

static int run(const void *plan, void *const *ptr, void *work)
{
    const grad_plan *p = plan;
    const reel_att_common *c = &p->c;
    const int out = c->mask.given ? 7 : 6;
    char *const w = work;
    if (p->items == 0 || c->heads == 0) {
        memset(ptr[out], 0, (size_t)p->n_q * reel_size_(c->dtype));
        memset(ptr[out + 1], 0, (size_t)p->n_k * reel_size_(c->dtype));
        memset(ptr[out + 2], 0, (size_t)p->n_v * reel_size_(c->dtype));
        return 0;
    }
    grad_job j = {.p = p, .mask = c->mask.given ? ptr[6] : NULL};
    j.q = reel_att_ready_(&c->q, c->compute, ptr[0], w);
    j.k = reel_att_ready_(&c->k, c->compute, ptr[1], w);
    j.v = reel_att_ready_(&c->v, c->compute, ptr[2], w);
    j.g = reel_att_ready_(&p->g, c->compute, ptr[3], w);
    j.lse = reel_att_ready_(&p->lse, c->compute, ptr[4], w);
    j.delta = reel_att_ready_(&p->delta, c->compute, ptr[5], w);
    const bool own_dq = p->chunks > 1 || !p->straight;
    j.dq = own_dq ? w + p->dq_at : ptr[out];
    j.dk = p->straight ? ptr[out + 1] : w + p->dk_at;
    j.dv = p->straight ? ptr[out + 2] : w + p->dv_at;
    reel_regions_init_(&j.regions, w + p->regions_at, p->region, p->regions);
    reel_parallel_for(p->items, p->grain, grad_piece, &j);
    if (own_dq) {
        sum_job s = {&j, ptr[out]};
        reel_parallel_for(p->n_q, 32768, sum_chunks, &s);
    }
    narrow(c, ptr[out + 1], j.dk, p->n_k);
    narrow(c, ptr[out + 2], j.dv, p->n_v);
    return 0;
}

const reel_kernel reel_k_attention_grad_ = {.plan_size = sizeof(grad_plan), .prepare = prepare, .run = run};
