/* choose_body.c: steps with bodies of their own: calls, gradients, control flow. Each body is generated where it stands, in the open
   graph, from values of the types that it will be called with. */
#include <string.h>
#include "generate.h"

/* What a body's generation changes in g. */
typedef struct {
    fuzz_block *b;
    int pool[POOL], n_pool, fixed, depth, orders;
    bool assigns, draws, custom, control;
} outside;

/* Opens a body with inputs of the types of values like[0 .. n); like[i] = -1: of tensor[i]. closed: it sees nothing but those and,
   with vars, the variables. NULL: there are too many. */
static fuzz_block *open_body(fuzz_gen *g, outside *o, int n, const int *like, reel_tensor *const *tensor, bool closed,
                             bool vars)
{
    fuzz_program *p = g->p;
    if (p->n_bodies >= FUZZ_BODIES - 2 || p->n_values > FUZZ_VALUES - 60 || g->depth >= 3) return NULL;
    *o = (outside){.b = g->b,
                   .n_pool = g->n_pool,
                   .fixed = g->fixed,
                   .depth = g->depth,
                   .orders = g->orders,
                   .assigns = g->assigns,
                   .draws = g->draws,
                   .custom = g->custom,
                   .control = g->control};
    for (int i = 0; i < g->n_pool; i++) o->pool[i] = g->pool[i];
    fuzz_block *b = fuzz_new_block(p, n);
    g->b = b;
    g->depth++;
    g->assigns = false;
    if (closed) g->n_pool = 0;
    if (g->n_pool > POOL - 20) g->n_pool = POOL - 20;
    for (int i = 0; i < FUZZ_VARS && closed && vars; i++) g->pool[g->n_pool++] = p->n_in + i;
    for (int i = 0; i < n; i++) {
        p->v[b->in0 + i] = like[i] < 0 ? tensor[i] : p->v[like[i]];
        p->type[b->in0 + i] = (reel_type){reel_dtype_of(p->v[b->in0 + i]), reel_shape_of(p->v[b->in0 + i])};
        g->pool[g->n_pool++] = b->in0 + i;
    }
    g->fixed = g->n_pool;
    return b;
}

static void close_body(fuzz_gen *g, const outside *o)
{
    g->b = o->b;
    g->n_pool = o->n_pool;
    for (int i = 0; i < g->n_pool; i++) g->pool[i] = o->pool[i];
    g->fixed = o->fixed;
    g->depth = o->depth;
    g->orders = o->orders;
    g->assigns = o->assigns;
    g->draws = o->draws;
    g->custom = o->custom;
    g->control = o->control;
}

/* A step without numbers, or with n0, in g's block; its value, -1: it is refused. */
static int add(fuzz_gen *g, fuzz_kind kind, int a, int b, int64_t n0)
{
    fuzz_step s = {.kind = kind, .n_in = b < 0 ? 1 : 2, .in = {a, b < 0 ? 0 : b}, .n = {n0}};
    return fuzz_append(g, &s) ? -1 : g->b->steps[g->b->n_steps - 1].out;
}

/* The latest value that the body made of that type; made, if there is none, from its input in. */
static int of_type(fuzz_gen *g, const reel_type *t, int in)
{
    for (int i = g->n_pool - 1; i >= g->fixed; i--)
        if (same_type(type_of(g, g->pool[i]), t) && below(g, 5)) return g->pool[i];
    if (t->dtype == REEL_BOOL) return in;
    for (int i = g->n_pool - 1; i >= 0; i--)
        if (fuzz_is_float(t->dtype) && g->pool[i] != in && same_type(type_of(g, g->pool[i]), t))
            return add(g, FUZZ_mul_tanh, in, g->pool[i], 0);
    return add(g, fuzz_is_float(t->dtype) ? FUZZ_tanh : FUZZ_add_one, in, -1, 0);
}

static int float_of(fuzz_gen *g, int in)
{
    for (int i = g->n_pool - 1; i >= g->fixed; i--)
        if (fuzz_is_float(type_of(g, g->pool[i])->dtype)) return g->pool[i];
    return add(g, FUZZ_tanh, in, -1, 0);
}

/* Ends the body with what it gives. */
static bool end_body(fuzz_gen *g, const outside *o, fuzz_step *s, int which, int n_out, int y0, int y1)
{
    fuzz_block *b = g->b;
    close_body(g, o);
    b->n_out = n_out;
    b->out[0] = y0;
    b->out[1] = y1;
    s->block[which] = b;
    return y0 >= 0 && (n_out < 2 || y1 >= 0);
}

static int float_operand(fuzz_gen *g, fuzz_step *s)
{
    s->n_in = 1;
    return s->in[0] = pick_float(g);
}

