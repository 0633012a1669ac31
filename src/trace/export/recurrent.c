/* recurrent.c: emitters of the scans of recurrent layers, forward and backward: a row of the batch at a time, step by step. */
#include <string.h>
#include "elements.h"

typedef struct layer {
    const reel_attr_recurrent *a;
    int gates, states, saves, at[8]; /* at: which input an optional operand is, -1: none */
    int64_t t, b, h;
} layer;

static void begin(reel_emit *e, layer *l, int from)
{
    l->a = e->attr;
    reel_recurrent_parts_(l->a->kind, &l->gates, &l->states, &l->saves);
    for (int bit = 0; bit < 8; bit++) l->at[bit] = l->a->has >> bit & 1u ? from++ : -1;
    e->real = e->in[0].dtype == REEL_F64 ? REEL_F64 : REEL_F32;
    e->work_type = e->real == REEL_F64 ? "double" : "float";
}

static void set_sizes(reel_emit *e, const layer *l, const reel_eoperand *r)
{
    reel_set_(e, "t", l->t);
    reel_set_(e, "b", l->b);
    reel_set_(e, "h", l->h);
    reel_set_(e, "g", l->gates * l->h);
    reel_set_(e, "rr", r->strides[0]);
    reel_set_(e, "rc", r->strides[1]);
    reel_set_text_(e, "sig", "V(sigmoid)");
}

/* $name: element u (from `at` on) of operand number bit at [b, u], [u] or [t, b, u]; 0 if there is none. */
static void set_optional(reel_emit *e, const char *name, const layer *l, int bit, const char *text)
{
    const int k = l->at[bit];
    if (k < 0) {
        reel_set_text_(e, name, "0");
        return;
    }
    const reel_eoperand *o = &e->in[k];
    const int r = o->rank;
    if (r == 3)
        reel_set_text_(e, name, "LD%d(t * %lld + b * %lld + (%s) * %lld)", k, (long long)o->strides[0],
                       (long long)o->strides[1], text, (long long)o->strides[2]);
    else if (r == 2)
        reel_set_text_(e, name, "LD%d(b * %lld + (%s) * %lld)", k, (long long)o->strides[0], text,
                       (long long)o->strides[1]);
    else
        reel_set_text_(e, name, "LD%d((%s) * %lld)", k, text, (long long)o->strides[0]);
}

/* Lengths are all checked before anything else. */
static void say_lengths(reel_emit *e, const layer *l)
{
    const int k = l->at[4];
    if (k < 0) return;
    reel_refuses_(e, "a length is out of range");
    reel_set_text_(e, "length", "LD%d(b * %lld)", k, (long long)e->in[k].strides[0]);
    reel_say_(e, "for (long b = 0; b < $b; b++)\n    if ((int64_t)$length > $t) return 1;");
    if (e->in[k].dtype != REEL_U8)
        reel_say_(e, "for (long b = 0; b < $b; b++)\n    if ((int64_t)$length < 0) return 1;");
}

/* pre[k] = row k of R times v, for rows [from, to) */
static void say_product(reel_emit *e, int r, const char *v, const char *from, const char *to)
{
    reel_set_text_(e, "v", "%s", v);
    reel_set_text_(e, "from", "%s", from);
    reel_set_text_(e, "end", "%s", to);
    reel_sayf_(e,
               "for (long k = $from; k < $end; k++) {\n    T sum = 0;\n"
               "    for (long j = 0; j < $h; j++) sum += LD%d(k * $rr + j * $rc) * $v[j];\n    pre[k] = sum;\n}",
               r);
}

static void set_input(reel_emit *e, const char *name, int k, const char *gate)
{
    const reel_eoperand *o = &e->in[k];
    reel_set_text_(e, name, "LD%d(t * %lld + b * %lld + (%s * $h + u) * %lld)", k, (long long)o->strides[0],
                   (long long)o->strides[1], gate, (long long)o->strides[2]);
}

static void set_gates(reel_emit *e, const layer *l)
{
    static const char *const x[] = {"x0", "x1", "x2", "x3"}, *const b[] = {"b0", "b1", "b2", "b3"},
                             *const number[] = {"0", "1", "2", "3"};
    for (int i = 0; i < l->gates; i++) {
        char text[32];
        snprintf(text, sizeof text, "%d * $h + u", i);
        set_input(e, x[i], 0, number[i]);
        set_optional(e, b[i], l, 2, text);
    }
    set_optional(e, "rb", l, 3, "u");
    reel_set_text_(e, "y", "t * $b * $h + b * $h + u");
    reel_set_text_(e, "s", "(t * $b + b) * %d * $h + u", l->saves);
}

