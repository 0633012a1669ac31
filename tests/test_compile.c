/* test_compile.c: plans compiled from printed C give the interpreter's bits: every elementwise op of every dtype, casts from
   each to each, what groups can look like, random chains. Many plans are one text for the compiler here, which is as groups of one
   plan are. NaN of any sign and payload is one: nobody promises those. */
#include <stdlib.h>
#include <unistd.h>
#include "core/dtype.h"
#include "kernels/cpu_table.h"
#include "kernels/kernels.h"
#include "ops/attrs.h"
#include "ops/ids.h"
#include "reel/reel.h"
#include "trace/compile.h"
#include "trace/session.h"
#include "trace_help.h"

enum { MAX_OUT = 64, MAX_PROGRAMS = 400 };
static bool whole; /* REEL_WHOLE=1: all dtypes of everything, which takes compilers a minute */

/* ---- programs: a session, what it is fed, what the interpreter made of it ---------------------------------- */

typedef struct program {
    char name[64];
    reel_graph *g;
    reel_session *s;
    reel_tensor *in[4];
    int n_in, n_out;
    void *want[MAX_OUT];
    size_t bytes[MAX_OUT];
    reel_dtype dtype[MAX_OUT];
} program;
static program programs[MAX_PROGRAMS];
static int n_programs;

static const char *const in_name[4] = {"x", "y", "z", "m"};
static char out_name[MAX_OUT][8];

static void canonical(void *data, size_t bytes, reel_dtype d)
{
    float f;
    double g;
    uint16_t h;
    char *p = data;
    for (size_t at = 0; at < bytes; at += reel_dtype_size(d)) {
        if (d == REEL_F32) {
            memcpy(&f, p + at, sizeof f);
            if (f != f) memset(p + at, 0x7f, sizeof f);
        } else if (d == REEL_F64) {
            memcpy(&g, p + at, sizeof g);
            if (g != g) memset(p + at, 0x7f, sizeof g);
        } else if (d == REEL_F16 || d == REEL_BF16) {
            memcpy(&h, p + at, sizeof h);
            f = d == REEL_F16 ? reel_f16_to_f32_(h) : reel_bf16_to_f32_(h);
            if (f != f) memset(p + at, 0x7f, sizeof h);
        }
    }
}

/* A run: into want, or compared with it. */
static bool run(program *p, bool compare)
{
    REEL_SCOPED;
    reel_feed feed[4];
    reel_tensor *out[MAX_OUT] = {NULL};
    const char *names[MAX_OUT];
    for (int i = 0; i < p->n_in; i++) feed[i] = (reel_feed){in_name[i], p->in[i]};
    for (int i = 0; i < p->n_out; i++) names[i] = out_name[i];
    if (reel_session_run(p->s, (reel_feeds){p->n_in, feed}, (reel_names){p->n_out, names}, out)) return false;
    bool same = true;
    for (int i = 0; i < p->n_out; i++) {
        const size_t bytes = (size_t)reel_shape_count(reel_shape_of(out[i])) * reel_dtype_size(reel_dtype_of(out[i]));
        char *data = malloc(bytes + 1);
        if (!data || reel_read(out[i], data, bytes)) return false;
        p->dtype[i] = reel_dtype_of(out[i]);
        canonical(data, bytes, p->dtype[i]);
        if (compare) {
            const bool ok = bytes == p->bytes[i] && !memcmp(data, p->want[i], bytes);
            if (!ok) TAP_NOTE("%s: output %d, %s, differs", p->name, i, reel_dtype_name(p->dtype[i]));
            same = same && ok;
            free(data);
        } else {
            p->want[i] = data;
            p->bytes[i] = bytes;
        }
    }
    return same;
}

static program *begin(const char *name)
{
    program *p = &programs[n_programs];
    *p = (program){0};
    snprintf(p->name, sizeof p->name, "%s", name);
    p->g = reel_graph_begin();
    return p;
}

/* What is fed as input i: a placeholder like it. */
static reel_tensor *given(program *p, reel_tensor *value)
{
    p->in[p->n_in] = reel_retain(value);
    p->n_in++;
    return reel_placeholder(reel_dtype_of(value), reel_shape_of(value), in_name[p->n_in - 1]);
}

