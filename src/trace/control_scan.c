/* control_scan.c: reel_scan and reel_map: a body for each element of sequences. In a trace one op, whose gradient is a scan from the
   end to the beginning. */
#include <string.h>
#include "control.h"
#include "core/again.h"
#include "core/alloc.h"
#include "core/error.h"
#include "reel/reel.h"

/* ---- the op --------------------------------------------------------------------------------------------------- */

/* Of one element. */
static reel_type element(const reel_type *t)
{
    reel_type e = *t;
    e.shape.rank--;
    memmove(e.shape.dims, e.shape.dims + 1, (size_t)e.shape.rank * sizeof e.shape.dims[0]);
    e.shape.dims[e.shape.rank] = 0;
    return e;
}

static int check_lengths(const reel_type *const *xs, int n, int64_t *length)
{
    *length = REEL_ANY;
    for (int i = 0; i < n; i++) {
        char text[REEL_SHAPE_TEXT];
        const reel_shape *s = &xs[i]->shape;
        if (s->rank < 1) return reel_fail(REEL_ESHAPE, "xs[%d] has shape [], it is no sequence", i);
        if (s->dims[0] == REEL_ANY) continue;
        if (*length != REEL_ANY && s->dims[0] != *length)
            return reel_fail(REEL_ESHAPE, "xs[%d] has shape %s, but another sequence has length %lld", i,
                             reel_shape_text_(s, text), (long long)*length);
        *length = s->dims[0];
    }
    return 0;
}

static int infer_scan(const reel_infer *io)
{
    const reel_control *c = ((const reel_control_attr *)io->attr)->control;
    reel_type elements[REEL_MAX_IN];
    const reel_type *in[REEL_MAX_IN];
    int64_t length;
    int rc = check_lengths(io->in + c->n_carry, c->n_own - c->n_carry, &length);
    if (rc) return rc;
    for (int i = 0; i < io->n_in; i++) {
        in[i] = io->in[i];
        if (i < c->n_carry || i >= c->n_own) continue;
        elements[i] = element(io->in[i]);
        in[i] = &elements[i];
    }
    rc = reel_part_types_(c, &c->part[0], c->n_out, in, io->out);
    for (int j = 0; j < c->n_out && !rc; j++) {
        reel_type *t = &io->out[j];
        if (j < c->n_carry) {
            rc = reel_check_state_("the body changes state", j, io->in[j], t);
            *t = *io->in[j];
            continue;
        }
        if (t->shape.rank == REEL_MAX_RANK)
            return reel_fail(REEL_ESHAPE, "the body's out[%d] has %d dimensions already", j, REEL_MAX_RANK);
        memmove(t->shape.dims + 1, t->shape.dims, (size_t)t->shape.rank * sizeof t->shape.dims[0]);
        t->shape.rank++;
        t->shape.dims[0] = length;
        rc = reel_shape_check_(t->shape, true);
    }
    reel_put_drawn_(c, io->out + c->n_out);
    return rc ? rc : reel_control_known_(io);
}

/* One element: in[] are the carries, the elements and the rest; own[j]: a slow step has left us that carry's record. */
static int scan_step(const reel_control_plan *p, reel_runner *r, reel_rec **in, bool *own, void *const *ptr, int64_t t)
{
    const int n = p->c->n_carry;
    reel_rec *out[REEL_MAX_OUT];
    int rc = reel_runner_step_(r, in, out);
    for (int j = 0; j < p->c->n_out && !rc; j++) {
        const reel_operand *o = &p->operand[p->n_in + j];
        const reel_type want = j < n ? o->type : element(&o->type);
        rc = reel_check_state_("data changes out", j, &want, &out[j]->type);
        if (rc || j < n) continue;
        reel_copy_out_((char *)ptr[p->n_in + j] + (size_t)t * reel_type_bytes_(&want), out[j]);
        if (r->slow) reel_disown_(out[j]);
    }
    for (int j = 0; j < n && !rc; j++) {
        if (r->slow && own[j]) reel_disown_(in[j]);
        own[j] = r->slow;
        in[j] = out[j];
    }
    return rc;
}

