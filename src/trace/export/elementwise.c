/* elementwise.c: emitters of loops over elements: groups that were fused, single ops, copies, optimizer steps. */
#include <string.h>
#include "elements.h"

/* ---- one loop nest over the elements of the outputs ------------------------------------------------------------ */

/* Strides of o against the outputs' dims; false: a number, read at 0. */
static void along(const reel_eoperand *o, const reel_eoperand *out, int64_t strides[REEL_MAX_RANK])
{
    const int lead = out->rank - o->rank;
    memset(strides, 0, REEL_MAX_RANK * sizeof *strides);
    for (int i = 0; i < o->rank; i++)
        if (o->dims[i] != 1) strides[lead + i] = o->strides[i];
}

int reel_open_elements_(reel_emit *e, const reel_eoperand *shape, unsigned inputs)
{
    enum { MOST = REEL_FUSED_IN + REEL_FUSED_NUMBERS + REEL_FUSED_OUT };
    int64_t dims[REEL_MAX_RANK], strides[MOST][REEL_MAX_RANK];
    int rank = 0, n = 0, which[MOST];
    for (int k = 0; k < e->n_in && n < MOST - 1; k++) {
        if (!((inputs >> k) & 1u) || e->in[k].text || e->in[k].count == 1 || !e->in[k].given) continue;
        which[n] = k;
        along(&e->in[k], shape, strides[n++]);
    }
    which[n] = -1;
    reel_shape whole = {.rank = shape->rank};
    memcpy(whole.dims, shape->dims, sizeof whole.dims);
    reel_shape_strides_(&whole, strides[n]);
    for (int a = 0; a < shape->rank; a++) { /* neighbouring axes that all operands walk as one are one */
        bool joins = rank > 0;
        if (shape->dims[a] == 1) continue;
        for (int k = 0; k <= n && joins; k++) joins = strides[k][rank - 1] == shape->dims[a] * strides[k][a];
        if (!joins) {
            dims[rank++] = shape->dims[a];
        } else {
            dims[rank - 1] *= shape->dims[a];
        }
        for (int k = 0; k <= n; k++) strides[k][rank - 1] = strides[k][a];
    }
    char buf[REEL_OFFSET_TEXT], name[12];
    for (int k = 0; k < e->n_in; k++) {
        snprintf(name, sizeof name, "i%d", k);
        reel_set_text_(e, name, "0");
    }
    for (int k = 0; k <= n; k++) {
        snprintf(name, sizeof name, which[k] < 0 ? "o" : "i%d", which[k]);
        reel_set_text_(e, name, "%s", reel_offset_(dims, strides[k], rank, "i", ~0u, buf));
    }
    return reel_open_all_(e, "i", dims, rank);
}

int reel_emit_copy_(reel_emit *e)
{
    if (e->out[0].count == 0) return 0;
    const int n = reel_open_elements_(e, &e->out[0], 1u);
    e->in[0].read = !e->in[0].text;
    e->out[0].read = true;
    reel_sayf_(e, "%s[$o] = %s%s;", e->out[0].name, e->in[0].text ? e->in[0].text : e->in[0].name,
               e->in[0].text ? "" : "[$i0]");
    reel_close_(e, n);
    return 0;
}

/* ---- groups ----------------------------------------------------------------------------------------------------- */

static void operand_text(const reel_emit *e, int k, char buf[64])
{
    if (k >= e->n_in)
        snprintf(buf, 64, "t%d", k - e->n_in);
    else if (e->in[k].text)
        snprintf(buf, 64, "%s", e->in[k].text);
    else
        snprintf(buf, 64, "%s[$i%d]", e->in[k].name, k);
}

/* Which parts' results are stored or read by such a part: a step that reads nothing of its operand leaves others. */
static void find_needed(const reel_emit *e, const reel_fused *f, bool needed[REEL_FUSED_PARTS])
{
    for (int i = 0; i < f->n_parts; i++) needed[i] = i < e->n_out;
    for (int i = f->n_parts - 1; i >= 0; i--)
        for (int k = 0; k < f->part[i].n_in && needed[f->part[i].out - e->n_in]; k++)
            if (f->part[i].in[k] >= e->n_in) needed[f->part[i].in[k] - e->n_in] = true;
}

