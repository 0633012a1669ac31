/* fold.c: law: a value that follows from constants alone is computed once, by the very call that eager would make. */
#include <string.h>
#include "core/error.h"
#include "reel/reel.h"
#include "pass.h"

/* A constant stays in memory as long as the plan, so large ones are made in each run. */
enum { LARGEST = 256 * 1024 };

static bool is_small(const reel_rewriter *w, const reel_node *n)
{
    int64_t bytes = 0;
    for (int k = 0; k < n->n_out; k++) {
        const reel_type *t = &w->from->values[n->first_out + k].type;
        if (!reel_shape_known_(&t->shape)) return false;
        const reel_layout *at = &w->from_at[n->first_out + k];
        if (at->root == n->first_out + k) bytes += (int64_t)reel_type_bytes_(t); /* views take none */
    }
    return bytes <= LARGEST;
}

static bool is_constant(const reel_rewriter *w, const reel_node *n)
{
    if (!reel_is_pure_(n) || n->op->flags & REEL_OPF_DYNAMIC || n->n_out == 0) return false;
    for (int k = 0; k < n->n_in; k++) {
        const int32_t v = w->value[w->from->ins[n->first_in + k]];
        const bool known = reel_node_of_(w->to, v)->kind == REEL_NODE_CONST;
        if (!known && !(reel_shape_only_(n->op->flags, k) && reel_shape_known_(&w->to->values[v].type.shape)))
            return false;
    }
    return is_small(w, n);
}

/* Something of that type to read the shape of: one element, as often as it takes. */
static reel_tensor *shape_of(const reel_node *n, const reel_type *t)
{
    static const int64_t none[REEL_MAX_RANK];
    reel_type one = {.dtype = t->dtype};
    memset(&one.shape, 0, sizeof one.shape);
    reel_rec *r = reel_make_(n->site, &one);
    if (r) r = reel_make_view_(n->site, t, none, r, 0);
    return r ? reel_handle_(r) : NULL;
}

static int call(const reel_rewriter *w, const reel_node *n, reel_tensor **out)
{
    reel_tensor *in[REEL_MAX_IN];
    for (int k = 0; k < n->n_in; k++) {
        const int32_t v = w->value[w->from->ins[n->first_in + k]];
        const reel_node *made = reel_node_of_(w->to, v);
        in[k] = made->kind == REEL_NODE_CONST ? reel_handle_(made->rec) : shape_of(n, &w->to->values[v].type);
        if (!in[k]) return reel_status();
    }
    return reel_door_(n->op, reel_node_attr_(w->from, n), in, n->n_in, out, n->n_out, n->site);
}

static int fold(reel_rewriter *w, int32_t i)
{
    const reel_node *n = &w->from->nodes[i];
    reel_tensor *out[REEL_MAX_OUT];
    if (!is_constant(w, n)) return reel_keep_(w, i);
    reel_scope *scope = reel_scope_begin(n->site, "fold");
    if (!scope) return reel_status();
    int rc = call(w, n, out);
    bool same = !rc;
    for (int k = 0; k < n->n_out && same; k++) {
        const reel_type *a = &reel_rec_of_(out[k])->type, *b = &w->from->values[n->first_out + k].type;
        same = a->dtype == b->dtype && reel_shape_same_(&a->shape, &b->shape);
    }
    for (int k = 0; k < n->n_out && same && !rc; k++) {
        const int32_t v = reel_emit_const_(w, i, reel_rec_of_(out[k]));
        if (v < 0) rc = reel_status();
        reel_replace_(w, n->first_out + k, v);
    }
    reel_scope_end(scope);
    if (same) return rc;
    reel_error e; /* it fails: it shall do so where and when it would */
    if (reel_take_error(&e) == REEL_ENOMEM) return reel_no_memory_(0);
    return reel_keep_(w, i);
}

static int run(reel_rewriter *w)
{
    return reel_each_node_(w, fold);
}

const reel_pass reel_pass_fold_ = {
    .name = "fold", .law = "what follows from constants alone is a constant", .by_default = true, .run = run};
