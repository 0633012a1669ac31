/* signature.c: which trace fits a call, in what a new one differs from earlier ones, and which dimensions vary so often that
   they had better be unknown. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "core/alloc.h"
#include "core/error.h"
#include "function.h"

/* ---- life ------------------------------------------------------------------------------------------- */

static void signature_free(reel_signature *s)
{
    const size_t n = (size_t)s->n + 1;
    reel_free_(s->types, n * sizeof *s->types);
    reel_free_(s->weak, n * sizeof *s->weak);
    reel_free_(s->statics, s->statics_size + 1);
}

static void note_free(reel_trace_note *n)
{
    signature_free(&n->sig);
    reel_strfree_(n->why);
    reel_free_(n, sizeof *n);
}

void reel_notes_free_(reel_function *f)
{
    while (f->notes) {
        reel_trace_note *n = f->notes;
        f->notes = n->next;
        note_free(n);
    }
}

static reel_trace_note *note_new(const reel_fn_call *c, const reel_type *types)
{
    reel_trace_note *n = reel_zalloc_(sizeof *n);
    if (!n) return NULL;
    reel_signature *s = &n->sig;
    s->n = c->n;
    s->widen = reel_ctx_()->widen;
    s->statics_size = c->f->statics_size;
    s->types = reel_alloc_array_((size_t)c->n + 1, sizeof *s->types);
    s->weak = reel_alloc_array_((size_t)c->n + 1, sizeof *s->weak);
    s->statics = reel_alloc_(s->statics_size + 1);
    if (!s->types || !s->weak || !s->statics) {
        note_free(n);
        return NULL;
    }
    for (int i = 0; i < c->n; i++) {
        s->types[i] = types ? types[i] : c->rec[i]->type;
        s->weak[i] = c->rec[i]->flags & REEL_R_NUM;
    }
    if (s->statics_size) memcpy(s->statics, c->f->statics, s->statics_size);
    n->site = c->site;
    return n;
}

static void trace_free(reel_fn_trace *t)
{
    if (t->player.graph) reel_player_drop_(&t->player);
    reel_free_(t->no_effects, (REEL_MAX_OUT + 1) * sizeof *t->no_effects);
    reel_free_(t, sizeof *t);
}

void reel_fn_unref_(reel_fn_trace *t)
{
    if (--t->refs == 0) trace_free(t);
}

/* ---- what fits -------------------------------------------------------------------------------------- */

/* want may have unknown dimensions, which fit any. */
static bool same_dims(const reel_shape *want, const reel_shape *s)
{
    if (want->rank != s->rank) return false;
    for (int i = 0; i < s->rank; i++)
        if (want->dims[i] != s->dims[i] && want->dims[i] != REEL_ANY) return false;
    return true;
}

static bool fits(const reel_signature *s, const reel_fn_call *c)
{
    if (s->widen != reel_ctx_()->widen || (s->statics_size && memcmp(s->statics, c->f->statics, s->statics_size) != 0))
        return false;
    for (int i = 0; i < c->n; i++) {
        const reel_rec *r = c->rec[i];
        const bool weak = r->flags & REEL_R_NUM;
        if (s->weak[i] != weak || s->types[i].dtype != r->type.dtype || !same_dims(&s->types[i].shape, &r->type.shape))
            return false;
    }
    return true;
}

static void remember_graph(reel_function *f, reel_graph *g)
{
    if (f->last == g) return;
    reel_graph_release_(f->last);
    f->last = reel_graph_retain_(g);
}

reel_fn_trace *reel_fn_find_(const reel_fn_call *c)
{
    reel_function *f = c->f;
    pthread_mutex_lock(&f->lock);
    reel_fn_trace *t = NULL;
    for (reel_fn_trace **at = &f->traces; *at && !t; at = &(*at)->next) {
        if (!fits(&(*at)->note->sig, c)) continue;
        t = *at;
        *at = t->next;
        t->next = f->traces;
        f->traces = t;
        t->refs++;
        t->note->replays++;
        f->replays++;
        remember_graph(f, t->player.graph);
        break;
    }
    pthread_mutex_unlock(&f->lock);
    return t;
}

/* ---- what differs ----------------------------------------------------------------------------------- */

typedef struct wording {
    char *buf;
    size_t n;
    int parts; /* differences */
} wording;

