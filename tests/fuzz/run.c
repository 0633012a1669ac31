/* run.c: programs as data, and their interpreter. */
#include "fuzz.h"
#include <stdlib.h>
#include "trace/trace.h"

/* [n] of i64 in [0, bound); the same as text, for printed programs */
static reel_tensor *indices(int64_t n, int factor, int64_t bound)
{
    reel_tensor *i = reel_arange(REEL_I64, 0, (double)n, 1);
    i = reel_add(reel_mul(i, reel_num(factor + 1)), reel_num(factor));
    return reel_remainder(i, reel_full(REEL_I64, REEL_SCALAR, (double)bound));
}
const char fuzz_helpers[] = "/* [n] of i64 in [0, bound) */\n"
                            "static inline reel_tensor *indices(int64_t n, int factor, int64_t bound)\n"
                            "{\n"
                            "    reel_tensor *i = reel_arange(REEL_I64, 0, (double)n, 1);\n"
                            "    i = reel_add(reel_mul(i, reel_num(factor + 1)), reel_num(factor));\n"
                            "    return reel_remainder(i, reel_full(REEL_I64, REEL_SCALAR, (double)bound));\n"
                            "}\n";

/* ---- programs ------------------------------------------------------------------------------------------ */

const struct fuzz_kind_info fuzz_kinds[FUZZ_N_KINDS] = {
#define STEP(name, weight, n_out, n_blocks, chooser, ...) {#name, #__VA_ARGS__, weight, n_out, n_blocks},
#include "steps.def"
#undef STEP
};

const reel_type fuzz_var_type[FUZZ_VARS] = {{REEL_F32, {1, {3}}}, {REEL_F64, {2, {2, 3}}}, {REEL_F16, {0}}};

bool fuzz_is_float(reel_dtype d)
{
    return d >= REEL_F32 && d <= REEL_BF16;
}

fuzz_program *fuzz_new(void)
{
    fuzz_program *p = calloc(1, sizeof *p);
    if (!p) abort();
    return p;
}

fuzz_block *fuzz_new_block(fuzz_program *p, int n_in)
{
    fuzz_block *b = calloc(1, sizeof *b);
    if (!b || p->n_bodies >= FUZZ_BODIES) abort();
    *b = (fuzz_block){.id = p->n_bodies++, .n_in = n_in, .in0 = p->n_values};
    p->n_values += n_in;
    return b;
}

fuzz_step *fuzz_add_step(fuzz_block *b, const fuzz_step *s)
{
    if (b->n_steps == b->room) {
        b->room = b->room ? 2 * b->room : 8;
        b->steps = realloc(b->steps, (size_t)b->room * sizeof *b->steps);
        if (!b->steps) abort();
    }
    b->steps[b->n_steps] = *s;
    return &b->steps[b->n_steps++];
}

static fuzz_block *copy_block(const fuzz_block *b)
{
    if (!b) return NULL;
    fuzz_block *c = malloc(sizeof *c);
    if (!c) abort();
    *c = *b;
    c->steps = NULL;
    c->n_steps = c->room = 0;
    for (int i = 0; i < b->n_steps; i++) {
        fuzz_step *s = fuzz_add_step(c, &b->steps[i]);
        for (int k = 0; k < FUZZ_BLOCKS; k++) s->block[k] = copy_block(s->block[k]);
    }
    return c;
}

fuzz_program *fuzz_copy(const fuzz_program *p)
{
    fuzz_program *c = fuzz_new();
    *c = *p;
    c->setup = copy_block(p->setup);
    c->body = copy_block(p->body);
    c->inner = copy_block(p->inner);
    return c;
}

static void free_block(fuzz_block *b)
{
    if (!b) return;
    for (int i = 0; i < b->n_steps; i++)
        for (int k = 0; k < FUZZ_BLOCKS; k++) free_block(b->steps[i].block[k]);
    free(b->steps);
    free(b);
}

void fuzz_free(fuzz_program *p)
{
    if (!p) return;
    free_block(p->setup);
    free_block(p->body);
    free_block(p->inner);
    free(p);
}

int fuzz_count(const fuzz_block *b)
{
    int n = b->n_steps;
    for (int i = 0; i < b->n_steps; i++)
        for (int k = 0; k < FUZZ_BLOCKS; k++)
            if (b->steps[i].block[k]) n += fuzz_count(b->steps[i].block[k]);
    return n;
}

