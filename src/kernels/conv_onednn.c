/* conv_onednn.c: convolution by oneDNN: one primitive of one thread, called for blocks of images and of channels that depend
   on the shape alone. x and y are reordered to the layout it likes block by block, while they are in cache, and the weights
   once a run, in slices; the gradient by w sums the blocks' parts in their order. */
#include "conv.h"

#ifdef REEL_HAVE_ONEDNN
#include "core/alloc.h"
#include "core/error.h"
#include "onednn_inner.h"
#include "reel/tensor.h"
#include <string.h>

enum { SLOTS = 16, X = 0, W = 1, Y = 2, ROLES = 3, DIMS = 6 };
enum {
    SMALL = 1 << 16,       /* multiply-adds: below, the portable route; a primitive takes long to make */
    BLOCK = 1 << 21,       /* a block has at least so many, */
    BLOCKS = 32,           /* at most so many blocks of images, */
    SUMMED = 8,            /* or of those that are summed, */
    PARTS_BYTES = 1 << 26, /* which take at most that much */
    SLICE_BYTES = 1 << 17, /* of the weights, at least, */
    SLICES = 8             /* and at most so many */
};

/* One of x, w, y: as it is in a block, as the primitive wants it, and the way there. */
typedef struct role {
    dnnl_memory_desc_t user, own; /* version 3: ours to destroy */
    dnnl_primitive_t reorder;     /* NULL: they are the same */
    size_t bytes, scratch;        /* of own; of the reorder */
    size_t at;                    /* of own in the scratch region */
    int64_t image, part;          /* floats from one block of images and of channels to the next */
} role;

typedef struct slot {
    atomic_flag busy;
    dnnl_stream_t stream;
    dnnl_memory_t user[ROLES], own[ROLES], bias, scratch, reorder_scratch[ROLES];
    dnnl_memory_t slice_user, slice_own; /* for the weights' reorder */
} slot;

struct conv_dnn {
    conv_kind kind;
    int64_t images, parts; /* blocks */
    role r[ROLES];
    dnnl_memory_desc_t bias, slice_user, slice_own;
    int64_t slices, slice_step; /* of a part's weights; floats of the caller's from one to the next, */
    size_t slice_bytes;         /* and bytes of the primitive's */
    dnnl_primitive_t conv;
    size_t scratch, scratch_at, reorder_at, region; /* a region: copies of x and y, then scratch memory */
    int64_t outputs, inputs;                        /* channels of y and x in a part */
    int regions;
    size_t regions_at, weights_at, weights_step; /* w as the primitive wants it: of each part, or block and part */
    char name[64];
    slot slots[SLOTS];
};

/* ---- descriptors of both versions ---------------------------------------------------------------------- */
#if DNNL_VERSION_MAJOR >= 3
static bool desc_strided(dnnl_memory_desc_t *d, int n, const dnnl_dims_t dims, const dnnl_dims_t strides)
{
    return dnnl_memory_desc_create_with_strides(d, n, dims, dnnl_f32, strides) == dnnl_success;
}
static bool desc_any(dnnl_memory_desc_t *d, int n, const dnnl_dims_t dims)
{
    return dnnl_memory_desc_create_with_tag(d, n, dims, dnnl_f32, dnnl_format_tag_any) == dnnl_success;
}
static bool desc_copy(dnnl_memory_desc_t *to, desc_ref from)
{
    return dnnl_memory_desc_clone(to, from) == dnnl_success;
}
static bool desc_corner(dnnl_memory_desc_t *to, desc_ref from, const dnnl_dims_t dims)
{
    const dnnl_dims_t origin = {0};
    return dnnl_memory_desc_create_submemory(to, from, dims, origin) == dnnl_success;
}
static void desc_free(dnnl_memory_desc_t *d)
{
    if (*d) dnnl_memory_desc_destroy(*d);
    *d = NULL;
}
static bool desc_given(const dnnl_memory_desc_t *d)
{
    return *d != NULL;
}
#else
static bool desc_strided(dnnl_memory_desc_t *d, int n, const dnnl_dims_t dims, const dnnl_dims_t strides)
{
    return dnnl_memory_desc_init_by_strides(d, n, dims, dnnl_f32, strides) == dnnl_success;
}
static bool desc_any(dnnl_memory_desc_t *d, int n, const dnnl_dims_t dims)
{
    return dnnl_memory_desc_init_by_tag(d, n, dims, dnnl_f32, dnnl_format_tag_any) == dnnl_success;
}
static bool desc_copy(dnnl_memory_desc_t *to, desc_ref from)
{
    *to = *from;
    return true;
}
static bool desc_corner(dnnl_memory_desc_t *to, desc_ref from, const dnnl_dims_t dims)
{
    const dnnl_dims_t origin = {0};
    return dnnl_memory_desc_init_submemory(to, from, dims, origin) == dnnl_success;
}
static void desc_free(dnnl_memory_desc_t *d)
{
    memset(d, 0, sizeof *d);
}
static bool desc_given(const dnnl_memory_desc_t *d)
{
    return d->ndims > 0;
}
#endif

