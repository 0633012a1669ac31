/* control_while.c: a loop as an op: its shape rule, its kernel, its gradient. The gradient is a loop from the last step to the first, whose
   body runs the nodes of a step again under a tape; the states before the steps it takes from where the loop has stored them. */
#include <string.h>
#include "control.h"
#include "core/again.h"
#include "core/alloc.h"
#include "core/error.h"
#include "core/random.h"
#include "reel/reel.h"

/* ---- shapes ------------------------------------------------------------------------------------------------ */

/* Slots hold about that many bytes of states, but there are at least FEW_SLOTS of them. */
enum { SLOT_BYTES = 1 << 19, FEW_SLOTS = 16, MANY_SLOTS = 1024 };

/* How many states are stored; REEL_ANY: their size is not known. A power of two, unless it is one for each step. */
static int64_t slots_of(const reel_control *c, int64_t stored, const reel_type *const *in)
{
    size_t bytes = 16 * (size_t)c->n_drawn + 1;
    if (stored == REEL_STORE_ALL) return c->max_steps;
    for (int i = 0; i < c->n_own; i++) {
        if (!reel_shape_known_(&in[i]->shape)) return REEL_ANY;
        bytes += reel_type_bytes_(in[i]);
    }
    int64_t n = FEW_SLOTS;
    while (n < MANY_SLOTS && (size_t)n * 2 * bytes <= SLOT_BYTES) n *= 2;
    return n;
}

static int put_stack(reel_type *t, const reel_type *of, int64_t n)
{
    if (of->shape.rank == REEL_MAX_RANK)
        return reel_fail(REEL_ESHAPE, "a state of %d dimensions cannot be stored: its loop has no gradient",
                         REEL_MAX_RANK);
    memset(t, 0, sizeof *t);
    t->dtype = of->dtype;
    t->shape.rank = of->shape.rank + 1;
    t->shape.dims[0] = n;
    for (int k = 1; k < t->shape.rank; k++) t->shape.dims[k] = of->shape.dims[k - 1];
    return reel_shape_check_(t->shape, true);
}

static int infer_while(const reel_infer *io)
{
    const reel_control_attr *a = io->attr;
    const reel_control *c = a->control;
    reel_type now[REEL_MAX_OUT], pred;
    int rc = reel_part_types_(c, &c->part[0], 1, io->in, &pred);
    if (!rc) rc = reel_check_condition_(&pred);
    if (!rc) rc = reel_part_types_(c, &c->part[1], c->n_own, io->in, now);
    for (int i = 0; i < c->n_own && !rc; i++) {
        rc = reel_check_state_("the body changes state", i, io->in[i], &now[i]);
        io->out[i] = *io->in[i];
    }
    if (rc) return rc;
    reel_type *more = io->out + c->n_own;
    *more++ = (reel_type){.dtype = REEL_I64}; /* how many steps */
    if (a->stored) {
        const int64_t n = slots_of(c, a->stored, io->in);
        const reel_type state = reel_state_type_();
        *more++ = (reel_type){.dtype = REEL_I64}; /* the stride */
        for (int i = 0; i < c->n_own + c->n_drawn && !rc; i++)
            rc = put_stack(more++, i < c->n_own ? io->in[i] : &state, n);
    }
    reel_put_drawn_(c, more);
    return rc ? rc : reel_control_known_(io);
}

/* ---- the kernel ---------------------------------------------------------------------------------------------- */

/* The stacks: of the states, then of the generators. */
typedef struct stacks {
    char **at;
    const reel_operand *operand;
    int n, n_own;
    int64_t slots, stride, used;
    bool all; /* one for each step */
} stacks;

static size_t row_of(const stacks *s, int i)
{
    const reel_type *t = &s->operand[i].type;
    return s->slots ? reel_type_bytes_(t) / (size_t)s->slots : 0;
}

/* Every other one stays. */
static void thin_out(stacks *s)
{
    for (int i = 0; i < s->n; i++) {
        const size_t row = row_of(s, i);
        for (int64_t k = 1; k < s->slots / 2; k++)
            memcpy(s->at[i] + (size_t)k * row, s->at[i] + (size_t)(2 * k) * row, row);
    }
    s->stride *= 2;
    s->used = s->slots / 2;
}

static void store(stacks *s, const reel_control *c, int64_t step, reel_rec *const *in)
{
    if (!s->all && step == s->slots * s->stride) thin_out(s);
    if (step % s->stride) return;
    const int64_t k = step / s->stride;
    for (int i = 0; i < s->n; i++) {
        char *to = s->at[i] + (size_t)k * row_of(s, i);
        if (i < s->n_own) {
            reel_copy_out_(to, in[i]);
        } else {
            const reel_random_state state = reel_random_get_(c->generator[i - s->n_own]);
            memcpy(to, &state, sizeof state);
        }
    }
    s->used = k + 1;
}