static void fetch(program *p, reel_tensor *t)
{
    if (p->n_out < MAX_OUT) reel_output(out_name[p->n_out++], t);
}

static bool end(program *p)
{
    if (reel_graph_end(p->g)) return false;
    p->s = reel_session_new(p->g, NULL);
    if (!p->s || !run(p, false)) return false;
    n_programs++;
    return true;
}

/* All programs since the last time, as one text; `left` of their steps go better as they are. */
static void compile_all_but(const char *what, int left)
{
    reel_player *players[MAX_PROGRAMS];
    reel_plan *plans[MAX_PROGRAMS];
    int steps = 0, fused = 0, bad = 0, functions = 0;
    double ms = 0;
    reel_error e;
    if (!TAP_OK(reel_take_error(&e) == 0, "%s: %d programs", what, n_programs)) TAP_NOTE("%s", e.text);
    for (int i = 0; i < n_programs; i++) {
        players[i] = &programs[i].s->player;
        plans[i] = players[i]->plans;
    }
    reel_compile_together_(players, plans, n_programs, NULL);
    for (int i = 0; i < n_programs; i++) {
        const reel_compiled *c = plans[i]->compiled;
        fused += plans[i]->n_groups;
        if (!c) continue;
        if (*c->why_not.text && !bad++) TAP_NOTE("%s", c->why_not.text);
        if (left && c->steps < plans[i]->n_groups)
            TAP_NOTE("%s: %d steps of %d", programs[i].name, c->steps, plans[i]->n_groups);
        steps += c->steps;
        functions = c->functions;
        ms = c->ms;
    }
    TAP_OK(!bad && steps == fused - left && steps > 0, "%s: %d steps of %d, %d functions", what, steps, fused,
           functions);
    TAP_NOTE("%s: compiled in %.0f ms", what, ms);
    for (int threads = 1; threads <= 2; threads++) {
        reel_set_threads(threads);
        for (int i = 0; i < n_programs; i++) bad += !run(&programs[i], true);
    }
    if (!TAP_OK(reel_take_error(&e) == 0 && !bad, "%s: the interpreter's bits", what)) TAP_NOTE("%s", e.text);
    for (int i = 0; i < n_programs; i++) {
        program *p = &programs[i];
        reel_session_free(p->s);
        reel_graph_free(p->g);
        for (int k = 0; k < p->n_in; k++) reel_release(p->in[k]);
        for (int k = 0; k < p->n_out; k++) free(p->want[k]);
    }
    n_programs = 0;
}

static void compile_all(const char *what)
{
    compile_all_but(what, 0);
}

/* ---- numbers ------------------------------------------------------------------------------------------------- */