__attribute__((format(printf, 2, 3))) static void say(wording *t, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    if (t->buf && t->n < REEL_WHY) {
        if (t->parts) t->n += (size_t)snprintf(t->buf + t->n, REEL_WHY - t->n, "; ");
        if (t->n < REEL_WHY) t->n += (size_t)vsnprintf(t->buf + t->n, REEL_WHY - t->n, fmt, ap);
    }
    va_end(ap);
    t->parts++;
}

static const char *size_text(int64_t n, char buf[24])
{
    if (n == REEL_ANY)
        snprintf(buf, 24, "any");
    else
        snprintf(buf, 24, "%lld", (long long)n);
    return buf;
}

static void differ_input(wording *t, int i, const reel_signature *now, const reel_signature *old)
{
    char a[REEL_SHAPE_TEXT], b[REEL_SHAPE_TEXT];
    const reel_type *x = &now->types[i], *y = &old->types[i];
    if (now->weak[i] != old->weak[i]) {
        say(t, "in[%d] is a %s, was a %s", i, now->weak[i] ? "number" : "tensor", old->weak[i] ? "number" : "tensor");
        return;
    }
    if (x->dtype != y->dtype) say(t, "in[%d] is %s, was %s", i, reel_dtype_name(x->dtype), reel_dtype_name(y->dtype));
    if (x->shape.rank != y->shape.rank) {
        say(t, "in[%d] has shape %s, had %s", i, reel_shape_text_(&x->shape, a), reel_shape_text_(&y->shape, b));
        return;
    }
    for (int k = 0; k < x->shape.rank; k++)
        if (x->shape.dims[k] != y->shape.dims[k] && y->shape.dims[k] != REEL_ANY)
            say(t, "dimension %d of in[%d] is %s, was %s", k, i, size_text(x->shape.dims[k], a),
                size_text(y->shape.dims[k], b));
}

static void differ_statics(wording *t, const reel_signature *now, const reel_signature *old)
{
    size_t first = SIZE_MAX, last = 0;
    for (size_t i = 0; i < now->statics_size; i++) {
        if (now->statics[i] == old->statics[i]) continue;
        if (first == SIZE_MAX) first = i;
        last = i;
    }
    if (first == SIZE_MAX) return;
    char a[40] = "", b[40] = "";
    for (size_t i = first; i <= last && i < first + 8; i++) {
        snprintf(a + 3 * (i - first), 4, "%s%02x", i > first ? " " : "", (unsigned char)now->statics[i]);
        snprintf(b + 3 * (i - first), 4, "%s%02x", i > first ? " " : "", (unsigned char)old->statics[i]);
    }
    if (last == first)
        say(t, "byte %zu of .statics is %s, was %s", first, a, b);
    else
        say(t, "bytes %zu to %zu of .statics are %s%s, were %s", first, last, a, last >= first + 8 ? " ..." : "", b);
}

/* How many differences; said in buf unless NULL. */
static int differ(const reel_signature *now, const reel_signature *old, char *buf)
{
    wording t = {.buf = buf};
    if (now->widen != old->widen)
        say(&t, "%s", now->widen ? "a gradient check widens to f64" : "no gradient check widens any more");
    for (int i = 0; i < now->n; i++) differ_input(&t, i, now, old);
    differ_statics(&t, now, old);
    return t.parts;
}

/* The nearest of the earlier ones, the latest of several. */
static void explain(const reel_function *f, const reel_signature *now, char why[REEL_WHY])
{
    const reel_trace_note *best = NULL;
    int least = 0;
    for (const reel_trace_note *n = f->notes; n; n = n->next) {
        const int d = differ(now, &n->sig, NULL);
        if (best && d > least) continue;
        best = n;
        least = d;
    }
    if (!best) {
        snprintf(why, REEL_WHY, "the first");
    } else if (least == 0) {
        snprintf(why, REEL_WHY, "like trace %d, which %s", best->number,
                 best->kept ? "another thread was just making" : "had been dropped for others (.max_traces)");
    } else {
        char what[REEL_WHY];
        differ(now, &best->sig, what);
        snprintf(why, REEL_WHY, "%.*s (compared with trace %d)", REEL_WHY - 48, what, best->number);
    }
}

/* ---- the bounded list --------------------------------------------------------------------------------- */