static void find_stacks(stacks *s, const reel_control_plan *p, void *const *ptr, char **at)
{
    const int first = p->n_in + p->c->n_own + 2;
    *s = (stacks){.at = at, .operand = &p->operand[first], .stride = 1, .all = p->stored == REEL_STORE_ALL};
    if (!p->stored) return;
    s->n_own = p->c->n_own;
    s->n = s->n_own + p->c->n_drawn;
    for (int i = 0; i < s->n; i++) at[i] = ptr[first + i];
    s->slots = s->n ? s->operand[0].type.shape.dims[0] : 0;
}

static void finish_stacks(const stacks *s)
{
    for (int i = 0; i < s->n; i++) {
        const size_t row = row_of(s, i);
        memset(s->at[i] + (size_t)s->used * row, 0, (size_t)(s->slots - s->used) * row);
    }
}

static int holds(reel_runner *r, reel_rec *const *in, bool *yes)
{
    reel_rec *out[1];
    const int rc = reel_runner_step_(r, in, out);
    if (rc) return rc;
    if (reel_count_(&out[0]->type.shape) != 1)
        return reel_fail(REEL_ESHAPE, "the condition has %lld elements", (long long)reel_count_(&out[0]->type.shape));
    *yes = *out[0]->data != 0;
    if (r->slow) reel_disown_(out[0]);
    return 0;
}

/* own[i]: in[i] is a record that a slow step has left with us. */
static int next(reel_runner *r, const reel_control_plan *p, reel_rec **in, bool *own)
{
    reel_rec *out[REEL_MAX_OUT];
    const int n = p->c->n_own;
    int rc = reel_runner_step_(r, in, out);
    for (int i = 0; i < n && !rc; i++)
        rc = reel_check_state_("the body changes state", i, &p->operand[i].type, &out[i]->type);
    for (int i = 0; i < n && !rc; i++) {
        if (r->slow && own[i]) reel_disown_(in[i]);
        own[i] = r->slow;
        in[i] = out[i];
    }
    return rc;
}

static int loop(const reel_control_plan *p, reel_rec **in, stacks *s, reel_runner *r, int64_t *steps)
{
    const reel_control *c = p->c;
    bool own[REEL_MAX_IN] = {false};
    int rc = 0;
    for (*steps = 0; !c->max_steps || *steps < c->max_steps; ++*steps) {
        bool yes = false;
        rc = holds(&r[0], in, &yes);
        if (rc || !yes) break;
        if (s->n) store(s, c, *steps, in);
        rc = next(&r[1], p, in, own);
        if (rc) break;
    }
    return rc;
}

static int while_in(const reel_control_plan *p, void *const *ptr)
{
    const int n = p->c->n_own;
    reel_rec *in[REEL_MAX_IN];
    char *at[REEL_MAX_OUT];
    int64_t steps = 0;
    stacks s;
    for (int i = 0; i < p->n_in; i++)
        if (!(in[i] = reel_operand_rec_(p, &p->operand[i], ptr[i]))) return REEL_ENOMEM;
    reel_note_drawn_(p, ptr);
    find_stacks(&s, p, ptr, at);
    reel_runner r[2] = {{.p = p, .part = &p->c->part[0]}, {.p = p, .part = &p->c->part[1]}};
    const int rc = loop(p, in, &s, r, &steps);
    for (int i = 0; i < n && !rc; i++) reel_copy_out_(ptr[p->n_in + i], in[i]);
    reel_runner_end_(&r[0]);
    reel_runner_end_(&r[1]);
    memcpy(ptr[p->n_in + n], &steps, sizeof steps);
    if (p->stored) memcpy(ptr[p->n_in + n + 1], &s.stride, sizeof s.stride);
    finish_stacks(&s);
    return rc;
}

static int while_run(const void *plan, void *const *ptr, void *work)
{
    const reel_control_plan *p = plan;
    (void)work;
    reel_scope *scope = reel_scope_begin(p->site, "reel_while");
    const int rc = scope ? while_in(p, ptr) : REEL_ENOMEM;
    reel_scope_end(scope);
    return rc;
}

static const reel_kernel while_kernel = {.plan_size = sizeof(reel_control_plan),
                                         .prepare = reel_control_prepare_,
                                         .run = while_run,
                                         .drop = reel_control_drop_};