/* ---- running -------------------------------------------------------------------------------------------- */

static reel_shape shape_at(const fuzz_step *s, int i)
{
    reel_shape r = {.rank = (int)s->n[i]};
    for (int k = 0; k < r.rank; k++) r.dims[k] = s->n[i + 1 + k];
    return r;
}

static reel_axes axes_at(const fuzz_step *s, int i)
{
    reel_axes r = {.n = (int)s->n[i]};
    for (int k = 0; k < r.n; k++) r.axis[k] = (int)s->n[i + 1 + k];
    return r;
}

typedef struct {
    reel_range r[REEL_MAX_RANK];
} ranges;
static ranges ranges_at(const fuzz_step *s, int i)
{
    ranges r = {0};
    for (int k = 0; k < (int)s->n[i]; k++)
        r.r[k] = (reel_range){s->n[i + 1 + 3 * k], s->n[i + 2 + 3 * k], s->n[i + 3 + 3 * k]};
    return r;
}

#define A (p->v[s->in[0]])
#define B (p->v[s->in[1]])
#define C (p->v[s->in[2]])
#define Y (p->v[s->out])
#define Y1 (p->v[s->out + 1])
#define Y2 (p->v[s->out + 2])
#define N(i) ((int)s->n[i])
#define L(i) (s->n[i])
#define Q(i) ((double)s->n[i] / 8)
#define D(i) ((reel_dtype)s->n[i])
#define SHAPE(i) (shape_at(s, i))
#define AXES(i) (axes_at(s, i))
#define RANGES(i) ((int)s->n[i]), (ranges_at(s, i).r)
#define GEN(i) (s->n[i] ? p->generator : NULL)
#define VAR(i) (p->v[p->n_in + (i)])
#define FUNCTION(i) (p->function)
#define OPTIMIZER(i) (p->optimizer)
#define BODY(i) (fuzz_body)
#define SELF(i) (&p->self[s->block[i]->id])
#define FN(i) (fn_of(p, s->block[i]))

static reel_fn fn_of(fuzz_program *p, const fuzz_block *b)
{
    return (reel_fn){fuzz_body, &p->self[b->id], b->n_in, b->n_out, "body"};
}

#define STEP(name, weight, n_out, n_blocks, chooser, ...)       \
    static void run_##name(fuzz_program *p, const fuzz_step *s) \
    {                                                           \
        (void)p;                                                \
        __VA_ARGS__                                             \
    }
#include "steps.def"
#undef STEP

typedef void run_step(fuzz_program *p, const fuzz_step *s);
static run_step *const runs[FUZZ_N_KINDS] = {
#define STEP(name, ...) run_##name,
#include "steps.def"
#undef STEP
};
#undef A
#undef B
#undef C
#undef D
#undef L
#undef N
#undef Q
#undef Y

/* Each element times a number near 1: a few units in its last place. No variable, no number without a dtype, nothing in a trace. */
static reel_tensor *jittered(const fuzz_program *p, int value, reel_tensor *t)
{
    const reel_dtype d = t ? reel_dtype_of(t) : REEL_BOOL;
    if (!fuzz_is_float(d) || reel_capture_now_() || reel_rec_of_(t)->flags & (REEL_R_CELL | REEL_R_NUM)) return t;
    const double by = d == REEL_F64 ? 0x1p-48 : d == REEL_F32 ? 0x1p-20 : d == REEL_F16 ? 0x1p-9 : 0x1p-6;
    reel_generator *g = reel_generator_new((uint64_t)p->jitter * 1000003u + (uint64_t)value);
    reel_tensor *y = reel_mul(t, reel_uniform(d, reel_shape_of(t), 1 - by, 1 + by, g));
    reel_generator_free(g);
    return y;
}

int fuzz_run_step(fuzz_program *p, const fuzz_step *s)
{
    for (int k = 0; k < FUZZ_BLOCKS; k++)
        if (s->block[k]) p->self[s->block[k]->id] = (struct fuzz_self){p, s->block[k]};
    for (int i = 0; i < s->n_out; i++) p->v[s->out + i] = NULL;
    runs[s->kind](p, s);
    for (int i = 0; i < s->n_out && p->jitter && reel_status() == 0; i++)
        p->v[s->out + i] = jittered(p, s->out + i, p->v[s->out + i]);
    return reel_status();
}