static int scan_in(const reel_control_plan *p, void *const *ptr)
{
    const reel_control *c = p->c;
    const int n = c->n_carry, m = c->n_own;
    const int64_t length = p->operand[n].type.shape.dims[0];
    reel_rec *in[REEL_MAX_IN];
    bool own[REEL_MAX_OUT] = {false};
    int rc = 0;
    for (int i = 0; i < p->n_in && length; i++) {
        reel_operand e = p->operand[i];
        if (i >= n && i < m) {
            e.type = element(&e.type);
            memmove(e.strides, e.strides + 1, (REEL_MAX_RANK - 1) * sizeof e.strides[0]);
        }
        if (!(in[i] = reel_operand_rec_(p, &e, ptr[i]))) return REEL_ENOMEM;
    }
    reel_note_drawn_(p, ptr);
    reel_runner r = {.p = p, .part = &c->part[0]};
    for (int64_t t = 0; t < length && !rc; t++) {
        rc = scan_step(p, &r, in, own, ptr, t);
        for (int i = n; i < m; i++) /* the record of an element moves along the sequence */
            in[i]->data += p->operand[i].strides[0] * (int64_t)reel_size_(p->operand[i].type.dtype);
    }
    for (int j = 0; j < n && !rc; j++) {
        if (!length) in[j] = reel_operand_rec_(p, &p->operand[j], ptr[j]); /* no step has made one */
        if (in[j])
            reel_copy_out_(ptr[p->n_in + j], in[j]);
        else
            rc = REEL_ENOMEM;
    }
    reel_runner_end_(&r);
    return rc;
}

static int scan_run(const void *plan, void *const *ptr, void *work)
{
    const reel_control_plan *p = plan;
    (void)work;
    reel_scope *scope = reel_scope_begin(p->site, "reel_scan");
    const int rc = scope ? scan_in(p, ptr) : REEL_ENOMEM;
    reel_scope_end(scope);
    return rc;
}

static const reel_kernel scan_kernel = {.plan_size = sizeof(reel_control_plan),
                                        .prepare = reel_control_prepare_,
                                        .run = scan_run,
                                        .drop = reel_control_drop_};
#define SCAN(more, kept)                                                                                              \
    {                                                                                                                 \
        .size = sizeof(reel_op), .id = -1, .name = "scan", .args = "in", .n_in = -1, .n_out = -1,                     \
        .flags = REEL_OPF_SUMS | (more), .keep = (kept), .attr_size = sizeof(reel_control_attr), .infer = infer_scan, \
        .grad = REEL_VJP, .vjp = reel_scan_vjp_, .attr_retain = reel_control_attr_retain_,                            \
        .attr_release = reel_control_attr_release_, .kernel = &scan_kernel                                            \
    }
const reel_op reel_scan_ops_[2] = {SCAN(0, REEL_KEEP_ALL_IN), SCAN(REEL_OPF_EFFECT, 0xffffffffu)};

/* ---- its gradient ---------------------------------------------------------------------------------------------- */

typedef struct back {
    const reel_vjp_args *v;
    const reel_control *c;
    bool need[REEL_MAX_IN]; /* of an element's body: every float carry, and what is needed of the rest */
} back;

/* A carry that is a variable's value: its gradients of all steps add up, see control_while.c. */
static bool adds(const reel_control *c, int i)
{
    return i >= c->n_carry - c->n_cells && i < c->n_carry;
}

/* in: carries, generators, elements. Once more: carries and generators, then what they were before each step. */
static int forth(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    const back *b = self;
    const int n = b->c->n_carry, g = b->c->n_drawn;
    reel_tensor *all[REEL_MAX_IN], *made[REEL_MAX_OUT];
    for (int i = 0; i < b->v->n_in; i++) all[i] = i < n ? in[i] : i < b->c->n_own ? in[i + g] : b->v->in[i];
    reel_redraw draws = reel_redraw_of_(b->c, in + n);
    const int rc = reel_part_again_(b->v->site, &b->c->part[0], all, b->v->n_in, &draws, made);
    for (int j = 0; j < n + g && !rc; j++) {
        out[j] = j < n ? made[j] : draws.state[j - n];
        out[n + g + j] = in[j];
    }
    return rc;
}

/* Of what goes on with the sum: is it one of those before once more? */
static bool again(const reel_vjp_args *v, const reel_control *c, int i)
{
    const int first = c->n_carry - c->n_cells;
    return reel_vjp_again_(v, first < c->n_carry ? first : c->n_own, i);
}

/* in: gradients of the tensors around, of the float carries; then elements: the carries before, xs, what dys there are, the
   generators before. */
