/* matmul.c: NumPy's matmul. prepare brings any operands to one form: batches of a[m,k] b[k,n], each matrix dense as
   it stands or dense as its transpose, everything else gathered first; chooses the route by shape, dtype, logical
   transposition and ISA alone; and cuts the result into blocks by shape alone. run does the blocks in parallel, each
   one call of one thread. */
#include "matmul.h"
#include "after.h"
#include "gemm_int.h"
#include "core/pool.h"
#include "core/alloc.h"
#include "core/device.h"
#include "core/dtype.h"
#include "core/error.h"
#include "core/shape.h"
#include "kernels.h"
#include "reel/tensor.h"
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

/* ---- operands ---------------------------------------------------------------------------------------- */

static size_t round64(size_t n)
{
    return (n + 63) & ~(size_t)63;
}

static int reserve(size_t *workspace, int64_t count, size_t size, size_t *at)
{
    size_t bytes, end;
    if (REEL_MUL_OVERFLOW((size_t)count, size, &bytes) || bytes > SIZE_MAX - 64 ||
        REEL_ADD_OVERFLOW(*workspace, round64(bytes), &end))
        return reel_fail(REEL_ESHAPE, "the copies of its operands would not fit in memory");
    *at = *workspace;
    *workspace = end;
    return 0;
}

/* v as a batch of rows x cols matrices with the strides rs, cs. Says which layout each matrix has; whether it must be
   gathered. */
static void operand_layout(matmul_operand *o, const reel_kview *v, int matrix_rank, int64_t rows, int64_t cols,
                           int64_t rs, int64_t cs)
{
    const bool plain = (cols <= 1 || cs == 1) && (rows <= 1 || rs == cols);
    const bool swapped = !plain && (rows <= 1 || rs == 1) && (cols <= 1 || cs == rows);
    *o = (matmul_operand){.transposed = swapped, .gather = !plain && !swapped, .dtype = v->dtype};
    o->ld = swapped ? rows : cols;
    o->rank = v->rank - matrix_rank;
    for (int i = 0; i < o->rank; i++) {
        o->dims[i] = v->dims[i];
        o->strides[i] = v->strides[i];
    }
    o->rows = rows, o->cols = cols, o->rs = rs, o->cs = cs;
}

/* Strides of the operand along the batch dimensions of the result; 0 where it is repeated. */
static void batch_strides(matmul_operand *o, int batch_rank)
{
    const int lead = batch_rank - o->rank;
    for (int i = 0; i < batch_rank; i++) o->batch[i] = i < lead || o->dims[i - lead] == 1 ? 0 : o->strides[i - lead];
}

/* The view of what is gathered or converted: a repeated batch only once (unless whole), a transposed matrix as it is
   stored. Leaves the strides of the dense copy behind. Returns whether the operand is dense already. */
static bool operand_copy(matmul_operand *o, bool whole)
{
    reel_shape s = {.rank = o->rank + 2};
    for (int i = 0; i < o->rank; i++) {
        const bool repeated = !whole && o->strides[i] == 0;
        s.dims[i] = repeated ? 1 : o->dims[i];
        o->copy_strides[i] = o->strides[i];
    }
    const int r = o->rank;
    s.dims[r] = o->transposed ? o->cols : o->rows;
    s.dims[r + 1] = o->transposed ? o->rows : o->cols;
    o->copy_strides[r] = o->transposed ? o->cs : o->rs;
    o->copy_strides[r + 1] = o->transposed ? o->rs : o->cs;
    memcpy(o->copy_dims, s.dims, sizeof o->copy_dims);
    o->count = reel_count_(&s);
    const bool dense = reel_is_dense_(&s, o->copy_strides);
    int64_t strides[REEL_MAX_RANK];
    reel_shape_strides_(&s, strides);
    for (int i = 0; i < r; i++) o->strides[i] = s.dims[i] == 1 ? 0 : strides[i];
    return dense;
}

/* Decides what run copies of an operand and where to. flat: it must be dense in whole (to be converted, or taken as
   one matrix). */
