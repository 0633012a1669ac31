/* index.c: emitters of elements picked and put by index. An index out of range is refused before anything is kept. */
#include <string.h>
#include "core/shape.h"
#include "elements.h"
#include "reel/index.h"

/* k: the index that input `which` has at $j, of an axis of n; negative ones count from the end. */
static void say_index(reel_emit *e, int which, int64_t n, const char *v)
{
    reel_set_(e, "size", n);
    reel_sayf_(e, "const int64_t given_%s = (int64_t)LD%d($j), %s = given_%s < 0 ? given_%s + $size : given_%s;", v,
               which, v, v, v, v);
    reel_sayf_(e, "if (%s < 0 || %s >= $size) return 1;", v, v);
}

/* The sum of a number and what is there, for floats or integers; of input k at $u, into $o. */
static void say_put(reel_emit *e, int k, int mode)
{
    const bool real = reel_is_float_(e->out[0].dtype);
    char u[16];
    snprintf(u, sizeof u, "LD%d($u)", k);
    switch (mode) {
    case REEL_SCATTER_SET: reel_sayf_(e, "WR0($o, RD%d($u));", k); return;
    case REEL_SCATTER_ADD:
        reel_sayf_(e,
                   e->work ? "work[$o] += %s;"
                   : real  ? "ST0($o, LO0($o) + %s);"
                           : "ST0($o, (uint64_t)LO0($o) + (uint64_t)%s);",
                   u);
        return;
    case REEL_SCATTER_MUL:
        reel_sayf_(e, real ? "ST0($o, LO0($o) * %s);" : "ST0($o, (uint64_t)LO0($o) * (uint64_t)%s);", u);
        return;
    default:
        reel_sayf_(e, "if (%s %s LO0($o)%s%s%s%s) WR0($o, RD%d($u));", u, mode == REEL_SCATTER_MAX ? ">" : "<",
                   real ? " || " : "", real ? u : "", real ? " != " : "", real ? u : "", k);
    }
}

static bool narrow(const reel_emit *e)
{
    return e->out[0].dtype == REEL_F16 || e->out[0].dtype == REEL_BF16;
}

/* Sums of 16-bit floats are made in float: output 0 as it stands, and the sums back into it. */
static void begin_sums(reel_emit *e)
{
    if (!narrow(e)) return;
    e->work = (size_t)e->out[0].count;
    reel_set_(e, "all", e->out[0].count);
    reel_say_(e, "for (long i = 0; i < $all; i++) work[i] = LO0(i);");
}

static void end_sums(reel_emit *e)
{
    if (narrow(e)) reel_say_(e, "for (long i = 0; i < $all; i++) ST0(i, work[i]);");
}

/* Output 0 begins as input 0. */
static void begin_as_input(reel_emit *e)
{
    const int n = reel_open_elements_(e, &e->out[0], 1u);
    reel_say_(e, "WR0($o, RD0($i0));");
    reel_close_(e, n);
}

/* ---- rows along an axis ------------------------------------------------------------------------------------------------------ */

static int attr_axis(const reel_emit *e, int rank)
{
    const reel_attr_axis *a = e->attr;
    return reel_emit_axis_(a->axis, rank);
}

/* Each opener: loops over the elements of u, which has one for each index; $u is where the one at hand lies there, $t is where it lies in
   the table t. which: the input that holds the indices. Returns how many loops. */
typedef int opener(reel_emit *e, const reel_eoperand *t, const reel_eoperand *u, int which);

