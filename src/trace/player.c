/* player.c: replaying a plan: find it, take a frame, patch the few pointers that change, walk the steps, commit. */
#include <stdio.h>
#include <string.h>
#include "core/alloc.h"
#include "core/error.h"
#include "reel/reel.h"
#include "debug.h"

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

/* ---- the cache of plans ---------------------------------------------------------------------------- */

int reel_player_init_(reel_player *p, reel_graph *g, int max_plans, int max_arenas, const reel_pipeline *passes)
{
    if (pthread_mutex_init(&p->lock, NULL)) return reel_fail_at_("", REEL_ENOMEM, "no lock to be had");
    if (pthread_cond_init(&p->idle, NULL)) {
        pthread_mutex_destroy(&p->lock);
        return reel_fail_at_("", REEL_ENOMEM, "no lock to be had");
    }
    p->max_arenas = max_arenas;
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
        if (plan->feed[i] != rq->feed[i] || plan->feed_given[i] != (rq->donate && rq->donate[i]) ||
            !same_feed(plan, i, rq->given[i]))
            return false;
    for (int i = 0; i < rq->n_fetches; i++)
        if (plan->fetch[i] != rq->fetch[i] || plan->effect[i] != rq->effect[i]) return false;
    return true;
}

void reel_plan_unref_(reel_plan *plan)
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
        plan->used = true;
        return plan;
    }
    return NULL;
}

/* Under the lock: plan, with a reference; or the one that another thread has made meanwhile, and plan is freed. */
static reel_plan *insert(reel_player *p, const reel_request *rq, reel_plan *plan)
{
    reel_plan *theirs = find(p, rq);
    if (theirs) {
        reel_plan_free_(plan);
        return theirs;
    }
    plan->refs = 2;
    plan->used = true;
    plan->next = p->plans;
    p->plans = plan;
    if (++p->n_plans <= p->max_plans) return plan;
    reel_plan **last = &p->plans;
    while ((*last)->next) last = &(*last)->next;
    reel_plan *old = *last;
    *last = NULL;
    p->n_plans--;
    reel_plan_unref_(old);
    return plan;
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
    const bool shut = !reel_pool_enter_(p, rq);
    reel_plan *plan = shut ? NULL : find(p, rq);
    *frame = plan ? plan->frames : NULL;
    if (*frame) plan->frames = (*frame)->next;
    pthread_mutex_unlock(&p->lock);
    if (REEL_LIKELY(*frame != NULL)) return plan;
    if (shut) {
        (void)closed(rq);
    } else if (!plan) {
        plan = reel_plan_new_(p->graph, rq, &p->passes);
        if (plan) {
            pthread_mutex_lock(&p->lock);
            reel_plan *mine = plan;
            plan = insert(p, rq, mine);
            pthread_mutex_unlock(&p->lock);
            if (p->passes.compile == 0 && plan == mine) reel_compile_now_(p, plan);
        }
    }
    if (plan && (*frame = reel_frame_new_(plan))) return plan;
    pthread_mutex_lock(&p->lock);
    if (plan) reel_plan_unref_(plan);
    reel_pool_leave_(p);
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* Under the lock: one run more. */
static inline void count_run(reel_player *p, reel_plan *plan)
{
    if (REEL_UNLIKELY(plan->runs < p->passes.compile) && ++plan->runs == p->passes.compile) reel_compile_due_(p, plan);
}

/* frame is the last segment's; those before go too. */
void reel_player_give_back_(reel_player *p, reel_frame *frame)
{
    pthread_mutex_lock(&p->lock);
    for (const reel_frame *f = frame; f; f = f->before) count_run(p, f->plan);
    p->info = frame->plan->info;
    p->used = true;
    while (frame) {
        reel_plan *plan = frame->plan;
        reel_frame *before = frame->before;
        if (REEL_UNLIKELY(p->closed)) {
            reel_frame_free_(frame);
        } else {
            frame->before = NULL;
            frame->next = plan->frames;
            plan->frames = frame;
        }
        reel_plan_unref_(plan);
        frame = before;
    }
    reel_pool_leave_(p);
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
        plan->used = true;
        return plan;
    }
    return NULL;
}