static int one_back(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    const back *b = self;
    const reel_vjp_args *v = b->v;
    const int n = b->c->n_carry, m = b->c->n_own;
    reel_tensor *all[REEL_MAX_IN], *from[REEL_MAX_IN], *dout[REEL_MAX_OUT] = {NULL}, *din[REEL_MAX_IN];
    int k = 0;
    for (int i = 0; i < v->n_in; i++) {
        from[i] = (i >= m || adds(b->c, i)) && b->need[i] ? in[k++] : NULL;
        if (i < n && !adds(b->c, i)) dout[i] = b->need[i] ? in[k++] : NULL;
    }
    for (int i = 0; i < v->n_in; i++) all[i] = i < m ? in[k++] : v->in[i];
    for (int j = n; j < b->c->n_out; j++) dout[j] = v->dout[j] ? in[k++] : NULL;
    reel_redraw draws = reel_redraw_of_(b->c, in + k);
    int rc = reel_pull_(v->site, &b->c->part[0], all, v->n_in, b->need, from, dout, &draws, din);
    k = 0;
    for (int part = 0; part < 2; part++) /* carries, then elements */
        for (int i = 0; i < v->n_in && !rc; i++) {
            if (!b->need[i] || (part == 1) != (i >= n && i < m)) continue;
            out[k] = din[i] ? din[i] : reel_zeros_like_at(v->site, all[i]);
            if (!out[k++]) rc = reel_status();
        }
    return rc;
}

static int run_forth(const back *b, reel_tensor **twice)
{
    const reel_vjp_args *v = b->v;
    const int n = b->c->n_carry, m = b->c->n_own, g = b->c->n_drawn;
    reel_tensor *init[REEL_MAX_IN + REEL_MAX_DRAWN];
    const reel_fn fn = {forth, (void *)b, m + g, 2 * (n + g), "forth"};
    if (2 * (n + g) > REEL_MAX_OUT)
        return reel_fail_at_(v->site, REEL_ETRACE, "reel_scan: %d states are too many for a gradient", n);
    for (int i = 0; i < n; i++) init[i] = v->in[i];
    for (int i = 0; i < g; i++) init[n + i] = v->out[b->c->n_out + i];
    return reel_scan_at(v->site, fn, (reel_list){n + g, init}, (reel_list){m - n, v->in + n}, twice);
}

static int back_inputs(const back *b, reel_tensor **in, int *n_carry, int *n_in, int *n_out)
{
    const reel_vjp_args *v = b->v;
    const int n = b->c->n_carry, m = b->c->n_own, g = b->c->n_drawn;
    const reel_axes first = {.n = 1};
    reel_tensor *twice[2 * REEL_MAX_OUT];
    int k = 0, rc = 0;
    for (int i = 0; i < v->n_in; i++) {
        if (!b->need[i] || (i >= n && i < m)) continue;
        reel_tensor *d = i < n && !adds(b->c, i) ? v->dout[i] : again(v, b->c, i) ? NULL : v->sum[i];
        in[k] = d ? d : reel_nothing_like_(v->site, v->in[i]);
        if (!in[k++]) return reel_status();
    }
    *n_carry = *n_out = k;
    if (n + g) rc = run_forth(b, twice);
    for (int i = 0; i < m && !rc; i++, k++)
        if (!(in[k] = reel_flip_at(v->site, i < n ? twice[n + g + i] : v->in[i], first))) rc = reel_status();
    for (int j = n; j < b->c->n_out && !rc; j++)
        if (v->dout[j] && !(in[k++] = reel_flip_at(v->site, v->dout[j], first))) rc = reel_status();
    for (int i = 0; i < g && !rc; i++)
        if (!(in[k++] = reel_flip_at(v->site, twice[2 * n + g + i], first))) rc = reel_status();
    for (int i = n; i < m; i++) *n_out += b->need[i];
    *n_in = k;
    return rc;
}

int reel_scan_vjp_(const reel_vjp_args *v)
{
    back b = {.v = v, .c = ((const reel_control_attr *)v->attr)->control};
    const int n = b.c->n_carry, m = b.c->n_own;
    reel_tensor *in[2 * REEL_MAX_IN + REEL_MAX_OUT], *out[REEL_MAX_IN];
    int n_carry = 0, n_in = 0, n_out = 0;
    for (int i = 0; i < v->n_in; i++)
        b.need[i] = reel_is_float_tensor_(v->in[i]) && ((i < n && !adds(b.c, i)) || v->need[i]);
    int rc = back_inputs(&b, in, &n_carry, &n_in, &n_out);
    if (rc || !n_out) return rc;
    if (n_in > REEL_MAX_IN - 1)
        return reel_fail_at_(v->site, REEL_ETRACE, "reel_scan: its gradient has %d operands, more than %d", n_in,
                             REEL_MAX_IN - 1);
    rc = reel_scan_at(v->site, (reel_fn){one_back, &b, n_in, n_out, "gradient"}, (reel_list){n_carry, in},
                      (reel_list){n_in - n_carry, in + n_carry}, out);
    int k = 0;
    for (int part = 0; part < 2; part++)
        for (int i = 0; i < v->n_in && !rc; i++) {
            if (!b.need[i] || (part == 1) != (i >= n && i < m)) continue;
            v->din[i] = part == 1 ? reel_flip_at(v->site, out[k++], (reel_axes){.n = 1}) : out[k++];
            v->total[i] = (i >= m || adds(b.c, i)) && !again(v, b.c, i);
            if (!v->din[i]) rc = reel_status();
        }
    return rc;
}

