/* player.c: replaying a plan: find it, take a frame, patch the few pointers that change, walk the steps, commit. */
#include <stdio.h>
#include <string.h>
#include "core/alloc.h"
#include "core/error.h"
#include "reel/reel.h"
#include "player.h"

/* Runs that assign a variable take the locks of its number, in ascending order, so that they are serialised. Reading
   all variables of a run, and committing all, are each one short moment under `moment`. */
enum { LOCKS = 32 };
#define M PTHREAD_MUTEX_INITIALIZER
static pthread_mutex_t write_locks[LOCKS] = {M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M,
                                             M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M};
static pthread_mutex_t moment = M;
#undef M

void reel_lock_writes_(uint32_t mask)
{
    if (!mask) return;
    for (int i = 0; i < LOCKS; i++)
        if (mask >> i & 1u) pthread_mutex_lock(&write_locks[i]);
}

void reel_unlock_writes_(uint32_t mask)
{
    if (!mask) return;
    for (int i = 0; i < LOCKS; i++)
        if (mask >> i & 1u) pthread_mutex_unlock(&write_locks[i]);
}

/* ---- frames ---------------------------------------------------------------------------------------- */

static size_t arena_size(const reel_plan *plan)
{
    return plan->arena_bytes ? plan->arena_bytes : 64;
}

static size_t n_recs(const reel_plan *plan)
{
    return (size_t)(plan->n_feeds + plan->n_vars + plan->first_fresh + plan->n_fresh) + 1;
}

static void frame_free(const reel_plan *plan, reel_frame *f)
{
    reel_free_(f->arena, arena_size(plan));
    reel_free_(f->ptr, ((size_t)plan->n_slots + 1) * sizeof *f->ptr);
    reel_free_(f->carry, ((size_t)plan->n_carry + 1) * sizeof *f->carry);
    reel_free_(f->recs, n_recs(plan) * sizeof *f->recs);
    reel_free_(f->made, ((size_t)plan->n_results + 1) * sizeof *f->made);
    reel_free_(f, sizeof *f);
}

static reel_frame *frame_new(reel_plan *plan)
{
    reel_frame *f = reel_zalloc_(sizeof *f);
    if (!f) return NULL;
    f->plan = plan;
    f->arena = reel_alloc_(arena_size(plan));
    f->ptr = reel_zalloc_(((size_t)plan->n_slots + 1) * sizeof *f->ptr);
    f->carry = reel_zalloc_(((size_t)plan->n_carry + 1) * sizeof *f->carry);
    f->recs = reel_zalloc_(n_recs(plan) * sizeof *f->recs);
    f->made = reel_zalloc_(((size_t)plan->n_results + 1) * sizeof *f->made);
    if (!f->arena || !f->ptr || !f->carry || !f->recs || !f->made) {
        frame_free(plan, f);
        return NULL;
    }
    for (int i = 0; i < plan->n_slots; i++) {
        const reel_place *at = &plan->slots[i];
        if (at->kind == REEL_AT_ARENA)
            f->ptr[i] = f->arena + at->offset;
        else if (at->kind == REEL_AT_CONST)
            f->ptr[i] = at->rec->data + at->offset;
    }
    return f;
}

