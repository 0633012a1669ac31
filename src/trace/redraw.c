/* redraw.c: draws repeated. A node that draws becomes an op of the generators' states: it draws what it drew from there, and gives the
   states behind it. So what runs a body again, a gradient or a checkpoint, sees the same numbers in every mode. */
#include <string.h>
#include "control.h"
#include "core/alloc.h"
#include "core/error.h"
#include "core/random.h"

typedef struct redraw_attr {
    const reel_op *op;
    char inner[REEL_ATTR_MAX - sizeof(void *)]; /* its attributes */
} redraw_attr;

int reel_generator_join_(reel_generator **list, int *n, reel_generator *g)
{
    for (int i = 0; i < *n; i++)
        if (list[i] == g) return i;
    if (*n == REEL_MAX_DRAWN) return -1;
    list[*n] = g;
    return (*n)++;
}

int reel_draws_of_(const reel_op *op, const void *attr, reel_generator *g[REEL_MAX_DRAWN])
{
    if (op->flags & REEL_OPF_RANDOM) {
        g[0] = NULL;
        if (op->attr_size >= sizeof g[0]) memcpy(&g[0], attr, sizeof g[0]);
        return 1;
    }
    if (op->attr_release != reel_control_attr_release_) return 0;
    reel_control_attr a; /* they may lie within a redraw_attr, as mere bytes */
    memcpy(&a, attr, sizeof a);
    memcpy(g, a.control->generator, (size_t)a.control->n_drawn * sizeof *g);
    return a.control->n_drawn;
}

static const redraw_attr *attr_of(const void *attr, int *n)
{
    reel_generator *g[REEL_MAX_DRAWN];
    const redraw_attr *a = attr;
    *n = reel_draws_of_(a->op, a->inner, g);
    return a;
}

static void attr_retain(const void *attr)
{
    const redraw_attr *a = attr;
    if (a->op->attr_retain) a->op->attr_retain(a->inner);
}

static void attr_release(const void *attr)
{
    const redraw_attr *a = attr;
    if (a->op->attr_release) a->op->attr_release(a->inner);
}

bool reel_redraws_(const reel_op *op, const void *attr, const reel_op **inner, const void **inner_attr)
{
    const redraw_attr *a = attr;
    if (op->attr_release != attr_release) return false;
    *inner = a->op;
    *inner_attr = a->inner;
    return true;
}

static int infer(const reel_infer *io)
{
    int n;
    const redraw_attr *a = attr_of(io->attr, &n);
    reel_dtype in_dtype[REEL_MAX_IN];
    const int rc = reel_infer_(a->op, a->inner, io->in + n, NULL, io->n_in - n, in_dtype, io->out, io->n_out - n);
    for (int i = 0; i < n && !rc; i++) io->out[io->n_out - n + i] = reel_state_type_();
    return rc;
}

/* ---- the kernel ------------------------------------------------------------------------------------------ */

typedef struct redraw_plan {
    const reel_kernel *kernel;
    void *inner;
    size_t bytes;
    int n, n_in, n_out;
    reel_generator *generator[REEL_MAX_DRAWN];
    redraw_attr attr;
} redraw_plan;

static void drop(void *plan)
{
    redraw_plan *p = plan;
    if (!p->inner) return;
    if (p->kernel->drop) p->kernel->drop(p->inner);
    reel_free_(p->inner, p->bytes);
}

static int prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    redraw_plan *p = plan;
    *p = (redraw_plan){.n_in = sig->n_in, .n_out = sig->n_out};
    p->attr = *attr_of(sig->attr, &p->n);
    (void)reel_draws_of_(p->attr.op, p->attr.inner, p->generator);
    p->kernel = reel_kernel_(reel_device_(0), p->attr.op);
    if (!p->kernel) return reel_fail(REEL_EDEVICE, "%s has no kernel", p->attr.op->name);
    p->bytes = p->kernel->plan_size ? p->kernel->plan_size : 1;
    void *inner = reel_zalloc_(p->bytes);
    if (!inner) return REEL_ENOMEM;
    const reel_ksig own = {.op = p->attr.op,
                           .attr = p->attr.inner,
                           .n_in = sig->n_in - p->n,
                           .n_out = sig->n_out - p->n,
                           .in = sig->in + p->n,
                           .out = sig->out};
    const int rc = p->kernel->prepare(&own, inner, workspace);
    if (rc)
        reel_free_(inner, p->bytes);
    else
        p->inner = inner;
    return rc;
}