static void say_cell(reel_emit *e, const layer *l)
{
    switch (l->a->kind) {
    case REEL_RNN_LSTM:
        reel_say_(e, "for (long u = 0; u < $h; u++) {\n"
                     "    const T gi = $sig($x0 + $b0 + pre[u]), gf = $sig($x1 + $b1 + pre[$h + u]);\n"
                     "    const T gg = V(tanh)($x2 + $b2 + pre[2 * $h + u]), go = $sig($x3 + $b3 + pre[3 * $h + u]);\n"
                     "    cell[u] = gf * cell[u] + gi * gg;\n    state[u] = go * V(tanh)(cell[u]);\n"
                     "    ST0($y, state[u]);\n    ST2($s, gi);\n    ST2($s + $h, gf);\n    ST2($s + 2 * $h, gg);\n"
                     "    ST2($s + 3 * $h, go);\n    ST2($s + 4 * $h, cell[u]);\n}");
        return;
    case REEL_RNN_GRU:
        reel_say_(
            e,
            "for (long u = 0; u < $h; u++) {\n"
            "    const T r = $sig($x0 + $b0 + pre[u]), z = $sig($x1 + $b1 + pre[$h + u]), m = $rb + pre[2 * $h + u];\n"
            "    const T n = V(tanh)($x2 + $b2 + r * m);\n    state[u] = (1 - z) * n + z * state[u];\n"
            "    ST0($y, state[u]);\n    ST2($s, r);\n    ST2($s + $h, z);\n    ST2($s + 2 * $h, n);\n"
            "    ST2($s + 3 * $h, m);\n}");
        return;
    case REEL_RNN_GRU_BEFORE:
        reel_say_(e, "for (long u = 0; u < $h; u++) {\n    gate[u] = $sig($x0 + $b0 + pre[u]);\n"
                     "    gate[$h + u] = $sig($x1 + $b1 + pre[$h + u]);\n    cell[u] = gate[u] * state[u];\n}");
        say_product(e, 1, "cell", "2 * $h", "3 * $h");
        reel_say_(
            e,
            "for (long u = 0; u < $h; u++) {\n    const T z = gate[$h + u], n = V(tanh)($x2 + $b2 + pre[2 * $h + u]);\n"
            "    state[u] = (1 - z) * n + z * state[u];\n    ST0($y, state[u]);\n    ST2($s, gate[u]);\n"
            "    ST2($s + $h, z);\n    ST2($s + 2 * $h, n);\n    ST2($s + 3 * $h, cell[u]);\n}");
        return;
    default:
        reel_say_(e, l->a->kind == REEL_RNN_RELU
                         ? "for (long u = 0; u < $h; u++) {\n    const T a = $x0 + $b0 + pre[u];\n"
                           "    state[u] = a > 0 || a != a ? a : 0;\n    ST0($y, state[u]);\n}"
                         : "for (long u = 0; u < $h; u++) {\n    state[u] = V(tanh)($x0 + $b0 + pre[u]);\n"
                           "    ST0($y, state[u]);\n}");
    }
}

static void open_steps(reel_emit *e, const layer *l, bool backward)
{
    reel_open_(e, "b", l->b);
    (void)backward;
}

int reel_emit_recurrent_(reel_emit *e)
{
    layer l;
    begin(e, &l, 2);
    l.t = e->in[0].dims[0], l.b = e->in[0].dims[1], l.h = e->in[1].dims[1];
    if (l.b == 0 || l.h == 0) return 0;
    set_sizes(e, &l, &e->in[1]);
    set_gates(e, &l);
    set_optional(e, "h0", &l, 0, "u");
    set_optional(e, "c0", &l, 1, "u");
    e->work = (size_t)(l.h * (l.gates + 4));
    say_lengths(e, &l);
    reel_say_(e, l.states == 2 || l.a->kind == REEL_RNN_GRU_BEFORE
                     ? "T *state = work, *cell = work + $h, *pre = work + 4 * $h;"
                     : "T *state = work, *pre = work + 4 * $h;");
    if (l.a->kind == REEL_RNN_GRU_BEFORE) reel_say_(e, "T *gate = work + 2 * $h;\n(void)gate;\n(void)cell;");
    reel_say_(e, "(void)pre;");
    open_steps(e, &l, false);
    reel_say_(e, "for (long u = 0; u < $h; u++) state[u] = $h0;");
    if (l.states == 2) reel_say_(e, "for (long u = 0; u < $h; u++) cell[u] = $c0;");
    if (l.t > 0) {
        reel_open_(e, "step", l.t);
        reel_say_(e, l.a->reverse ? "const long t = $t - 1 - step;" : "const long t = step;");
        if (l.at[4] >= 0) {
            reel_set_(e, "saved", l.saves * l.h);
            reel_say_(e, "if (t >= (long)$length) {\n    for (long u = 0; u < $h; u++) ST0($y, 0);");
            if (l.saves) reel_say_(e, "    for (long u = 0; u < $saved; u++) ST2($s, 0);");
            reel_say_(e, "    continue;\n}");
        }
        say_product(e, 1, "state", "0", l.a->kind == REEL_RNN_GRU_BEFORE ? "2 * $h" : "$g");
        say_cell(e, &l);
        reel_close_(e, 1);
    }
    reel_say_(e, "for (long u = 0; u < $h; u++) ST1(b * $h + u, state[u]);");
    if (l.states == 2) reel_say_(e, "for (long u = 0; u < $h; u++) ST1($b * $h + b * $h + u, cell[u]);");
    reel_close_(e, 1);
    return 0;
}