static int operand_plan(matmul_operand *o, bool flat, bool whole, reel_dtype compute, size_t *workspace)
{
    int64_t as_is[REEL_MAX_RANK];
    memcpy(as_is, o->strides, sizeof as_is);
    const bool convert = compute != o->dtype;
    const bool dense = operand_copy(o, whole);
    o->gather = o->gather || ((flat || convert) && !dense);
    o->convert = convert;
    if (!o->gather && !convert) {
        memcpy(o->strides, as_is, sizeof as_is);
        return 0;
    }
    if (o->gather) {
        const int code = reserve(workspace, o->count, reel_size_(o->dtype), &o->gather_at);
        if (code) return code;
    }
    return convert ? reserve(workspace, o->count, reel_size_(compute), &o->convert_at) : 0;
}

typedef struct convert_job {
    void *to;
    const void *from;
    reel_dtype td, fd;
} convert_job;
static void convert_body(void *arg, int64_t begin, int64_t end)
{
    const convert_job *j = arg;
    reel_convert_((char *)j->to + (size_t)begin * reel_size_(j->td), j->td, 1,
                  (const char *)j->from + (size_t)begin * reel_size_(j->fd), j->fd, 1, end - begin);
}
static void convert(void *to, reel_dtype td, const void *from, reel_dtype fd, int64_t n)
{
    convert_job j = {to, from, td, fd};
    reel_parallel_for(n, 32768, convert_body, &j);
}

static const char *operand_ready(const matmul_operand *o, const void *data, char *work, reel_dtype compute)
{
    if (o->gather) {
        const reel_kview v = {o->dtype, o->rank + 2, o->copy_dims, o->copy_strides, (void *)(uintptr_t)data};
        reel_pack_(work + o->gather_at, &v);
        data = work + o->gather_at;
    }
    if (o->convert) {
        convert(work + o->convert_at, compute, data, o->dtype, o->count);
        data = work + o->convert_at;
    }
    return data;
}

/* ---- prepare ----------------------------------------------------------------------------------------- */

static void vector_plan(matmul_plan *p)
{
    p->route = MATMUL_VECTOR;
    const bool row = p->m == 1; /* the vector is a, or b */
    p->along = row ? p->n : p->m;
    p->dots = row ? p->b.transposed || p->n == 1 : !p->a.transposed;
}

static void blocks_plan(matmul_plan *p)
{
    int64_t mb, nb;
    if (p->route == MATMUL_VECTOR) {
        mb = 1;
        nb = p->along * p->k > MATMUL_VECTOR_WHOLE ? MATMUL_VECTOR_BLOCK : p->along;
        p->row_blocks = 1;
        p->col_blocks = (p->along + nb - 1) / nb;
    } else {
        reel_matmul_blocks_(p->route, p->m, p->n, p->k, &mb, &nb);
        p->row_blocks = (p->m + mb - 1) / mb;
        p->col_blocks = (p->n + nb - 1) / nb;
    }
    p->mb = mb, p->nb = nb;
    p->items = p->batches * p->row_blocks * p->col_blocks;
    const double work = (double)p->m * (double)p->n * (double)p->k * (double)p->batches;
    const double each = work / (double)p->items;
    p->serial = work < (double)MATMUL_SERIAL || p->items == 1;
    p->light = work < (double)MATMUL_LIGHT;
    p->grain = each >= (double)MATMUL_GRAIN ? 1 : (int64_t)((double)MATMUL_GRAIN / (each + 1)) + 1;
}