/* The table's leading axes, the indices' axes in place of the axis, then the table's others. */
static int open_rows(reel_emit *e, const reel_eoperand *t, const reel_eoperand *u, int which)
{
    const int axis = attr_axis(e, t->rank);
    const int64_t *ts = t->strides, *us = u->strides;
    const reel_eoperand *ix = &e->in[which];
    char buf[REEL_OFFSET_TEXT], name[24];
    const int r = ix->rank;
    int n = 0;
    reel_text at = {0};
    for (int i = 0; i < axis; i++) {
        if (t->dims[i] == 1) continue;
        snprintf(name, sizeof name, "a%d", i);
        reel_open_(e, name, t->dims[i]);
        n++;
        reel_text_fmt_(&at, "%sa%d * %lld", at.n ? " + " : "", i, (long long)us[i]);
    }
    n += reel_open_axes_(e, ix, ~0u, "j");
    for (int i = 0; i < r; i++)
        if (ix->dims[i] != 1) reel_text_fmt_(&at, "%sj%d * %lld", at.n ? " + " : "", i, (long long)us[axis + i]);
    reel_set_offset_(e, "j", ix, "j");
    if (!n) {
        reel_say_(e, "{");
        e->depth++;
        n++;
    }
    say_index(e, which, t->dims[axis], "k");
    for (int i = axis + 1; i < t->rank; i++) {
        if (t->dims[i] == 1) continue;
        snprintf(name, sizeof name, "c%d", i);
        reel_open_(e, name, t->dims[i]);
        n++;
        reel_text_fmt_(&at, "%sc%d * %lld", at.n ? " + " : "", i, (long long)us[i - 1 + r]);
    }
    reel_set_built_(e, "u", &at);
    reel_text_fmt_(&at, "(long)k * %lld", (long long)ts[axis]);
    if (axis > 0) reel_text_fmt_(&at, " + %s", reel_offset_(t->dims, ts, axis, "a", ~0u, buf));
    if (axis + 1 < t->rank)
        reel_text_fmt_(&at, " + %s", reel_offset_(t->dims, ts, t->rank, "c", ~((2u << axis) - 1), buf));
    reel_set_built_(e, "t", &at);
    return n;
}

/* ---- single elements along an axis ---------------------------------------------------------------------------------------------- */

static int open_elements(reel_emit *e, const reel_eoperand *t, const reel_eoperand *u, int which)
{
    const int axis = attr_axis(e, t->rank);
    char buf[REEL_OFFSET_TEXT];
    int64_t strides[REEL_MAX_RANK] = {0};
    for (int i = 0; i < t->rank; i++) strides[i] = t->dims[i] == 1 && u->dims[i] != 1 ? 0 : t->strides[i];
    const int n = reel_open_all_(e, "i", u->dims, u->rank);
    reel_set_along_(e, "j", &e->in[which], u->dims, u->rank, "i");
    reel_say_(e, "{");
    e->depth++;
    say_index(e, which, t->dims[axis], "k");
    reel_set_offset_(e, "u", u, "i");
    reel_set_text_(e, "t", "(long)k * %lld + %s", (long long)t->strides[axis],
                   reel_offset_(u->dims, strides, u->rank, "i", ~(1u << axis), buf));
    return n + 1;
}

/* ---- by place ------------------------------------------------------------------------------------------------------------------------ */

/* u is [places.., rest..]; the table has `batch` axes in common with the places. */
static int open_batched(reel_emit *e, const reel_eoperand *t, const reel_eoperand *u, int batch, int which)
{
    const int64_t *ts = t->strides, *us = u->strides;
    const reel_eoperand *ix = &e->in[which];
    const int lead = ix->rank - 1, m = (int)ix->dims[lead];
    char buf[REEL_OFFSET_TEXT], j[REEL_OFFSET_TEXT];
    reel_text at = {0};
    int n = reel_open_all_(e, "i", ix->dims, lead);
    reel_say_(e, "{");
    e->depth++;
    n++;
    reel_offset_(ix->dims, ix->strides, lead, "i", ~0u, j);
    for (int k = 0; k < m; k++) {
        char v[16];
        snprintf(v, sizeof v, "k%d", k);
        reel_set_text_(e, "j", "%s + %lld", j, (long long)k * ix->strides[lead]);
        say_index(e, which, t->dims[batch + k], v);
        reel_text_fmt_(&at, "%s(long)k%d * %lld", k ? " + " : "", k, (long long)ts[batch + k]);
    }
    if (batch) reel_text_fmt_(&at, " + %s", reel_offset_(t->dims, ts, batch, "i", ~0u, buf));
    reel_text rest = {0};
    reel_text_fmt_(&rest, "%s", reel_offset_(ix->dims, us, lead, "i", ~0u, buf));
    for (int i = batch + m; i < t->rank; i++) {
        char v[16];
        if (t->dims[i] == 1) continue;
        snprintf(v, sizeof v, "c%d", i);
        reel_open_(e, v, t->dims[i]);
        n++;
        reel_text_fmt_(&at, " + c%d * %lld", i, (long long)ts[i]);
        reel_text_fmt_(&rest, " + c%d * %lld", i, (long long)us[lead + i - batch - m]);
    }
    reel_set_built_(e, "t", &at);
    reel_set_built_(e, "u", &rest);
    return n;
}

