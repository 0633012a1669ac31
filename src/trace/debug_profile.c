/* debug_profile.c: where the time of a session's runs goes: a table of nodes, and a trace of the last runs for a viewer. */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/alloc.h"
#include "core/error.h"
#include "debug.h"
#include "session.h"

enum { MAX_EVENTS = 1 << 18 }; /* kept for the trace; the table has all */
enum { MAX_GRAPHS = 64 };      /* as planned: one for each set of fed shapes */

typedef struct node_time {
    double seconds, bytes;
    int64_t calls;
    char *ops;      /* of a fused step that ended with it */
    int32_t member; /* of the fused step that ended with node member - 1; 0: of none */
} node_time;

typedef struct planned {
    reel_graph *graph;
    node_time *node; /* by node, then copies, then ends */
    int64_t runs;
} planned;

typedef struct timed {
    double start;
    float seconds;
    int32_t node; /* -1: a copy of a result; -2: the end of a run */
    uint32_t thread;
    int graph;
} timed;
enum { A_COPY = -1, AN_END = -2 };

struct reel_profile {
    _Atomic int refs;
    pthread_mutex_t lock;
    planned graphs[MAX_GRAPHS];
    int n_graphs, last; /* last: of the last run */
    timed *events;
    size_t n_events, cap_events, left_out;
    int64_t runs;
    double seconds, began; /* of all runs, steps and what lies between */
    reel_peak peak;        /* 0: not measured yet */
};

struct reel_profile_run {
    struct reel_profile *profile;
    double start;
    struct noted {
        double start, seconds;
        const reel_plan *plan;
        int32_t step, node;
    } * steps;
    size_t n, cap;
};

/* ---- life -------------------------------------------------------------------------------------------------- */

static size_t n_rows(const planned *p)
{
    return p->graph->n_nodes + 2;
}

static node_time *row_of(const planned *p, int32_t node)
{
    return &p->node[node >= 0 ? (size_t)node : p->graph->n_nodes + (node == AN_END)];
}

struct reel_profile *reel_profile_new_(void)
{
    struct reel_profile *p = reel_zalloc_(sizeof *p);
    if (!p) return NULL;
    if (pthread_mutex_init(&p->lock, NULL)) {
        reel_free_(p, sizeof *p);
        return NULL;
    }
    atomic_init(&p->refs, 1);
    p->began = reel_now_();
    return p;
}

void reel_profile_retain_(struct reel_profile *p)
{
    if (p) atomic_fetch_add(&p->refs, 1);
}

void reel_profile_release_(struct reel_profile *p)
{
    if (!p || atomic_fetch_sub(&p->refs, 1) != 1) return;
    for (int k = 0; k < p->n_graphs; k++) {
        planned *g = &p->graphs[k];
        for (size_t i = 0; i < n_rows(g); i++) reel_strfree_(g->node[i].ops);
        reel_free_(g->node, n_rows(g) * sizeof *g->node);
        reel_graph_release_(g->graph);
    }
    reel_free_(p->events, p->cap_events * sizeof *p->events);
    pthread_mutex_destroy(&p->lock);
    reel_free_(p, sizeof *p);
}

/* The number of a planned graph; -1: there are too many, or no memory. */
static int graph_number(struct reel_profile *p, reel_graph *g)
{
    int i = 0;
    while (i < p->n_graphs && p->graphs[i].graph != g) i++;
    if (i < p->n_graphs) return i;
    if (i == MAX_GRAPHS) return -1;
    node_time *node = reel_zalloc_((g->n_nodes + 2) * sizeof *node);
    if (!node) {
        (void)reel_take_error(NULL);
        return -1;
    }
    p->graphs[i] = (planned){.graph = reel_graph_retain_(g), .node = node};
    p->n_graphs++;
    return i;
}

/* ---- one run ----------------------------------------------------------------------------------------------- */

reel_profile_run *reel_profile_begin_(struct reel_profile *p)
{
    reel_profile_run *r = reel_zalloc_(sizeof *r);
    if (!r) {
        (void)reel_take_error(NULL);
        return NULL;
    }
    r->profile = p;
    r->start = reel_now_();
    return r;
}