typedef struct geometry {
    int n; /* spatial axes */
    dnnl_dims_t stride, dilation, before, after;
} geometry;

static bool pd_new(dnnl_primitive_desc_t *pd, conv_kind kind, const dnnl_memory_desc_t d[ROLES],
                   const dnnl_memory_desc_t *bias, const geometry *g, dnnl_primitive_attr_t attr)
{
    const dnnl_engine_t engine = reel_onednn_engine_();
    const dnnl_alg_kind_t alg = dnnl_convolution_direct;
#if DNNL_VERSION_MAJOR >= 3
    dnnl_primitive_desc_t forward = NULL;
    const bool trains = kind != CONV_FORWARD;
    bool ok = dnnl_convolution_forward_primitive_desc_create(
                  trains ? &forward : pd, engine, trains ? dnnl_forward_training : dnnl_forward_inference, alg, d[X],
                  d[W], bias ? *bias : NULL, d[Y], g->stride, g->dilation, g->before, g->after, attr) == dnnl_success;
    if (ok && kind == CONV_INPUT)
        ok = dnnl_convolution_backward_data_primitive_desc_create(pd, engine, alg, d[X], d[W], d[Y], g->stride,
                                                                  g->dilation, g->before, g->after, forward,
                                                                  attr) == dnnl_success;
    if (ok && kind == CONV_WEIGHTS)
        ok = dnnl_convolution_backward_weights_primitive_desc_create(pd, engine, alg, d[X], d[W], NULL, d[Y], g->stride,
                                                                     g->dilation, g->before, g->after, forward,
                                                                     attr) == dnnl_success;
    if (forward) dnnl_primitive_desc_destroy(forward);
    return ok;
#else
    dnnl_convolution_desc_t c;
    dnnl_status_t status;
    if (kind == CONV_FORWARD)
        status = dnnl_dilated_convolution_forward_desc_init(&c, dnnl_forward_inference, alg, &d[X], &d[W], bias, &d[Y],
                                                            g->stride, g->dilation, g->before, g->after);
    else if (kind == CONV_INPUT)
        status = dnnl_dilated_convolution_backward_data_desc_init(&c, alg, &d[X], &d[W], &d[Y], g->stride, g->dilation,
                                                                  g->before, g->after);
    else
        status = dnnl_dilated_convolution_backward_weights_desc_init(&c, alg, &d[X], &d[W], NULL, &d[Y], g->stride,
                                                                     g->dilation, g->before, g->after);
    return status == dnnl_success && dnnl_primitive_desc_create(pd, &c, attr, engine, NULL) == dnnl_success;
#endif
}

/* ---- blocks -------------------------------------------------------------------------------------------- */
static int64_t divisor_below(int64_t n, int64_t most)
{
    for (int64_t d = most < n ? most : n; d > 1; d--)
        if (n % d == 0) return d;
    return 1;
}

/* How many blocks of images and of channels: by the shape alone. */
static void cut(conv_dnn *d, const conv_shape *s, double work)
{
    const int64_t wanted = work / BLOCK < 1 ? 1 : work / BLOCK > BLOCKS ? BLOCKS : (int64_t)(work / BLOCK);
    int64_t images = wanted;
    if (s->kind == CONV_WEIGHTS) {
        const double bytes = (double)s->o * (double)s->k * 4;
        const int64_t room = bytes * SUMMED > PARTS_BYTES ? (int64_t)(PARTS_BYTES / bytes) : SUMMED;
        images = images > room ? room : images;
    }
    d->images = divisor_below(s->n, images);
    /* a group's channels, or the groups, in equal parts */
    const int64_t whole = s->groups > 1           ? s->groups
                          : s->kind == CONV_INPUT ? s->c
                                                  : s->o,
                  unit = s->groups > 1 ? 1 : 16;
    for (d->parts = 1; d->images * d->parts * 2 <= (wanted > 8 ? 8 : wanted);) {
        if (whole % (d->parts * 2 * unit) != 0) break;
        d->parts *= 2;
    }
}