/* ---- backward: r, saved, y, ... -> dxp, d0, before, dm ------------------------------------------------------------------------- */

/* dh (=, or += if add) the rows [from, to) of R, turned, times d, which begins at row `from` */
static void say_back(reel_emit *e, const char *to, const char *d, const char *from, const char *end, bool add)
{
    reel_set_text_(e, "to", "%s", to);
    reel_set_text_(e, "d", "%s", d);
    reel_set_text_(e, "from", "%s", from);
    reel_set_text_(e, "end", "%s", end);
    reel_say_(e, "for (long j = 0; j < $h; j++) {\n    T sum = 0;\n"
                 "    for (long k = $from; k < $end; k++) sum += $d[k - $from] * LD0(k * $rr + j * $rc);");
    reel_say_(e, add ? "    $to[j] += sum;\n}" : "    $to[j] = sum;\n}");
}

static void say_cell_back(reel_emit *e, const layer *l)
{
    switch (l->a->kind) {
    case REEL_RNN_LSTM:
        reel_say_(
            e, "for (long u = 0; u < $h; u++) {\n"
               "    const T gi = $s0, gf = $s1, gg = $s2, go = $s3, ct = V(tanh)($s4), d = dh[u] + $dy;\n"
               "    const T dct = dc[u] + d * go * (1 - ct * ct) + $ds4, cb = none ? $c0 : $cb;\n"
               "    dx[u] = (dct * gg + $ds0) * gi * (1 - gi);\n    dx[$h + u] = (dct * cb + $ds1) * gf * (1 - gf);\n"
               "    dx[2 * $h + u] = (dct * gi + $ds2) * (1 - gg * gg);\n"
               "    dx[3 * $h + u] = (d * ct + $ds3) * go * (1 - go);\n    dc[u] = dct * gf;\n}");
        say_back(e, "dh", "dx", "0", "$g", false);
        return;
    case REEL_RNN_GRU:
        reel_say_(e,
                  "for (long u = 0; u < $h; u++) {\n    const T r = $s0, z = $s1, n = $s2, m = $s3, d = dh[u] + $dy;\n"
                  "    const T dn = d * (1 - z) + $ds2, an = dn * (1 - n * n);\n"
                  "    dx[u] = (an * m + $ds0) * r * (1 - r);\n"
                  "    dx[$h + u] = (d * (before[u] - n) + $ds1) * z * (1 - z);\n    dx[2 * $h + u] = an;\n"
                  "    dm[u] = an * r + $ds3;\n    ST3($y, dm[u]);\n    dh[u] = d * z;\n}");
        say_back(e, "dh", "dx", "0", "2 * $h", true);
        say_back(e, "dh", "dm", "2 * $h", "3 * $h", true);
        return;
    case REEL_RNN_GRU_BEFORE:
        reel_say_(e, "for (long u = 0; u < $h; u++) {\n    const T z = $s1, n = $s2, d = dh[u] + $dy;\n"
                     "    dx[$h + u] = (d * (before[u] - n) + $ds1) * z * (1 - z);\n"
                     "    dx[2 * $h + u] = (d * (1 - z) + $ds2) * (1 - n * n);\n    dh[u] = d * z;\n}");
        say_back(e, "dm", "(dx + 2 * $h)", "2 * $h", "3 * $h", false);
        reel_say_(e, "for (long u = 0; u < $h; u++) {\n    const T r = $s0, d = dm[u] + $ds3;\n"
                     "    dx[u] = (d * before[u] + $ds0) * r * (1 - r);\n    dh[u] += d * r;\n}");
        say_back(e, "dh", "dx", "0", "2 * $h", true);
        return;
    default:
        reel_say_(e, l->a->kind == REEL_RNN_RELU
                         ? "for (long u = 0; u < $h; u++) dx[u] = $now > 0 ? dh[u] + $dy : 0;"
                         : "for (long u = 0; u < $h; u++) dx[u] = (dh[u] + $dy) * (1 - $now * $now);");
        say_back(e, "dh", "dx", "0", "$g", false);
    }
}

