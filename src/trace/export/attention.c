/* attention.c: emitters of attention, its gradient, and of rotary: a row of scores at a time. */
#include <math.h>
#include <string.h>
#include "elements.h"

typedef struct heads {
    const reel_attr_attention *a;
    const reel_eoperand *q, *k, *v, *mask;
    int mask_at; /* which input, -1: none */
} heads;

/* $Q, $K, $V ...: without the rows, whose strides are $qr ..., and columns, $qc ... K's and V's heads may serve several of q's. */
static void set_operand(reel_emit *e, const heads *h, const char *name, const char *row, const char *column,
                        const reel_eoperand *o, bool shared)
{
    const int r = o->rank;
    char buf[REEL_OFFSET_TEXT];
    reel_text at = {0};
    if (shared && r > 2 && o->dims[r - 3] != h->q->dims[r - 3] && o->dims[r - 3] > 0) {
        reel_text_fmt_(&at, "%s", reel_offset_(o->dims, o->strides, r - 3, "b", ~0u, buf));
        reel_text_fmt_(&at, " + b%d / %lld * %lld", r - 3, (long long)(h->q->dims[r - 3] / o->dims[r - 3]),
                       (long long)o->strides[r - 3]);
    } else {
        reel_text_fmt_(&at, "%s", reel_offset_(o->dims, o->strides, r - 2, "b", ~0u, buf));
    }
    reel_set_built_(e, name, &at);
    reel_set_(e, row, o->strides[r - 2]);
    reel_set_(e, column, o->strides[r - 1]);
}

/* A number for each row of q: [..., T]. */
static void set_column(reel_emit *e, const char *name, const reel_eoperand *o)
{
    char buf[REEL_OFFSET_TEXT];
    const int r = o->rank;
    reel_set_text_(e, name, "%s + i * %lld", reel_offset_(o->dims, o->strides, r - 1, "b", ~0u, buf),
                   (long long)o->strides[r - 1]);
}

static void set_mask(reel_emit *e, const heads *h)
{
    int64_t dims[REEL_MAX_RANK] = {0}, strides[REEL_MAX_RANK] = {0};
    char buf[REEL_OFFSET_TEXT];
    const int r = h->q->rank;
    if (!h->mask) return;
    const int lead = r - h->mask->rank;
    memcpy(dims, h->q->dims, sizeof dims);
    for (int i = 0; i < h->mask->rank; i++)
        if (h->mask->dims[i] != 1) strides[lead + i] = h->mask->strides[i];
    reel_set_text_(e, "M", "%s + i * %lld + j * %lld", reel_offset_(dims, strides, r - 2, "b", ~0u, buf),
                   (long long)strides[r - 2], (long long)strides[r - 1]);
}

static void begin(reel_emit *e, heads *h, int mask_at)
{
    char buf[REEL_NUMBER_TEXT];
    h->a = e->attr;
    h->q = &e->in[0], h->k = &e->in[1], h->v = &e->in[2];
    h->mask_at = e->n_in > mask_at ? mask_at : -1;
    h->mask = h->mask_at < 0 ? NULL : &e->in[mask_at];
    const int r = h->q->rank;
    const int64_t t = h->q->dims[r - 2], s = h->k->dims[r - 2], d = h->q->dims[r - 1];
    const double scale = h->a->own_scale ? h->a->scale : d > 0 ? 1 / sqrt((double)d) : 1;
    e->real = h->q->dtype == REEL_F64 ? REEL_F64 : REEL_F32;
    reel_set_(e, "T_", t);
    reel_set_(e, "rows", t);
    reel_set_(e, "keys", s);
    reel_set_(e, "d", d);
    reel_set_(e, "dv", h->v->dims[r - 1]);
    reel_set_(e, "past", h->a->causal == 1 ? h->a->past : s - t);
    reel_set_text_(e, "scale", "%s", reel_float_(e->real, scale, buf));
    reel_set_text_(e, "cap", "%s", reel_float_(e->real, h->a->softcap, buf));
    set_operand(e, h, "Q", "qr", "qc", h->q, false);
    set_operand(e, h, "K", "kr", "kc", h->k, true);
    set_operand(e, h, "V", "vr", "vc", h->v, true);
    set_mask(e, h);
}

