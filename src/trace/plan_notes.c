/* plan_notes.c: what is kept of planning for people who look at runs: of each step its traffic and what was fused into it; and,
   where it was asked for, where each value lies and in which order nodes happen. */
#include <stdio.h>
#include <string.h>
#include "core/alloc.h"
#include "debug.h"
#include "planner.h"

/* ---- steps --------------------------------------------------------------------------------------------- */

static char *fused_ops(const pstep *s)
{
    char text[256];
    const reel_fused *f = s->after ? s->after->f : s->fused;
    const int n_columns = s->columns ? s->columns->n : 0;
    size_t n = s->after ? (size_t)snprintf(text, sizeof text, "%.32s+", s->after->op->name) : 0;
    for (int i = 0; i < f->n_parts + n_columns; i++) {
        const char *name = i < f->n_parts ? f->part[i].op->name : s->columns->column[i - f->n_parts].op->name;
        const size_t m = strlen(name);
        if (n + m + 5 >= sizeof text) {
            memcpy(text + n, "+...", 4);
            n += 4;
            break;
        }
        if (i) text[n++] = '+';
        memcpy(text + n, name, m);
        n += m;
    }
    text[n] = '\0';
    return reel_strdup_(text);
}

static double node_flops(const planner *p, int32_t node)
{
    const reel_node *n = &p->g->nodes[node];
    const reel_type *in[REEL_MAX_IN];
    reel_type out[REEL_MAX_OUT];
    for (int k = 0; k < n->n_in; k++) in[k] = &p->v[p->g->ins[n->first_in + k]].type;
    for (int k = 0; k < n->n_out; k++) out[k] = p->v[n->first_out + k].type;
    return reel_flops_(n->op, reel_node_attr_(p->g, n), in, n->n_in, out, n->n_out);
}

static double flops_of(const planner *p, const pstep *s)
{
    double sum = 0;
    if (s->node < 0 || s->kind == STEP_RESERVE || s->kind == STEP_COUNT || s->kind == STEP_CHECK) return 0;
    for (int i = 0; s->many && i < s->many->n; i++) sum += node_flops(p, s->many->call[i].node);
    const reel_fused *f = s->after ? s->after->f : s->fused;
    if (s->after) sum = node_flops(p, s->after->node);
    if (!f) return s->many ? sum : node_flops(p, s->node);
    for (int i = 0; i < f->n_parts; i++) sum += node_flops(p, f->part[i].node);
    for (int i = 0; s->columns && i < s->columns->n; i++) sum += node_flops(p, s->columns->column[i].node);
    return sum;
}

static char *many_ops(const reel_many *m)
{
    char text[96];
    snprintf(text, sizeof text, "%d %.64s", m->n, m->call[0].op->name);
    return reel_strdup_(text);
}

static int note_steps(planner *p)
{
    reel_step_note *notes = reel_zalloc_((p->n_steps + 1) * sizeof *notes);
    p->plan->step_notes = notes;
    if (!notes) return REEL_ENOMEM;
    for (size_t i = 0; i < p->n_steps; i++) {
        const pstep *s = &p->steps[i];
        for (int k = 0; k < s->n_in + s->n_out; k++) {
            const int32_t value = p->slots[reel_first_operand_(s) + k].value;
            if (value >= 0) notes[i].bytes += reel_type_bytes_(&p->v[value].type);
        }
        notes[i].flops = flops_of(p, s);
        if ((s->fused || s->after) && !(notes[i].ops = fused_ops(s))) return REEL_ENOMEM;
        if (s->many && !(notes[i].ops = many_ops(s->many))) return REEL_ENOMEM;
    }
    return 0;
}

/* ---- values and events --------------------------------------------------------------------------------- */

static int add_event(reel_notes *t, reel_event e)
{
    if (reel_grow_((void **)&t->event, &t->cap_events, t->n_events + 1, sizeof *t->event)) return REEL_ENOMEM;
    e.first = (int32_t)t->n_outs;
    t->event[t->n_events++] = e;
    return 0;
}