/* The body of any block: of the program, of a step. */
int fuzz_body(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    const struct fuzz_self *f = self;
    fuzz_program *p = f->p;
    const fuzz_block *b = f->block;
    for (int i = 0; i < b->n_in; i++) p->v[b->in0 + i] = in[i];
    for (int i = 0; i < b->n_steps; i++)
        if (fuzz_run_step(p, &b->steps[i])) return reel_status();
    for (int i = 0; i < b->n_out; i++) out[i] = p->v[b->out[i]];
    return reel_status();
}

static int whole(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    fuzz_program *p = self;
    reel_tensor *x[FUZZ_INPUTS];
    for (int i = 0; i < FUZZ_VARS; i++) p->v[p->n_in + i] = p->var[i];
    for (int i = 0; i < p->n_in; i++) x[i] = p->jitter ? jittered(p, i, in[i]) : in[i];
    return fuzz_body(&p->self[p->body->id], x, out);
}

/* The same, and the gradients of what it gives: a training step's shape. */
static int with_gradients(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    fuzz_program *p = self;
    reel_tensor *xs[FUZZ_INPUTS + FUZZ_VARS];
    reel_tape *t = reel_tape_begin(NULL);
    int n = 0;
    for (int i = 0; i < p->n_in; i++)
        if (fuzz_is_float(reel_dtype_of(in[i]))) xs[n++] = in[i];
    (void)reel_watch(t, (reel_list){n, xs});
    if (whole(p, in, out)) return reel_status();
    reel_tensor *y = reel_zeros(REEL_F64, REEL_SCALAR);
    for (int i = 0; i < p->body->n_out; i++)
        if (fuzz_is_float(reel_dtype_of(out[i]))) y = reel_add(y, reel_sum(reel_cast(out[i], REEL_F64)));
    for (int i = 0; i < FUZZ_VARS; i++) xs[n++] = p->var[i];
    return reel_grad(t, y, (reel_list){n, xs}, out + p->body->n_out);
}

int fuzz_n_results(const fuzz_program *p)
{
    int n = p->body->n_out;
    for (int i = 0; i < p->n_in && p->grads; i++) n += fuzz_is_float(p->type[i].dtype);
    return p->grads ? n + FUZZ_VARS : n;
}

reel_fn fuzz_fn(fuzz_program *p)
{
    return (reel_fn){p->grads ? with_gradients : whole, p, p->n_in, fuzz_n_results(p), "program"};
}

/* ---- around it ------------------------------------------------------------------------------------------ */

bool fuzz_open(fuzz_program *p)
{
    (void)reel_seed(p->seed);
    p->generator = reel_generator_new(p->seed);
    p->vars = reel_vars_new("v");
    p->self[p->body->id] = (struct fuzz_self){p, p->body};
    for (int i = 0; i < FUZZ_VARS; i++) {
        const char name[] = {(char)('a' + i), 0};
        p->init[i] = reel_normal(fuzz_var_type[i].dtype, fuzz_var_type[i].shape, 0, 1, NULL);
        p->var[i] = reel_var(p->vars, name, p->init[i]);
    }
    p->optimizer = reel_sgd(p->vars, NULL);
    for (int i = 0; i < p->setup->n_steps && reel_status() == 0; i++) (void)fuzz_run_step(p, &p->setup->steps[i]);
    for (int i = 0; i < p->n_in; i++) p->in[i] = p->v[i];
    p->function = NULL;
    if (p->inner) {
        p->self[p->inner->id] = (struct fuzz_self){p, p->inner};
        p->function = reel_function_new(fn_of(p, p->inner), NULL);
    }
    return reel_status() == 0;
}

void fuzz_close(fuzz_program *p)
{
    reel_function_free(p->function);
    reel_optimizer_free(p->optimizer);
    reel_vars_free(p->vars);
    reel_generator_free(p->generator);
    p->function = NULL;
    p->optimizer = NULL;
    p->vars = NULL;
    p->generator = NULL;
}

void fuzz_reset(fuzz_program *p)
{
    (void)reel_seed(p->seed);
    (void)reel_generator_seed(p->generator, p->seed + 1);
    for (int i = 0; i < FUZZ_VARS; i++)
        (void)reel_assign(p->var[i], p->jitter ? jittered(p, p->n_in + i, p->init[i]) : p->init[i]);
}