/* oneDNN primitives for the blocks, those at the edges included. Leaves the route open where it has none. */
static int onednn_plan(matmul_plan *p, size_t *workspace)
{
    const int64_t me = p->m - (p->row_blocks - 1) * p->mb, ne = p->n - (p->col_blocks - 1) * p->nb;
    size_t scratch = 0;
    for (int i = 0; i < 4; i++) {
        const int64_t m = i & 2 ? me : p->mb, n = i & 1 ? ne : p->nb;
        const bool needed = (i & 2 ? true : p->row_blocks > 1) && (i & 1 ? true : p->col_blocks > 1);
        if (!needed) continue;
        const int code = reel_onednn_new_(p->compute, m, n, p->k, p->a.transposed, p->a.ld, p->b.transposed, p->b.ld,
                                          p->n, &p->dnn[i]);
        if (code || !p->dnn[i]) {
            for (int j = 0; j < 4; j++) {
                reel_onednn_free_(p->dnn[j]);
                p->dnn[j] = NULL;
            }
            p->route = MATMUL_OPEN;
            return code;
        }
        if (reel_onednn_scratch_(p->dnn[i]) > scratch) scratch = reel_onednn_scratch_(p->dnn[i]);
    }
    p->scratch = round64(scratch);
    p->regions = reel_threads() < MATMUL_REGIONS ? reel_threads() : MATMUL_REGIONS;
    if (p->items < p->regions) p->regions = (int)p->items;
    if (p->serial) p->regions = 1;
    return reserve(workspace, p->regions, p->scratch, &p->scratch_at);
}

static int route_plan(matmul_plan *p, size_t *workspace)
{
    const matmul_wish wish = reel_matmul_wish_();
    if ((p->m == 1 || p->n == 1) && wish == MATMUL_AUTO) {
        vector_plan(p);
        blocks_plan(p);
        return 0;
    }
    p->route = reel_is_float_(p->compute) ? reel_matmul_choose_(wish, p->compute, p->a.transposed, p->m, p->n, p->k)
                                          : MATMUL_PORTABLE;
    if (p->route == MATMUL_ONEDNN) {
        blocks_plan(p);
        const int code = onednn_plan(p, workspace);
        if (code || p->route == MATMUL_ONEDNN) return code;
        p->route = reel_matmul_second_(p->compute);
    }
    if (p->route == MATMUL_BLAS && !reel_blas_fits_(p->m, p->n, p->k, p->a.ld, p->b.ld, p->n))
        p->route = MATMUL_PORTABLE;
    blocks_plan(p);
    return 0;
}

static void gemm_plan(matmul_plan *p)
{
    const bool f64 = p->compute == REEL_F64;
    const reel_gemm_table *t = REEL_PICK(reel_gemm_levels);
    p->gemm = f64 ? t->f64 : t->f32;
    p->dot = f64 ? t->dots_f64 : t->dots_f32;
    if (!reel_is_float_(p->compute)) {
        const reel_gemm_int_table *ints = REEL_PICK(reel_gemm_int_levels);
        p->gemm = ints->gemm[p->step];
        p->dot = ints->dots[p->step];
    }
    p->g = (reel_gemm_args){p->m, p->n, p->k, p->a.ld, 1, p->b.ld, 1, p->n, NULL};
    if (p->a.transposed) p->g.ars = 1, p->g.acs = p->a.ld;
    if (p->b.transposed) p->g.brs = 1, p->g.bcs = p->b.ld;
    p->whole =
        p->serial && p->items == 1 && p->route == MATMUL_PORTABLE && !p->a.gather && !p->b.gather && !p->a.convert;
}

/* One big b that all blocks read: its panels are copied once, before them. */
static int panels_plan(matmul_plan *p, size_t *workspace)
{
    const bool f64 = p->compute == REEL_F64;
    const reel_gemm_table *t = REEL_PICK(reel_gemm_levels);
    const double bytes = (double)p->k * (double)p->b.ld * (double)p->step;
    if (p->route != MATMUL_PORTABLE || p->serial || p->batches != 1 || !reel_is_float_(p->compute) ||
        p->m < MATMUL_PACK_ROWS || !(p->b.transposed || bytes > MATMUL_PACK_BYTES))
        return 0;
    p->wide = f64 ? t->wide_f64 : t->wide_f32;
    p->pack = f64 ? t->pack_f64 : t->pack_f32;
    const int64_t columns = (p->n + p->wide - 1) / p->wide * p->wide;
    return reserve(workspace, p->k, (size_t)columns * p->step, &p->panels_at);
}