static int emit_parts(reel_emit *e, const reel_fused *f)
{
    bool needed[REEL_FUSED_PARTS];
    find_needed(e, f, needed);
    const int n = reel_open_elements_(e, &e->out[0], ~0u);
    for (int i = 0; i < f->n_parts; i++) {
        const reel_fused_part *part = &f->part[i];
        if (!needed[part->out - e->n_in]) continue;
        char arg[REEL_FUSED_ARGS][64];
        const char *args[REEL_FUSED_ARGS];
        reel_text expression = {0};
        for (int k = 0; k < part->n_in; k++) {
            operand_text(e, part->in[k], arg[k]);
            args[k] = arg[k];
            if (part->in[k] < e->n_in && !e->in[part->in[k]].text) e->in[part->in[k]].read = true;
        }
        const int rc = reel_scalar_(e->x, part->op, part->attr, part->in_dtype, part->out_dtype, args, &expression);
        if (!rc && f->n_parts == 1)
            reel_sayf_(e, "%s[$o] = %s;", e->out[0].name, reel_text_of_(&expression));
        else if (!rc)
            reel_sayf_(e, "const %s t%d = %s;", reel_ctype_(part->out_dtype), part->out - e->n_in,
                       reel_text_of_(&expression));
        reel_text_free_(&expression);
        if (rc) return rc;
    }
    for (int k = 0; k < e->n_out; k++) {
        e->out[k].read = true;
        if (f->n_parts > 1) reel_sayf_(e, "%s[$o] = t%d;", e->out[k].name, k);
    }
    reel_close_(e, n);
    return reel_status();
}

int reel_emit_fused_(reel_emit *e)
{
    for (int i = 0; i < e->s->fused->n_parts; i++)
        if (!reel_is_scalar_(e->s->fused->part[i].op))
            return reel_fail_at_(e->node->site, REEL_ETRACE, "reel_export_c: reel_%s has no exported form in a group",
                                 e->s->fused->part[i].op->name);
    return emit_parts(e, e->s->fused);
}

int reel_emit_scalar_(reel_emit *e)
{
    reel_fused one = {.n_parts = 1};
    one.part[0] = (reel_fused_part){.op = e->op, .attr = e->attr, .n_in = e->n_in, .out = (int16_t)e->n_in};
    for (int k = 0; k < e->n_in; k++) {
        one.part[0].in[k] = (int16_t)k;
        one.part[0].in_dtype[k] = e->in[k].dtype;
    }
    one.part[0].out_dtype = e->out[0].dtype;
    return emit_parts(e, &one);
}

/* ---- optimizer steps -------------------------------------------------------------------------------------------- */

int reel_emit_sgd_(reel_emit *e)
{
    const reel_attr_update *a = e->attr;
    char buf[REEL_NUMBER_TEXT];
    e->real = e->in[0].dtype == REEL_F64 ? REEL_F64 : REEL_F32;
    reel_set_text_(e, "momentum", "%s", reel_float_(e->real, a->momentum, buf));
    reel_set_text_(e, "decay", "%s", reel_float_(e->real, a->decay, buf));
    reel_say_(e, "const T rate = LD3(0);");
    const int n = reel_open_elements_(e, &e->out[0], 7u);
    reel_say_(e, "const T w_old = LD0($i0);\n"
                 "const T v_new = $momentum * LD1($i1) + (LD2($i2) + $decay * w_old);\n"
                 "ST0($o, w_old - rate * v_new);\nST1($o, v_new);");
    reel_close_(e, n);
    return 0;
}

int reel_emit_adam_(reel_emit *e)
{
    const reel_attr_update *a = e->attr;
    char buf[REEL_NUMBER_TEXT];
    e->real = e->in[0].dtype == REEL_F64 ? REEL_F64 : REEL_F32;
    const struct {
        const char *name;
        double x;
    } numbers[] = {{"b1", a->beta1},     {"b2", a->beta2}, {"c1", 1 - a->beta1},
                   {"c2", 1 - a->beta2}, {"eps", a->eps},  {"decay", a->decay}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        reel_set_text_(e, numbers[i].name, "%s", reel_float_(e->real, numbers[i].x, buf));
    reel_set_text_(e, "wide1", "%s", reel_double_(a->beta1, buf));
    reel_set_text_(e, "wide2", "%s", reel_double_(a->beta2, buf));
    reel_say_(e, "const double step = LD5(0);\n"
                 "const T rate = (T)(LD4(0) / (1 - pow($wide1, step)));\n"
                 "const T scale = (T)(1 / (1 - pow($wide2, step)));");
    const int n = reel_open_elements_(e, &e->out[0], 15u);
    reel_say_(e, "const T w_old = LD0($i0), g_new = LD3($i3) + $decay * w_old;\n"
                 "const T m_new = $b1 * LD1($i1) + $c1 * g_new, v_new = $b2 * LD2($i2) + $c2 * g_new * g_new;\n"
                 "ST0($o, w_old - rate * m_new / (V(sqrt)(v_new * scale) + $eps));\nST1($o, m_new);\nST2($o, v_new);");
    reel_close_(e, n);
    return 0;
}

/* ---- numbers of one value ----------------------------------------------------------------------------------------- */

int reel_emit_fill_(reel_emit *e, double value)
{
    unsigned char element[8] = {0};
    char buf[REEL_NUMBER_TEXT];
    reel_convert_(element, e->out[0].dtype, 1, &value, REEL_F64, 1, 1);
    reel_open_(e, "i", e->out[0].count);
    reel_sayf_(e, "out[i] = %s;", reel_literal_(e->out[0].dtype, element, buf));
    e->out[0].read = true;
    reel_close_(e, 1);
    return 0;
}