/* ---- calls ---------------------------------------------------------------------------------------------- */

bool choose_body(fuzz_gen *g, fuzz_step *s)
{
    outside o;
    const int a = float_operand(g, s);
    if (a < 0 || !open_body(g, &o, 1, &a, NULL, false, true)) return false;
    fuzz_fill(g, 1 + below(g, 5));
    return end_body(g, &o, s, 0, 1, float_of(g, g->b->in0), -1);
}

/* A checkpoint refuses a gradient once its variables have been assigned; inlined in a trace it does not: it reads none. */
bool choose_closed_body(fuzz_gen *g, fuzz_step *s)
{
    outside o;
    const int a = float_operand(g, s);
    if (a < 0 || !g->checkpoints) return false;
    for (int i = 0; i < FUZZ_VARS; i++)
        if (g->p->v[a] == g->p->var[i]) return false;
    if (!open_body(g, &o, 1, &a, NULL, true, false)) return false;
    fuzz_fill(g, 1 + below(g, 5));
    return end_body(g, &o, s, 0, 1, float_of(g, g->b->in0), -1);
}

bool choose_custom_grad(fuzz_gen *g, fuzz_step *s)
{
    outside o;
    const int a = float_operand(g, s);
    if (a < 0 || !g->custom || g->control) return false; /* control flow in a trace does not know custom gradients */
    if (!open_body(g, &o, 1, &a, NULL, true, true)) return false;
    fuzz_fill(g, 1 + below(g, 4));
    const int y = of_type(g, type_of(g, a), g->b->in0);
    if (!end_body(g, &o, s, 0, 1, y, -1)) return false;
    const int like[3] = {a, a, a};
    if (!open_body(g, &o, 3, like, NULL, true, false)) return false;
    return end_body(g, &o, s, 1, 1, add(g, FUZZ_mul_tanh, g->b->in0 + 2, g->b->in0 + 1, 0), -1);
}

/* Indices that were chosen for a size: out of range elsewhere, which is an error eagerly and nothing where the result is not used. */
static bool has_indices(const fuzz_block *b)
{
    for (int i = 0; b && i < b->n_steps; i++) {
        const fuzz_kind k = b->steps[i].kind;
        if (k == FUZZ_gather || k == FUZZ_index_add || k == FUZZ_index_copy) return true;
        for (int j = 0; j < FUZZ_BLOCKS; j++)
            if (has_indices(b->steps[i].block[j])) return true;
    }
    return false;
}

static bool same_sizes(const reel_type *a, const reel_type *b)
{
    if (a->shape.rank != b->shape.rank) return false;
    return memcmp(a->shape.dims, b->shape.dims, (size_t)a->shape.rank * sizeof *a->shape.dims) == 0;
}

bool choose_call(fuzz_gen *g, fuzz_step *s)
{
    outside o;
    fuzz_program *p = g->p;
    const int a = float_operand(g, s);
    if (a < 0 || !g->custom || !known(type_of(g, a))) return false;
    if (g->control) return false;   /* it may draw, or have custom gradients */
    s->n[0] = type_of(g, a)->dtype; /* no weak number: control flow within would refuse it */
    if (p->inner) return same_sizes(type_of(g, a), type_of(g, p->inner->in0)) || !has_indices(p->inner);
    if (!open_body(g, &o, 1, &a, NULL, true, true)) return false;
    g->orders += 2; /* it may be called anywhere */
    g->custom = false;
    fuzz_fill(g, 1 + below(g, 6));
    const int y = float_of(g, g->b->in0);
    fuzz_step made = {0};
    if (!end_body(g, &o, &made, 0, 1, y, -1)) {
        fuzz_drop_block(made.block[0]);
        return false;
    }
    p->inner = made.block[0];
    p->self[p->inner->id] = (struct fuzz_self){p, p->inner};
    p->function = reel_function_new((reel_fn){fuzz_body, &p->self[p->inner->id], 1, 1, "inner"}, NULL);
    return true;
}

/* ---- gradients ------------------------------------------------------------------------------------------ */

bool choose_grad(fuzz_gen *g, fuzz_step *s)
{
    outside o;
    const int a = float_operand(g, s);
    if (a < 0 || g->orders >= 2) return false;
    if (!open_body(g, &o, 1, &a, NULL, false, true)) return false;
    g->orders++;
    if (g->control) g->draws = false;
    fuzz_fill(g, 1 + below(g, 6));
    return end_body(g, &o, s, 0, 1, float_of(g, g->b->in0), -1);
}

