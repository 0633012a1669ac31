/* backward.c: walks a tape once from its end, calls the vjps, adds gradients where paths meet. */
#include <string.h>
#include "core/again.h"
#include "core/alloc.h"
#include "core/error.h"
#include "ops/ids.h"
#include "tape.h"

enum { LEADS = 1, WANTED = 2 }; /* a node leads to one of xs; is one of xs */

typedef struct backward {
    reel_tape_rec *t;
    const char *site, *fn;
    reel_list ys, xs;
    reel_tensor *const *from; /* where the gradients of xs start; NULL: all at nothing */
    size_t bytes;
    reel_rec **grad; /* by node: held */
    uint8_t *flag;   /* by node */
    reel_tensor **in, **out, **dout, **din, **sum;
    bool *need, *total;
    bool outer; /* other tapes hear this backward */
} backward;

static size_t pad(size_t n)
{
    return (n + 7) & ~(size_t)7;
}

static int make_room(backward *b)
{
    const reel_tape_rec *t = b->t;
    const size_t nodes = t->nodes, in = (size_t)t->max_in, out = (size_t)t->max_out, p = sizeof(void *);
    b->bytes = nodes * p + pad(nodes) + (3 * in + 2 * out) * p + pad(2 * in);
    char *m = reel_alloc_(b->bytes);
    if (!m) return REEL_ENOMEM;
    memset(m, 0, nodes * p + nodes);
    b->grad = (reel_rec **)(void *)m;
    m += nodes * p;
    b->flag = (uint8_t *)m;
    m += pad(nodes);
    b->in = (reel_tensor **)(void *)m;
    b->din = b->in + in;
    b->sum = b->din + in;
    b->out = b->sum + in;
    b->dout = b->out + out;
    b->need = (bool *)(b->dout + out);
    b->total = b->need + in;
    return 0;
}

static void set_grad(backward *b, uint32_t node, reel_rec *r)
{
    if (r) reel_hold_(r);
    if (b->grad[node]) reel_drop_(b->grad[node]);
    b->grad[node] = r;
}

static void free_room(backward *b)
{
    if (!b->grad) return;
    for (uint32_t n = 0; n < b->t->nodes; n++)
        if (b->grad[n]) reel_drop_(b->grad[n]);
    reel_free_(b->grad, b->bytes);
    b->grad = NULL;
}

/* ---- which entries matter ------------------------------------------------------------------------ */

static void mark_entry(const backward *b, const reel_entry *e)
{
    const uint32_t *node = reel_entry_nodes_(e);
    uint8_t leads = 0;
    for (int i = 0; i < e->n_in; i++) leads |= b->flag[reel_node_(node[i])];
    leads &= LEADS;
    for (int j = 0; leads && j < e->n_out; j++) b->flag[e->out0 + (uint32_t)j] |= leads;
}

static void mark(const backward *b)
{
    const reel_tape_rec *t = b->t;
    for (const reel_tape_chunk *k = t->first; k; k = k->next) {
        const char *end = k == t->chunk ? t->at : (const char *)k + k->used;
        for (const char *p = (const char *)k + sizeof *k; p < end; p += ((const reel_entry *)(const void *)p)->bytes)
            mark_entry(b, (const reel_entry *)(const void *)p);
    }
    b->flag[0] = 0;
}

/* ---- one entry ----------------------------------------------------------------------------------- */

static bool same_shape(const reel_shape *a, const reel_shape *b)
{
    if (a->rank != b->rank) return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dims[i] != b->dims[i] && a->dims[i] >= 0 && b->dims[i] >= 0) return false;
    return true;
}

/* A weak number as a gradient means that number everywhere. */
static reel_tensor *number_like(const char *site, const reel_rec *num, const reel_rec *like)
{
    const double attr =
        reel_load_number_(num->data + reel_num_offset_(REEL_F64), REEL_F64); /* full_like has one number */
    reel_tensor *in = reel_handle_(like), *out = NULL;
    (void)reel_door_(&reel_rows_[REEL_OP_full_like], &attr, &in, 1, &out, 1, site);
    return out;
}