/* $s0 ... of saved, $ds0 ... of its gradient; $now: y, $past: y of the step before. */
static void set_saved(reel_emit *e, const layer *l)
{
    const reel_eoperand *s = &e->in[1], *y = &e->in[2];
    for (int i = 0; i < l->saves; i++) {
        char name[16], text[32];
        snprintf(name, sizeof name, "s%d", i);
        reel_set_text_(e, name, "LD1(t * %lld + b * %lld + (%d * $h + u) * %lld)", (long long)s->strides[0],
                       (long long)s->strides[1], i, (long long)s->strides[2]);
        snprintf(name, sizeof name, "ds%d", i % 10);
        snprintf(text, sizeof text, "%d * $h + u", i);
        set_optional(e, name, l, 7, text);
    }
    reel_set_text_(e, "cb", "LD1(earlier * %lld + b * %lld + (4 * $h + u) * %lld)", (long long)s->strides[0],
                   (long long)s->strides[1], (long long)s->strides[2]);
    reel_set_text_(e, "now", "LD2(t * %lld + b * %lld + u * %lld)", (long long)y->strides[0], (long long)y->strides[1],
                   (long long)y->strides[2]);
    reel_set_text_(e, "past", "LD2(earlier * %lld + b * %lld + u * %lld)", (long long)y->strides[0],
                   (long long)y->strides[1], (long long)y->strides[2]);
    set_optional(e, "h0", l, 0, "u");
    set_optional(e, "c0", l, 1, "u");
    set_optional(e, "dy", l, 5, "u");
    reel_set_text_(e, "y", "t * $b * $h + b * $h + u");
}

/* What the state's gradient begins with: dlast, at [part, b, u]. */
static void say_start(reel_emit *e, const layer *l, const char *to, int part)
{
    const int k = l->at[6];
    if (k < 0)
        reel_sayf_(e, "for (long u = 0; u < $h; u++) %s[u] = 0;", to);
    else
        reel_sayf_(e, "for (long u = 0; u < $h; u++) %s[u] = LD%d(%lld + b * %lld + u * %lld);", to, k,
                   (long long)part * e->in[k].strides[0], (long long)e->in[k].strides[1],
                   (long long)e->in[k].strides[2]);
}

int reel_emit_recurrent_grad_(reel_emit *e)
{
    layer l;
    begin(e, &l, 3);
    l.t = e->in[2].dims[0], l.b = e->in[2].dims[1], l.h = e->in[2].dims[2];
    if (l.b == 0 || l.h == 0) return 0;
    const bool gru = l.a->kind == REEL_RNN_GRU || l.a->kind == REEL_RNN_GRU_BEFORE;
    set_sizes(e, &l, &e->in[0]);
    set_saved(e, &l);
    e->work = (size_t)(l.h * (l.gates + 4));
    say_lengths(e, &l);
    reel_say_(e, "T *dh = work, *dx = work + 4 * $h;\n(void)dx;");
    if (l.states == 2) reel_say_(e, "T *dc = work + $h;");
    if (gru) reel_say_(e, "T *before = work + 2 * $h, *dm = work + 3 * $h;\n(void)before;\n(void)dm;");
    open_steps(e, &l, true);
    say_start(e, &l, "dh", 0);
    if (l.states == 2) say_start(e, &l, "dc", 1);
    if (l.t > 0) {
        reel_open_(e, "step", l.t);
        reel_set_text_(e, "len", l.at[4] >= 0 ? "(long)$length" : "$t");
        reel_say_(e, l.a->reverse ? "const long t = step, earlier = t + 1;\nconst int none = earlier >= $len;"
                                  : "const long t = $t - 1 - step, earlier = t - 1;\nconst int none = earlier < 0;");
        if (l.at[4] >= 0) {
            reel_say_(e, "if (t >= (long)$length) {\n    for (long u = 0; u < $g; u++) ST0((t * $b + b) * $g + u, 0);\n"
                         "    for (long u = 0; u < $h; u++) ST2($y, 0);");
            if (l.a->kind == REEL_RNN_GRU) reel_say_(e, "    for (long u = 0; u < $h; u++) ST3($y, 0);");
            reel_say_(e, "    continue;\n}");
        }
        reel_say_(
            e, gru ? "for (long u = 0; u < $h; u++) {\n    before[u] = none ? $h0 : $past;\n    ST2($y, before[u]);\n}"
                   : "for (long u = 0; u < $h; u++) ST2($y, none ? $h0 : $past);");
        say_cell_back(e, &l);
        reel_say_(e, "for (long u = 0; u < $g; u++) ST0((t * $b + b) * $g + u, dx[u]);");
        reel_close_(e, 1);
    }
    reel_say_(e, "for (long u = 0; u < $h; u++) ST1(b * $h + u, dh[u]);");
    if (l.states == 2) reel_say_(e, "for (long u = 0; u < $h; u++) ST1($b * $h + b * $h + u, dc[u]);");
    reel_close_(e, 1);
    return 0;
}