bool choose_train(fuzz_gen *g, fuzz_step *s)
{
    fuzz_program *p = g->p;
    const bool control = p->control, zeros = p->zeros, close = p->close;
    if (!g->assigns || g->orders > 0 || !choose_grad(g, s)) return false;
    if (!fuzz_has_control(s->block[0])) return true;
    p->control = control, p->zeros = zeros,
    p->close = close; /* the variables would have such gradients: it is dropped */
    return false;
}

/* ---- control flow --------------------------------------------------------------------------------------- */

static fuzz_block *open_control(fuzz_gen *g, outside *o, int n, const int *like, reel_tensor *const *tensor)
{
    fuzz_block *b = open_body(g, o, n, like, tensor, false, true);
    if (!b) return NULL;
    if (g->orders > 0) {
        g->draws = false;
        g->p->zeros = true;
        if (g->orders > 1) g->p->close = true;
    }
    g->control = true;
    g->p->control = true;
    return b;
}

bool choose_cond(fuzz_gen *g, fuzz_step *s)
{
    outside o;
    const int a = pick(g), b = pick_number(g);
    if (b < 0) return false;
    s->n_in = 2;
    s->in[0] = a;
    s->in[1] = b;
    s->n[0] = 8 * (below(g, 3) - 1);
    for (int i = 0; i < 2; i++) {
        if (!open_control(g, &o, 1, &a, NULL)) return false;
        fuzz_fill(g, 1 + below(g, 4));
        if (!end_body(g, &o, s, i, 1, of_type(g, type_of(g, a), g->b->in0), -1)) return false;
    }
    return true;
}

bool choose_while_count(fuzz_gen *g, fuzz_step *s)
{
    outside o;
    const int a = s->in[0] = pick_number(g), like[2] = {a, -1};
    s->n_in = 1;
    if (a < 0) return false;
    s->n[0] = below(g, 3) ? 2 + below(g, 3) : 0;
    s->n[1] = below(g, 2);
    reel_tensor *count[2] = {NULL, reel_zeros(REEL_I32, REEL_SCALAR)};
    if (!open_control(g, &o, 2, like, count)) return false;
    if (!end_body(g, &o, s, 0, 1, add(g, FUZZ_less_number, g->b->in0 + 1, -1, 8 * below(g, 4)), -1)) return false;
    if (!open_control(g, &o, 2, like, count)) return false;
    fuzz_fill(g, 1 + below(g, 4));
    const int y = of_type(g, type_of(g, a), g->b->in0);
    return end_body(g, &o, s, 1, 2, y, add(g, FUZZ_add_one, g->b->in0 + 1, -1, 0));
}

bool choose_while_data(fuzz_gen *g, fuzz_step *s)
{
    outside o;
    const int a = float_operand(g, s);
    if (a < 0 || !open_control(g, &o, 1, &a, NULL)) return false;
    if (!end_body(g, &o, s, 0, 1, add(g, FUZZ_small_sum, g->b->in0, -1, 8 * below(g, 30)), -1)) return false;
    if (!open_control(g, &o, 1, &a, NULL)) return false;
    fuzz_fill(g, 1 + below(g, 4));
    return end_body(g, &o, s, 1, 1, of_type(g, type_of(g, a), g->b->in0), -1);
}

/* A sequence of known length: its element, NULL: a has no such axis. */
static reel_tensor *element(fuzz_gen *g, int a)
{
    const reel_type *t = type_of(g, a);
    if (t->shape.rank == 0 || t->shape.dims[0] <= 0 || t->shape.dims[0] > 8) return NULL;
    return reel_select(g->p->v[a], 0, 0);
}

bool choose_scan(fuzz_gen *g, fuzz_step *s)
{
    outside o;
    const int a = pick_number(g), b = pick(g), like[2] = {a, -1};
    s->n_in = 2;
    s->in[0] = a;
    s->in[1] = b;
    if (a < 0) return false;
    reel_tensor *x[2] = {NULL, element(g, b)};
    if (!x[1] || !open_control(g, &o, 2, like, x)) return false;
    fuzz_fill(g, 1 + below(g, 4));
    const int y = of_type(g, type_of(g, a), g->b->in0);
    return end_body(g, &o, s, 0, 2, y, g->pool[g->n_pool - 1 - below(g, 2)]);
}

bool choose_map(fuzz_gen *g, fuzz_step *s)
{
    outside o;
    const int a = s->in[0] = pick(g), like = -1;
    s->n_in = 1;
    reel_tensor *x[1] = {element(g, a)};
    if (!x[0] || !open_control(g, &o, 1, &like, x)) return false;
    fuzz_fill(g, 1 + below(g, 4));
    return end_body(g, &o, s, 0, 1, g->pool[g->n_pool - 1], -1);
}