REEL_COLD static int wrong_gradient(const reel_entry *e, int i, const reel_rec *r, const reel_rec *x)
{
    char got[REEL_SHAPE_TEXT], want[REEL_SHAPE_TEXT];
    return reel_fail_at_(e->site, reel_is_float_(r->type.dtype) ? REEL_ESHAPE : REEL_EDTYPE,
                         "reel_%s: its vjp gives %s%s as the gradient of input %d, which is %s%s", e->op->name,
                         reel_dtype_name(r->type.dtype), reel_shape_text_(&r->type.shape, got), i,
                         reel_dtype_name(x->type.dtype), reel_shape_text_(&x->type.shape, want));
}

static int accumulate(backward *b, const reel_entry *e, int i, reel_tensor *d, bool total)
{
    const reel_rec *x = reel_entry_recs_(e)[i];
    const uint32_t node = reel_node_(reel_entry_nodes_(e)[i]);
    static const char what[] = "a gradient that its vjp gives";
    reel_rec *r = reel_live_(e->site, e->op->name, what, d);
    if (r && !(r->flags & REEL_R_SPARSE)) r = reel_live_value_(e->site, e->op->name, what, d);
    if (!r) return reel_status();
    if (REEL_UNLIKELY(r->flags & REEL_R_NUM)) {
        d = number_like(e->site, r, x);
        if (!d) return reel_status();
        r = reel_rec_of_(d);
    }
    if (REEL_UNLIKELY(r->type.dtype != x->type.dtype || !same_shape(&r->type.shape, &x->type.shape)))
        return wrong_gradient(e, i, r, x);
    if (b->grad[node] && !total) {
        reel_rec *sum = b->grad[node];
        d = sum->flags & r->flags & REEL_R_SPARSE ? reel_rows_joined_(e->site, sum, r)
                                                  : reel_add_at(e->site, reel_handle_(sum), d);
        if (!d) return reel_status();
        r = reel_rec_of_(d);
    }
    set_grad(b, node, r);
    return 0;
}

REEL_COLD static int vjp_failed(const reel_entry *e, int rc)
{
    if (!reel_status())
        reel_fail_at_(e->site, REEL_EUSER, "reel_%s: its vjp returned %d without an error", e->op->name, rc);
    reel_error_append_(" (in the gradient of reel_%s at %s)", e->op->name,
                       e->site && *e->site ? e->site : "an unknown line");
    return reel_status();
}

/* A vjp gets the value that a variable had. To the outer tapes that value must be the variable still, whatever else
   its tensor is to them: so it gets an id of its own. */
static int stand_ins(backward *b, const reel_entry *e)
{
    const uint32_t *node = reel_entry_nodes_(e);
    uint64_t cell;
    for (int i = 0; i < e->n_in; i++) {
        if (!(node[i] & REEL_SOURCE_NODE) || !reel_keeps_in_(e->op, i) || reel_entry_recs_(e)[i]->flags & REEL_R_CELL)
            continue;
        if (!reel_tape_cell_(b->t, reel_node_(node[i]), &cell)) continue;
        reel_rec *old = reel_rec_of_(b->in[i]);
        const reel_rec *own = old->flags & REEL_R_SYMBOLIC ? reel_make_symbolic_(e->site, &old->type)
                                                           : reel_make_view_(e->site, &old->type, old->strides, old, 0);
        if (!own) return reel_status();
        b->in[i] = reel_handle_(own);
        for (reel_listener *l = reel_ctx_()->listeners; l; l = l->next) {
            int rc = 0;
            if (!l->paused && reel_is_tape_(l))
                rc = reel_tape_stand_in_((reel_tape_rec *)l, cell, own);
            else if (!l->paused && l->same)
                rc = l->same(l, own, old);
            if (rc) return rc;
        }
    }
    return 0;
}

/* Totals first: they stand for the ops of the body. The others are what copies of inputs, made before the body, add. */
static int accumulate_sums(backward *b, const reel_entry *e)
{
    int rc = 0;
    for (int i = 0; i < e->n_in && !rc; i++)
        if (b->total[i] && b->din[i] && b->need[i]) rc = accumulate(b, e, i, b->din[i], true);
    for (int i = e->n_in - 1; i >= 0 && !rc; i--)
        if (!b->total[i] && b->din[i] && b->need[i]) rc = accumulate(b, e, i, b->din[i], false);
    return rc;
}