/* The whole plan, with the product computed in the given dtype. */
static int plan_as(matmul_plan *p, const reel_ksig *sig, reel_dtype compute, size_t *workspace)
{
    const reel_kview *a = &sig->in[0], *b = &sig->in[1], *out = &sig->out[0];
    const bool a_matrix = a->rank > 1, b_matrix = b->rank > 1;
    memset(p, 0, sizeof *p);
    *workspace = 0;
    p->dtype = out->dtype;
    p->compute = compute;
    p->step = reel_size_(compute);
    const int64_t *ad = a->dims + a->rank, *as = a->strides + a->rank, *bd = b->dims + b->rank,
                  *bs = b->strides + b->rank;
    p->k = ad[-1];
    p->m = a_matrix ? ad[-2] : 1;
    p->n = b_matrix ? bd[-1] : 1;
    operand_layout(&p->a, a, a_matrix ? 2 : 1, p->m, p->k, a_matrix ? as[-2] : p->k, as[-1]);
    operand_layout(&p->b, b, b_matrix ? 2 : 1, p->k, p->n, b_matrix ? bs[-2] : bs[-1], b_matrix ? bs[-1] : 1);
    p->batch_rank = out->rank - a_matrix - b_matrix;
    p->batches = 1;
    for (int i = 0; i < p->batch_rank; i++) {
        p->batch_dims[i] = out->dims[i];
        p->batches *= out->dims[i];
    }
    p->out_count = p->batches * p->m * p->n;
    if (p->out_count == 0 || p->k == 0) {
        p->route = MATMUL_NOTHING;
        return 0;
    }

    /* many a and one b are one tall a */
    bool tall = p->batches > 1 && !p->a.transposed;
    for (int i = 0; i < p->b.rank; i++) tall = tall && p->b.dims[i] == 1;
    int code = operand_plan(&p->a, tall, tall, compute, workspace);
    if (!code) code = operand_plan(&p->b, false, false, compute, workspace);
    if (!code && compute != p->dtype) code = reserve(workspace, p->out_count, p->step, &p->out_at);
    if (code) return code;
    if (tall) {
        p->m *= p->batches;
        p->batches = 1;
        p->batch_rank = 0;
    } else {
        batch_strides(&p->a, p->batch_rank);
        batch_strides(&p->b, p->batch_rank);
    }
    code = route_plan(p, workspace);
    if (!code) code = panels_plan(p, workspace);
    if (!code) gemm_plan(p);
    return code;
}

/* bf16 that the CPU multiplies itself needs no conversion; other floats of two bytes are computed in f32 and rounded
   once. */
static int matmul_prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    matmul_plan *p = plan;
    const reel_dtype dtype = sig->out[0].dtype;
    if (dtype == REEL_BF16) {
        const int code = plan_as(p, sig, REEL_BF16, workspace);
        if (code || p->route == MATMUL_ONEDNN || p->route == MATMUL_NOTHING) return code;
    }
    return plan_as(p, sig, dtype == REEL_F16 || dtype == REEL_BF16 ? REEL_F32 : dtype, workspace);
}

static void matmul_drop(void *plan)
{
    matmul_plan *p = plan;
    for (int i = 0; i < 4; i++) reel_onednn_free_(p->dnn[i]);
}

/* ---- run --------------------------------------------------------------------------------------------- */

typedef struct matmul_job {
    const matmul_plan *p;
    const char *a, *b;
    char *c, *scratch, *panels;
    const reel_block_done *after; /* NULL: nothing is done to blocks */
    _Atomic uint64_t regions;     /* bits of the scratch regions in use */
    atomic_bool failed;
} matmul_job;

static const char *at(const char *base, int64_t element, size_t size)
{
    return base + element * (int64_t)size;
}