void reel_plan_free_(reel_plan *plan)
{
    if (!plan) return;
    reel_seam_free_(plan->seam);
    reel_graph_release_(plan->graph);
    reel_free_(plan->asked, ((size_t)plan->n_feeds + 2 * (size_t)plan->n_fetches + 1) * sizeof *plan->asked);
    reel_free_(plan->reports, ((size_t)REEL_MAX_PASSES + 1) * sizeof *plan->reports);
    for (int i = 0; i < plan->n_kernels; i++) {
        if (plan->kernels[i]->drop) plan->kernels[i]->drop(plan->kernel_plans[i]);
        reel_free_(plan->kernel_plans[i], plan->kernel_bytes[i]);
    }
    while (plan->frames) {
        reel_frame *f = plan->frames;
        plan->frames = f->next;
        frame_free(plan, f);
    }
    while (plan->cuts) {
        reel_cut *c = plan->cuts;
        plan->cuts = c->next;
        reel_free_(c, sizeof *c + (size_t)plan->n_fetches * sizeof c->types[0]);
    }
    const size_t nf = (size_t)plan->n_feeds + 1, no = (size_t)plan->n_fetches + 1,
                 ns = (size_t)(plan->n_steps + plan->n_late) + 1;
    const size_t slots = (size_t)plan->n_slots + 1;
    reel_free_(plan->feed, nf * sizeof *plan->feed);
    reel_free_(plan->fetch, no * sizeof *plan->fetch);
    reel_free_(plan->effect, no * sizeof *plan->effect);
    reel_free_(plan->feed_type, nf * sizeof *plan->feed_type);
    reel_free_(plan->feed_strides, nf * sizeof *plan->feed_strides);
    reel_free_(plan->feed_weak, nf * sizeof *plan->feed_weak);
    reel_free_(plan->feed_number, nf * sizeof *plan->feed_number);
    reel_free_(plan->steps, ns * sizeof *plan->steps);
    reel_free_(plan->kernels, ns * sizeof *plan->kernels);
    reel_free_(plan->kernel_plans, ns * sizeof *plan->kernel_plans);
    reel_free_(plan->kernel_bytes, ns * sizeof *plan->kernel_bytes);
    reel_free_(plan->slots, slots * sizeof *plan->slots);
    reel_free_(plan->members, plan->cap_members * sizeof *plan->members);
    reel_free_(plan->member_at, ns * sizeof *plan->member_at);
    reel_free_(plan->out_slot, ns * sizeof *plan->out_slot);
    reel_free_(plan->patches, slots * sizeof *plan->patches);
    reel_free_(plan->carries, slots * sizeof *plan->carries);
    reel_free_(plan->late, ((size_t)plan->n_late + 1) * sizeof *plan->late);
    reel_free_(plan->vars, ((size_t)plan->n_vars + 1) * sizeof *plan->vars);
    reel_free_(plan->fresh, ((size_t)plan->n_fresh + 1) * sizeof *plan->fresh);
    reel_free_(plan->results, ((size_t)plan->n_results + 1) * sizeof *plan->results);
    reel_plan_notes_free_(plan);
    reel_free_(plan, sizeof *plan);
}

/* ---- the cache of plans ---------------------------------------------------------------------------- */

int reel_player_init_(reel_player *p, reel_graph *g, int max_plans, const reel_pipeline *passes)
{
    if (pthread_mutex_init(&p->lock, NULL)) return reel_fail_at_("", REEL_ENOMEM, "no lock to be had");
    p->graph = reel_graph_retain_(g);
    p->passes = *passes;
    p->max_plans = max_plans > 0 ? max_plans : 8;
    return 0;
}

static bool same_feed(const reel_plan *plan, int i, const reel_rec *r)
{
    const reel_type *t = &plan->feed_type[i];
    if (t->dtype != r->type.dtype || t->shape.rank != r->type.shape.rank ||
        (plan->feed_weak[i] != 0) != ((r->flags & REEL_R_NUM) != 0))
        return false;
    if (plan->feed_weak[i] == 2 && plan->feed_number[i] != reel_load_number_(r->data, REEL_F64)) return false;
    for (int k = 0; k < t->shape.rank; k++)
        if (t->shape.dims[k] != r->type.shape.dims[k] || plan->feed_strides[i][k] != r->strides[k]) return false;
    return true;
}

static bool fits(const reel_plan *plan, const reel_request *rq)
{
    if (plan->n_feeds != rq->n_feeds || plan->n_fetches != rq->n_fetches || plan->effects != rq->effects ||
        plan->debug != rq->debug)
        return false;
    for (int i = 0; i < rq->n_feeds; i++)
        if (plan->feed[i] != rq->feed[i] || !same_feed(plan, i, rq->given[i])) return false;
    for (int i = 0; i < rq->n_fetches; i++)
        if (plan->fetch[i] != rq->fetch[i] || plan->effect[i] != rq->effect[i]) return false;
    return true;
}

static void unref(reel_plan *plan)
{
    if (--plan->refs == 0) reel_plan_free_(plan);
}

/* Under the lock: the fitting plan, moved to the front, with a reference; NULL: none. */
static reel_plan *find(reel_player *p, const reel_request *rq)
{
    for (reel_plan **at = &p->plans; *at; at = &(*at)->next) {
        reel_plan *plan = *at;
        if (!fits(plan, rq)) continue;
        *at = plan->next;
        plan->next = p->plans;
        p->plans = plan;
        plan->refs++;
        return plan;
    }
    return NULL;
}