/* Dims and strides of the three in a block. */
static bool describe(conv_dnn *d, const conv_shape *s, geometry *g, dnnl_dims_t dims[ROLES], int rank[ROLES])
{
    const bool grouped = s->groups > 1;
    const int skip = s->win[0].in == 1 && s->win[0].out == 1 && s->win[0].kernel == 1 ? 1 : 0;
    const int64_t n = s->n / d->images, split_o = grouped || s->kind != CONV_INPUT ? d->parts : 1,
                  split_c = grouped || s->kind == CONV_INPUT ? d->parts : 1,
                  groups = grouped ? s->groups / d->parts : 1;
    const int64_t c = s->c / split_c, o = s->o / split_o;
    dnnl_dims_t strides[ROLES] = {{0}};
    d->inputs = c, d->outputs = o;
    g->n = REEL_SPATIAL - skip;
    memset(dims, 0, ROLES * sizeof *dims);
    for (int r = X; r <= Y; r += Y) {
        const int64_t channels = r == X ? s->c : s->o, plane = r == X ? s->in : s->out;
        int64_t step = s->last ? channels : 1;
        rank[r] = g->n + 2;
        dims[r][0] = n, dims[r][1] = r == X ? c : o;
        strides[r][0] = channels * plane, strides[r][1] = s->last ? 1 : plane;
        for (int i = REEL_SPATIAL - 1; i >= skip; i--) {
            const int64_t size = r == X ? s->win[i].in : s->win[i].out;
            dims[r][2 + i - skip] = size, strides[r][2 + i - skip] = step;
            step *= size;
        }
        d->r[r].image = n * channels * plane;
        d->r[r].part = (r == X ? split_c : split_o) > 1 ? dims[r][1] * strides[r][1] : 0;
    }
    int at = 0;
    rank[W] = g->n + 2 + grouped;
    if (grouped) dims[W][at] = groups, strides[W][at++] = s->og * s->k;
    dims[W][at] = o / groups, strides[W][at++] = s->k;
    dims[W][at] = c / groups, strides[W][at++] = s->taps;
    int64_t step = 1;
    for (int i = REEL_SPATIAL - 1; i >= skip; i--) {
        const reel_window *w = &s->win[i];
        const int k = i - skip;
        dims[W][at + k] = w->kernel, strides[W][at + k] = step;
        step *= w->kernel;
        g->stride[k] = w->stride, g->dilation[k] = w->dilation - 1, g->before[k] = w->before;
        g->after[k] = (w->out - 1) * w->stride + (w->kernel - 1) * w->dilation + 1 - w->in - w->before;
    }
    d->r[W].part = d->parts == 1 ? 0 : grouped || s->kind != CONV_INPUT ? o * s->k : c * s->taps;
    for (int r = X; r <= Y; r++)
        if (!desc_strided(&d->r[r].user, rank[r], dims[r], strides[r])) return false;
    return true;
}

/* ---- making it ------------------------------------------------------------------------------------------- */
static const char *name_of(dnnl_primitive_desc_t pd)
{
    const char *name = NULL;
    return dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, &name) == dnnl_success && name ? name : "ref";
}

/* The primitive descriptor: with x and y as they are if channels are last and that has a kernel of its own, else in any
   layout. NULL: only a reference kernel, or none. */