#define WHILE(more)                                                                                               \
    {                                                                                                             \
        .size = sizeof(reel_op), .id = -1, .name = "while", .args = "state", .n_in = -1, .n_out = -1,             \
        .flags = REEL_OPF_SUMS | (more), .keep = 0xffffffffu, .attr_size = sizeof(reel_control_attr),             \
        .infer = infer_while, .grad = REEL_VJP, .vjp = reel_while_vjp_, .attr_retain = reel_control_attr_retain_, \
        .attr_release = reel_control_attr_release_, .kernel = &while_kernel                                       \
    }
const reel_op reel_while_ops_[2] = {WHILE(0), WHILE(REEL_OPF_EFFECT)};

/* ---- the gradient ---------------------------------------------------------------------------------------------- */

/* The backward loop's state: how many steps are left; the gradients of the float states; those of the tensors around and of the
   variables that are assigned, as far as they are needed. To a tape each reading of a variable is the variable, whatever has been assigned
   to it: so its gradients of all steps add up, and none goes through what was assigned. */
typedef struct back {
    const reel_vjp_args *v;
    const reel_control *c;
    int n_own, n, n_states; /* states, all inputs, states that are no variables */
    bool need[REEL_MAX_IN]; /* of a step's body: all float states, and what is needed of the rest */
    bool all;               /* a state for each step */
    reel_tensor *stride, *const *stacks, *const *drawn, *const *dstacks;
} back;

static reel_tensor *number(const back *b, double x)
{
    return reel_num_at(b->v->site, x);
}

static int positive(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    const back *b = self;
    out[0] = reel_greater_at(b->v->site, in[0], number(b, 0));
    return reel_status();
}

/* From the stored state on: the number of the step, the states, the generators. */
typedef struct forth {
    const back *b;
    reel_tensor *until;
} forth;

static int earlier(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    const forth *f = self;
    out[0] = reel_less_at(f->b->v->site, in[0], f->until);
    return reel_status();
}

static int one_step(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    const back *b = ((const forth *)self)->b;
    const char *site = b->v->site;
    reel_tensor *all[REEL_MAX_IN], *yes[1];
    for (int i = 0; i < b->n; i++) all[i] = i < b->n_own ? in[i + 1] : b->v->in[i];
    reel_redraw draws = reel_redraw_of_(b->c, in + 1 + b->n_own);
    int rc = reel_part_again_(site, &b->c->part[1], all, b->n, &draws, out + 1);
    for (int i = 0; i < b->n_own && !rc; i++) all[i] = out[i + 1];
    if (!rc && b->c->cond_draws) rc = reel_part_again_(site, &b->c->part[0], all, b->n, &draws, yes);
    for (int i = 0; i < draws.n; i++) out[1 + b->n_own + i] = draws.state[i];
    out[0] = reel_add_at(site, in[0], number(b, 1));
    return rc ? rc : reel_status();
}

/* The states before step i, and those of the generators behind them. */
static int states_before(const back *b, reel_tensor *i, reel_tensor **state)
{
    const char *site = b->v->site;
    const int n = b->n_own + b->c->n_drawn;
    reel_tensor *first[REEL_MAX_IN + 1], *last[REEL_MAX_IN + 1], *slot = b->all ? i : reel_div_at(site, i, b->stride);
    for (int k = 0; k < n && slot; k++)
        if (!(first[k + 1] = reel_gather_at(site, b->stacks[k], slot, 0))) return reel_status();
    if (!slot) return reel_status();
    memcpy(state, first + 1, (size_t)n * sizeof *first);
    if (b->all) return 0;
    forth f = {b, i};
    first[0] = reel_mul_at(site, slot, b->stride);
    const int rc =
        !first[0] ? reel_status()
                  : reel_while_at(site, (reel_fn){earlier, &f, n + 1, 1, "earlier"},
                                  (reel_fn){one_step, &f, n + 1, n + 1, "step"}, (reel_list){n + 1, first}, NULL, last);
    if (!rc) memcpy(state, last + 1, (size_t)n * sizeof *state);
    return rc;
}

/* What the state before step i gets from its copy in a stack. */
static reel_tensor *from_stack(const back *b, reel_tensor *d, reel_tensor *dstack, reel_tensor *i)
{
    const char *site = b->v->site;
    if (b->all) return reel_add_at(site, d, reel_gather_at(site, dstack, i, 0));
    reel_tensor *slot = reel_div_at(site, i, b->stride), *g = reel_gather_at(site, dstack, slot, 0);
    reel_tensor *stored = reel_equal_at(site, reel_mul_at(site, slot, b->stride), i);
    return reel_add_at(site, d, reel_where_at(site, stored, g, reel_zeros_like_at(site, g)));
}

