/* shrink.c: a program that differs, made smaller for as long as it still does. Each try is a copy with one change, run in a process of
   its own: a change that makes no sense is an error there, and a crash is a difference like any other. */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "fuzz.h"

enum { A_TRY = 20 }; /* seconds: a hang is one that goes on for so long */
typedef struct {
    fuzz_program *p;
    const fuzz_difference *d;
    FILE *progress;
    const char *file;
    int tries;
    double end; /* when to stop */
} shrinking;

static double now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static bool is_over(const shrinking *s)
{
    return fuzz_stopped() || now() >= s->end;
}

/* ---- does it still differ? ------------------------------------------------------------------------------ */

typedef struct {
    const fuzz_program *p;
    const fuzz_difference *d;
} trial;

/* 1: in the same way. An error must not become a difference of bits, or another error. */
static int attempt(void *arg)
{
    const trial *t = arg;
    const fuzz_difference *d = t->d;
    fuzz_difference found = {0};
    fuzz_stats stats = {0};
    fuzz_program *copy = fuzz_copy(t->p);
    if (fuzz_compare(copy, d->mode == FUZZ_SAME ? NULL : d, &found, &stats)) return 0;
    if (found.mode != d->mode || (found.result < 0) != (d->result < 0)) return 0;
    if (d->result >= 0) return !stats.errors;
    return found.code == d->code && found.eager == d->eager && strcmp(found.op, d->op) == 0;
}

static bool differs(const fuzz_program *p, const fuzz_difference *d)
{
    trial t = {p, d};
    int why = 0;
    const int rc = fuzz_apart(attempt, &t, A_TRY, true, &why);
    return d->result == FUZZ_CRASHED ? rc == FUZZ_CRASHED && why == d->code : rc == 1;
}

/* The best so far; by another name first, so that the file is always a whole program. */
static void keep_file(const shrinking *s)
{
    char part[512];
    if (strcmp(s->file, "-") == 0) return;
    snprintf(part, sizeof part, "%s.part", s->file);
    FILE *f = fopen(part, "w");
    if (!f) return;
    fuzz_print(f, s->p, s->d);
    if (fclose(f) == 0) (void)rename(part, s->file);
}

/* Takes candidate for the program if it differs still, else frees it. */
static bool take(shrinking *s, fuzz_program *candidate)
{
    s->tries += !is_over(s);
    if (is_over(s) || !differs(candidate, s->d)) {
        fuzz_free(candidate);
        return false;
    }
    fuzz_free(s->p);
    s->p = candidate;
    keep_file(s);
    if (s->progress)
        fprintf(s->progress, "shrinking: %d steps after %d tries\n", fuzz_count(candidate->body), s->tries);
    return true;
}

/* ---- changes ---------------------------------------------------------------------------------------------- */

typedef void visit_block(fuzz_block *b, void *arg);
static void each_block(fuzz_block *b, visit_block *visit, void *arg)
{
    if (!b) return;
    visit(b, arg);
    for (int i = 0; i < b->n_steps; i++)
        for (int k = 0; k < FUZZ_BLOCKS; k++) each_block(b->steps[i].block[k], visit, arg);
}

struct replacing {
    int from, to;
    int uses;
};
static void replace_in(fuzz_block *b, void *arg)
{
    struct replacing *r = arg;
    for (int i = 0; i < b->n_steps; i++)
        for (int k = 0; k < b->steps[i].n_in; k++)
            if (b->steps[i].in[k] == r->from) b->steps[i].in[k] = r->to, r->uses++;
    for (int i = 0; i < b->n_out; i++)
        if (b->out[i] == r->from) b->out[i] = r->to, r->uses++;
}
static int replace(fuzz_program *p, int from, int to)
{
    struct replacing r = {from, to, 0};
    each_block(p->body, replace_in, &r);
    each_block(p->inner, replace_in, &r);
    return r.uses;
}

static void drop_step(fuzz_block *b, int i)
{
    memmove(&b->steps[i], &b->steps[i + 1], (size_t)(b->n_steps - i - 1) * sizeof *b->steps);
    b->n_steps--;
}

/* The n-th step of all, those of bodies before their owner, from the end; in which block, and where. */
struct finding {
    int n;
    fuzz_block *block;
    int at;
};
static bool find_step(fuzz_block *b, struct finding *f)
{
    for (int i = b ? b->n_steps - 1 : -1; i >= 0; i--) {
        if (f->n-- == 0) {
            f->block = b;
            f->at = i;
            return true;
        }
        for (int k = 0; k < FUZZ_BLOCKS; k++)
            if (find_step(b->steps[i].block[k], f)) return true;
    }
    return false;
}