void reel_profile_note_(reel_profile_run *r, const reel_plan *plan, const reel_happened *h)
{
    if (reel_grow_((void **)&r->steps, &r->cap, r->n + 1, sizeof *r->steps)) {
        (void)reel_take_error(NULL); /* a run goes on without its profile */
        return;
    }
    r->steps[r->n++] = (struct noted){h->start, h->seconds, plan, h->step, h->node};
}

static void keep_event(struct reel_profile *p, const timed *t)
{
    if (p->n_events >= MAX_EVENTS ||
        reel_grow_((void **)&p->events, &p->cap_events, p->n_events + 1, sizeof *p->events)) {
        if (p->n_events < MAX_EVENTS) (void)reel_take_error(NULL);
        p->left_out++;
        return;
    }
    p->events[p->n_events++] = *t;
}

static void add_up(node_time *row, double seconds, size_t bytes)
{
    row->seconds += seconds;
    row->bytes += (double)bytes;
    row->calls++;
}

static void note_fused(const planned *g, const reel_plan *plan, int32_t step, int32_t node)
{
    node_time *row = row_of(g, node);
    if (row->ops || !plan->step_notes[step].ops) return;
    row->ops = reel_strdup_(plan->step_notes[step].ops);
    if (!row->ops) (void)reel_take_error(NULL);
    const int32_t *member = plan->member_at[step] >= 0 ? plan->members + plan->member_at[step] : NULL;
    for (int k = 1; member && k <= member[0]; k++) row_of(g, member[k])->member = node + 1;
}

static void add_step(struct reel_profile *p, const struct noted *s)
{
    const int k = graph_number(p, s->plan->graph);
    if (k < 0) return;
    const planned *g = &p->graphs[k];
    const int32_t node = s->node < 0 ? A_COPY : s->node;
    add_up(row_of(g, node), s->seconds, s->plan->step_notes[s->step].bytes);
    note_fused(g, s->plan, s->step, node);
    keep_event(p, &(timed){s->start, (float)s->seconds, node, reel_ctx_()->thread, k});
}

void reel_profile_end_(reel_profile_run *r, const reel_plan *plan, double end_seconds)
{
    if (!r) return;
    struct reel_profile *p = r->profile;
    const double now = reel_now_();
    pthread_mutex_lock(&p->lock);
    const int k = graph_number(p, plan->graph);
    for (size_t i = 0; i < r->n && k >= 0; i++) add_step(p, &r->steps[i]);
    if (k >= 0) {
        add_up(row_of(&p->graphs[k], AN_END), end_seconds, 0);
        keep_event(p, &(timed){now - end_seconds, (float)end_seconds, AN_END, reel_ctx_()->thread, k});
        p->graphs[k].runs++;
        p->last = k;
    }
    p->runs++;
    p->seconds += now - r->start;
    pthread_mutex_unlock(&p->lock);
    reel_free_(r->steps, r->cap * sizeof *r->steps);
    reel_free_(r, sizeof *r);
}

/* ---- the session's ------------------------------------------------------------------------------------------- */

int reel_session_profile(reel_session *s, bool on)
{
    if (!s) return reel_fail_at_("", REEL_EARG, "reel_session_profile: s is NULL");
    reel_debug *d = reel_debug_change_(&s->player);
    if (!d) return REEL_ENOMEM;
    struct reel_profile *old = d->profile;
    d->profile = on ? reel_profile_new_() : NULL;
    reel_profile_release_(old);
    const int rc = on && !d->profile ? REEL_ENOMEM : 0;
    reel_debug_put_(&s->player, d);
    return rc;
}

/* Its profile, with the lock on it; the debug is to be released. NULL: raised. */
static struct reel_profile *profile_of(const char *fn, FILE *f, const reel_session *s, reel_debug **d)
{
    *d = NULL;
    if (!f || !s) {
        reel_fail_at_("", REEL_EARG, "%s: %s is NULL", fn, f ? "s" : "f");
        return NULL;
    }
    *d = reel_debug_retain_((reel_player *)(uintptr_t)&s->player);
    if (*d && (*d)->profile) {
        pthread_mutex_lock(&(*d)->profile->lock);
        return (*d)->profile;
    }
    reel_debug_release_((reel_player *)(uintptr_t)&s->player, *d);
    reel_fail_at_("", REEL_EARG, "%s: the session has no profile: reel_session_profile(s, true) comes before its runs",
                  fn);
    return NULL;
}