static dnnl_primitive_desc_t choose(conv_dnn *d, const conv_shape *s, const geometry *g, const dnnl_dims_t dims[ROLES],
                                    const int rank[ROLES], dnnl_primitive_attr_t attr)
{
    dnnl_primitive_desc_t pd = NULL;
    for (int as_is = s->last ? 1 : 0; as_is >= 0 && !pd; as_is--) {
        dnnl_memory_desc_t want[ROLES];
        bool ok = true;
        memset(want, 0, sizeof want);
        for (int r = X; ok && r <= Y; r++)
            ok = as_is && r != W && d->parts == 1 ? desc_copy(&want[r], DESC(d->r[r].user))
                                                  : desc_any(&want[r], rank[r], dims[r]);
        ok = ok && pd_new(&pd, d->kind, want, desc_given(&d->bias) ? &d->bias : NULL, g, attr);
        for (int r = X; r <= Y; r++) desc_free(&want[r]);
        if (!ok) pd = NULL;
        if (!pd) continue;
        const char *name = name_of(pd);
        if (strstr(name, "ref") || (as_is && strncmp(name, "jit", 3) != 0 && strncmp(name, "brg", 3) != 0)) {
            dnnl_primitive_desc_destroy(pd);
            pd = NULL;
        }
    }
    return pd;
}

static desc_ref wanted(dnnl_primitive_desc_t pd, conv_kind kind, int r)
{
    static const dnnl_query_t what[3][ROLES] = {
        {dnnl_query_src_md, dnnl_query_weights_md, dnnl_query_dst_md},
        {dnnl_query_diff_src_md, dnnl_query_weights_md, dnnl_query_diff_dst_md},
        {dnnl_query_src_md, dnnl_query_diff_weights_md, dnnl_query_diff_dst_md}};
    return dnnl_primitive_desc_query_md(pd, what[kind][r], 0);
}

static bool is_result(conv_kind kind, int r)
{
    return kind == CONV_FORWARD ? r == Y : kind == CONV_INPUT ? r == X : r == W;
}

static size_t round64(size_t n)
{
    return (n + 63) & ~(size_t)63;
}

/* The weights' reorder is for one of some slices of its output channels, if those follow each other in both layouts. */
static bool slice_weights(conv_dnn *d, const conv_shape *s, const dnnl_dims_t whole)
{
    role *r = &d->r[W];
    const size_t user = dnnl_memory_desc_get_size(DESC(r->user)), own = dnnl_memory_desc_get_size(DESC(r->own));
    int64_t n = 1;
    while (s->groups == 1 && d->parts * n * 2 <= SLICES && own / (size_t)(n * 2) >= SLICE_BYTES &&
           whole[0] % (n * 2 * 16) == 0)
        n *= 2;
    for (;; n /= 2) {
        dnnl_dims_t dims;
        memcpy(dims, whole, sizeof dims);
        dims[0] /= n;
        desc_free(&d->slice_user), desc_free(&d->slice_own);
        d->slices = n;
        d->slice_step = (int64_t)(user / sizeof(float)) / n;
        d->slice_bytes = own / (size_t)n;
        if (n == 1) return desc_copy(&d->slice_user, DESC(r->user)) && desc_copy(&d->slice_own, DESC(r->own));
        if (desc_corner(&d->slice_user, DESC(r->user), dims) && desc_corner(&d->slice_own, DESC(r->own), dims) &&
            dnnl_memory_desc_get_size(DESC(d->slice_user)) * (size_t)n == user &&
            dnnl_memory_desc_get_size(DESC(d->slice_own)) * (size_t)n == own)
            return true;
    }
}

static bool make_reorder(conv_dnn *d, int i, dnnl_primitive_attr_t attr)
{
    role *r = &d->r[i];
    const dnnl_memory_desc_t *from = i == W ? &d->slice_user : &r->user, *to = i == W ? &d->slice_own : &r->own;
    const dnnl_engine_t engine = reel_onednn_engine_();
    const bool back = is_result(d->kind, i);
    dnnl_primitive_desc_t pd = NULL;
    bool ok = dnnl_reorder_primitive_desc_create(&pd, back ? DESC(*to) : DESC(*from), engine,
                                                 back ? DESC(*from) : DESC(*to), engine, attr) == dnnl_success;
    if (!ok) return false;
    const desc_ref scratch = dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0);
    r->scratch = scratch ? dnnl_memory_desc_get_size(scratch) : 0;
    for (int k = 0; ok && k < SLOTS; k++)
        ok = dnnl_memory_create(&d->slots[k].reorder_scratch[i], scratch, engine, DNNL_MEMORY_NONE) == dnnl_success;
    ok = ok && dnnl_primitive_create(&r->reorder, pd) == dnnl_success;
    dnnl_primitive_desc_destroy(pd);
    return ok;
}

