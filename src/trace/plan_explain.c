/* plan_explain.c: what the passes did and what the plan is, as text. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "core/error.h"
#include "trace.h"

typedef struct report {
    FILE *f;
    bool failed;
} report;

static void say(report *r, const char *fmt, ...) REEL_PRINTF(2, 3);
static void say(report *r, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    r->failed = vfprintf(r->f, fmt, ap) < 0 || r->failed;
    va_end(ap);
}

static void say_passes(report *r, const reel_plan *plan)
{
    if (plan->n_reports == 0) {
        say(r, "passes: none\n");
        return;
    }
    say(r, "%-12s %18s %26s %8s\n", "pass", "nodes", "bytes made", "found");
    for (int i = 0; i < plan->n_reports; i++) {
        const reel_pass_report *now = &plan->reports[i], *was = i ? now - 1 : now;
        char nodes[48], bytes[64];
        snprintf(nodes, sizeof nodes, i ? "%zu -> %zu" : "%zu", i ? was->nodes : now->nodes, now->nodes);
        snprintf(bytes, sizeof bytes, i ? "%zu -> %zu" : "%zu", i ? was->bytes : now->bytes, now->bytes);
        say(r, "%-12s %18s %26s", now->name, nodes, bytes);
        if (i) say(r, " %8zu", now->fired);
        say(r, "\n");
    }
}

static void say_place(report *r, const reel_place *at)
{
    switch ((reel_place_kind)at->kind) {
    case REEL_AT_ARENA: say(r, "%11lld", (long long)at->offset); break;
    case REEL_AT_EXT: say(r, "%11s", "result"); break;
    case REEL_AT_CONST: say(r, "%11s", "constant"); break;
    case REEL_AT_CARRY: say(r, "%11s", "earlier"); break;
    case REEL_AT_NOTHING: say(r, "%11s", "-"); break;
    }
}

static const char *type_text(const reel_type *t, char buf[REEL_SHAPE_TEXT + 8])
{
    char shape[REEL_SHAPE_TEXT];
    snprintf(buf, REEL_SHAPE_TEXT + 8, "%s%s", reel_dtype_name(t->dtype), reel_shape_text_(&t->shape, shape));
    return buf;
}

static void say_line(report *r, const reel_graph *g, const reel_node *n)
{
    say(r, "  %s", n->site && *n->site ? n->site : "?");
    if (n->scope >= 0) say(r, "  in %s", g->texts + n->scope);
    say(r, "\n");
}

/* The nodes of a fused step, which its last member stands for. */
static void say_members(report *r, const reel_graph *g, const int32_t *member)
{
    char text[REEL_SHAPE_TEXT + 8];
    for (int k = 1; k <= member[0]; k++) {
        const reel_node *n = &g->nodes[member[k]];
        say(r, "%5s    %-41s  %-20s", "", n->op->name, type_text(&g->values[n->first_out].type, text));
        say_line(r, g, n);
    }
}

static void say_step(report *r, const reel_plan *plan, int i)
{
    const reel_graph *g = plan->graph;
    const reel_step *s = &plan->steps[i];
    const int32_t *member = plan->member_at[i] >= 0 ? plan->members + plan->member_at[i] : NULL;
    char text[REEL_SHAPE_TEXT + 8], name[64];
    if (s->node < 0) { /* a result is laid out densely */
        say(r, "%5d  %-20s", i, "copy");
        say_place(r, &plan->slots[s->slot + 1]);
        say(r, "\n");
        return;
    }
    const reel_node *n = &g->nodes[s->node];
    const reel_type *t = &g->values[n->first_out].type;
    snprintf(name, sizeof name, "%.40s", n->op->name);
    if (member) snprintf(name, sizeof name, "%d as one", (int)member[0]);
    say(r, "%5d  %-20s", i, name);
    if (i >= plan->n_steps && plan->slots[plan->out_slot[i]].kind == REEL_AT_NOTHING)
        say(r, "%11s", "old value");
    else if (plan->out_slot[i] >= 0)
        say_place(r, &plan->slots[plan->out_slot[i]]);
    else
        say(r, "%11s", "-");
    if (n->n_out && reel_shape_known_(&t->shape))
        say(r, " %11zu", reel_type_bytes_(t));
    else
        say(r, " %11s", n->n_out ? "?" : "-");
    say(r, member ? "  %s\n" : "  %-20s", n->n_out ? type_text(t, text) : "");
    if (member)
        say_members(r, g, member);
    else
        say_line(r, g, n);
}

static void say_plan(report *r, const reel_plan *plan, int segment)
{
    const int n = plan->n_steps + plan->n_late;
    if (segment) say(r, "behind the count, where it was %lld:\n", (long long)plan->size);
    say(r, "%d steps, %d pointers, an arena of %zu bytes; at most %zu bytes are alive at once\n", n, plan->n_slots,
        plan->arena_bytes, plan->live_bytes);
    if (n) say(r, "%5s  %-20s%11s %11s  %-20s  %s\n", "step", "op", "at", "bytes", "result", "line");
    for (int i = 0; i < n; i++) say_step(r, plan, i);
    if (plan->seam && plan->seam->plans) say_plan(r, plan->seam->plans, segment + 1);
}

int reel_player_explain_(FILE *f, reel_player *p, const char *fn)
{
    report r = {.f = f};
    pthread_mutex_lock(&p->lock); /* plans stay while it is held */
    const reel_plan *plan = p->plans;
    if (plan) {
        const reel_plan_info *info = &plan->info;
        say(&r, "%d nodes traced, %d left out; %d values written over an input; %zu bytes without reuse\n", info->nodes,
            info->pruned, info->in_place, info->unplanned_bytes);
        say(&r, "%d steps moved; %zu bytes of variables written over their old values\n\n", info->moved,
            info->donated_bytes);
        say_passes(&r, plan);
        say(&r, "\n");
        say_plan(&r, plan, 0);
    }
    pthread_mutex_unlock(&p->lock);
    if (!plan) return reel_fail_at_("", REEL_EARG, "%s: it has not run yet, or it is closed", fn);
    return r.failed ? reel_fail_at_("", REEL_EIO, "%s: the stream does not take the text", fn) : 0;
}
