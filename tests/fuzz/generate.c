/* generate.c: random programs. A program is written while it is being traced into a graph of placeholders, so types are known, nothing
   is computed, and a step that is not possible is an error that drops it. */
#include "generate.h"
#include <stdlib.h>

uint64_t fuzz_next(uint64_t *s)
{
    uint64_t z = *s += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

int fuzz_below(uint64_t *s, int n)
{
    return (int)(fuzz_next(s) % (uint64_t)n);
}

void fuzz_drop_block(fuzz_block *b)
{
    if (!b) return;
    for (int i = 0; i < b->n_steps; i++)
        for (int k = 0; k < FUZZ_BLOCKS; k++) fuzz_drop_block(b->steps[i].block[k]);
    free(b->steps);
    free(b);
}

void fuzz_push(fuzz_gen *g, int value)
{
    const int at = g->n_pool < POOL ? g->n_pool++ : g->fixed + below(g, POOL - g->fixed);
    g->pool[at] = value;
}

bool fuzz_has_control(const fuzz_block *b)
{
    for (int i = 0; b && i < b->n_steps; i++) {
        const fuzz_kind k = b->steps[i].kind;
        if (k == FUZZ_cond || k == FUZZ_while_count || k == FUZZ_while_data || k == FUZZ_scan || k == FUZZ_map)
            return true;
        for (int j = 0; j < FUZZ_BLOCKS; j++)
            if (fuzz_has_control(b->steps[i].block[j])) return true;
    }
    return false;
}

/* Where a branch or loop leaves something unused, eagerly it has no gradient and in a trace one of zeros, perhaps -0, or NaN where the
   derivative is infinite. Only results can be compared with that in mind: other steps would make anything of it. */
static bool differentiates_control(const fuzz_step *s)
{
    const fuzz_kind k = s->kind;
    return (k == FUZZ_grad || k == FUZZ_vjp || k == FUZZ_grad_persistent || k == FUZZ_grad_scoped) &&
           fuzz_has_control(s->block[0]);
}

static void offer(fuzz_gen *g, const fuzz_step *s)
{
    const bool apart = differentiates_control(s);
    for (int i = 0; i < s->n_out; i++) {
        if (g->p->type[s->out + i].shape.rank < 0) continue;
        if (!apart)
            fuzz_push(g, s->out + i);
        else if (g->depth == 0 && g->n_apart < (int)(sizeof g->apart / sizeof *g->apart))
            g->apart[g->n_apart++] = s->out + i;
    }
}

/* The types of what it made; false: none of it is of use. */
static bool note_types(fuzz_program *p, const fuzz_step *s)
{
    bool some = false;
    for (int i = 0; i < s->n_out; i++) {
        reel_type *t = &p->type[s->out + i];
        reel_tensor *y = p->v[s->out + i];
        *t = (reel_type){.shape.rank = -1};
        if (!y) continue;
        *t = (reel_type){reel_dtype_of(y), reel_shape_of(y)};
        if (count_of(t) > FUZZ_ELEMENTS) t->shape.rank = -1;
        some = some || t->shape.rank >= 0;
    }
    return some;
}

int fuzz_append(fuzz_gen *g, fuzz_step *s)
{
    fuzz_program *p = g->p;
    s->n_out = fuzz_kinds[s->kind].n_out;
    s->out = p->n_values;
    if (p->n_values + s->n_out > FUZZ_VALUES) return REEL_EARG;
    int code = fuzz_run_step(p, s);
    if (!code && !note_types(p, s)) code = REEL_ESHAPE;
    if (code) {
        (void)reel_take_error(NULL);
        return code;
    }
    p->n_values += s->n_out;
    (void)fuzz_add_step(g->b, s);
    offer(g, s);
    return 0;
}

static int total_weight(void)
{
    int sum = 0;
    for (int i = 0; i < FUZZ_N_KINDS; i++) sum += fuzz_kinds[i].weight;
    return sum;
}

static bool try_step(fuzz_gen *g)
{
    fuzz_program *p = g->p;
    const int n_values = p->n_values, n_bodies = p->n_bodies;
    const fuzz_block *inner = p->inner;
    int at = below(g, total_weight());
    fuzz_step s = {0};
    while (at >= fuzz_kinds[s.kind].weight) at -= fuzz_kinds[s.kind++].weight;
    bool ok = fuzz_choosers[s.kind](g, &s);
    if (reel_status()) ok = false;
    (void)reel_take_error(NULL);
    if (ok && fuzz_append(g, &s) == 0) return true;
    for (int k = 0; k < FUZZ_BLOCKS; k++) fuzz_drop_block(s.block[k]);
    if (p->inner == inner) { /* otherwise those of the function are in use */
        p->n_values = n_values;
        p->n_bodies = n_bodies;
    }
    return false;
}

void fuzz_fill(fuzz_gen *g, int n)
{
    for (int tries = 0; n > 0 && tries < 400 && g->p->n_values < FUZZ_VALUES - 20; tries++) n -= try_step(g);
}

/* ---- inputs ---------------------------------------------------------------------------------------------- */

static int64_t some_dim(uint64_t *s)
{
    static const int64_t dims[] = {1, 1, 2, 2, 3, 3, 3, 4, 5, 8, 17, 0};
    return dims[fuzz_below(s, fuzz_below(s, 4) ? 11 : 12)];
}

static fuzz_step input(uint64_t *rng, int i, bool batch)
{
    static const reel_dtype dtypes[] = {REEL_F32,  REEL_F32, REEL_F32, REEL_F32, REEL_F64, REEL_F64, REEL_F16,
                                        REEL_BF16, REEL_I8,  REEL_U8,  REEL_I32, REEL_I64, REEL_BOOL};
    fuzz_step s = {.kind = FUZZ_input, .n_out = 1, .out = i};
    const bool unknown = batch && i == 0;
    s.n[0] = unknown || i == 0 ? REEL_F32 : dtypes[fuzz_below(rng, 13)];
    s.n[1] = unknown ? 1 + fuzz_below(rng, 3) : fuzz_below(rng, 5);
    int64_t count = 1;
    for (int k = 0; k < s.n[1]; k++) {
        s.n[2 + k] = unknown && k == 0 ? 3 : some_dim(rng);
        count *= s.n[2 + k] ? s.n[2 + k] : 1;
        if (count > FUZZ_ELEMENTS / 7) s.n[2 + k] = 1, count /= 17;
    }
    const int look = fuzz_below(rng, 3);
    if (unknown) return s;
    if (look == 0 && s.n[1] >= 2) s.kind = FUZZ_input_columns;
    if (look == 1 && s.n[1] >= 1) s.kind = FUZZ_input_reversed;
    return s;
}

static bool as_graph(fuzz_program *p)
{
    REEL_SCOPED;
    reel_graph *graph = reel_graph_begin();
    reel_tensor *in[FUZZ_INPUTS], *out[FUZZ_ALL_RESULTS] = {NULL};
    const reel_fn f = fuzz_fn(p);
    for (int i = 0; i < p->n_in; i++) {
        const char name[] = {'i', (char)('0' + i), 0};
        in[i] = reel_placeholder(p->type[i].dtype, p->type[i].shape, name);
    }
    (void)f.body(f.self, in, out);
    (void)reel_graph_end(graph);
    reel_graph_free(graph);
    return reel_take_error(NULL) == 0;
}

/* ---- a program ------------------------------------------------------------------------------------------- */

static void write_body(fuzz_gen *g, int steps)
{
    REEL_SCOPED;
    fuzz_program *p = g->p;
    reel_graph *graph = reel_graph_begin();
    for (int i = 0; i < p->n_in; i++) {
        const char name[] = {'i', (char)('0' + i), 0};
        p->v[i] = reel_placeholder(p->type[i].dtype, p->type[i].shape, name);
        g->pool[g->n_pool++] = i;
    }
    for (int i = 0; i < FUZZ_VARS; i++) {
        p->v[p->n_in + i] = p->var[i];
        p->type[p->n_in + i] = fuzz_var_type[i];
        g->pool[g->n_pool++] = p->n_in + i;
    }
    g->fixed = g->n_pool;
    fuzz_fill(g, 1);
    while (fuzz_count(p->body) < steps) {
        const int before = p->n_values;
        fuzz_fill(g, 1);
        if (p->n_values == before) break;
    }
    p->body->n_out = FUZZ_RESULTS;
    for (int i = 0; i < FUZZ_RESULTS; i++)
        p->body->out[i] = i < 2 ? g->pool[g->n_pool - 1 - i] : g->pool[below(g, g->n_pool)];
    for (int i = 0; i < g->n_apart; i++) p->body->out[FUZZ_RESULTS - 1 - i] = g->apart[i];
    (void)reel_take_error(NULL);
    (void)reel_graph_end(graph);
    reel_graph_free(graph);
    (void)reel_take_error(NULL);
}

fuzz_program *fuzz_generate(uint64_t seed)
{
    REEL_SCOPED;
    fuzz_program *p = fuzz_new();
    fuzz_gen g = {.p = p, .rng = seed * 7919 + 1, .draws = true};
    const int steps = 5 + below(&g, 56);
    p->seed = seed;
    p->n_in = 1 + below(&g, FUZZ_INPUTS);
    p->batch = below(&g, 3) == 0;
    p->grads = below(&g, 2);
    p->custom = g.custom = below(&g, 2);
    g.assigns = below(&g, 5) > 1;
    g.checkpoints = p->custom && !g.assigns;
    g.orders = p->grads;
    p->body = g.b = fuzz_new_block(p, p->n_in);
    p->n_values += FUZZ_VARS;
    p->setup = fuzz_new_block(p, 0);
    for (int i = 0; i < p->n_in; i++) {
        const fuzz_step s = input(&g.rng, i, p->batch);
        p->type[i] = (reel_type){(reel_dtype)s.n[0], {.rank = (int)s.n[1]}};
        for (int k = 0; k < s.n[1]; k++) p->type[i].shape.dims[k] = s.n[2 + k];
        if (p->batch && i == 0) p->type[i].shape.dims[0] = REEL_ANY;
        (void)fuzz_add_step(p->setup, &s);
    }
    bool ok = fuzz_open(p);
    if (ok) {
        write_body(&g, steps);
        ok = as_graph(p);
        if (!ok && p->grads) {
            p->grads = false;
            ok = as_graph(p);
        }
    }
    (void)reel_take_error(NULL);
    fuzz_close(p);
    if (ok) return p;
    fuzz_free(p);
    return NULL;
}