static bool make_slots(conv_dnn *d, desc_ref scratch)
{
    const dnnl_engine_t engine = reel_onednn_engine_();
    bool ok = true;
    for (int k = 0; ok && k < SLOTS; k++) {
        slot *s = &d->slots[k];
        ok = dnnl_stream_create(&s->stream, engine, dnnl_stream_default_flags) == dnnl_success &&
             dnnl_memory_create(&s->scratch, scratch, engine, DNNL_MEMORY_NONE) == dnnl_success;
        for (int r = X; ok && r <= Y; r++)
            ok = dnnl_memory_create(&s->user[r], DESC(d->r[r].user), engine, DNNL_MEMORY_NONE) == dnnl_success &&
                 dnnl_memory_create(&s->own[r], DESC(d->r[r].own), engine, DNNL_MEMORY_NONE) == dnnl_success;
        if (ok && d->r[W].reorder)
            ok = dnnl_memory_create(&s->slice_user, DESC(d->slice_user), engine, DNNL_MEMORY_NONE) == dnnl_success &&
                 dnnl_memory_create(&s->slice_own, DESC(d->slice_own), engine, DNNL_MEMORY_NONE) == dnnl_success;
        if (ok && desc_given(&d->bias))
            ok = dnnl_memory_create(&s->bias, DESC(d->bias), engine, DNNL_MEMORY_NONE) == dnnl_success;
    }
    return ok;
}

static bool make(conv_dnn *d, const conv_shape *s)
{
    geometry g = {0};
    dnnl_dims_t dims[ROLES];
    int rank[ROLES];
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t pd = NULL;
    bool ok = describe(d, s, &g, dims, rank) && dnnl_primitive_attr_create(&attr) == dnnl_success &&
              dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user) == dnnl_success;
    if (ok && s->bias && s->kind == CONV_FORWARD) {
        const dnnl_dims_t outputs = {d->outputs}, one = {1};
        ok = desc_strided(&d->bias, 1, outputs, one);
    }
    if (ok) pd = choose(d, s, &g, (const dnnl_dims_t *)dims, rank, attr);
    ok = ok && pd;
    for (int r = X; ok && r <= Y; r++) {
        const desc_ref own = wanted(pd, d->kind, r);
        ok = own && desc_copy(&d->r[r].own, own);
        if (!ok) break;
        d->r[r].bytes = round64(dnnl_memory_desc_get_size(own));
        if (dnnl_memory_desc_equal(own, DESC(d->r[r].user))) continue;
        ok = (r != W || slice_weights(d, s, dims[W])) && make_reorder(d, r, attr);
    }
    if (ok) {
        strncpy(d->name, name_of(pd), sizeof d->name - 1);
        const desc_ref scratch = dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0);
        d->scratch = scratch ? dnnl_memory_desc_get_size(scratch) : 0;
        ok = dnnl_primitive_create(&d->conv, pd) == dnnl_success && make_slots(d, scratch);
    }
    if (pd) dnnl_primitive_desc_destroy(pd);
    if (attr) dnnl_primitive_attr_destroy(attr);
    return ok;
}

static int reserve(conv_dnn *d, size_t *workspace)
{
    size_t at = 0, reorders = 0;
    for (int r = X; r <= Y; r++) {
        if (d->r[r].scratch > reorders) reorders = d->r[r].scratch;
        if (r == W || !d->r[r].reorder) continue;
        d->r[r].at = at;
        at += d->r[r].bytes;
    }
    d->scratch_at = at, at += round64(d->scratch);
    d->reorder_at = at, at += round64(reorders);
    d->region = at;
    d->regions = reel_regions_wanted_(d->parts * (d->images > d->slices ? d->images : d->slices));
    int code = reel_room_(workspace, d->regions, d->region, &d->regions_at);
    d->weights_step = d->r[W].bytes;
    const int64_t copies = d->kind == CONV_WEIGHTS ? d->images * d->parts : d->r[W].reorder ? d->parts : 0;
    if (!code && copies) code = reel_room_(workspace, copies, d->weights_step, &d->weights_at);
    return code;
}