static int done_with(const char *fn, FILE *f, const reel_session *s, struct reel_profile *p, reel_debug *d)
{
    pthread_mutex_unlock(&p->lock);
    reel_debug_release_((reel_player *)(uintptr_t)&s->player, d);
    return ferror(f) ? reel_fail_at_("", REEL_EIO, "%s: the stream does not take the text", fn) : 0;
}

/* ---- the table ----------------------------------------------------------------------------------------------- */

typedef struct ranked {
    double seconds;
    int32_t node;
    int graph;
} ranked;

static int slower(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    if (x->seconds != y->seconds) return x->seconds < y->seconds ? 1 : -1;
    return (x->node > y->node) - (x->node < y->node);
}

static void put_row(FILE *f, const struct reel_profile *p, const ranked *r)
{
    const planned *g = &p->graphs[r->graph];
    const node_time *t = row_of(g, r->node);
    fprintf(f, "%10.2f %5.1f %8" PRId64 " %12.0f  ", 1e6 * t->seconds / (double)p->runs, 100 * t->seconds / p->seconds,
            t->calls, t->calls ? t->bytes / (double)t->calls : 0);
    if (r->node < 0) {
        fprintf(f, "%s\n", r->node == A_COPY ? "(copies of results)" : "(the end: variables assigned)");
        return;
    }
    reel_node_info e;
    reel_fill_info_(g->graph, r->node, &e);
    const bool named = strcmp(e.name, e.op) != 0;
    const reel_node *n = &g->graph->nodes[r->node];
    char shape[REEL_SHAPE_TEXT] = "";
    if (n->n_out) reel_shape_text_(&g->graph->values[n->first_out].type.shape, shape);
    fprintf(f, "%-24s %-12s %s%s%s%s%s%s%s%s\n", t->ops ? t->ops : e.op, shape, reel_site_base_(e.site),
            named ? " \"" : "", named ? e.name : "", named ? "\"" : "", *e.scope ? " (in \"" : "", e.scope,
            *e.scope ? "\")" : "", "");
}

static size_t rank_all(const struct reel_profile *p, ranked *out, double *sum)
{
    size_t n = 0;
    *sum = 0;
    for (int k = 0; k < p->n_graphs; k++) {
        const planned *g = &p->graphs[k];
        for (size_t i = 0; i < n_rows(g); i++) {
            if (!g->node[i].calls) continue;
            const int32_t node = i < g->graph->n_nodes ? (int32_t)i : i == g->graph->n_nodes ? A_COPY : AN_END;
            if (out) out[n] = (ranked){g->node[i].seconds, node, k};
            *sum += g->node[i].seconds;
            n++;
        }
    }
    return n;
}

int reel_session_profile_print(FILE *f, const reel_session *s)
{
    static const char FN[] = "reel_session_profile_print";
    reel_debug *d;
    struct reel_profile *p = profile_of(FN, f, s, &d);
    if (!p) return reel_status();
    double steps;
    const size_t n = rank_all(p, NULL, &steps);
    ranked *order = reel_alloc_array_(n + 1, sizeof *order);
    if (order && !p->runs) {
        fputs("no runs yet\n", f);
    } else if (order) {
        (void)rank_all(p, order, &steps);
        qsort(order, n, sizeof *order, slower);
        fprintf(f, "%" PRId64 " runs of %.2f us each, %.1f %% of it in these:\n", p->runs,
                1e6 * p->seconds / (double)p->runs, 100 * steps / p->seconds);
        fprintf(f, "%10s %5s %8s %12s  %-24s %-12s %s\n", "us a run", "%", "calls", "bytes a call", "op", "result",
                "line, name");
        for (size_t i = 0; i < n; i++) put_row(f, p, &order[i]);
    }
    reel_free_(order, (n + 1) * sizeof *order);
    const int rc = done_with(FN, f, s, p, d);
    return order ? rc : REEL_ENOMEM;
}

/* ---- the trace ------------------------------------------------------------------------------------------------- */