static uint64_t state = 88172645463325252u;
static uint64_t next(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

/* Special values, small ones, any bits. */
static reel_tensor *numbers(reel_dtype d, int n)
{
    static const double special[] = {0,    -0.0,  1,      -1,     0.5,   -2.5, INFINITY, -INFINITY, NAN,  1e-40,
                                     1e30, -1e30, 5e-324, 65504,  -1e-8, 3,    127,      -128,      255,  2147483648.0,
                                     9e18, -9e18, 100,    709.78, 1e5,   7,    2,        -3,        1.5e6};
    enum { N_SPECIAL = sizeof special / sizeof *special };
    const size_t size = reel_dtype_size(d);
    char *data = malloc((size_t)n * size + 8);
    for (int i = 0; i < n; i++) {
        const uint64_t bits = next();
        double v = (double)((int64_t)bits % 2000) / 250;
        if (bits >> 61 == 0) v = special[next() % N_SPECIAL];
        if (d == REEL_BOOL)
            data[i] = (char)(bits >> 40 & 1);
        else if (bits >> 61 == 1)
            memcpy(data + (size_t)i * size, &bits, size);
        else
            reel_convert_(data + (size_t)i * size, d, 1, &v, REEL_F64, 1, 1);
    }
    reel_tensor *t = reel_from((reel_type){d, REEL_SHAPE(n)}, data, (size_t)n * size);
    free(data);
    return t;
}

/* ---- every op of every dtype ------------------------------------------------------------------------------------- */

static reel_tensor *apply(int op, reel_tensor *const *in, double first)
{
    const reel_attr_scalars a = {{first, 3, 2, 4}};
    reel_tensor *in_list[3] = {in[0], in[1], in[2]}, *out[1] = {NULL};
    reel_door_(&reel_rows_[op], reel_rows_[op].attr_size ? &a : NULL, in_list, reel_rows_[op].n_in, out, 1, REEL_HERE);
    return out[0];
}

/* Behind each op something that all dtypes have, so that there is a group. */
static void one_op(int op, reel_dtype d, bool again)
{
    reel_tensor *in[3], *fed[3];
    for (int k = 0; k < 3; k++) fed[k] = numbers(d, 1100);
    program *p = begin(reel_rows_[op].name);
    for (int k = 0; k < 3; k++) in[k] = k < reel_rows_[op].n_in ? given(p, fed[k]) : NULL;
    reel_tensor *y = apply(op, in, 1);
    fetch(p, y);
    fetch(p, reel_not_equal(y, y));
    if (again) fetch(p, reel_equal(apply(op, in, 2), y));
    if (!end(p)) TAP_NOTE("%s of %s does not run", reel_rows_[op].name, reel_dtype_name(d));
}

static void every_op(reel_dtype d)
{
    REEL_SCOPED;
    char what[32];
    for (int op = 0; op < REEL_N_OPS; op++) {
        if (reel_cpu_device_.kernels[op] != &reel_k_elementwise_) continue;
        if (!(reel_rows_[op].dtypes >> (unsigned)d & 1u)) continue;
        one_op(op, d, reel_rows_[op].attr_size > 0);
    }
    snprintf(what, sizeof what, "every op of %s", reel_dtype_name(d));
    compile_all(what);
}

static void test_floats(void)
{
    every_op(REEL_F32);
    if (whole) every_op(REEL_F64);
}
static void test_halves(void)
{
    if (!whole) return; /* casts, forms and chains have halves, and formulas are those of f32 */
    every_op(REEL_F16);
    every_op(REEL_BF16);
}
static void test_integers(void)
{
    static const reel_dtype all[] = {REEL_I8, REEL_I64, REEL_BOOL, REEL_U8, REEL_I32};
    for (int i = 0; i < (whole ? 5 : 3); i++) every_op(all[i]);
}

static void test_casts(void)
{
    REEL_SCOPED;
    for (reel_dtype from = REEL_F32; from < REEL_N_DTYPES; from++) {
        reel_tensor *a = numbers(from, 2000), *b = numbers(from, 2000);
        program *p = begin(reel_dtype_name(from));
        reel_tensor *x = given(p, a), *y = given(p, b);
        reel_tensor *w = reel_where(reel_not_equal(x, y), x, y);
        for (reel_dtype to = REEL_F32; to < REEL_N_DTYPES; to++) {
            if (to == from) continue;
            reel_tensor *c = reel_cast(w, to);
            fetch(p, c);
            fetch(p, reel_logical_not(c));
        }
        fetch(p, w);
        (void)end(p);
    }
    compile_all("casts from each to each");
}

/* ---- forms --------------------------------------------------------------------------------------------------------- */

static void form(const char *name, reel_tensor *a, reel_tensor *b, reel_tensor *c)
{
    program *p = begin(name);
    reel_tensor *x = given(p, a), *y = given(p, b), *z = given(p, c);
    const reel_dtype d = reel_dtype_of(a);
    reel_tensor *t = reel_mul(reel_add(reel_add(x, y), z), reel_num(0.3));
    reel_tensor *m = reel_logical_or(reel_less(t, reel_num(0)), reel_greater(x, y));
    reel_tensor *w = reel_where(m, reel_sub(t, z), reel_maximum(x, reel_num(0.25)));
    fetch(p, reel_cast(reel_cast(w, REEL_I32), d));
    fetch(p, m);
    fetch(p, reel_sin(w)); /* near or far: a loop of its own */
    fetch(p, reel_mul(reel_cos(reel_mul(w, reel_num(1e6))), reel_exp(reel_neg(reel_abs(w)))));
    fetch(p, reel_fmod(w, reel_add(reel_abs(y), reel_num(1))));         /* one element at a time */
    fetch(p, reel_cast(reel_cast(reel_add(w, w), REEL_F64), REEL_F16)); /* and by the library */
    if (!end(p)) TAP_NOTE("%s does not run", name);
}

static reel_tensor *small(reel_dtype d, reel_shape s)
{
    return reel_cast(reel_normal(REEL_F32, s, 0.2, 2, NULL), d);
}

static void test_forms(void)
{
    REEL_SCOPED;
    static const reel_dtype dtypes[] = {REEL_F32, REEL_F64, REEL_F16, REEL_BF16};
    static const int64_t sizes[] = {0, 1, 3, 511, 512, 513, 70000};
    (void)reel_seed(7);
    for (int k = 0; k < (whole ? 4 : 3); k++) {
        const reel_dtype d = dtypes[k];
        for (int i = 0; i < 7; i++) { /* all of them are one function */
            const reel_shape s = REEL_SHAPE(sizes[i]);
            form("dense", small(d, s), small(d, s), small(d, s));
        }
        const reel_shape m = REEL_SHAPE(37, 61);
        reel_tensor *row = small(d, REEL_SHAPE(61)), *column = small(d, REEL_SHAPE(37, 1)),
                    *one = small(d, REEL_SHAPE(1, 1)), *none = small(d, REEL_SCALAR),
                    *across = reel_transpose(small(d, REEL_SHAPE(61, 37)), REEL_AXES(1, 0));
        form("a row and a column", small(d, m), row, column);
        if (k && !whole) continue;
        form("both outer", row, column, none);
        form("single elements", small(d, m), one, none);
        form("nothing but scalars", none, none, none);
        form("transposed, reversed", across, reel_flip(small(d, m), REEL_AXES(0, 1)), row);
        form("strided", reel_slice(small(d, REEL_SHAPE(37, 200)), 2, REEL_RANGES({0, REEL_END, 1}, {3, 186, 3})),
             column, small(d, m));
        form("short rows", small(d, REEL_SHAPE(500, 3)), small(d, REEL_SHAPE(3)), small(d, REEL_SHAPE(500, 1)));
        form("a middle axis", small(d, REEL_SHAPE(4, 5, 6)), small(d, REEL_SHAPE(5, 1)), small(d, REEL_SHAPE(4, 1, 6)));
    }
    compile_all("forms");
}

/* ---- groups by rows, behind products, before reductions --------------------------------------------------------------- */

/* row: an element a column, column: one a row. */
static void by_rows(const char *name, reel_tensor *a, reel_tensor *row, reel_tensor *column)
{
    program *p = begin(name);
    reel_tensor *x = given(p, a), *g = given(p, row), *k = given(p, column);
    reel_tensor *e = reel_exp(reel_sub(x, reel_max_axes(x, REEL_AXES(-1), true)));
    reel_tensor *s = reel_sum_axes(e, REEL_AXES(-1), true);
    fetch(p, reel_div(e, s));
    fetch(p, reel_log(reel_add(s, reel_num(1))));
    reel_tensor *d = reel_sub(x, reel_mean_axes(x, REEL_AXES(-1), true));
    reel_tensor *v = reel_mean_axes(reel_square(d), REEL_AXES(-1), true);
    fetch(p, reel_add(reel_mul(reel_mul(d, reel_rsqrt(reel_add(v, reel_num(1e-5)))), g), k));
    fetch(p, reel_sum_axes(reel_mul(reel_square(reel_sub(x, k)), reel_num(0.5)), REEL_AXES(-1), false));
    if (!end(p)) TAP_NOTE("%s does not run", name);
}

/* Every reduction, of what is made in the group and of what comes into it. */
static void reductions(const char *name, reel_tensor *a, reel_tensor *b)
{
    program *p = begin(name);
    const reel_axes last = REEL_AXES(-1);
    reel_tensor *x = given(p, a), *y = given(p, b), *z = reel_sub(reel_mul(x, reel_num(1.5)), y);
    fetch(p, reel_min_axes(z, last, false));
    fetch(p, reel_variance(z, last, 1, true));
    fetch(p, reel_logsumexp_axes(reel_add(z, y), last, false));
    fetch(p, reel_l2(reel_abs(z), last, true));
    fetch(p, reel_any_axes(reel_greater(z, y), last, false));
    fetch(p, reel_all_axes(reel_less(reel_abs(x), reel_num(100)), last, true));
    fetch(p, reel_prod_axes(reel_add(reel_mul(reel_sigmoid(z), reel_num(0.1)), reel_num(1)), last, false));
    fetch(p, reel_mul(reel_sum_axes(z, last, true), reel_max_axes(x, last, true)));
    if (!end(p)) TAP_NOTE("%s does not run", name);
}

/* One row's results over what was there before, while other reductions of the same step have results as well. */
static void row_after_row(const char *name, reel_tensor *a)
{
    program *p = begin(name);
    reel_tensor *sum = given(p, a), *rows = reel_zeros(reel_dtype_of(a), REEL_SCALAR);
    for (int i = 0; i < 5; i++) {
        reel_tensor *t = reel_abs(reel_add(sum, reel_num(0.25 * i)));
        sum = reel_mul(reel_sub(t, reel_max_axes(t, REEL_AXES(1), true)), reel_num(0.5));
        rows = reel_add(rows, reel_sum_axes(sum, REEL_AXES(1), true));
    }
    fetch(p, sum);
    fetch(p, rows);
    if (!end(p)) TAP_NOTE("%s does not run", name);
}

/* What one row's element is to ops that take long and do not take one for many: not printed. */
static void left_alone(reel_tensor *a)
{
    program *p = begin("a heavy op of one a row");
    reel_tensor *x = given(p, a);
    fetch(p, reel_atan2(reel_add(x, x), reel_mul(reel_sum_axes(x, REEL_AXES(-1), true), reel_num(0.5))));
    if (!end(p)) TAP_NOTE("that does not run");
}

static void around(const char *name, reel_dtype d)
{
    reel_tensor *a = small(d, REEL_SHAPE(150, 40)), *k = small(d, REEL_SHAPE(40, 130)), *o = small(d, REEL_SHAPE(130)),
                *c = small(d, REEL_SHAPE(150, 130));
    program *p = begin(name);
    reel_tensor *x = given(p, a), *w = given(p, k), *b = given(p, o), *r = given(p, c);
    reel_tensor *y = reel_relu(reel_add(reel_mul(reel_add(reel_matmul(x, w), b), reel_num(0.125)), r));
    fetch(p, y);
    reel_tensor *z = reel_mul(reel_tanh(reel_sub(r, b)), reel_add(r, reel_num(2)));
    fetch(p, z);
    fetch(p, reel_sum_axes(z, REEL_AXES(0), false));
    if (!end(p)) TAP_NOTE("%s does not run", name);
}

static void test_rows(void)
{
    REEL_SCOPED;
    static const reel_dtype dtypes[] = {REEL_F32, REEL_F64, REEL_F16, REEL_BF16};
    static const int64_t shapes[][2] = {{37, 61}, {5, 1000}, {1, 300}, {3, 4097}, {700, 33}, {2, 9000}};
    (void)reel_seed(11);
    for (int k = 0; k < (whole ? 4 : 2); k++) {
        const reel_dtype d = dtypes[k];
        for (int i = 0; i < 6; i++) {
            const int64_t n = shapes[i][0], c = shapes[i][1];
            by_rows("rows", small(d, REEL_SHAPE(n, c)), small(d, REEL_SHAPE(c)), small(d, REEL_SHAPE(n, 1)));
        }
        by_rows("gathered", reel_transpose(small(d, REEL_SHAPE(61, 37)), REEL_AXES(1, 0)), small(d, REEL_SHAPE(37, 61)),
                reel_slice(small(d, REEL_SHAPE(37, 9)), 2, REEL_RANGES({0, REEL_END, 1}, {3, 4, 1})));
        by_rows("all whole", small(d, REEL_SHAPE(37, 61)), small(d, REEL_SHAPE(61)), small(d, REEL_SHAPE(37, 61)));
        reductions("reductions", small(d, REEL_SHAPE(20, 70)), small(d, REEL_SHAPE(70)));
        reductions("of long rows", small(d, REEL_SHAPE(2, 6000)), small(d, REEL_SHAPE(2, 6000)));
        row_after_row("row after row", small(d, REEL_SHAPE(3, 9000)));
        row_after_row("row after row, short", small(d, REEL_SHAPE(30, 90)));
        around("around a product", d);
    }
    by_rows("short rows", small(REEL_F32, REEL_SHAPE(90, 10)), small(REEL_F32, REEL_SHAPE(10)),
            small(REEL_F32, REEL_SHAPE(90, 1)));
    left_alone(small(REEL_F32, REEL_SHAPE(30, 50)));
    compile_all_but("rows", 4);
}

/* Chains of any ops over x, y and what is there, with casts between; some of it is fetched. */
static void chain(int length)
{
    static const reel_dtype dtypes[] = {REEL_F32, REEL_F32, REEL_F64, REEL_F16, REEL_BF16, REEL_I32, REEL_U8};
    reel_tensor *have[64];
    const int64_t rows = 1 + (int64_t)(next() % 40), cols = 1 + (int64_t)(next() % 60);
    reel_tensor *first = small(dtypes[next() % 7], REEL_SHAPE(rows, cols)),
                *second = small(dtypes[next() % 7], next() % 2 ? REEL_SHAPE(rows, cols) : REEL_SHAPE(cols));
    program *p = begin("chain");
    int n = 2;
    have[0] = given(p, first);
    have[1] = given(p, second);
    while (n < length) {
        reel_tensor *a = have[next() % (uint64_t)n], *b = have[next() % (uint64_t)n];
        reel_dtype da = reel_dtype_of(a);
        if (da == REEL_BOOL) {
            have[n++] = reel_where(a, b, reel_num(1));
            continue;
        }
        if (reel_dtype_of(b) != da) b = reel_cast(b, da);
        reel_tensor *y = NULL;
        switch (next() % 9) {
        case 0: y = reel_add(a, b); break;
        case 1: y = reel_mul(a, reel_num(2)); break;
        case 2: y = reel_maximum(a, b); break;
        case 3: y = reel_is_float_(da) ? reel_tanh(a) : reel_square(a); break;
        case 4: y = reel_is_float_(da) ? reel_sin(a) : reel_bitwise_xor(a, b); break;
        case 5: y = reel_less(a, b); break;
        case 6: y = reel_cast(a, dtypes[next() % 7]); break;
        case 7: y = reel_is_float_(da) ? reel_sigmoid(reel_sub(a, b)) : reel_floor_div(a, b); break;
        default: y = reel_clip(a, 0, 3); break;
        }
        have[n++] = y;
    }
    for (int i = 2; i < n; i++)
        if (i == n - 1 || next() % 4 == 0) fetch(p, have[i]);
    if (!end(p)) TAP_NOTE("a chain does not run");
}

static void test_chains(void)
{
    REEL_SCOPED;
    for (int i = 0; i < (whole ? 200 : tap_reduced ? 5 : 20); i++) chain(4 + i % 30);
    compile_all("chains of 4 to 33 ops");
}

/* ---- the cache of this test alone ------------------------------------------------------------------------------------- */

static void test_begin(void)
{
    static char folder[] = "/tmp/reel-compile-XXXXXX";
    TAP_OK(mkdtemp(folder) != NULL, "a folder");
    if (!getenv("REEL_KEEP_CACHE")) setenv("REEL_CACHE_DIR", folder, 1);
    whole = getenv("REEL_WHOLE") != NULL;
    for (int i = 0; i < MAX_OUT; i++) snprintf(out_name[i], sizeof out_name[i], "o%d", i);
}

static void test_end(void)
{
    if (getenv("REEL_KEEP_CACHE")) return;
    reel_cache_clear_(getenv("REEL_CACHE_DIR"));
    TAP_OK(access(getenv("REEL_CACHE_DIR"), F_OK) != 0, "nothing but files was in the cache");
}

TAP_MAIN(test_begin, test_rows, test_casts, test_forms, test_chains, test_integers, test_halves, test_floats, test_end)