/* score of key j for query i; -inf where it is hidden. With slope: its derivative by the product, times the scale. */
static void say_score(reel_emit *e, const heads *h, bool slope)
{
    reel_say_(e, "T score = 0;");
    if (slope) reel_say_(e, "T slope = $scale;");
    reel_say_(e, "for (long c = 0; c < $d; c++) score += LD0($Q + i * $qr + c * $qc) * LD1($K + j * $kr + c * $kc);\n"
                 "score *= $scale;");
    if (h->a->softcap > 0) {
        reel_say_(e, "score = V(tanh)(score / $cap);");
        if (slope) reel_say_(e, "slope *= 1 - score * score;");
        reel_say_(e, "score *= $cap;");
    }
    if (h->mask && h->mask->dtype == REEL_BOOL)
        reel_sayf_(e, "if (!LD%d($M)) score = -(T)INFINITY;", h->mask_at);
    else if (h->mask)
        reel_sayf_(e, "score += LD%d($M);", h->mask_at);
    if (h->a->causal) reel_say_(e, "if (j > i + $past) score = -(T)INFINITY;");
}

int reel_emit_attention_(reel_emit *e)
{
    heads h;
    begin(e, &h, 3);
    if (e->out[1].count == 0) return 0;
    const int r = h.q->rank;
    set_operand(e, &h, "Y", "yr", "yc", &e->out[0], false);
    set_column(e, "L", &e->out[1]);
    e->work = (size_t)h.k->dims[r - 2] + 1;
    e->work_type = e->real == REEL_F64 ? "double" : "float";
    const int n = reel_open_all_(e, "b", h.q->dims, r - 2);
    reel_open_(e, "i", h.q->dims[r - 2]);
    reel_say_(e, "T top = -(T)INFINITY, base, sum = 0;");
    reel_open_(e, "j", h.k->dims[r - 2]);
    say_score(e, &h, false);
    reel_say_(e, "work[j] = score;\ntop = score > top ? score : top;");
    reel_close_(e, 1);
    reel_say_(e, "base = top > -(T)INFINITY ? top : 0;\nfor (long j = 0; j < $keys; j++) {\n"
                 "    work[j] = V(exp)(work[j] - base);\n    sum += work[j];\n}\n"
                 "ST1($L, sum == 0 ? -(T)INFINITY : top + V(log)(sum));\n"
                 "for (long c = 0; c < $dv; c++) {\n    T all = 0;\n"
                 "    for (long j = 0; j < $keys; j++) all += work[j] * LD2($V + j * $vr + c * $vc);\n"
                 "    ST0($Y + i * $yr + c * $yc, sum == 0 ? 0 : all / sum);\n}");
    reel_close_(e, n + 1);
    return 0;
}

/* Sums of 16-bit floats are made in the work array: dq, dk, dv one after another. */
static void begin_sums(reel_emit *e, bool narrow)
{
    int64_t at = 0;
    for (int k = 0; k < 3; k++) {
        char name[16];
        snprintf(name, sizeof name, "to%d", k);
        if (narrow)
            reel_set_text_(e, name, "(work + %lld)", (long long)at);
        else
            reel_set_text_(e, name, "%s", e->out[k].name);
        e->out[k].read = !narrow && e->out[k].count > 0;
        if (e->out[k].count)
            reel_sayf_(e, "for (long i = 0; i < %lld; i++) $to%d[i] = 0;", (long long)e->out[k].count, k);
        at += e->out[k].count;
    }
    if (narrow) e->work = (size_t)at;
}