bool reel_vjp_again_(const reel_vjp_args *v, int first, int i)
{
    for (int k = first; k < i; k++)
        if (v->need[k] && v->node[k] == v->node[i]) return true;
    return false;
}

/* What the vjp makes dies with a scope of its own; the sums are held by grad[]. */
static int run_entry(backward *b, const reel_entry *e)
{
    reel_rec *const *rec = reel_entry_recs_(e);
    const uint32_t *node = reel_entry_nodes_(e);
    for (int i = 0; i < e->n_in; i++) {
        b->in[i] = reel_handle_(rec[i]);
        b->din[i] = NULL;
        b->need[i] = (b->flag[reel_node_(node[i])] & LEADS) != 0;
    }
    for (int j = 0; j < e->n_out; j++) {
        b->out[j] = reel_handle_(rec[e->n_in + j]);
        b->dout[j] = reel_handle_(b->grad[e->out0 + (uint32_t)j]);
    }
    const bool sums = e->op->flags & REEL_OPF_SUMS;
    for (int i = 0; sums && i < e->n_in; i++) {
        b->sum[i] = reel_handle_(b->grad[reel_node_(node[i])]);
        b->total[i] = false;
    }
    const reel_vjp_args v = {.op = e->op,
                             .attr = reel_entry_attr_(e),
                             .site = e->site,
                             .n_in = e->n_in,
                             .n_out = e->n_out,
                             .in = b->in,
                             .out = b->out,
                             .dout = b->dout,
                             .need = b->need,
                             .din = b->din,
                             .sum = sums ? b->sum : NULL,
                             .total = sums ? b->total : NULL,
                             .node = node};
    reel_scope *scope = reel_scope_begin(e->site, e->op->name);
    int rc = !scope ? REEL_ENOMEM : b->outer ? stand_ins(b, e) : 0;
    if (!rc) rc = e->op->vjp(&v);
    if (!rc) rc = reel_status();
    if (REEL_UNLIKELY(sums && !rc)) rc = accumulate_sums(b, e);
    for (int i = 0; i < e->n_in && !rc && !sums; i++)
        if (b->din[i] && b->need[i]) rc = accumulate(b, e, i, b->din[i], false);
    if (REEL_UNLIKELY(rc)) rc = vjp_failed(e, rc);
    reel_scope_end(scope);
    return rc;
}

static int walk(backward *b)
{
    reel_tape_rec *t = b->t;
    int rc = 0;
    for (reel_entry *e = t->last, *prev; e && !rc; e = prev) {
        bool reached = false;
        for (int j = 0; j < e->n_out; j++) reached |= b->grad[e->out0 + (uint32_t)j] != NULL;
        if (reached && b->flag[e->out0] & LEADS) rc = run_entry(b, e);
        for (int j = 0; reached && j < e->n_out; j++)
            if (!(b->flag[e->out0 + (uint32_t)j] & WANTED)) set_grad(b, e->out0 + (uint32_t)j, NULL);
        prev = e->prev;
        if (t->persistent) continue;
        t->last = prev;
        reel_entry_drop_(e);
    }
    return rc;
}

/* ---- the ends ------------------------------------------------------------------------------------ */