/* Does it add up over the steps? */
static bool adds(const back *b, int j)
{
    return j >= b->n_states;
}

static int one_back(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    const back *b = self;
    const char *site = b->v->site;
    reel_tensor *all[REEL_MAX_IN + REEL_MAX_DRAWN], *from[REEL_MAX_IN], *dout[REEL_MAX_OUT] = {NULL}, *din[REEL_MAX_IN];
    reel_tensor *i = reel_sub_at(site, in[0], number(b, 1));
    if (!i) return reel_status();
    int rc = states_before(b, i, all);
    reel_redraw draws = reel_redraw_of_(b->c, all + b->n_own);
    int k = 1;
    for (int j = 0; j < b->n; j++) {
        if (j >= b->n_own) all[j] = b->v->in[j];
        from[j] = adds(b, j) && b->need[j] ? in[k++] : NULL;
        if (!adds(b, j)) dout[j] = b->need[j] ? in[k++] : NULL;
    }
    if (!rc) rc = reel_pull_(site, &b->c->part[1], all, b->n, b->need, from, dout, &draws, din);
    out[0] = i;
    k = 1;
    for (int j = 0; j < b->n && !rc; j++) {
        if (!b->need[j]) continue;
        reel_tensor *d = din[j] ? din[j] : reel_zeros_like_at(site, all[j]);
        if (d && !adds(b, j) && b->dstacks[j]) d = from_stack(b, d, b->dstacks[j], i);
        out[k++] = d;
        if (!d) rc = reel_status();
    }
    return rc;
}

/* The loop once more, which now stores its states. */
static int run_again(const back *b, reel_tensor **out)
{
    const reel_vjp_args *v = b->v;
    const reel_control *c = b->c;
    reel_control_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.control = (reel_control *)c;
    attr.stored = REEL_STORE_SLOTS;
    const int n_out = reel_loop_outputs_(c, attr.stored);
    if (n_out + c->n_drawn > REEL_MAX_OUT)
        return reel_fail_at_(v->site, REEL_ETRACE, "reel_while: %d states are too many for a gradient", c->n_own);
    const reel_redraw draws = reel_redraw_of_(c, v->out + v->n_out - c->n_drawn);
    if (c->n_drawn) return reel_redraw_call_(&reel_while_ops_[1], &attr, v->in, v->n_in, &draws, out, n_out, v->site);
    return reel_door_(&reel_while_ops_[0], &attr, v->in, v->n_in, out, n_out, v->site);
}

int reel_while_vjp_(const reel_vjp_args *v)
{
    const reel_control_attr *a = v->attr;
    const reel_control *c = a->control;
    reel_tensor *none[REEL_MAX_IN] = {NULL}, *start[REEL_MAX_IN + 1], *end[REEL_MAX_IN + 1],
                *again[REEL_MAX_OUT + REEL_MAX_DRAWN];
    reel_tensor *const *out = v->out, *const *dstacks = none;
    back b = {.v = v, .c = c, .n_own = c->n_own, .n = v->n_in, .n_states = c->n_own - c->n_cells};
    int n = 1, rc = 0;
    for (int i = 0; i < v->n_in && !rc; i++) {
        const bool own = i < b.n_states;
        b.need[i] = reel_is_float_tensor_(v->in[i]) && (own || v->need[i]);
        if (!b.need[i]) continue;
        reel_tensor *d = own ? v->dout[i] : reel_vjp_again_(v, b.n_states, i) ? NULL : v->sum[i];
        start[n] = d ? d : reel_nothing_like_(v->site, v->in[i]);
        if (!start[n]) return reel_status();
        n++;
    }
    if (n == 1) return 0;
    if (a->stored) {
        dstacks = v->dout + c->n_own + 2;
    } else {
        rc = run_again(&b, again);
        if (rc) return rc;
        out = again;
    }
    b.all = a->stored == REEL_STORE_ALL;
    b.stride = out[c->n_own + 1];
    b.stacks = out + c->n_own + 2;
    b.dstacks = dstacks;
    start[0] = out[c->n_own];
    rc = reel_while_at(v->site, (reel_fn){positive, &b, n, 1, "left"}, (reel_fn){one_back, &b, n, n, "gradient"},
                       (reel_list){n, start}, REEL_OPTS(while, .max_steps = c->max_steps), end);
    n = 1;
    for (int i = 0; i < v->n_in && !rc; i++) {
        if (!b.need[i]) continue;
        v->total[i] = i >= b.n_states && !reel_vjp_again_(v, b.n_states, i);
        v->din[i] = end[n++];
    }
    return rc;
}