void reel_put_json_(FILE *f, const char *text)
{
    fputc('"', f);
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (*c == '"' || *c == '\\')
            fprintf(f, "\\%c", *c);
        else if (*c < 0x20 || *c == '<' || *c == '>') /* "</script>" must not end a page's script */
            fprintf(f, "\\u%04x", *c);
        else
            fputc(*c, f);
    }
    fputc('"', f);
}

static void put_event(FILE *f, const struct reel_profile *p, const timed *t)
{
    reel_node_info e = {
        .name = t->node == A_COPY ? "copy of a result" : "end of the run", .op = "reel", .site = "", .scope = ""};
    const planned *g = &p->graphs[t->graph];
    if (t->node >= 0) reel_fill_info_(g->graph, t->node, &e);
    const node_time *row = row_of(g, t->node);
    fputs(",\n{\"ph\":\"X\",\"pid\":1,\"name\":", f);
    reel_put_json_(f, row->ops ? row->ops : e.name);
    fputs(",\"cat\":", f);
    reel_put_json_(f, e.op);
    fprintf(f, ",\"tid\":%u,\"ts\":%.3f,\"dur\":%.3f,\"args\":{\"node\":%d,\"op\":", t->thread,
            1e6 * (t->start - p->began), 1e6 * (double)t->seconds, t->node);
    reel_put_json_(f, row->ops ? row->ops : e.op);
    fputs(",\"line\":", f);
    reel_put_json_(f, e.site);
    fputs(",\"scope\":", f);
    reel_put_json_(f, e.scope);
    fprintf(f, ",\"bytes\":%.0f}}", row->calls ? row->bytes / (double)row->calls : 0);
}

int reel_session_profile_trace(FILE *f, const reel_session *s)
{
    static const char FN[] = "reel_session_profile_trace";
    reel_debug *d;
    struct reel_profile *p = profile_of(FN, f, s, &d);
    if (!p) return reel_status();
    fprintf(f,
            "{\"displayTimeUnit\":\"ns\",\"otherData\":{\"runs\":%" PRId64
            ",\"events_left_out\":%zu},\"traceEvents\":[\n",
            p->runs, p->left_out);
    fputs("{\"ph\":\"M\",\"pid\":1,\"name\":\"process_name\",\"args\":{\"name\":\"reel session\"}}", f);
    for (size_t i = 0; i < p->n_events; i++) put_event(f, p, &p->events[i]);
    fputs("\n]}\n", f);
    return done_with(FN, f, s, p, d);
}

double reel_profile_seconds_(struct reel_profile *p, const reel_graph *g, int32_t node)
{
    double seconds = -1;
    pthread_mutex_lock(&p->lock);
    for (int k = 0; k < p->n_graphs; k++) {
        const node_time *t = p->graphs[k].graph == g ? row_of(&p->graphs[k], node) : NULL;
        if (t && t->calls) seconds = t->seconds / (double)t->calls;
    }
    pthread_mutex_unlock(&p->lock);
    return seconds;
}

int reel_profile_peak_(struct reel_profile *p, reel_peak *out)
{
    pthread_mutex_lock(&p->lock);
    *out = p->peak;
    pthread_mutex_unlock(&p->lock);
    if (out->flops > 0) return 0;
    const int rc = reel_peak_measure_(out);
    pthread_mutex_lock(&p->lock);
    if (!rc) p->peak = *out;
    pthread_mutex_unlock(&p->lock);
    return rc;
}

static double node_times(const void *own, int32_t node, const char **ops, int32_t *member)
{
    const planned *g = own;
    const node_time *t = row_of(g, node);
    *ops = t->ops;
    *member = t->member - 1;
    return g->runs ? t->seconds / (double)g->runs : 0;
}

int reel_profile_last_(const char *fn, FILE *f, const reel_session *s,
                       int (*look)(void *arg, const reel_graph *g, reel_node_times times, const void *own), void *arg)
{
    reel_debug *d;
    struct reel_profile *p = profile_of(fn, f, s, &d);
    if (!p) return reel_status();
    int rc = p->n_graphs ? look(arg, p->graphs[p->last].graph, node_times, &p->graphs[p->last])
                         : reel_fail_at_("", REEL_EARG, "%s: the session has not run since its profile began", fn);
    const int bad = done_with(fn, f, s, p, d);
    return rc ? rc : bad;
}