static int check_lists(const backward *b, reel_tensor *const *dys)
{
    for (int i = 0; i < b->ys.n; i++) {
        const reel_rec *y = reel_live_(b->site, b->fn, "y", b->ys.t[i]);
        if (!y) return reel_status();
        char text[REEL_SHAPE_TEXT], other[REEL_SHAPE_TEXT];
        if (!reel_is_float_(y->type.dtype))
            return reel_fail_at_(b->site, REEL_EDTYPE, "%s: y, made at %s, is %s: only floats have gradients", b->fn,
                                 y->made, reel_dtype_name(y->type.dtype));
        const reel_shape *shape = &reel_traced_type_(y)->shape;
        if (!dys && !(reel_shape_known_(shape) && reel_count_(shape) == 1))
            return reel_fail_at_(b->site, REEL_ESHAPE,
                                 "%s: y, made at %s, has shape %s, not one element; sum it, or use reel_vjp", b->fn,
                                 y->made, reel_shape_text_(shape, text));
        if (!dys) continue;
        const reel_rec *d = reel_live_value_(b->site, b->fn, "dys", dys[i]);
        if (!d) return reel_status();
        if (!(d->flags & REEL_R_NUM && y->type.shape.rank == 0) &&
            (d->type.dtype != y->type.dtype || !same_shape(&d->type.shape, &y->type.shape)))
            return reel_fail_at_(b->site, d->type.dtype != y->type.dtype ? REEL_EDTYPE : REEL_ESHAPE,
                                 "%s: dys[%d] is %s%s, ys[%d] is %s%s", b->fn, i, reel_dtype_name(d->type.dtype),
                                 reel_shape_text_(&d->type.shape, text), i, reel_dtype_name(y->type.dtype),
                                 reel_shape_text_(&y->type.shape, other));
    }
    for (int i = 0; i < b->xs.n; i++) {
        const reel_rec *x = reel_live_(b->site, b->fn, "x", b->xs.t[i]);
        if (!x) return reel_status();
        if (!reel_is_float_(x->type.dtype))
            return reel_fail_at_(b->site, REEL_EDTYPE, "%s: x %d, made at %s, is %s: only floats have gradients", b->fn,
                                 i, x->made, reel_dtype_name(x->type.dtype));
    }
    return 0;
}

static int seed(backward *b, reel_tensor *const *dys)
{
    for (int i = 0; i < b->ys.n; i++) {
        const reel_rec *y = reel_rec_of_(b->ys.t[i]);
        const uint32_t node = reel_tape_node_(b->t, y);
        if (!(b->flag[node] & LEADS)) continue;
        reel_tensor *d = dys ? dys[i] : reel_ones_like_at(b->site, b->ys.t[i]);
        reel_rec *r = d ? reel_live_value_(b->site, b->fn, "dys", d) : NULL;
        if (r && r->flags & REEL_R_NUM) d = number_like(b->site, r, y);
        if (d && b->grad[node]) d = reel_add_at(b->site, reel_handle_(b->grad[node]), d);
        r = d ? reel_live_value_(b->site, b->fn, "dys", d) : NULL;
        if (!r) return reel_status();
        set_grad(b, node, r);
    }
    return 0;
}

/* Into the scope of the caller: the record itself where nobody owns it, otherwise another record of the value. */
static reel_tensor *hand_over(backward *b, uint32_t node)
{
    reel_ctx *c = reel_ctx_();
    reel_rec *r = b->grad[node];
    if (!r->scope && r->owner == c->thread && !(r->flags & REEL_R_CELL) && !(atomic_load(&r->shared) & REEL_MERGED)) {
        reel_hold_(r);
        reel_own_(c, r);
        return reel_handle_(r);
    }
    return reel_handle_(reel_make_alias_(b->site, r));
}

static int hand_all(backward *b, reel_tensor *dxs[])
{
    for (int i = 0; i < b->xs.n; i++) {
        const uint32_t node = reel_tape_node_(b->t, reel_rec_of_(b->xs.t[i]));
        const bool any = node && b->grad[node];
        if (!any && b->from) continue;
        dxs[i] = any ? hand_over(b, node) : reel_zeros_like_at(b->site, b->xs.t[i]);
        if (!dxs[i]) return reel_status() ? reel_status() : REEL_ENOMEM;
    }
    return 0;
}

static void start(backward *b)
{
    for (int i = 0; b->from && i < b->xs.n; i++) {
        const uint32_t node = reel_tape_node_(b->t, reel_rec_of_(b->xs.t[i]));
        if (node && b->from[i]) set_grad(b, node, reel_rec_of_(b->from[i]));
    }
}

static int run_all(backward *b, reel_tensor *const *dys)
{
    reel_scope *scope = reel_scope_begin(b->site, b->fn);
    int rc = scope ? make_room(b) : REEL_ENOMEM;
    if (!rc) {
        for (int i = 0; i < b->xs.n; i++) b->flag[reel_tape_node_(b->t, reel_rec_of_(b->xs.t[i]))] |= LEADS | WANTED;
        b->flag[0] = 0;
        mark(b);
        start(b);
        rc = seed(b, dys);
    }
    if (!rc) rc = walk(b);
    reel_scope_end(scope);
    return rc;
}