static bool same_type(const reel_type *a, const reel_type *b)
{
    if (a->dtype != b->dtype || a->shape.rank != b->shape.rank || a->shape.rank < 0) return false;
    return memcmp(a->shape.dims, b->shape.dims, (size_t)a->shape.rank * sizeof *a->shape.dims) == 0;
}

/* Values of v's type that stand before it: how = 0, 1, ... : the operands of the step first. -1: no more. */
static int stand_in(const fuzz_program *p, const fuzz_step *s, int v, int how)
{
    for (int k = 0; k < s->n_in; k++)
        if (same_type(&p->type[s->in[k]], &p->type[v]) && how-- == 0) return s->in[k];
    for (int x = 0; x < v; x++)
        if (same_type(&p->type[x], &p->type[v]) && how-- == 0) return x;
    return -1;
}

/* Without the step: what reads its values reads others of their types. */
static bool without_step(shrinking *s, int n, int how)
{
    fuzz_program *c = fuzz_copy(s->p);
    struct finding f = {.n = n};
    if (!find_step(c->body, &f) && !(c->inner && find_step(c->inner, &f))) {
        fuzz_free(c);
        return false;
    }
    const fuzz_step step = f.block->steps[f.at];
    for (int i = 0; i < step.n_out; i++) {
        const int v = step.out + i, to = stand_in(c, &step, v, how);
        if (to < 0 && replace(c, v, v) > 0) {
            fuzz_free(c);
            return false;
        }
        if (to >= 0) (void)replace(c, v, to);
    }
    drop_step(f.block, f.at);
    return take(s, c);
}

/* The step's first value drawn afresh, so that nothing before is needed for it. */
static bool drawn_instead(shrinking *s, int n)
{
    fuzz_program *c = fuzz_copy(s->p);
    struct finding f = {.n = n};
    bool ok = find_step(c->body, &f);
    if (ok) {
        fuzz_step *step = &f.block->steps[f.at];
        const reel_type *t = &c->type[step->out];
        ok = step->kind != FUZZ_input && t->shape.rank >= 0;
        for (int i = 0; i < t->shape.rank; i++) ok = ok && t->shape.dims[i] >= 0;
        fuzz_step made = {.kind = FUZZ_input, .n_out = 1, .out = step->out, .n = {t->dtype, t->shape.rank}};
        for (int i = 0; i < t->shape.rank; i++) made.n[2 + i] = t->shape.dims[i];
        *step = made; /* its bodies stay behind: a copy for a try */
    }
    if (ok) return take(s, c);
    fuzz_free(c);
    return false;
}

/* Steps of the body, n of them from the at-th on, the last ones first: what reads their values reads others of their types. */
static bool without_some(shrinking *s, int at, int n)
{
    fuzz_program *c = fuzz_copy(s->p);
    for (int i = at + n - 1; i >= at; i--) {
        const fuzz_step step = c->body->steps[i];
        for (int k = 0; k < step.n_out; k++) {
            const int v = step.out + k, to = stand_in(c, &step, v, 0);
            if (to < 0 && replace(c, v, v) > 0) {
                fuzz_free(c);
                return false;
            }
            if (to >= 0) (void)replace(c, v, to);
        }
        drop_step(c->body, i);
    }
    return take(s, c);
}

/* Halves, quarters ... of the body, from its end. */
static bool pieces(shrinking *s)
{
    bool any = false;
    for (int n = s->p->body->n_steps / 2; n >= 2; n /= 2)
        for (int at = s->p->body->n_steps - n; at >= 0; at -= n)
            if (at + n <= s->p->body->n_steps && without_some(s, at, n)) any = true;
    return any;
}

static bool one_result(shrinking *s, int i)
{
    fuzz_program *c = fuzz_copy(s->p);
    c->body->out[0] = c->body->out[i];
    c->body->n_out = 1;
    return take(s, c);
}

static bool less_of_results(shrinking *s)
{
    bool any = false;
    for (int i = 0; i < s->p->body->n_out && s->p->body->n_out > 1; i++) any = one_result(s, i) || any;
    for (int i = s->p->body->n_out - 1; i >= 0 && s->p->body->n_out > 1; i--) {
        fuzz_program *c = fuzz_copy(s->p);
        for (int k = i; k + 1 < c->body->n_out; k++) c->body->out[k] = c->body->out[k + 1];
        c->body->n_out--;
        any = take(s, c) || any;
    }
    return any;
}