/* ---- eagerly ---------------------------------------------------------------------------------------------------- */

enum { GROUP = 32 };

/* One tensor of t[0..n), with a new first axis; what there is of them in groups. */
static reel_tensor *stacked(const char *site, reel_tensor **t, int64_t n)
{
    int64_t groups = 0;
    for (int64_t i = 0; i < n; i += GROUP) {
        const int k = n - i < GROUP ? (int)(n - i) : GROUP;
        t[groups] = reel_stack_at(site, (reel_list){k, t + i}, 0);
        if (!t[groups++]) return NULL;
    }
    while (groups > 1) {
        int64_t next = 0;
        for (int64_t i = 0; i < groups; i += GROUP) {
            const int k = groups - i < GROUP ? (int)(groups - i) : GROUP;
            t[next] = k == 1 ? t[i] : reel_concat_at(site, (reel_list){k, t + i}, 0);
            if (!t[next++]) return NULL;
        }
        groups = next;
    }
    return t[0];
}

static int scan_steps(const char *site, reel_fn body, reel_list init, reel_list xs, int64_t length, reel_tensor **ys,
                      reel_tensor **carry)
{
    static const char fn[] = "reel_scan";
    reel_tensor *in[REEL_MAX_IN], *out[REEL_MAX_OUT], *x[REEL_MAX_IN];
    reel_type types[REEL_MAX_IN];
    reel_strong s;
    memcpy(x, xs.t, (size_t)xs.n * sizeof(reel_tensor *));
    for (int i = 0; i < init.n; i++) {
        types[i] = reel_rec_of_(init.t[i])->type;
        carry[i] = init.t[i];
    }
    int rc = reel_control_apart_(site, false, init.n, carry);
    if (!rc) rc = reel_control_apart_(site, false, xs.n, x);
    for (int64_t t = 0; t < length && !rc; t++) {
        for (int i = 0; i < init.n; i++) in[i] = carry[i];
        for (int i = 0; i < xs.n && !rc; i++)
            if (!(in[init.n + i] = reel_select_at(site, x[i], 0, t))) rc = reel_status();
        if (!rc)
            rc = reel_invoke_at(site, reel_strong_fn_(&s, site, fn, body, types, init.n),
                                (reel_list){init.n + xs.n, in}, out);
        for (int i = 0; i < init.n && !rc; i++)
            rc = reel_control_changes_(site, "scan", i, &types[i], &reel_rec_of_(out[i])->type);
        if (!rc) rc = reel_control_apart_(site, true, init.n, out);
        for (int j = init.n; j < body.n_out && !rc; j++) ys[(j - init.n) * length + t] = out[j];
        for (int i = 0; i < init.n && !rc; i++) carry[i] = out[i];
    }
    return rc;
}

/* No elements: the body is traced, so that it is known what it would give. */
static int scan_nothing(const char *site, reel_fn body, reel_list init, reel_list xs, reel_tensor **out)
{
    static const char fn[] = "reel_scan";
    reel_type types[REEL_MAX_IN];
    reel_strong s;
    for (int i = 0; i < init.n + xs.n; i++)
        types[i] = i < init.n ? reel_rec_of_(init.t[i])->type : element(&reel_rec_of_(xs.t[i - init.n])->type);
    reel_capture capture = {.anything = true};
    reel_graph *g =
        reel_trace_symbolic_(site, fn, reel_strong_fn_(&s, site, fn, body, types, init.n), types, NULL, &capture);
    int rc = g ? 0 : reel_status();
    for (int j = 0; j < body.n_out && !rc; j++) {
        reel_type t = g->values[g->outputs[j]].type;
        if (j < init.n) {
            rc = reel_control_changes_(site, "scan", j, &types[j], &t);
            out[j] = init.t[j];
            continue;
        }
        if (t.shape.rank == REEL_MAX_RANK || !reel_shape_known_(&t.shape)) {
            rc = reel_fail_at_(site, REEL_ESHAPE, "%s: the sequences are empty, and the body's out[%d] has %s", fn, j,
                               t.shape.rank == REEL_MAX_RANK ? "8 dimensions already" : "a size that depends on data");
            continue;
        }
        memmove(t.shape.dims + 1, t.shape.dims, (size_t)t.shape.rank * sizeof t.shape.dims[0]);
        t.shape.rank++;
        t.shape.dims[0] = 0;
        if (!(out[j] = reel_zeros_at(site, t.dtype, t.shape))) rc = reel_status();
    }
    reel_graph_release_(g);
    return rc;
}