/* Under the lock, as insert. A hasty one gives way. */
static reel_plan *insert_rest(reel_seam *seam, int64_t size, reel_plan *plan)
{
    reel_plan *theirs = find_rest(seam, size);
    if (theirs && theirs->hasty && !plan->hasty) {
        theirs->refs--; /* that of find_rest; it is the first of the list now */
        seam->plans = theirs->next;
        seam->n_plans--;
        reel_plan_unref_(theirs);
    } else if (theirs) {
        reel_plan_free_(plan);
        return theirs;
    }
    plan->refs = 2;
    plan->used = true;
    plan->next = seam->plans;
    seam->plans = plan;
    if (++seam->n_plans <= REEL_MAX_RESTS) return plan;
    reel_plan **last = &seam->plans;
    while ((*last)->next) last = &(*last)->next;
    reel_plan *old = *last;
    *last = NULL;
    seam->n_plans--;
    reel_plan_unref_(old);
    return plan;
}

/* The frame of the segment that follows `before`, with what that one hands on. NULL: raised. */
reel_frame *reel_next_frame_(reel_player *p, const reel_request *rq, reel_frame *before)
{
    reel_seam *seam = before->plan->seam;
    int64_t size;
    memcpy(&size, before->arena + seam->number, sizeof size);
    pthread_mutex_lock(&p->lock);
    reel_plan *plan = find_rest(seam, size);
    const bool again = plan && plan->hasty;
    if (again) {
        reel_plan_unref_(plan);
        plan = NULL;
    }
    reel_frame *f = plan ? plan->frames : NULL;
    if (f) plan->frames = f->next;
    pthread_mutex_unlock(&p->lock);
    if (!plan) {
        plan = reel_plan_rest_(rq, before->plan, size, again, &p->passes);
        if (!plan) return NULL;
        pthread_mutex_lock(&p->lock);
        reel_plan *mine = plan;
        plan = insert_rest(seam, size, mine);
        pthread_mutex_unlock(&p->lock);
        if (p->passes.compile == 0 && plan == mine) reel_compile_now_(p, plan);
    }
    if (!f) f = reel_frame_new_(plan);
    if (!f) {
        pthread_mutex_lock(&p->lock);
        reel_plan_unref_(plan);
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
    if (p->poison) memset(f->arena, 0xff, reel_arena_size_(plan));
    return f;
}

void reel_player_close_(reel_player *p)
{
    pthread_mutex_lock(&p->lock);
    p->closed = true;
    if (p->waiting) pthread_cond_broadcast(&p->idle);
    pthread_mutex_unlock(&p->lock);
    reel_compile_end_(p);
    pthread_mutex_lock(&p->lock);
    while (p->plans) {
        reel_plan *plan = p->plans;
        p->plans = plan->next;
        reel_plan_unref_(plan);
    }
    p->n_plans = 0;
    pthread_mutex_unlock(&p->lock);
}

void reel_player_drop_(reel_player *p)
{
    reel_player_close_(p);
    reel_debug_release_(p, atomic_load(&p->debug));
    pthread_cond_destroy(&p->idle);
    reel_compile_drop_(p);
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

/* Is that the only use of the feed's memory, so that a result may take it? The caller's scope has the one reference. */
static bool is_given(const reel_request *rq, int feed)
{
    if (feed < 0) return false;
    const reel_rec *r = rq->given[feed];
    for (int i = 0; i < rq->n_feeds; i++)
        if (i != feed && rq->given[i] == r) return false;
    return reel_is_sole_(r);
}

static reel_rec *make_fresh(const reel_plan *plan, const reel_request *rq, int i)
{
    const reel_type *t = &plan->fresh[i];
    if (REEL_LIKELY(!rq->donate) || rq->taped || !is_given(rq, plan->donor[i])) return reel_make_(rq->site, t);
    int64_t strides[REEL_MAX_RANK];
    reel_shape_strides_(&t->shape, strides);
    return reel_make_view_(rq->site, t, strides, rq->given[plan->donor[i]], 0);
}

/* All memory that outlives the run, before the first step (of a segment): so a run that fails changes nothing. */
int reel_make_results_(const reel_plan *plan, const reel_request *rq, const reel_type *cut, reel_frame *f)
{
    reel_rec **fresh = f->recs + plan->n_feeds + plan->n_vars + plan->first_fresh;
    if (rq->begun) *rq->begun = true;
    for (int i = 0; i < plan->n_fresh; i++) {
        fresh[i] = NULL; /* dtype 0: it goes over what a variable has, at the end */
        if (plan->fresh[i].dtype && !(fresh[i] = make_fresh(plan, rq, i))) return REEL_ENOMEM;
    }
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

/* Memory for what variable k of the changes gets: that of its value, if nobody else has it. */
static int begin_change(const reel_frame *f, int k, const char *site)
{
    const reel_change *u = &f->plan->changes[k];
    reel_rec *old = f->recs[u->ext];
    f->locked[k] = reel_cell_lock_(u->cell, old) != NULL;
    f->next_values[k] =
        f->locked[k] ? reel_make_view_(site, &old->type, old->strides, old, 0) : reel_make_(site, &old->type);
    return f->next_values[k] ? 0 : reel_status();
}

static int run_change(const reel_frame *f, const reel_late *u)
{
    const reel_step *s = &f->plan->steps[u->step];
    void **ptr = f->ptr + s->slot;
    const double start = f->late_seconds ? reel_now_() : 0;
    for (int k = u->first; k < u->first + u->n; k++) ptr[f->plan->changes[k].operand] = f->next_values[k]->data;
    const int rc = s->run(s->plan, ptr, f->arena + s->work);
    if (f->late_seconds) f->late_seconds[u->step - f->plan->n_steps] = reel_now_() - start;
    return rc ? reel_step_failed_(f->plan->graph, s, rc) : 0;
}

static void end_change(const reel_frame *f, int k, bool good)
{
    const reel_change *u = &f->plan->changes[k];
    if (f->locked[k])
        reel_cell_unlock_(u->cell, good ? f->next_values[k] : NULL);
    else if (good)
        reel_cell_set_(u->cell, f->next_values[k]);
}

/* Memory for all of them before the first is made; what they could refuse has been checked. Under `moment`. */
static int make_changes(const reel_frame *f, const reel_request *rq)
{
    const reel_plan *plan = f->plan;
    reel_ctx *c = reel_ctx_();
    const char *site = c->site, *op = c->op;
    int n = 0, rc = 0;
    while (n < plan->n_changes && !rc) rc = begin_change(f, n++, rq->site);
    c->site = c->op = NULL;
    for (int i = 0; i < plan->n_late && !rc; i++) rc = run_change(f, &plan->late[i]);
    c->site = site;
    c->op = op;
    while (n-- > 0) end_change(f, n, !rc);
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

static inline int run_steps(const reel_request *rq, reel_frame *f)
{
    const reel_plan *plan = f->plan;
    reel_ctx *c = reel_ctx_();
    const char *site = c->site, *op = c->op;
    const reel_step *failed = NULL;
    (void)rq;
    c->site = c->op = NULL;
    const int rc = walk(plan, f, &failed);
    c->site = site;
    c->op = op;
    return rc ? reel_step_failed_(plan->graph, failed, rc) : 0;
}

static inline int run_segment(const reel_request *rq, const reel_type *cut, reel_frame *f)
{
    const int rc = reel_make_results_(f->plan, rq, cut, f);
    return rc ? rc : run_steps(rq, f);
}

int reel_run_steps_(const reel_request *rq, reel_frame *f)
{
    return run_steps(rq, f);
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
    if (p->poison) memset(frame->arena, 0xff, reel_arena_size_(plan));
    int rc = 0;
    const reel_type *cut = truth ? reel_cut_types_(p, plan, rq, truth, size) : NULL;
    if (truth && !cut) rc = reel_status();
    reel_ctx *c = reel_ctx_();
    c->runs++;
    if (!rc) rc = replay(p, &frame, rq, cut, out);
    c->runs--;
    reel_player_give_back_(p, frame);
    return rc;
}