static void vector_block(const matmul_plan *p, const char *a, const char *b, char *c, int64_t from, int64_t n)
{
    const bool row = p->m == 1;
    const char *x = row ? a : b, *matrix = row ? b : a;
    const int64_t ld = row ? p->b.ld : p->a.ld;
    if (p->dots) {
        /* one by one: the row of a times the column of b */
        const bool both = row && p->n == 1;
        p->dot(n, p->k, both ? x : at(matrix, from * ld, p->step), both ? p->k : ld, both ? b : x,
               c + from * (int64_t)p->step);
    } else {
        const reel_gemm_args g = {1, n, p->k, 0, 1, ld, 1, n, NULL};
        p->gemm(&g, x, at(matrix, from, p->step), c + from * (int64_t)p->step);
    }
}

static void matrix_block(matmul_job *j, const char *a, const char *b, char *c, int64_t r, int64_t q, char *scratch)
{
    const matmul_plan *p = j->p;
    const bool last_r = r == p->row_blocks - 1, last_q = q == p->col_blocks - 1;
    const int64_t i0 = r * p->mb, j0 = q * p->nb;
    const int64_t m = last_r ? p->m - i0 : p->mb, n = last_q ? p->n - j0 : p->nb;
    a = at(a, i0 * p->g.ars, p->step);
    b = at(b, j0 * p->g.bcs, p->step);
    c += (i0 * p->n + j0) * (int64_t)p->step;
    if (p->route == MATMUL_ONEDNN) {
        reel_onednn *d = p->dnn[2 * last_r + last_q];
        if (!reel_onednn_run_(d, (void *)(uintptr_t)a, (void *)(uintptr_t)b, c, scratch))
            atomic_store(&j->failed, true);
    } else if (p->route == MATMUL_BLAS) {
        reel_blas_gemm_(p->compute, p->a.transposed, p->b.transposed, m, n, p->k, a, p->a.ld, b, p->b.ld, c, p->n);
    } else {
        reel_gemm_args g = p->g;
        g.m = m, g.n = n;
        if (p->wide) g.panels = j->panels + j0 * p->k * (int64_t)p->step;
        p->gemm(&g, a, b, c);
    }
}

static void panels_body(void *arg, int64_t begin, int64_t end)
{
    const matmul_job *j = arg;
    const matmul_plan *p = j->p;
    const int64_t to = end * p->wide;
    p->pack(&p->g, j->b, begin * p->wide, to < p->n ? to : p->n, j->panels);
}

/* A scratch region for the thread that asks; as many are there as threads come here, usually. */
static int region_take(matmul_job *j)
{
    for (;;) {
        uint64_t used = atomic_load(&j->regions);
        for (int i = 0; i < j->p->regions; i++)
            if (!(used >> i & 1) && atomic_compare_exchange_strong(&j->regions, &used, used | UINT64_C(1) << i))
                return i;
        sched_yield();
    }
}

static void tell_block(const matmul_job *j, int64_t first, int64_t r, int64_t q)
{
    const matmul_plan *p = j->p;
    const int64_t i0 = r * p->mb, j0 = q * p->nb, m = r == p->row_blocks - 1 ? p->m - i0 : p->mb,
                  n = q == p->col_blocks - 1 ? p->n - j0 : p->nb;
    j->after->done(j->after->arg, first + i0 * p->n + j0, m, n, p->n);
}