static void insert(reel_player *p, reel_plan *plan)
{
    plan->refs = 2;
    plan->next = p->plans;
    p->plans = plan;
    if (++p->n_plans <= p->max_plans) return;
    reel_plan **last = &p->plans;
    while ((*last)->next) last = &(*last)->next;
    reel_plan *old = *last;
    *last = NULL;
    p->n_plans--;
    unref(old);
}

int reel_in_hook_(const reel_request *rq)
{
    return reel_fail_at_(rq->site, REEL_ETRACE,
                         "%s: it would assign variables within a hook of a run that assigns some itself", rq->fn);
}

static int closed(const reel_request *rq)
{
    return reel_fail_at_(rq->site, REEL_ETRACE, "%s: the session is closed", rq->fn);
}

/* A plan with a reference and a frame of it. */
reel_plan *reel_player_acquire_(reel_player *p, const reel_request *rq, reel_frame **frame)
{
    pthread_mutex_lock(&p->lock);
    const bool shut = p->closed;
    reel_plan *plan = shut ? NULL : find(p, rq);
    *frame = plan ? plan->frames : NULL;
    if (*frame) plan->frames = (*frame)->next;
    pthread_mutex_unlock(&p->lock);
    if (shut) (void)closed(rq);
    if (shut || *frame) return plan;
    if (!plan) {
        plan = reel_plan_new_(p->graph, rq, &p->passes);
        if (!plan) return NULL;
        pthread_mutex_lock(&p->lock);
        insert(p, plan);
        pthread_mutex_unlock(&p->lock);
    }
    *frame = frame_new(plan);
    if (*frame) return plan;
    pthread_mutex_lock(&p->lock);
    unref(plan);
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* frame is the last segment's; those before go too. */
void reel_player_give_back_(reel_player *p, reel_frame *frame)
{
    pthread_mutex_lock(&p->lock);
    p->info = frame->plan->info;
    p->used = true;
    if (REEL_LIKELY(!frame->before && !p->closed)) {
        frame->next = frame->plan->frames;
        frame->plan->frames = frame;
        unref(frame->plan);
        pthread_mutex_unlock(&p->lock);
        return;
    }
    while (frame) {
        reel_plan *plan = frame->plan;
        reel_frame *before = frame->before;
        if (p->closed) {
            frame_free(plan, frame);
        } else {
            frame->before = NULL;
            frame->next = plan->frames;
            plan->frames = frame;
        }
        unref(plan);
        frame = before;
    }
    pthread_mutex_unlock(&p->lock);
}

/* ---- behind a seam --------------------------------------------------------------------------------- */

/* Under the lock: what parent's seam has for that number. */
static reel_plan *find_rest(reel_seam *seam, int64_t size)
{
    for (reel_plan **at = &seam->plans; *at; at = &(*at)->next) {
        reel_plan *plan = *at;
        if (plan->size != size) continue;
        *at = plan->next;
        plan->next = seam->plans;
        seam->plans = plan;
        plan->refs++;
        return plan;
    }
    return NULL;
}

static void insert_rest(reel_seam *seam, reel_plan *plan)
{
    plan->refs = 2;
    plan->next = seam->plans;
    seam->plans = plan;
    if (++seam->n_plans <= REEL_MAX_RESTS) return;
    reel_plan **last = &seam->plans;
    while ((*last)->next) last = &(*last)->next;
    reel_plan *old = *last;
    *last = NULL;
    seam->n_plans--;
    unref(old);
}

/* The frame of the segment that follows `before`, with what that one hands on. NULL: raised. */
reel_frame *reel_next_frame_(reel_player *p, const reel_request *rq, reel_frame *before)
{
    reel_seam *seam = before->plan->seam;
    int64_t size;
    memcpy(&size, before->arena + seam->number, sizeof size);
    pthread_mutex_lock(&p->lock);
    reel_plan *plan = find_rest(seam, size);
    reel_frame *f = plan ? plan->frames : NULL;
    if (f) plan->frames = f->next;
    pthread_mutex_unlock(&p->lock);
    if (!plan) {
        plan = reel_plan_rest_(rq, before->plan, size);
        if (!plan) return NULL;
        pthread_mutex_lock(&p->lock);
        insert_rest(seam, plan);
        pthread_mutex_unlock(&p->lock);
    }
    if (!f) f = frame_new(plan);
    if (!f) {
        pthread_mutex_lock(&p->lock);
        unref(plan);
        pthread_mutex_unlock(&p->lock);
        return NULL;
    }
    f->before = before;
    memcpy(f->recs, before->recs, (size_t)(plan->n_feeds + plan->n_vars + plan->first_fresh) * sizeof *f->recs);
    for (int k = 0; k < seam->n_carry; k++) {
        const reel_place *at = &seam->carry[k];
        f->carry[k] = (at->kind == REEL_AT_ARENA ? before->arena : before->carry[at->ext]) + at->offset;
    }
    for (int i = 0; i < plan->n_carries; i++) {
        const reel_patch *patch = &plan->carries[i];
        f->ptr[patch->slot] = f->carry[patch->ext] + patch->offset;
    }
    if (p->poison) memset(f->arena, 0xff, arena_size(plan));
    return f;
}

void reel_player_close_(reel_player *p)
{
    pthread_mutex_lock(&p->lock);
    p->closed = true;
    while (p->plans) {
        reel_plan *plan = p->plans;
        p->plans = plan->next;
        unref(plan);
    }
    p->n_plans = 0;
    pthread_mutex_unlock(&p->lock);
}

void reel_player_drop_(reel_player *p)
{
    reel_player_close_(p);
    reel_debug_release_(p, atomic_load(&p->debug));
    pthread_mutex_destroy(&p->lock);
    reel_graph_release_(p->graph);
}

/* ---- one run --------------------------------------------------------------------------------------- */

/* The kernel knows neither its op's name nor the user's line: put them in front of what it said. */
REEL_COLD int reel_step_failed_(const reel_graph *g, const reel_step *s, int rc)
{
    reel_ctx *c = reel_ctx_();
    const reel_node *n = s->node >= 0 ? &g->nodes[s->node] : NULL;
    reel_error e;
    const int end = c->error_end;
    if (!reel_take_error(&e)) return reel_fail_at_(n ? n->site : "", rc, "reel_%s failed", n ? n->op->name : "assign");
    if (end >= 0 && end < (int)sizeof e.text) e.text[end] = '\0';
    if (!n) return reel_fail_at_("", e.code, "%s", e.text);
    reel_fail_at_(n->site, e.code, "reel_%s: %s", n->op->name, e.text);
    for (int k = 0; k < n->n_in; k++) {
        char shape[REEL_SHAPE_TEXT];
        const reel_type *t = &g->values[g->ins[n->first_in + k]].type;
        reel_error_append_("%s%s%s", k ? ", " : ": ", reel_dtype_name(t->dtype), reel_shape_text_(&t->shape, shape));
    }
    if (n->scope >= 0) reel_error_append_(" (in \"%s\")", g->texts + n->scope);
    return e.code;
}

int reel_read_variables_(const reel_plan *plan, const reel_request *rq, reel_rec **recs)
{
    if (plan->n_vars == 0) return 0;
    int i = 0;
    pthread_mutex_lock(&moment);
    while (i < plan->n_vars && (recs[i] = reel_cell_get_(plan->vars[i]))) i++;
    pthread_mutex_unlock(&moment);
    if (i == plan->n_vars) return 0;
    const char *name = plan->vars[i]->name;
    while (i-- > 0) reel_release_rec_(recs[i]);
    return reel_fail_at_(rq->site, REEL_EARG, "%s: variable \"%s\" is read before it has a value", rq->fn,
                         name ? name : "?");
}

/* All memory that outlives the run, before the first step (of a segment): so a run that fails changes nothing. */
int reel_make_results_(const reel_plan *plan, const reel_request *rq, const reel_type *cut, reel_frame *f)
{
    reel_rec **fresh = f->recs + plan->n_feeds + plan->n_vars + plan->first_fresh;
    for (int i = 0; i < plan->n_fresh; i++)
        if (!(fresh[i] = reel_make_(rq->site, &plan->fresh[i]))) return REEL_ENOMEM;
    for (int i = 0; i < plan->n_results; i++) {
        const reel_result *r = &plan->results[i];
        reel_rec *src = r->place.kind == REEL_AT_CONST ? r->place.rec : f->recs[r->place.ext];
        const bool cut_back = cut && i < plan->n_fetches && !reel_shape_same_(&cut[i].shape, &r->type.shape);
        if (r->whole && !cut_back) {
            f->made[i] = src;
        } else if (r->weak) {
            const reel_tensor *t = reel_num_at(rq->site, reel_load_number_(src->data, REEL_F64));
            f->made[i] = t ? reel_rec_of_(t) : NULL;
        } else {
            f->made[i] = reel_make_view_(rq->site, cut_back ? &cut[i] : &r->type, r->strides, src, r->place.offset);
        }
        if (!f->made[i]) return reel_status();
    }
    return 0;
}

/* Inline in both callers: its call would cost as much as a step. */
REEL_ALWAYS_INLINE int walk(const reel_plan *plan, const reel_frame *f, const reel_step **failed)
{
    char *const arena = f->arena;
    void **const ptr = f->ptr;
    reel_patch_(plan, f);
    for (const reel_step *s = plan->steps, *end = s + plan->n_steps; s < end; s++) {
        const int rc = s->run(s->plan, ptr + s->slot, arena + s->work);
        if (REEL_UNLIKELY(rc)) {
            *failed = s;
            return rc;
        }
    }
    return 0;
}

/* ---- the end: rows changed in place, variables assigned --------------------------------------------------- */

enum { MAX_LATE = 16 };
typedef struct change {
    reel_rec *next[REEL_MAX_STATE]; /* what the variables get */
    bool locked[REEL_MAX_STATE];    /* with the memory of their present values */
} change;

static int begin_change(const reel_frame *f, const reel_late *u, const char *site, change *c)
{
    memset(c, 0, sizeof *c);
    for (int j = 0; j < u->n_state; j++) {
        reel_rec *old = f->recs[u->ext[j]];
        c->locked[j] = reel_cell_lock_(u->cell[j], old) != NULL;
        c->next[j] =
            c->locked[j] ? reel_make_view_(site, &old->type, old->strides, old, 0) : reel_make_(site, &old->type);
        if (!c->next[j]) return reel_status();
    }
    return 0;
}

static int run_change(const reel_frame *f, const reel_late *u, const change *c)
{
    const reel_step *s = &f->plan->steps[u->step];
    void **ptr = f->ptr + s->slot;
    for (int j = 0; j < u->n_state; j++) ptr[u->n_in + j] = c->next[j]->data;
    const int rc = s->run(s->plan, ptr, f->arena + s->work);
    return rc ? reel_step_failed_(f->plan->graph, s, rc) : 0;
}

static void end_change(const reel_late *u, const change *c, bool good)
{
    for (int j = u->n_state; j-- > 0;) {
        if (c->locked[j])
            reel_cell_unlock_(u->cell[j], good ? c->next[j] : NULL);
        else if (good)
            reel_cell_set_(u->cell[j], c->next[j]);
    }
}

/* Memory for all of them before the first is made; what they could refuse has been checked. Under `moment`. */
static int make_changes(const reel_frame *f, const reel_request *rq)
{
    const reel_plan *plan = f->plan;
    change some[MAX_LATE], *all = some;
    const size_t bytes = (size_t)plan->n_late * sizeof *all;
    if (plan->n_late > MAX_LATE && !(all = reel_alloc_(bytes))) return REEL_ENOMEM;
    reel_ctx *c = reel_ctx_();
    const char *site = c->site, *op = c->op;
    int n = 0, rc = 0;
    while (n < plan->n_late && !rc) {
        rc = begin_change(f, &plan->late[n], rq->site, &all[n]);
        n++;
    }
    c->site = c->op = NULL;
    for (int i = 0; i < plan->n_late && !rc; i++) rc = run_change(f, &plan->late[i], &all[i]);
    c->site = site;
    c->op = op;
    while (n-- > 0) end_change(&plan->late[n], &all[n], !rc);
    if (all != some) reel_free_(all, bytes);
    return rc;
}

REEL_NOINLINE static int commit_all(const reel_frame *f, const reel_request *rq)
{
    const reel_plan *plan = f->plan;
    pthread_mutex_lock(&moment);
    const int rc = plan->n_late ? make_changes(f, rq) : 0;
    for (int i = plan->n_fetches; i < plan->n_results && !rc; i++) reel_cell_set_(plan->results[i].cell, f->made[i]);
    pthread_mutex_unlock(&moment);
    return rc;
}

static inline int run_segment(const reel_request *rq, const reel_type *cut, reel_frame *f)
{
    const reel_plan *plan = f->plan;
    int rc = reel_make_results_(plan, rq, cut, f);
    if (rc) return rc;
    reel_ctx *c = reel_ctx_();
    const char *site = c->site, *op = c->op;
    const reel_step *failed = NULL;
    c->site = c->op = NULL;
    rc = walk(plan, f, &failed);
    c->site = site;
    c->op = op;
    return rc ? reel_step_failed_(plan->graph, failed, rc) : 0;
}

int reel_commit_(const reel_frame *f, const reel_request *rq)
{
    return f->plan->n_results == f->plan->n_fetches && !f->plan->n_late ? 0 : commit_all(f, rq);
}

/* What follows the seams. *frame becomes that of the last segment that ran. */
REEL_NOINLINE static int run_rest(reel_player *p, const reel_request *rq, const reel_type *cut, reel_frame **frame)
{
    int rc = 0;
    while (!rc && (*frame)->plan->seam) {
        reel_frame *next = reel_next_frame_(p, rq, *frame);
        if (!next) return reel_status();
        *frame = next;
        rc = run_segment(rq, cut, next);
    }
    return rc;
}

/* *frame becomes that of the last segment that ran. */
static int replay(reel_player *p, reel_frame **frame, const reel_request *rq, const reel_type *cut, reel_tensor *out[])
{
    reel_frame *f = *frame;
    const reel_plan *plan = f->plan;
    reel_scope_rec *outer = reel_ctx_()->scope;
    reel_scope *scope = reel_scope_begin(rq->site, rq->fn);
    if (!scope) return reel_status();
    for (int i = 0; i < plan->n_feeds; i++) f->recs[i] = rq->given[i];
    if (REEL_UNLIKELY(plan->write_locks && reel_ctx_()->in_hook)) {
        reel_scope_end(scope);
        return reel_in_hook_(rq);
    }
    reel_lock_writes_(plan->write_locks);
    int rc = reel_read_variables_(plan, rq, f->recs + plan->n_feeds);
    if (!rc) {
        rc = run_segment(rq, cut, f);
        if (REEL_UNLIKELY(plan->seam != NULL) && !rc) {
            rc = run_rest(p, rq, cut, frame);
            f = *frame;
        }
        if (!rc) rc = reel_commit_(f, rq);
        for (int i = 0; i < plan->n_vars; i++) reel_release_rec_(f->recs[plan->n_feeds + i]);
    }
    reel_unlock_writes_(plan->write_locks);
    for (int i = 0; i < plan->n_fetches && !rc; i++) {
        reel_scope_move_(f->made[i], outer);
        out[i] = reel_handle_(f->made[i]);
    }
    reel_scope_end(scope);
    return rc;
}

/* What the fetches would be without the padding. There are at most as many sizes as the bucket is wide. */
const reel_type *reel_cut_types_(reel_player *p, reel_plan *plan, const reel_request *rq, const reel_type *truth,
                                 int64_t size)
{
    pthread_mutex_lock(&p->lock);
    const reel_cut *c = plan->cuts;
    while (c && c->n != size) c = c->next;
    pthread_mutex_unlock(&p->lock);
    if (c) return c->types;
    const size_t bytes = sizeof(reel_cut) + (size_t)rq->n_fetches * sizeof(reel_type);
    reel_cut *fresh = reel_zalloc_(bytes);
    if (!fresh) return NULL;
    if (reel_plan_types_(p->graph, rq, truth, fresh->types)) {
        reel_free_(fresh, bytes);
        return NULL;
    }
    fresh->n = size;
    pthread_mutex_lock(&p->lock);
    fresh->next = plan->cuts;
    plan->cuts = fresh;
    pthread_mutex_unlock(&p->lock);
    return fresh->types;
}

int reel_player_run_(reel_player *p, const reel_request *rq, const reel_type *truth, int64_t size, reel_tensor *out[])
{
    if (REEL_UNLIKELY(reel_ctx_()->check_numerics || atomic_load_explicit(&p->debug, memory_order_relaxed)))
        return reel_debug_run_(p, rq, truth, size, out);
    reel_frame *frame;
    reel_plan *plan = reel_player_acquire_(p, rq, &frame);
    if (!plan) return reel_status();
    if (p->poison) memset(frame->arena, 0xff, arena_size(plan));
    int rc = 0;
    const reel_type *cut = truth ? reel_cut_types_(p, plan, rq, truth, size) : NULL;
    if (truth && !cut) rc = reel_status();
    if (!rc) rc = replay(p, &frame, rq, cut, out);
    reel_player_give_back_(p, frame);
    return rc;
}