static int add_out(reel_notes *t, int32_t value)
{
    if (reel_grow_((void **)&t->outs, &t->cap_outs, t->n_outs + 1, sizeof *t->outs)) return REEL_ENOMEM;
    t->outs[t->n_outs++] = value;
    t->event[t->n_events - 1].n++;
    return 0;
}

static int note_step(const planner *p, reel_notes *t, size_t i)
{
    const pstep *s = &p->steps[i];
    const bool done = s->node >= 0 && (s->kind == STEP_RUN || s->kind == STEP_FILL || s->fused || s->many || s->after);
    int rc = add_event(t, (reel_event){.node = s->node, .step = (int32_t)i, .done = done});
    for (int k = s->n_in; k < s->n_in + s->n_out && done && !rc; k++) {
        const int32_t value = p->slots[reel_first_operand_(s) + k].value;
        if (value >= 0) rc = add_out(t, value);
    }
    return rc;
}

/* A node that takes no step. */
static int note_node(const planner *p, reel_notes *t, size_t i)
{
    const reel_node *n = &p->g->nodes[i];
    int given = 0;
    if (!n->op || !(p->need[i] & REEL_NEED_VALUE)) return 0;
    for (int k = 0; k < n->n_out; k++) given += p->fed[n->first_out + k];
    if (n->n_out && given == n->n_out) return 0;
    int rc = add_event(t, (reel_event){.node = (int32_t)i, .step = -1, .done = true});
    for (int k = 0; k < n->n_out && !rc; k++)
        if (!p->fed[n->first_out + k]) rc = add_out(t, n->first_out + k);
    return rc;
}

static int note_events(const planner *p, reel_notes *t)
{
    const size_t end = p->seam >= 0 ? (size_t)p->seam + 1 : p->g->n_nodes;
    size_t next = 0;
    int rc = 0;
    for (size_t i = p->first; i < end && (p->rq->debug & REEL_DEBUG_PLAIN) && !rc; i++) {
        if (next < p->n_steps && p->steps[next].node == (int32_t)i)
            rc = note_step(p, t, next++);
        else
            rc = note_node(p, t, i);
    }
    while (next < p->n_steps && !rc) rc = note_step(p, t, next++);
    return rc;
}

static void note_values(const planner *p, reel_notes *t)
{
    for (size_t i = 0; i < p->g->n_values; i++) {
        const pvalue *v = &p->v[i];
        if (!v->type.dtype || v->shape_only || p->r[v->root].kind == REEL_AT_NOTHING) continue;
        reel_note *n = &t->value[i];
        n->at = reel_place_of_(p, (int32_t)i, v->type.dtype);
        n->type = v->type;
        memcpy(n->strides, v->strides, sizeof n->strides);
    }
}

int reel_plan_notes_(planner *p)
{
    if (note_steps(p)) return REEL_ENOMEM;
    if (!p->rq->debug) return 0;
    reel_notes *t = reel_zalloc_(sizeof *t);
    p->plan->notes = t;
    if (!t) return REEL_ENOMEM;
    t->n_values = p->g->n_values + 1;
    t->value = reel_zalloc_(t->n_values * sizeof *t->value);
    if (!t->value) return REEL_ENOMEM;
    note_values(p, t);
    return note_events(p, t);
}

void reel_plan_notes_free_(reel_plan *plan)
{
    const size_t ns = (size_t)(plan->n_steps + plan->n_late) + 1;
    for (size_t i = 0; i < ns && plan->step_notes; i++) reel_strfree_(plan->step_notes[i].ops);
    reel_free_(plan->step_notes, ns * sizeof *plan->step_notes);
    reel_notes *t = plan->notes;
    if (!t) return;
    reel_free_(t->value, t->n_values * sizeof *t->value);
    reel_free_(t->event, t->cap_events * sizeof *t->event);
    reel_free_(t->outs, t->cap_outs * sizeof *t->outs);
    reel_free_(t, sizeof *t);
}