static int scan_eager(const char *site, reel_fn body, reel_list init, reel_list xs, reel_tensor **out)
{
    const reel_type *types[REEL_MAX_IN];
    int64_t length;
    reel_ctx *c = reel_ctx_();
    const char *old_site = c->site, *op = c->op;
    c->site = site;
    c->op = "scan";
    for (int i = 0; i < xs.n; i++) types[i] = &reel_rec_of_(xs.t[i])->type;
    int rc = check_lengths(types, xs.n, &length);
    c->site = old_site;
    c->op = op;
    if (rc) return rc;
    const int n_y = body.n_out - init.n;
    if (length == 0 && n_y) return scan_nothing(site, body, init, xs, out);
    const size_t room = (size_t)length * (size_t)n_y + 1;
    reel_tensor **ys = reel_alloc_array_(room, sizeof(reel_tensor *));
    if (!ys) return REEL_ENOMEM;
    rc = scan_steps(site, body, init, xs, length, ys, out);
    for (int j = 0; j < n_y && !rc; j++)
        if (!(out[init.n + j] = stacked(site, ys + j * length, length))) rc = reel_status();
    reel_free_(ys, room * sizeof(reel_tensor *));
    return rc ? rc : reel_control_dense_(site, init.n, out);
}

/* ---- public ------------------------------------------------------------------------------------------------------ */

static int scan(const char *site, const char *fn, reel_fn body, reel_list init, reel_list xs, reel_tensor **out)
{
    int rc = reel_control_list_(site, fn, init, out);
    if (!rc) rc = reel_control_list_(site, fn, xs, out);
    if (!rc && (xs.n < 1 || init.n + xs.n >= REEL_MAX_IN))
        rc = reel_fail_at_(site, REEL_EARG, "%s: %d states and %d sequences", fn, init.n, xs.n);
    if (!rc && (body.n_out < init.n || body.n_out < 1 || body.n_out > REEL_MAX_OUT))
        rc = reel_fail_at_(site, REEL_EARG, "%s: the body gives %d outputs, of which %d are states", fn, body.n_out,
                           init.n);
    if (!rc) rc = reel_control_body_(site, fn, "body", body, init.n + xs.n, body.n_out);
    for (int i = 0; i < xs.n && !rc; i++)
        if (reel_rec_of_(xs.t[i])->type.shape.rank == 0)
            rc = reel_fail_at_(site, REEL_ESHAPE, "%s: xs[%d] has shape [], it is no sequence", fn, i);
    if (rc) return rc;
    reel_scope_rec *outer = reel_ctx_()->scope;
    reel_scope *scope = reel_scope_begin(site, fn);
    if (!scope) return REEL_ENOMEM;
    reel_tensor *in[REEL_MAX_IN];
    rc = reel_control_strong_(site, init, in);
    if (!rc) rc = reel_control_strong_(site, xs, in + init.n);
    const reel_traced how = {.kind = REEL_SCAN,
                             .site = site,
                             .fn = fn,
                             .around = reel_capture_now_(),
                             .f = {body},
                             .in = {init.n + xs.n, in},
                             .n_carry = init.n};
    if (!rc)
        rc = how.around ? reel_control_trace_(&how, out)
                        : scan_eager(site, body, (reel_list){init.n, in}, (reel_list){xs.n, in + init.n}, out);
    if (!rc) reel_control_give_(outer, body.n_out, out);
    reel_scope_end(scope);
    return rc;
}

int reel_scan_at(const char *site, reel_fn body, reel_list init, reel_list xs, reel_tensor *out[])
{
    for (int j = 0; j < body.n_out && out; j++) out[j] = NULL;
    const int rc = reel_pending_() ? reel_pending_() : scan(site, "reel_scan", body, init, xs, out);
    for (int j = 0; j < body.n_out && out && rc; j++) out[j] = NULL;
    return rc;
}

int reel_map_at(const char *site, reel_fn body, reel_list xs, reel_tensor *out[])
{
    for (int j = 0; j < body.n_out && out; j++) out[j] = NULL;
    const int rc = reel_pending_() ? reel_pending_() : scan(site, "reel_map", body, (reel_list){0, NULL}, xs, out);
    for (int j = 0; j < body.n_out && out && rc; j++) out[j] = NULL;
    return rc;
}