static int open_places(reel_emit *e, const reel_eoperand *t, const reel_eoperand *u, int which)
{
    const reel_attr_axis *a = e->attr;
    return open_batched(e, t, u, a->axis, which);
}

static int open_all_places(reel_emit *e, const reel_eoperand *t, const reel_eoperand *u, int which)
{
    return open_batched(e, t, u, 0, which);
}

/* ---- rows of a table -------------------------------------------------------------------------------------------------------------------- */

/* Ids, which are not negative, and the table's other axes. */
static int open_ids(reel_emit *e, const reel_eoperand *t, const reel_eoperand *u, int which)
{
    const int64_t *ts = t->strides, *us = u->strides;
    const reel_eoperand *ids = &e->in[which];
    char buf[REEL_OFFSET_TEXT];
    int64_t rest[REEL_MAX_RANK] = {0};
    reel_set_offset_(e, "j", ids, "j");
    reel_set_(e, "size", t->dims[0]);
    int n = reel_open_axes_(e, ids, ~0u, "j");
    reel_say_(e, "{");
    e->depth++;
    reel_sayf_(e, "const int64_t k = (int64_t)LD%d($j);\nif (k < 0 || k >= $size) return 1;", which);
    for (int i = 1; i < t->rank; i++) rest[i] = us[ids->rank + i - 1];
    reel_text rows = {0}, at = {0};
    reel_text_fmt_(&rows, "%s", reel_offset_(ids->dims, us, ids->rank, "j", ~0u, buf));
    reel_text_fmt_(&rows, " + %s", reel_offset_(t->dims, rest, t->rank, "c", ~1u, buf));
    reel_text_fmt_(&at, "(long)k * %lld + %s", (long long)ts[0], reel_offset_(t->dims, ts, t->rank, "c", ~1u, buf));
    reel_set_built_(e, "u", &rows);
    reel_set_built_(e, "t", &at);
    return n + 1 + reel_open_axes_(e, t, ~1u, "c");
}

/* ---- what is done there -------------------------------------------------------------------------------------------------------------------- */

/* READ: the output has the table's elements. SUM: the output is a table of zeros, to which values are added. PUT: a table that begins as
   input 0, into which values go as the attributes say. */
enum { READ, SUM, PUT };
static const struct by_index {
    int op, how;
    opener *open;
    int values, indices; /* inputs */
} forms[] = {{REEL_OP_gather, READ, open_rows, 0, 1},
             {REEL_OP_take_along_axis, READ, open_elements, 0, 1},
             {REEL_OP_gather_elements, READ, open_elements, 0, 1},
             {REEL_OP_gather_nd, READ, open_places, 0, 1},
             {REEL_OP_embedding, READ, open_ids, 0, 1},
             {REEL_OP_gather_grad, SUM, open_rows, 1, 2},
             {REEL_OP_take_along_grad, SUM, open_elements, 1, 2},
             {REEL_OP_gather_nd_grad, SUM, open_places, 1, 2},
             {REEL_OP_put_rows, SUM, open_ids, 0, 2},
             {REEL_OP_index_add, PUT, open_rows, 2, 1},
             {REEL_OP_index_copy, PUT, open_rows, 2, 1},
             {REEL_OP_scatter, PUT, open_elements, 2, 1},
             {REEL_OP_scatter_reduce, PUT, open_elements, 2, 1},
             {REEL_OP_scatter_nd, PUT, open_all_places, 2, 1},
             {REEL_OP_scatter_nd_reduce, PUT, open_all_places, 2, 1}};