static int backward_from(reel_tape_rec *t, const char *site, const char *fn, reel_list ys, reel_tensor *const *dys,
                         reel_list xs, reel_tensor *const *from, reel_tensor *dxs[])
{
    backward b = {.t = t, .site = site, .fn = fn, .ys = ys, .xs = xs, .from = from};
    if (t->busy)
        return reel_fail_at_(site, REEL_ETRACE, "%s: the backward of the tape begun at %s is running already", fn,
                             t->listener.site);
    int rc = check_lists(&b, dys);
    if (rc) return rc;
    reel_ctx *c = reel_ctx_();
    t->listener.paused = t->stopped = true;
    t->busy = true;
    for (const reel_listener *l = c->listeners; l && !b.outer; l = l->next) b.outer = !l->paused && reel_is_tape_(l);
    c->backward++;
    rc = run_all(&b, dys);
    if (!rc) rc = hand_all(&b, dxs);
    free_room(&b);
    c->backward--;
    t->busy = false;
    for (int i = 0; rc && i < xs.n; i++) dxs[i] = NULL;
    if (t->dropped)
        reel_tape_finish_(t, "ended during its backward", site);
    else if (!t->persistent)
        reel_tape_finish_(t, strcmp(fn, "reel_vjp") ? "consumed by reel_grad" : "consumed by reel_vjp", site);
    return rc;
}

int reel_backward_(reel_tape_rec *t, const char *site, const char *fn, reel_list ys, reel_tensor *const *dys,
                   reel_list xs, reel_tensor *dxs[])
{
    return backward_from(t, site, fn, ys, dys, xs, NULL, dxs);
}

/* ---- public -------------------------------------------------------------------------------------- */

static int begin(const char *site, const char *fn, reel_tape *handle, reel_list xs, reel_tensor *dxs[],
                 reel_tape_rec **t)
{
    for (int i = 0; dxs && i < xs.n; i++) dxs[i] = NULL;
    if (reel_pending_()) return reel_pending_();
    *t = reel_tape_find_(site, fn, handle);
    if (!*t) return reel_status();
    if (xs.n < 0 || (xs.n > 0 && (!xs.t || !dxs)))
        return reel_fail_at_(site, REEL_EARG, "%s: %s is NULL", fn, xs.t ? "dxs" : "the list of xs");
    return 0;
}

int reel_grad_at(const char *site, reel_tape *handle, reel_tensor *y, reel_list xs, reel_tensor *dxs[])
{
    reel_tape_rec *t = NULL;
    const int rc = begin(site, "reel_grad", handle, xs, dxs, &t);
    return rc ? rc : reel_backward_(t, site, "reel_grad", (reel_list){1, &y}, NULL, xs, dxs);
}

int reel_vjp_at(const char *site, reel_tape *handle, reel_list ys, reel_list dys, reel_list xs, reel_tensor *dxs[])
{
    reel_tape_rec *t = NULL;
    const int rc = begin(site, "reel_vjp", handle, xs, dxs, &t);
    if (rc) return rc;
    if (ys.n != dys.n || ys.n < 0 || (ys.n > 0 && (!ys.t || !dys.t)))
        return reel_fail_at_(site, REEL_EARG, "reel_vjp: %d ys but %d dys", ys.n, dys.n);
    return reel_backward_(t, site, "reel_vjp", ys, dys.n ? dys.t : (reel_tensor *const *)&t, xs, dxs);
}

int reel_vjp_from_(const char *site, reel_tape *handle, reel_list ys, reel_list dys, reel_list xs,
                   reel_tensor *const *from, reel_tensor *dxs[])
{
    reel_tape_rec *t = NULL;
    const int rc = begin(site, "reel_vjp", handle, xs, dxs, &t);
    return rc ? rc : backward_from(t, site, "reel_vjp", ys, dys.t, xs, from, dxs);
}

reel_tensor *reel_grad1_at(const char *site, reel_tape *handle, reel_tensor *y, reel_tensor *x)
{
    reel_tensor *dx = NULL;
    (void)reel_grad_at(site, handle, y, (reel_list){1, &x}, &dx);
    return dx;
}