int reel_conv_dnn_new_(const conv_shape *s, conv_dnn **out, size_t *workspace)
{
    const double work = (double)s->n * (double)s->o * (double)s->k * (double)s->out;
    *out = NULL;
    if (work < SMALL || s->in == 0 || !reel_onednn_engine_()) return 0;
    conv_dnn *d = reel_zalloc_(sizeof *d);
    if (!d) return REEL_ENOMEM;
    for (int i = 0; i < SLOTS; i++) atomic_flag_clear(&d->slots[i].busy);
    d->kind = s->kind;
    cut(d, s, work);
    const int threads = reel_onednn_begin_();
    const bool ok = make(d, s);
    reel_onednn_end_(threads);
    if (!ok) {
        reel_conv_dnn_free_(d);
        return 0;
    }
    const int code = reserve(d, workspace);
    if (code)
        reel_conv_dnn_free_(d);
    else
        *out = d;
    return code;
}

static void memory_free(dnnl_memory_t m)
{
    if (m) dnnl_memory_destroy(m);
}

void reel_conv_dnn_free_(conv_dnn *d)
{
    if (!d) return;
    for (int i = 0; i < SLOTS; i++) {
        slot *s = &d->slots[i];
        memory_free(s->bias), memory_free(s->scratch), memory_free(s->slice_user), memory_free(s->slice_own);
        for (int r = X; r <= Y; r++)
            memory_free(s->user[r]), memory_free(s->own[r]), memory_free(s->reorder_scratch[r]);
        if (s->stream) dnnl_stream_destroy(s->stream);
    }
    for (int r = X; r <= Y; r++) {
        if (d->r[r].reorder) dnnl_primitive_destroy(d->r[r].reorder);
        desc_free(&d->r[r].user), desc_free(&d->r[r].own);
    }
    desc_free(&d->bias), desc_free(&d->slice_user), desc_free(&d->slice_own);
    if (d->conv) dnnl_primitive_destroy(d->conv);
    reel_free_(d, sizeof *d);
}

const char *reel_conv_dnn_name_(const conv_dnn *d)
{
    return d->name;
}

int64_t reel_conv_dnn_parts_(const conv_dnn *d)
{
    return d->parts;
}

/* ---- running it ------------------------------------------------------------------------------------------ */
typedef struct dnn_job {
    conv_dnn *d;
    const conv_shape *s;
    char *at[ROLES]; /* x, w, y as the caller has them */
    const char *bias;
    char *work;
    const reel_block_done *after;
    reel_regions regions;
    atomic_bool failed;
} dnn_job;

static slot *slot_take(conv_dnn *d)
{
    slot *s = d->slots;
    while (atomic_flag_test_and_set_explicit(&s->busy, memory_order_acquire))
        if (++s == d->slots + SLOTS) {
            s = d->slots;
            sched_yield();
        }
    return s;
}

static bool reorder(const conv_dnn *d, slot *s, int r, void *user, void *own, void *scratch)
{
    const bool back = is_result(d->kind, r);
    const dnnl_memory_t given = r == W ? s->slice_user : s->user[r], liked = r == W ? s->slice_own : s->own[r];
    const dnnl_exec_arg_t args[3] = {{DNNL_ARG_FROM, back ? liked : given},
                                     {DNNL_ARG_TO, back ? given : liked},
                                     {DNNL_ARG_SCRATCHPAD, s->reorder_scratch[r]}};
    return dnnl_memory_set_data_handle(given, user) == dnnl_success &&
           dnnl_memory_set_data_handle(liked, own) == dnnl_success &&
           dnnl_memory_set_data_handle(s->reorder_scratch[r], scratch) == dnnl_success &&
           dnnl_primitive_execute(d->r[r].reorder, s->stream, 3, args) == dnnl_success &&
           dnnl_stream_wait(s->stream) == dnnl_success;
}