/* All steps from the n-th on but the results' own go at once, if results come from before. */
static bool shorter(shrinking *s, int keep)
{
    fuzz_program *c = fuzz_copy(s->p);
    const int end = keep < c->body->n_steps ? c->body->steps[keep].out : c->n_values;
    c->body->n_steps = keep;
    const fuzz_step *last = keep ? &c->body->steps[keep - 1] : NULL;
    for (int i = 0; i < c->body->n_out; i++)
        if (c->body->out[i] >= end) c->body->out[i] = last ? last->out : 0;
    return take(s, c);
}

static void mark_used(fuzz_block *b, void *arg)
{
    bool *used = arg;
    for (int i = 0; i < b->n_steps; i++)
        for (int k = 0; k < b->steps[i].n_in; k++) used[b->steps[i].in[k]] = true;
    for (int i = 0; i < b->n_out; i++) used[b->out[i]] = true;
}

/* Steps that nobody reads, all at once. */
static bool without_dead(shrinking *s)
{
    fuzz_program *c = fuzz_copy(s->p);
    int n = 0;
    for (int i = c->body->n_steps - 1; i >= 0; i--) {
        bool used[FUZZ_VALUES] = {false}, some = false;
        each_block(c->body, mark_used, used);
        for (int k = 0; k < c->body->steps[i].n_out; k++) some = some || used[c->body->steps[i].out + k];
        if (some) continue;
        drop_step(c->body, i);
        n++;
    }
    if (n) return take(s, c);
    fuzz_free(c);
    return false;
}

static bool flags(shrinking *s)
{
    bool any = false;
    for (int i = 0; i < 3; i++) {
        fuzz_program *c = fuzz_copy(s->p);
        bool *flag = i == 0 ? &c->grads : &c->batch;
        const bool inner = i == 2 && c->inner;
        if (inner) c->inner = NULL;
        if (i < 2 ? *flag : inner) {
            if (i < 2) *flag = false;
            any = take(s, c) || any;
        } else {
            fuzz_free(c);
        }
    }
    return any;
}

/* An input nobody needs, or a smaller or simpler one. */
static bool inputs(shrinking *s)
{
    bool any = false;
    for (int i = 0; i < s->p->n_in; i++) {
        for (int k = 0; k < 10; k++) {
            fuzz_program *c = fuzz_copy(s->p);
            fuzz_step *in = &c->setup->steps[i];
            const fuzz_step before = *in;
            if (k == 0)
                in->kind = FUZZ_input;
            else if (k == 1)
                in->n[0] = REEL_F32;
            else if (k - 2 < in->n[1] && !(c->batch && i == 0 && k == 2) && in->n[k] > 1)
                in->n[k] = in->n[k] > 3 ? 2 : 1;
            if (memcmp(&before, in, sizeof before) == 0) {
                fuzz_free(c);
                continue;
            }
            c->type[i].dtype = (reel_dtype)in->n[0];
            for (int j = 0; j < in->n[1]; j++)
                if (c->type[i].shape.dims[j] >= 0) c->type[i].shape.dims[j] = in->n[2 + j];
            any = take(s, c) || any;
        }
    }
    return any;
}

static bool steps(shrinking *s)
{
    bool any = false;
    int all = fuzz_count(s->p->body) + (s->p->inner ? fuzz_count(s->p->inner) : 0);
    for (int n = 0; n < all; n++) {
        bool smaller = false;
        for (int how = 0; how < 4 && !smaller; how++) smaller = without_step(s, n, how);
        if (!smaller) continue;
        any = true;
        n--;
        all--;
    }
    return any;
}

fuzz_program *fuzz_shrink(fuzz_program *p, const fuzz_difference *d, FILE *progress, const char *file, int seconds)
{
    shrinking s = {.p = p, .d = d, .progress = progress, .file = file, .end = now() + seconds};
    keep_file(&s);
    if (!differs(p, d)) {
        if (progress) fprintf(progress, "shrinking: it does not differ when it runs alone\n");
        return p;
    }
    for (int keep = s.p->body->n_steps / 2, lost = 0; keep > 0 && lost < 12; lost++) {
        if (shorter(&s, keep)) {
            keep = s.p->body->n_steps / 2;
            lost = 0;
        } else {
            keep += (s.p->body->n_steps - keep) / 2;
        }
        if (keep >= s.p->body->n_steps) break;
    }
    (void)pieces(&s);
    for (bool any = true; any && !is_over(&s);) {
        any = less_of_results(&s);
        any = without_dead(&s) || any;
        any = flags(&s) || any;
        any = steps(&s) || any;
        any = inputs(&s) || any;
        for (int n = 0; !any && n < fuzz_count(s.p->body); n++) any = drawn_instead(&s, n);
    }
    if (progress && is_over(&s))
        fprintf(progress, "shrinking: stopped after %d tries, there may be a smaller one\n", s.tries);
    return s.p;
}