static void append_note(reel_function *f, reel_trace_note *n)
{
    reel_trace_note **end = &f->notes, **old = NULL;
    n->number = f->made;
    while (*end) {
        if (!old && !(*end)->kept) old = end;
        end = &(*end)->next;
    }
    *end = n;
    if (++f->n_notes <= REEL_MAX_NOTES || !old) return;
    reel_trace_note *gone = *old;
    *old = gone->next;
    note_free(gone);
    f->n_notes--;
}

static void drop_last(reel_function *f)
{
    reel_fn_trace **last = &f->traces;
    while ((*last)->next) last = &(*last)->next;
    reel_fn_trace *old = *last;
    *last = NULL;
    f->n_traces--;
    old->note->kept = false;
    reel_fn_unref_(old);
}

static reel_fn_trace *trace_new(const reel_function *f, reel_graph *g, reel_trace_note *n)
{
    reel_fn_trace *t = reel_zalloc_(sizeof *t);
    if (!t) return NULL;
    bool varies = false;
    for (int i = 0; i < n->sig.n; i++) varies |= !reel_shape_known_(&n->sig.types[i].shape);
    t->no_effects = reel_alloc_array_(REEL_MAX_OUT + 1, sizeof *t->no_effects);
    if (!t->no_effects || reel_player_init_(&t->player, g, varies ? 16 : 4, f->max_arenas, &f->passes)) {
        trace_free(t);
        return NULL;
    }
    memset(t->no_effects, 0xff, (REEL_MAX_OUT + 1) * sizeof *t->no_effects);
    t->refs = 1;
    t->note = n;
    return t;
}

int reel_fn_insert_(const reel_fn_call *c, reel_graph *g, const reel_type *types, const char *why, bool keep,
                    reel_fn_trace **made)
{
    reel_function *f = c->f;
    char text[REEL_WHY];
    reel_trace_note *n = note_new(c, types);
    reel_fn_trace *t = n && keep ? trace_new(f, g, n) : NULL;
    if (!n || (keep && !t)) {
        if (n) note_free(n);
        return reel_status();
    }
    n->sig.widen = g->widen;
    pthread_mutex_lock(&f->lock);
    if (!why) {
        explain(f, &n->sig, text);
        if (!keep) strncat(text, "; not kept, as two variables had one value", REEL_WHY - strlen(text) - 1);
        why = text;
    }
    n->why = reel_strdup_(why);
    f->made += keep;
    n->kept = keep;
    append_note(f, n);
    if (t) {
        t->next = f->traces;
        f->traces = t;
        if (made) {
            *made = t;
            t->refs++;
        }
        remember_graph(f, g);
        if (++f->n_traces > f->max_traces) drop_last(f);
    }
    pthread_mutex_unlock(&f->lock);
    return n->why ? 0 : REEL_ENOMEM;
}

void reel_fn_replays_(reel_fn_trace *t, reel_function *f)
{
    pthread_mutex_lock(&f->lock);
    t->note->replays++;
    f->replays++;
    pthread_mutex_unlock(&f->lock);
}

/* ---- dimensions that vary ------------------------------------------------------------------------------- */

/* Where the sizes of an earlier signature differ from now's, as bits by input. True: in one size only, which may stand in several
   places; *size: what it was. */
static bool one_size(const reel_signature *old, const reel_fn_call *c, const reel_type *types, uint8_t *bits,
                     int64_t *size)
{
    int64_t now = -2;
    *size = -2;
    if (old->widen != reel_ctx_()->widen ||
        (old->statics_size && memcmp(old->statics, c->f->statics, old->statics_size) != 0))
        return false;
    for (int i = 0; i < c->n; i++) {
        const reel_shape *a = &types[i].shape, *b = &old->types[i].shape;
        bits[i] = 0;
        if (old->weak[i] != ((c->rec[i]->flags & REEL_R_NUM) != 0) || old->types[i].dtype != types[i].dtype ||
            a->rank != b->rank)
            return false;
        for (int k = 0; k < a->rank; k++) {
            if (a->dims[k] == b->dims[k] || a->dims[k] == REEL_ANY) continue;
            if (b->dims[k] == REEL_ANY || (now != -2 && (a->dims[k] != now || b->dims[k] != *size))) return false;
            now = a->dims[k];
            *size = b->dims[k];
            bits[i] = (uint8_t)(bits[i] | 1u << k);
        }
    }
    return now != -2;
}