/* The inner kernel's pointers stand behind the states, and its outputs follow its inputs. */
static int run(const void *plan, void *const *ptr, void *work)
{
    const redraw_plan *p = plan;
    reel_random_state state[REEL_MAX_DRAWN];
    reel_ctx *c = reel_ctx_();
    reel_redirect here = {.next = c->redirect, .n = p->n, .generator = p->generator, .state = state};
    for (int i = 0; i < p->n; i++) memcpy(&state[i], ptr[i], sizeof state[i]);
    c->redirect = &here;
    const int rc = p->kernel->run(p->inner, ptr + p->n, work);
    c->redirect = here.next;
    for (int i = 0; i < p->n; i++) memcpy(ptr[p->n_in + p->n_out - p->n + i], &state[i], sizeof state[i]);
    return rc;
}

static const reel_kernel kernel = {.plan_size = sizeof(redraw_plan), .prepare = prepare, .run = run, .drop = drop};

/* ---- its gradient is that of what it repeats --------------------------------------------------------------- */

static int vjp(const reel_vjp_args *v)
{
    int n;
    const redraw_attr *a = attr_of(v->attr, &n);
    const reel_vjp_args own = {.op = a->op,
                               .attr = a->inner,
                               .site = v->site,
                               .n_in = v->n_in - n,
                               .n_out = v->n_out - n,
                               .in = v->in + n,
                               .out = v->out,
                               .dout = v->dout,
                               .need = v->need + n,
                               .din = v->din + n,
                               .sum = v->sum + n,
                               .total = v->total + n,
                               .node = v->node + n};
    return a->op->vjp(&own);
}

#define REDRAW(more, kind, how)                                                                                      \
    {                                                                                                                \
        .size = sizeof(reel_op), .id = -1, .name = "redraw", .args = "in", .n_in = -1, .n_out = -1, .flags = (more), \
        .keep = 0xffffffffu, .attr_size = sizeof(redraw_attr), .infer = infer, .grad = (kind), .vjp = (how),         \
        .attr_retain = attr_retain, .attr_release = attr_release, .kernel = &kernel                                  \
    }
static const reel_op redraw_zero = REDRAW(0, REEL_ZERO_GRAD, NULL), redraw_sub = REDRAW(REEL_OPF_SUMS, REEL_VJP, vjp);

int reel_redraw_call_(const reel_op *op, const void *attr, reel_tensor *const *in, int n_in, const reel_redraw *draws,
                      reel_tensor **out, int n_out, const char *site)
{
    reel_tensor *all[REEL_MAX_IN + REEL_MAX_DRAWN];
    redraw_attr a;
    memset(&a, 0, sizeof a);
    a.op = op;
    if (op->attr_size > sizeof a.inner || n_in + draws->n > REEL_MAX_IN || n_out + draws->n > REEL_MAX_OUT)
        return reel_fail_at_(site, REEL_ETRACE, "reel_%s: too many operands to repeat its draws", op->name);
    if (op->attr_size) memcpy(a.inner, attr, op->attr_size);
    for (int i = 0; i < draws->n; i++) all[i] = draws->state[i];
    for (int i = 0; i < n_in; i++) all[draws->n + i] = in[i];
    return reel_door_(op->flags & REEL_OPF_RANDOM ? &redraw_zero : &redraw_sub, &a, all, n_in + draws->n, out,
                      n_out + draws->n, site);
}

int reel_redraw_node_(const reel_graph *g, const reel_node *n, reel_tensor **tensors, reel_redraw *again)
{
    reel_tensor *in[REEL_MAX_IN], *out[REEL_MAX_OUT + REEL_MAX_DRAWN];
    reel_redraw own;
    int at[REEL_MAX_DRAWN];
    own.n = reel_draws_of_(n->op, reel_node_attr_(g, n), own.generator);
    for (int i = 0; i < own.n; i++) {
        at[i] = reel_generator_join_(again->generator, &again->n, own.generator[i]);
        if (at[i] < 0 || !again->state[at[i]])
            return reel_fail_at_(n->site, REEL_ETRACE, "reel_%s: where its generator stood is not known", n->op->name);
        own.state[i] = again->state[at[i]];
    }
    for (int i = 0; i < n->n_in; i++) in[i] = tensors[g->ins[n->first_in + i]];
    const int rc = reel_redraw_call_(n->op, reel_node_attr_(g, n), in, n->n_in, &own, out, n->n_out, n->site);
    for (int i = 0; i < n->n_out && !rc; i++)
        if (!tensors[n->first_out + i]) tensors[n->first_out + i] = out[i];
    for (int i = 0; i < own.n && !rc; i++) again->state[at[i]] = out[n->n_out + i];
    return rc;
}

reel_redraw reel_redraw_of_(const reel_control *c, reel_tensor *const *state)
{
    reel_redraw d = {.n = c->n_drawn};
    for (int i = 0; i < c->n_drawn; i++) {
        d.generator[i] = c->generator[i];
        d.state[i] = state[i];
    }
    return d;
}
