/* plan_explain.c: what the passes did and what the plan is, as text. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "core/error.h"
#include "debug.h"

typedef struct report {
    FILE *f;
    bool failed;
    struct reel_profile *profile; /* NULL: its runs are not timed */
    reel_peak peak;
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
        say(r, "%5s    %-*s  %-20s", "", r->profile ? 98 : 82, n->op->name,
            type_text(&g->values[n->first_out].type, text));
        say_line(r, g, n);
    }
}

/* 1234567 as 1.23M. */
static const char *short_number(double n, char buf[16])
{
    static const char unit[] = " kMGT";
    int i = 0;
    while (n >= 999.5 && i < 4) {
        n /= 1000;
        i++;
    }
    if (i)
        snprintf(buf, 16, n < 9.995 ? "%.2f%c" : n < 99.95 ? "%.1f%c" : "%.0f%c", n, unit[i]);
    else
        snprintf(buf, 16, "%.0f", n);
    return buf;
}

/* What it does, and, once it has been timed, how fast: the greater of its shares of what the machine can compute and move. */
static void say_cost(report *r, const reel_plan *plan, int i)
{
    const reel_step_note *note = &plan->step_notes[i];
    char flops[16], bytes[16];
    say(r, " %7s %7s", note->flops > 0 ? short_number(note->flops, flops) : "-",
        short_number((double)note->bytes, bytes));
    if (!r->profile) return;
    const double seconds = reel_profile_seconds_(r->profile, plan->graph, plan->steps[i].node);
    if (seconds <= 0 || plan->steps[i].node < 0) {
        say(r, " %9s %5s", "-", "-");
        return;
    }
    const double compute = note->flops / seconds / r->peak.flops, move = (double)note->bytes / seconds / r->peak.bytes;
    say(r, " %9.2f %4.0f%c", 1e6 * seconds, 100 * (compute > move ? compute : move), compute > move ? 'c' : 'm');
}

static void say_kernel(report *r, const reel_plan *plan, int i)
{
    const reel_kernel *k = plan->kernels[i];
    const char *name = k->name ? k->name(plan->kernel_plans[i]) : plan->member_at[i] >= 0 ? "own tiles" : "own loop";
    say(r, "  %-24.24s", name);
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
    say_cost(r, plan, i);
    say_kernel(r, plan, i);
    say(r, member ? "  %s\n" : "  %-20s", n->n_out ? type_text(t, text) : "");
    if (member)
        say_members(r, g, member);
    else
        say_line(r, g, n);
}

static void say_totals(report *r, const reel_plan *plan)
{
    const int n = plan->n_steps + plan->n_late;
    double flops = 0, bytes = 0;
    char a[16], b[16];
    for (int i = 0; i < n; i++) {
        flops += plan->step_notes[i].flops;
        bytes += (double)plan->step_notes[i].bytes;
    }
    say(r, "%s floating-point operations, %s bytes read and written\n", short_number(flops, a), short_number(bytes, b));
    if (!r->profile) return;
    say(r, "of peak: c: of %s operations a second (a product of 768 x 768 f32), ", short_number(r->peak.flops, a));
    say(r, "m: of %s bytes a second (a copy of 32 MB), both measured just now or before\n",
        short_number(r->peak.bytes, b));
}

static void say_plan(report *r, const reel_plan *plan, int segment)
{
    const int n = plan->n_steps + plan->n_late;
    if (segment) say(r, "behind the count, where it was %lld:\n", (long long)plan->size);
    if (segment && plan->n_reports) say_passes(r, plan);
    say(r, "%d steps, %d pointers, an arena of %zu bytes; at most %zu bytes are alive at once\n", n, plan->n_slots,
        plan->arena_bytes, plan->live_bytes);
    if (n) say_totals(r, plan);
    if (n) say(r, "%5s  %-20s%11s %11s %7s %7s", "step", "op", "at", "bytes", "flops", "moved");
    if (n && r->profile) say(r, " %9s %5s", "us", "% of");
    if (n) say(r, "  %-24s  %-20s  %s\n", "kernel", "result", "line");
    for (int i = 0; i < n; i++) say_step(r, plan, i);
    if (plan->n_groups) {
        char text[1024];
        reel_compiled_text_(plan, text, sizeof text);
        say(r, "%s", text);
    }
    if (plan->seam && plan->seam->plans) say_plan(r, plan->seam->plans, segment + 1);
}

static int explain(report *r, reel_player *p, const char *fn)
{
    pthread_mutex_lock(&p->lock); /* plans stay while it is held */
    const reel_plan *plan = p->plans;
    if (plan) {
        const reel_plan_info *info = &plan->info;
        say(r, "%d nodes traced, %d left out; %d values written over an input; %zu bytes without reuse\n", info->nodes,
            info->pruned, info->in_place, info->unplanned_bytes);
        say(r, "%d steps moved; %zu bytes of variables written over their old values\n\n", info->moved,
            info->donated_bytes);
        say_passes(r, plan);
        say(r, "\n");
        say_plan(r, plan, 0);
    }
    pthread_mutex_unlock(&p->lock);
    if (!plan) return reel_fail_at_("", REEL_EARG, "%s: it has not run yet, or it is closed", fn);
    return r->failed ? reel_fail_at_("", REEL_EIO, "%s: the stream does not take the text", fn) : 0;
}

int reel_player_explain_(FILE *f, reel_player *p, const char *fn)
{
    report r = {.f = f};
    reel_debug *d = reel_debug_retain_(p);
    r.profile = d ? d->profile : NULL;
    int rc = r.profile ? reel_profile_peak_(r.profile, &r.peak) : 0;
    if (!rc) rc = explain(&r, p, fn);
    reel_debug_release_(p, d);
    return rc;
}