int reel_emit_by_index_(reel_emit *e)
{
    const struct by_index *f = forms;
    while (f->op != e->op->id) f++;
    const bool reads = f->how == READ;
    const reel_eoperand *t = reads ? &e->in[0] : &e->out[0], *u = reads ? &e->out[0] : &e->in[f->values];
    const int mode = f->how == PUT ? ((const reel_attr_axis *)e->attr)->index : REEL_SCATTER_ADD;
    const bool sums = !reads && mode == REEL_SCATTER_ADD;
    reel_refuses_(e, "an index is out of range");
    if (f->how == SUM) reel_emit_fill_(e, 0);
    if (f->how == PUT && e->out[0].count) begin_as_input(e);
    if (e->out[0].count == 0 || u->count == 0) return 0;
    if (sums) begin_sums(e);
    const int n = f->open(e, t, u, f->indices);
    if (reads) {
        reel_say_(e, "WR0($u, RD0($t));");
    } else {
        reel_set_text_(e, "o", "$t");
        say_put(e, f->values, mode);
    }
    reel_close_(e, n);
    if (sums) end_sums(e);
    return 0;
}

/* ---- reverse_sequence ---------------------------------------------------------------------------------------------------------------------- */

int reel_emit_reverse_sequence_(reel_emit *e)
{
    const reel_attr_axis *a = e->attr;
    const reel_eoperand *x = &e->in[0];
    const int batch = reel_emit_axis_(a->axis, x->rank), time = reel_emit_axis_(a->index, x->rank);
    char buf[REEL_OFFSET_TEXT];
    reel_refuses_(e, "a length is out of range");
    if (x->count == 0) return 0;
    const int n = reel_open_all_(e, "i", x->dims, x->rank);
    reel_set_text_(e, "b", x->dims[batch] == 1 ? "0" : "i%d", batch);
    reel_set_text_(e, "i", x->dims[time] == 1 ? "0" : "i%d", time);
    reel_set_(e, "n", x->dims[time]);
    reel_set_(e, "by", e->in[1].strides[0]);
    reel_set_(e, "ts", x->strides[time]);
    reel_set_text_(e, "x", "%s", reel_offset_(x->dims, x->strides, x->rank, "i", ~(1u << time), buf));
    reel_set_offset_(e, "o", &e->out[0], "i");
    reel_say_(e, "{\n    const int64_t length = (int64_t)LD1($b * $by);\n    if (length < 0 || length > $n) return 1;\n"
                 "    WR0($o, RD0($x + ($i < length ? (long)length - 1 - $i : $i) * $ts));\n}");
    reel_close_(e, n);
    return 0;
}

/* ---- optimizer steps of some rows: w, v, g, ids, lr and w, m, v, g, ids, lr, t --------------------------------------------------------- */

/* The tables as they are; then, for each row that is named, the sum of its gradients in work[]. Leaves open the loop over c: the element
   at hand is number r of all tables. */