static void matmul_body(void *arg, int64_t begin, int64_t end)
{
    matmul_job *j = arg;
    const matmul_plan *p = j->p;
    const bool onednn = p->route == MATMUL_ONEDNN;
    const int region = onednn ? region_take(j) : 0, threads = onednn ? reel_onednn_begin_() : 0;
    const int64_t per_batch = p->row_blocks * p->col_blocks;
    for (int64_t t = begin; t < end; t++) {
        int64_t batch = t / per_batch, ao = 0, bo = 0;
        const int64_t block = t % per_batch;
        char *const c = j->c + batch * p->m * p->n * (int64_t)p->step;
        for (int i = p->batch_rank - 1; i >= 0; i--) {
            const int64_t index = batch % p->batch_dims[i];
            batch /= p->batch_dims[i];
            ao += index * p->a.batch[i];
            bo += index * p->b.batch[i];
        }
        const char *a = at(j->a, ao, p->step), *b = at(j->b, bo, p->step);
        const int64_t first = t / per_batch * p->m * p->n;
        if (p->route == MATMUL_VECTOR) {
            const int64_t from = block * p->nb, left = p->along - from, n = left < p->nb ? left : p->nb;
            vector_block(p, a, b, c, from, n);
            if (j->after) j->after->done(j->after->arg, first + from, 1, n, n);
        } else {
            matrix_block(j, a, b, c, block / p->col_blocks, block % p->col_blocks,
                         onednn ? j->scratch + (size_t)region * p->scratch : NULL);
            if (j->after) tell_block(j, first, block / p->col_blocks, block % p->col_blocks);
        }
    }
    if (onednn) {
        reel_onednn_end_(threads);
        atomic_fetch_and(&j->regions, ~(UINT64_C(1) << region));
    }
}

int reel_matmul_blocks_run_(const void *plan, void *const *ptr, void *work, const reel_block_done *after)
{
    const matmul_plan *p = plan;
    if (p->whole) {
        p->gemm(&p->g, ptr[0], ptr[1], ptr[2]);
        if (after) after->done(after->arg, 0, 1, p->out_count, p->out_count);
        return 0;
    }
    if (p->route == MATMUL_NOTHING) {
        if (p->out_count) memset(ptr[2], 0, (size_t)p->out_count * reel_size_(p->dtype));
        if (after) after->done(after->arg, 0, 1, p->out_count, p->out_count);
        return 0;
    }
    char *const w = work;
    matmul_job j = {.p = p, .c = p->compute != p->dtype ? w + p->out_at : ptr[2], .scratch = w + p->scratch_at};
    j.after = p->compute == p->dtype ? after : NULL;
    j.a = operand_ready(&p->a, ptr[0], w, p->compute);
    j.b = operand_ready(&p->b, ptr[1], w, p->compute);
    if (p->wide) {
        const int64_t grain = MATMUL_PACK_BYTES / (p->wide * p->k) + 1;
        j.panels = w + p->panels_at;
        reel_parallel_for((p->n + p->wide - 1) / p->wide, grain, panels_body, &j);
    }
    atomic_init(&j.regions, 0);
    atomic_init(&j.failed, false);
    if (p->serial)
        matmul_body(&j, 0, p->items);
    else if (p->light)
        reel_parallel_light_(p->items, p->grain, matmul_body, &j);
    else
        reel_parallel_for(p->items, p->grain, matmul_body, &j);
    if (atomic_load(&j.failed)) return reel_fail(REEL_EDEVICE, "oneDNN (%s) failed", reel_onednn_name_(p->dnn[3]));
    if (p->compute == p->dtype) return 0;
    convert(ptr[2], p->dtype, j.c, p->compute, p->out_count);
    if (after) reel_tell_all_(after, p->out_count); /* it is rounded when all of it is there */
    return 0;
}

static int matmul_run(const void *plan, void *const *ptr, void *work)
{
    return reel_matmul_blocks_run_(plan, ptr, work, NULL);
}

static const char *matmul_name(const void *plan)
{
    const matmul_plan *p = plan;
    switch (p->route) {
    case MATMUL_NOTHING: return "zeros";
    case MATMUL_VECTOR: return p->dots ? "own dot products" : "own vector times matrix";
    case MATMUL_BLAS: return "OpenBLAS gemm";
    case MATMUL_ONEDNN: break;
    default: return reel_is_float_(p->compute) ? "own gemm" : "own integer gemm";
    }
    for (int i = 0; i < 4; i++)
        if (p->dnn[i]) return reel_onednn_name_(p->dnn[i]);
    return "oneDNN";
}

const reel_kernel reel_k_matmul_ = {.plan_size = sizeof(matmul_plan),
                                    .prepare = matmul_prepare,
                                    .run = matmul_run,
                                    .drop = matmul_drop,
                                    .name = matmul_name};