static bool convolve(const dnn_job *j, slot *s, int64_t item, char *region)
{
    static const int names[3][ROLES] = {{DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST},
                                        {DNNL_ARG_DIFF_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_DST},
                                        {DNNL_ARG_SRC, DNNL_ARG_DIFF_WEIGHTS, DNNL_ARG_DIFF_DST}};
    const conv_dnn *d = j->d;
    const int64_t block = item / d->parts, part = item % d->parts;
    dnnl_exec_arg_t args[5];
    void *user[ROLES], *own[ROLES];
    bool ok = true;
    for (int r = X; r <= Y; r++) {
        user[r] = j->at[r] + (block * d->r[r].image + part * d->r[r].part) * (int64_t)sizeof(float);
        own[r] = r != W                    ? (d->r[r].reorder ? region + d->r[r].at : user[r])
                 : d->kind == CONV_WEIGHTS ? j->work + d->weights_at + (size_t)item * d->weights_step
                 : d->r[W].reorder         ? j->work + d->weights_at + (size_t)part * d->weights_step
                                           : user[r];
        if (r != W && d->r[r].reorder && !is_result(d->kind, r))
            ok = ok && reorder(d, s, r, user[r], own[r], region + d->reorder_at);
    }
    int n = 0;
    for (int r = X; r <= Y; r++) {
        ok = ok && dnnl_memory_set_data_handle(s->own[r], own[r]) == dnnl_success;
        args[n++] = (dnnl_exec_arg_t){names[d->kind][r], s->own[r]};
    }
    ok = ok && dnnl_memory_set_data_handle(s->scratch, region + d->scratch_at) == dnnl_success;
    args[n++] = (dnnl_exec_arg_t){DNNL_ARG_SCRATCHPAD, s->scratch};
    if (s->bias) {
        const char *bias = j->bias + part * (j->s->o / d->parts) * (int64_t)sizeof(float);
        ok = ok && dnnl_memory_set_data_handle(s->bias, (void *)(uintptr_t)bias) == dnnl_success;
        args[n++] = (dnnl_exec_arg_t){DNNL_ARG_BIAS, s->bias};
    }
    ok = ok && dnnl_primitive_execute(d->conv, s->stream, n, args) == dnnl_success &&
         dnnl_stream_wait(s->stream) == dnnl_success;
    for (int r = X; ok && r <= Y; r += Y)
        if (d->r[r].reorder && is_result(d->kind, r)) ok = reorder(d, s, r, user[r], own[r], region + d->reorder_at);
    return ok;
}

/* The bias of a transposed convolution, to a block of x. */
static void add_bias(const dnn_job *j, int64_t block, int64_t part)
{
    const conv_dnn *d = j->d;
    const conv_shape *s = j->s;
    const int64_t images = s->n / d->images;
    const float *const bias = (const float *)j->bias + part * d->inputs;
    float *x = (float *)j->at[X] + block * d->r[X].image + part * d->r[X].part;
    for (int64_t n = 0; n < images; n++, x += s->c * s->in)
        if (s->last)
            for (int64_t p = 0; p < s->in; p++)
                for (int64_t c = 0; c < d->inputs; c++) x[p * s->c + c] += bias[c];
        else
            for (int64_t c = 0; c < d->inputs; c++)
                for (int64_t p = 0; p < s->in; p++) x[c * s->in + p] += bias[c];
}

/* A block of x or y, its images one behind the other, is there. */
static void tell(const dnn_job *j, int64_t block, int64_t part)
{
    const conv_dnn *d = j->d;
    const conv_shape *s = j->s;
    const int r = d->kind == CONV_INPUT ? X : Y;
    const int64_t all = r == X ? s->c : s->o, own = r == X ? d->inputs : d->outputs, plane = r == X ? s->in : s->out,
                  images = s->n / d->images, first = block * d->r[r].image + part * d->r[r].part;
    if (s->last)
        j->after->done(j->after->arg, first, images * plane, own, all);
    else
        j->after->done(j->after->arg, first, images, own * plane, all * plane);
}

static void items_piece(void *arg, int64_t begin, int64_t end)
{
    dnn_job *j = arg;
    const int region = reel_region_take_(&j->regions), threads = reel_onednn_begin_();
    slot *s = slot_take(j->d);
    for (int64_t i = begin; i < end; i++) {
        if (!convolve(j, s, i, j->work + j->d->regions_at + (size_t)region * j->d->region)) {
            atomic_store(&j->failed, true);
            continue;
        }
        if (j->d->kind == CONV_INPUT && j->bias) add_bias(j, i / j->d->parts, i % j->d->parts);
        if (j->after) tell(j, i / j->d->parts, i % j->d->parts);
    }
    atomic_flag_clear_explicit(&s->busy, memory_order_release);
    reel_onednn_end_(threads);
    reel_region_give_(&j->regions, region);
}