static int open_updates(reel_emit *e, int n_state)
{
    const reel_eoperand *g = &e->in[n_state];
    const int64_t n = e->in[n_state + 1].count, cols = e->out[0].count / e->out[0].dims[0];
    char buf[REEL_OFFSET_TEXT];
    const int ids = n_state + 1;
    reel_refuses_(e, "an index is out of range");
    e->work = (size_t)cols;
    e->work_type = e->real == REEL_F64 ? "double" : "float";
    reel_set_(e, "n", n);
    reel_set_(e, "cols", cols);
    reel_set_(e, "size", e->out[0].dims[0]);
    reel_set_text_(e, "j", "j * %lld", (long long)e->in[ids].strides[0]);
    reel_set_text_(e, "kk", "k * %lld", (long long)e->in[ids].strides[0]);
    reel_sayf_(e,
               "for (long j = 0; j < $n; j++) {\n    const int64_t id = (int64_t)LD%d($j);\n"
               "    if (id < 0 || id >= $size) return 1;\n}",
               ids);
    for (int k = 0; k < n_state; k++) {
        const int loops = reel_open_elements_(e, &e->out[k], 1u << k);
        reel_sayf_(e, "WR%d($o, RD%d($i%d));", k, k, k);
        reel_close_(e, loops);
    }
    reel_open_(e, "k", n);
    reel_sayf_(e,
               "const long id = (long)LD%d($kk);\nlong seen = 0, c = 0;\n"
               "for (long j = 0; j < k; j++) seen += (long)LD%d($j) == id;\nif (seen) continue;\n"
               "for (c = 0; c < $cols; c++) work[c] = 0;",
               ids, ids);
    reel_open_(e, "j", n);
    reel_sayf_(e, "if ((long)LD%d($j) != id) continue;\nc = 0;", ids);
    reel_set_text_(e, "g", "j * %lld + %s", (long long)g->strides[0],
                   reel_offset_(g->dims, g->strides, g->rank, "q", ~1u, buf));
    const int loops = reel_open_axes_(e, g, ~1u, "q");
    reel_sayf_(e, "work[c++] += LD%d($g);", n_state);
    reel_close_(e, loops + 1);
    reel_open_(e, "r", cols);
    reel_say_(e, "const long at = id * $cols + r;\nconst T w_old = LO0(at);");
    return 2;
}

int reel_emit_sgd_rows_(reel_emit *e)
{
    const reel_attr_update *a = e->attr;
    char buf[REEL_NUMBER_TEXT];
    if (e->out[0].count == 0) return 0;
    reel_set_text_(e, "momentum", "%s", reel_float_(e->real, a->momentum, buf));
    reel_set_text_(e, "decay", "%s", reel_float_(e->real, a->decay, buf));
    const int n = open_updates(e, 2);
    reel_say_(e, "const T v_new = $momentum * LO1(at) + (work[r] + $decay * w_old);\n"
                 "ST0(at, w_old - LD4(0) * v_new);\nST1(at, v_new);");
    reel_close_(e, n);
    return 0;
}

int reel_emit_adam_rows_(reel_emit *e)
{
    const reel_attr_update *a = e->attr;
    char buf[REEL_NUMBER_TEXT];
    if (e->out[0].count == 0) return 0;
    const struct {
        const char *name;
        double x;
    } numbers[] = {{"b1", a->beta1},     {"b2", a->beta2}, {"c1", 1 - a->beta1},
                   {"c2", 1 - a->beta2}, {"eps", a->eps},  {"decay", a->decay}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        reel_set_text_(e, numbers[i].name, "%s", reel_float_(e->real, numbers[i].x, buf));
    reel_set_text_(e, "wide1", "%s", reel_double_(a->beta1, buf));
    reel_set_text_(e, "wide2", "%s", reel_double_(a->beta2, buf));
    reel_say_(e, "const double step = (double)LD6(0);\nconst T rate = (T)((double)LD5(0) / (1 - pow($wide1, step)));\n"
                 "const T scale = (T)(1 / (1 - pow($wide2, step)));");
    const int n = open_updates(e, 3);
    reel_say_(e, "const T g_new = work[r] + $decay * w_old;\n"
                 "const T m_new = $b1 * LO1(at) + $c1 * g_new, v_new = $b2 * LO2(at) + $c2 * g_new * g_new;\n"
                 "ST0(at, w_old - rate * m_new / (V(sqrt)(v_new * scale) + $eps));\nST1(at, m_new);\nST2(at, v_new);");
    reel_close_(e, n);
    return 0;
}
