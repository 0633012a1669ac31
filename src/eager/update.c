/* update.c: an optimizer's step for some rows of a table, with its assignment: in place where nobody else has the values, so that it
   costs what the rows cost. Where somebody listens it is the op and the assignments; a plan makes one of them again. */
#include <string.h>
#include "core/context.h"
#include "core/error.h"
#include "eager.h"
#include "ops/ids.h"
#include "reel/tensor.h"
#include "reel/var.h"

enum { MAX_STATE = 3, MAX_ARG = 8 };

static bool heard(const reel_ctx *c)
{
    for (const reel_listener *l = c->listeners; l; l = l->next)
        if (!l->paused) return true;
    return false;
}

static int op_and_assign(const reel_op *op, const void *attr, reel_tensor *const in[], int n_in, const char *site)
{
    reel_tensor *out[MAX_STATE] = {NULL};
    int rc = reel_door_(op, attr, in, n_in, out, op->n_out, site);
    for (int j = 0; j < op->n_out && !rc; j++) rc = reel_assign_at(site, in[j], out[j]);
    return rc;
}

/* Ordinary tensors and, for the state, variables whose values are their own: everything else goes through the door. */
static bool is_plain(const reel_op *op, reel_tensor *const in[], int n_in)
{
    for (int i = 0; i < n_in; i++) {
        if (!in[i] || !reel_is_live_(in[i])) return false;
        const reel_rec *r = reel_rec_of_(in[i]);
        if (i < op->n_out ? !(r->flags & REEL_R_CELL)
                          : (r->flags & (REEL_R_NUM | REEL_R_SYMBOLIC | REEL_R_SPARSE)) != 0)
            return false;
        for (int k = 0; k < i && k < op->n_out; k++)
            if (in[k] == in[i]) return false;
        if (i >= op->n_out && r->flags & REEL_R_CELL && !r->value) return false;
    }
    return true;
}

static void view_of(reel_kview *v, const reel_rec *r)
{
    *v = (reel_kview){.dtype = r->type.dtype,
                      .rank = r->type.shape.rank,
                      .dims = r->type.shape.dims,
                      .strides = r->strides,
                      .data = r->data};
}

/* The kernel on values that are locked: outputs are the inputs. It refuses before it writes. */
static int run_locked(const reel_op *op, const void *attr, reel_rec *const val[], int n_in)
{
    const reel_type *type[MAX_ARG];
    reel_dtype dtype[MAX_ARG];
    reel_type out_type[MAX_STATE];
    reel_kview in[MAX_ARG], out[MAX_STATE];
    for (int i = 0; i < n_in; i++) {
        type[i] = &val[i]->type;
        view_of(&in[i], val[i]);
    }
    int rc = reel_infer_(op, attr, type, NULL, n_in, dtype, out_type, op->n_out);
    for (int j = 0; j < op->n_out && !rc; j++) out[j] = in[j];
    if (rc || reel_count_(&val[op->n_out]->type.shape) == 0) return rc;
    const reel_ksig sig = {.op = op, .attr = attr, .n_in = n_in, .n_out = op->n_out, .in = in, .out = out};
    return reel_eager_run_(reel_kernel_(reel_device_(0), op), &sig, NULL);
}

/* 1: done; 0: a value is somebody else's too; otherwise raised. */
static int in_place(const reel_op *op, const void *attr, reel_tensor *const in[], int n_in, const char *site, int *rc)
{
    reel_rec *val[MAX_ARG], *next[MAX_STATE];
    const int n = op->n_out;
    int locked = 0;
    while (locked < n && (val[locked] = reel_cell_lock_(reel_rec_of_(in[locked]), NULL))) locked++;
    bool done = locked == n;
    for (int j = 0; j < n && done && !*rc; j++)
        if (!(next[j] = reel_make_view_(site, &val[j]->type, val[j]->strides, val[j], 0))) *rc = REEL_ENOMEM;
    int held = n;
    for (; held < n_in && done && !*rc; held++) {
        reel_rec *r = reel_rec_of_(in[held]);
        val[held] = r->flags & REEL_R_CELL ? reel_cell_get_(r) : r;
    }
    if (done && !*rc) *rc = run_locked(op, attr, val, n_in);
    for (int i = n; i < held; i++)
        if (reel_rec_of_(in[i])->flags & REEL_R_CELL) reel_release_rec_(val[i]);
    for (int j = locked; j-- > 0;) reel_cell_unlock_(reel_rec_of_(in[j]), done && !*rc ? next[j] : NULL);
    return done;
}

int reel_update_(const reel_op *op, const void *attr, reel_tensor *const in[], int n_in, const char *site)
{
    reel_ctx *c = reel_ctx_();
    if (c->error.code) return c->error.code;
    if (n_in > MAX_ARG || heard(c) || !is_plain(op, in, n_in)) return op_and_assign(op, attr, in, n_in, site);
    reel_scope *scope = reel_scope_begin(site, op->name);
    if (!scope) return REEL_ENOMEM;
    const char *old_site = c->site, *old_op = c->op;
    c->site = site;
    c->op = op->name;
    int rc = 0;
    const int done = in_place(op, attr, in, n_in, site, &rc);
    c->site = old_site;
    c->op = old_op;
    if (!done && !rc) rc = op_and_assign(op, attr, in, n_in, site);
    reel_scope_end(scope);
    return rc;
}