static bool overlaps(const uint8_t *a, const uint8_t *b, int n)
{
    for (int i = 0; i < n; i++)
        if (a[i] & b[i]) return true;
    return false;
}

static void make_unknown(const reel_fn_call *c, reel_type *types, const uint8_t *bits, bool *any)
{
    for (int i = 0; i < c->n; i++) {
        if (c->rec[i]->flags & REEL_R_NUM) continue;
        for (int k = 0; k < types[i].shape.rank; k++) {
            if (!(bits[i] >> k & 1)) continue;
            types[i].shape.dims[k] = REEL_ANY;
            *any = true;
        }
    }
}

/* How many earlier signatures, each with a size of its own, differ from now in just those dimensions. */
static int count_like(const reel_fn_call *c, const reel_type *types, const uint8_t *bits, wording *numbers)
{
    int64_t seen[REEL_MAX_NOTES * 2];
    int n = 0;
    for (const reel_trace_note *k = c->f->notes; k && n < REEL_MAX_NOTES * 2; k = k->next) {
        uint8_t other[REEL_MAX_IN + 1];
        int64_t size;
        if (!one_size(&k->sig, c, types, other, &size) || memcmp(other, bits, (size_t)c->n) != 0) continue;
        bool again = false;
        for (int i = 0; i < n; i++) again |= seen[i] == size;
        if (again) continue;
        seen[n++] = size;
        say(numbers, "%lld in trace %d", (long long)size, k->number);
    }
    return n;
}

static void name_dimensions(wording *t, const uint8_t *bits, int n)
{
    for (int i = 0; i < n; i++)
        for (int k = 0; k < REEL_MAX_RANK; k++)
            if (bits[i] >> k & 1) say(t, "dimension %d of in[%d]", k, i);
}

bool reel_fn_vary_(const reel_fn_call *c, reel_type *types, uint8_t *bits, char why[REEL_WHY])
{
    reel_function *f = c->f;
    bool any = false, more = false;
    for (int i = 0; i < c->n; i++) types[i] = c->rec[i]->type;
    memset(bits, 0, REEL_MAX_IN + 1);
    if (f->unknown_after < 0) return false;
    pthread_mutex_lock(&f->lock);
    make_unknown(c, types, f->unknown, &any);
    wording numbers = {.buf = NULL};
    for (const reel_trace_note *k = f->notes; k && !more; k = k->next) {
        int64_t size;
        uint8_t some[REEL_MAX_IN + 1];
        if (!one_size(&k->sig, c, types, some, &size) || overlaps(some, f->refused, c->n)) continue;
        if (count_like(c, types, some, &numbers) < f->unknown_after - 1) continue;
        memcpy(bits, some, (size_t)c->n);
        more = true;
    }
    why[0] = '\0';
    if (more) {
        char which[REEL_WHY] = "", sizes[REEL_WHY] = "";
        wording w = {.buf = which};
        numbers = (wording){.buf = sizes};
        name_dimensions(&w, bits, c->n);
        (void)count_like(c, types, bits, &numbers);
        make_unknown(c, types, bits, &any);
        snprintf(why, REEL_WHY, "%.400s: unknown from now on, as it varies (%.400s)", which, sizes);
    }
    pthread_mutex_unlock(&f->lock);
    return any;
}

void reel_fn_varied_(const reel_fn_call *c, const uint8_t *bits, const char *reason)
{
    reel_function *f = c->f;
    char which[REEL_WHY] = "", line[2 * REEL_WHY];
    wording w = {.buf = which};
    pthread_mutex_lock(&f->lock);
    for (int i = 0; i < c->n; i++)
        if (reason)
            f->refused[i] |= bits[i];
        else
            f->unknown[i] |= bits[i];
    name_dimensions(&w, bits, c->n);
    if (reason && w.parts) {
        snprintf(line, sizeof line, "%s%s%.300s cannot be unknown: %.600s", f->refusals ? f->refusals : "",
                 f->refusals ? "\n" : "", which, reason);
        char *all = reel_strdup_(line);
        reel_strfree_(f->refusals);
        f->refusals = all;
    }
    pthread_mutex_unlock(&f->lock);
}