/* Slices of w from the caller's layout, or of the summed parts back to it. */
static void weights_piece(void *arg, int64_t begin, int64_t end)
{
    dnn_job *j = arg;
    const conv_dnn *d = j->d;
    const int region = reel_region_take_(&j->regions), threads = reel_onednn_begin_();
    char *const scratch = j->work + d->regions_at + (size_t)region * d->region + d->reorder_at;
    slot *s = slot_take(j->d);
    for (int64_t i = begin; i < end; i++) {
        const int64_t part = i / d->slices, slice = i % d->slices;
        char *const user = j->at[W] + (part * d->r[W].part + slice * d->slice_step) * (int64_t)sizeof(float),
                    *own = j->work + d->weights_at + (size_t)part * d->weights_step + (size_t)slice * d->slice_bytes;
        if (!reorder(d, s, W, user, own, scratch)) atomic_store(&j->failed, true);
    }
    atomic_flag_clear_explicit(&s->busy, memory_order_release);
    reel_onednn_end_(threads);
    reel_region_give_(&j->regions, region);
}

/* Elements of all parts: those of the first block of images become the sum over all blocks. */
static void sum_piece(void *arg, int64_t begin, int64_t end)
{
    const dnn_job *j = arg;
    const conv_dnn *d = j->d;
    const int64_t step = d->parts * (int64_t)(d->weights_step / sizeof(float));
    float *const to = (float *)(j->work + d->weights_at);
    for (int64_t b = 1; b < d->images; b++) {
        const float *from = to + b * step;
        for (int64_t i = begin; i < end; i++) to[i] += from[i];
    }
    if (!d->r[W].reorder) /* parts of w follow each other, but for the rounding up */
        for (int64_t p = 0; p < d->parts; p++) {
            const int64_t first = p * (int64_t)(d->weights_step / sizeof(float)), n = j->s->o * j->s->k / d->parts;
            const int64_t low = begin > first ? begin : first, high = end < first + n ? end : first + n;
            if (low < high)
                memcpy((float *)j->at[W] + p * d->r[W].part + (low - first), to + low,
                       (size_t)(high - low) * sizeof(float));
        }
}

bool reel_conv_dnn_run_(const conv_dnn *d, const conv_shape *s, const conv_operands *o, void *work)
{
    dnn_job j = {.d = (conv_dnn *)(uintptr_t)d, .s = s, .bias = o->bias, .work = work, .after = o->after};
    j.at[X] = s->kind == CONV_INPUT ? o->out : (void *)(uintptr_t)o->x;
    j.at[W] = s->kind == CONV_WEIGHTS ? o->out : (void *)(uintptr_t)o->w;
    j.at[Y] = s->kind == CONV_FORWARD ? o->out : (void *)(uintptr_t)o->y;
    atomic_init(&j.regions.used, 0);
    atomic_init(&j.failed, false);
    j.regions.n = d->regions;
    if (d->kind != CONV_WEIGHTS && d->r[W].reorder) reel_parallel_for(d->parts * d->slices, 1, weights_piece, &j);
    reel_parallel_for(d->images * d->parts, 1, items_piece, &j);
    if (d->kind == CONV_WEIGHTS) {
        const int64_t n = d->parts * (int64_t)(d->weights_step / sizeof(float));
        reel_parallel_for(n, 1 << 14, sum_piece, &j);
        if (d->r[W].reorder) reel_parallel_for(d->parts * d->slices, 1, weights_piece, &j);
    }
    return !atomic_load(&j.failed);
}

#else
int reel_conv_dnn_new_(const conv_shape *s, conv_dnn **out, size_t *workspace)
{
    (void)s, (void)workspace;
    *out = NULL;
    return 0;
}
void reel_conv_dnn_free_(conv_dnn *d)
{
    (void)d;
}
const char *reel_conv_dnn_name_(const conv_dnn *d)
{
    (void)d;
    return "";
}
int64_t reel_conv_dnn_parts_(const conv_dnn *d)
{
    (void)d;
    return 1;
}
bool reel_conv_dnn_run_(const conv_dnn *d, const conv_shape *s, const conv_operands *o, void *work)
{
    (void)d, (void)s, (void)o, (void)work;
    return false;
}
#endif