int reel_emit_attention_grad_(reel_emit *e)
{
    heads h;
    begin(e, &h, 6);
    const int r = h.q->rank;
    const bool narrow = reel_size_(h.q->dtype) < 4;
    set_operand(e, &h, "G", "gr", "gc", &e->in[3], false);
    set_operand(e, &h, "DQ", "dqr", "dqc", &e->out[0], false);
    set_operand(e, &h, "DK", "dkr", "dkc", &e->out[1], true);
    set_operand(e, &h, "DV", "dvr", "dvc", &e->out[2], true);
    set_column(e, "L", &e->in[4]);
    set_column(e, "D", &e->in[5]);
    begin_sums(e, narrow);
    if (h.q->dims[r - 2] > 0 && h.k->dims[r - 2] > 0) {
        const int n = reel_open_all_(e, "b", h.q->dims, r - 2);
        reel_open_(e, "i", h.q->dims[r - 2]);
        reel_say_(e, "const T base = LD4($L) == -(T)INFINITY ? 0 : LD4($L), less = LD5($D);\n(void)less;");
        reel_open_(e, "j", h.k->dims[r - 2]);
        say_score(e, &h, true);
        reel_say_(e, "const T p = V(exp)(score - base);\nT ds = 0;\nif (p == 0) continue;\n"
                     "for (long c = 0; c < $dv; c++) {\n    const T by = LD3($G + i * $gr + c * $gc);\n"
                     "    ds += by * LD2($V + j * $vr + c * $vc);\n    $to2[$DV + j * $dvr + c * $dvc] += p * by;\n}\n"
                     "ds = p * (ds - less) * slope;\nfor (long c = 0; c < $d; c++) {\n"
                     "    $to0[$DQ + i * $dqr + c * $dqc] += ds * LD1($K + j * $kr + c * $kc);\n"
                     "    $to1[$DK + j * $dkr + c * $dkc] += ds * LD0($Q + i * $qr + c * $qc);\n}");
        reel_close_(e, n + 2);
    }
    for (int k = 0; k < 3 && narrow; k++)
        if (e->out[k].count)
            reel_sayf_(e, "for (long i = 0; i < %lld; i++) ST%d(i, $to%d[i]);", (long long)e->out[k].count, k, k);
    return 0;
}

int reel_emit_rotary_(reel_emit *e)
{
    const reel_attr_rotary *a = e->attr;
    const reel_eoperand *x = &e->in[0];
    const int r = x->rank;
    int64_t dims[REEL_MAX_RANK];
    char buf[REEL_OFFSET_TEXT];
    if (x->count == 0) return 0;
    memcpy(dims, x->dims, sizeof dims);
    dims[r - 1] = e->in[1].dims[e->in[1].rank - 1];
    reel_set_text_(e, "x", "%s", reel_offset_(x->dims, x->strides, r - 1, "i", ~0u, buf));
    reel_set_text_(e, "o", "%s", reel_offset_(x->dims, e->out[0].strides, r - 1, "i", ~0u, buf));
    reel_set_(e, "xs", x->strides[r - 1]);
    reel_set_(e, "half", dims[r - 1]);
    for (int k = 1; k < 3; k++) {
        const reel_eoperand *t = &e->in[k];
        int64_t strides[REEL_MAX_RANK] = {0};
        for (int i = 0; i < t->rank - 1; i++)
            if (t->dims[i] != 1) strides[r - t->rank + i] = t->strides[i];
        reel_set_text_(e, k == 1 ? "c" : "s", "%s + k * %lld", reel_offset_(dims, strides, r - 1, "i", ~0u, buf),
                       (long long)t->strides[t->rank - 1]);
    }
    const int64_t d = x->dims[r - 1], half = dims[r - 1];
    reel_set_text_(e, "first", a->interleaved ? "2 * k" : "k");
    reel_set_text_(e, "second", a->interleaved ? "(2 * k + 1)" : "(k + $half)");
    const int n = reel_open_all_(e, "i", x->dims, r - 1);
    reel_say_(e, "for (long k = 0; k < $half; k++) {\n"
                 "    const T a = LD0($x + $first * $xs), b = LD0($x + $second * $xs), c = LD1($c), s = LD2($s);\n"
                 "    ST0($o + $first, a * c - b * s);\n    ST0($o + $second, a * s + b * c);\n}");
    if (2 * half < d)
        reel_sayf_(e, "for (long k = %lld; k < %lld; k++) WR0($o + k, RD0($x + k * $xs));", (long long)2 * half,
                   (long long)d);
    reel_close_(e, n);
    return 0;
}
