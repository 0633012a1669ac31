/* frames.c: what runs hold while they last: an arena with its pointers, from a pool; and the end of plans. A player lets so many runs
   in at once, the others wait; a run within a run of the same thread never does, as it may be what the others wait for. Frames go back
   to their plan's list. Every so many runs those that have not been needed for a while are freed. */
#include "core/alloc.h"
#include "core/printing.h"
#include "player.h"
#include "reel/tensor.h"

/* ---- frames ---------------------------------------------------------------------------------------- */

size_t reel_arena_size_(const reel_plan *plan)
{
    return plan->arena_bytes ? plan->arena_bytes : 64;
}

static size_t n_recs(const reel_plan *plan)
{
    return (size_t)(plan->n_feeds + plan->n_vars + plan->first_fresh + plan->n_fresh) + 1;
}

void reel_frame_free_(reel_frame *f)
{
    const reel_plan *plan = f->plan;
    const size_t changes = (size_t)plan->n_changes + 1;
    reel_free_(f->arena, reel_arena_size_(plan));
    reel_free_(f->ptr, ((size_t)plan->n_slots + 1) * sizeof *f->ptr);
    reel_free_(f->carry, ((size_t)plan->n_carry + 1) * sizeof *f->carry);
    reel_free_(f->recs, n_recs(plan) * sizeof *f->recs);
    reel_free_(f->made, ((size_t)plan->n_results + 1) * sizeof *f->made);
    reel_free_(f->next_values, changes * sizeof *f->next_values);
    reel_free_(f->locked, changes * sizeof *f->locked);
    reel_free_(f, sizeof *f);
}

reel_frame *reel_frame_new_(reel_plan *plan)
{
    reel_frame *f = reel_zalloc_(sizeof *f);
    const size_t changes = (size_t)plan->n_changes + 1;
    if (!f) return NULL;
    enum { BIG = 1 << 20 };
    /* what eager calls have left in the allocator's cache has other sizes, and may not be needed any more */
    if (plan->arena_bytes >= BIG) reel_memory_trim();
    f->plan = plan;
    f->arena = reel_alloc_(reel_arena_size_(plan));
    f->ptr = reel_zalloc_(((size_t)plan->n_slots + 1) * sizeof *f->ptr);
    f->carry = reel_zalloc_(((size_t)plan->n_carry + 1) * sizeof *f->carry);
    f->recs = reel_zalloc_(n_recs(plan) * sizeof *f->recs);
    f->made = reel_zalloc_(((size_t)plan->n_results + 1) * sizeof *f->made);
    f->next_values = reel_zalloc_(changes * sizeof *f->next_values);
    f->locked = reel_zalloc_(changes * sizeof *f->locked);
    if (!f->arena || !f->ptr || !f->carry || !f->recs || !f->made || !f->next_values || !f->locked) {
        reel_frame_free_(f);
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

/* ---- how many --------------------------------------------------------------------------------------- */

bool reel_pool_enter_(reel_player *p, const reel_request *rq)
{
    const bool bounded = p->max_arenas > 0 && !reel_ctx_()->runs && !(rq->debug & REEL_DEBUG_KEEP);
    while (bounded && p->running >= p->max_arenas && !p->closed) {
        p->waiting++;
        pthread_cond_wait(&p->idle, &p->lock);
        p->waiting--;
    }
    if (++p->running > p->most) p->most = p->running;
    return !p->closed;
}

/* Frees what is beyond `keep` free frames; idle: whose plan has not been used since the last time, all. */
static void trim(reel_plan *plan, int keep, bool all)
{
    int n = 0;
    if (!plan->used || all) keep = 0;
    plan->used = false;
    for (reel_frame **at = &plan->frames; *at;) {
        reel_frame *f = *at;
        if (++n <= keep) {
            at = &f->next;
            continue;
        }
        *at = f->next;
        reel_frame_free_(f);
    }
    for (reel_plan *rest = plan->seam ? plan->seam->plans : NULL; rest; rest = rest->next) trim(rest, keep, all);
}

void reel_pool_leave_(reel_player *p)
{
    enum { EVERY = 64 };
    p->running--;
    if (p->waiting) pthread_cond_signal(&p->idle);
    if (REEL_LIKELY(++p->leaves < EVERY)) return;
    const int keep = p->most > p->most_before ? p->most : p->most_before;
    for (reel_plan *plan = p->plans; plan; plan = plan->next) trim(plan, keep, false);
    p->most_before = p->most;
    p->most = p->running;
    p->leaves = 0;
}

void reel_player_trim_(reel_player *p)
{
    pthread_mutex_lock(&p->lock);
    for (reel_plan *plan = p->plans; plan; plan = plan->next) trim(plan, 0, true);
    pthread_mutex_unlock(&p->lock);
}

static void count_frames(const reel_plan *plan, int *n, size_t *bytes)
{
    for (const reel_frame *f = plan->frames; f; f = f->next) {
        ++*n;
        *bytes += reel_arena_size_(plan);
    }
    for (const reel_plan *rest = plan->seam ? plan->seam->plans : NULL; rest; rest = rest->next)
        count_frames(rest, n, bytes);
}

void reel_player_pool_(reel_player *p, int *running, int *idle, size_t *idle_bytes)
{
    *idle = 0;
    *idle_bytes = 0;
    pthread_mutex_lock(&p->lock);
    *running = p->running;
    for (const reel_plan *plan = p->plans; plan; plan = plan->next) count_frames(plan, idle, idle_bytes);
    pthread_mutex_unlock(&p->lock);
}

/* ---- the end of a plan ------------------------------------------------------------------------------- */

void reel_plan_free_(reel_plan *plan)
{
    if (!plan) return;
    reel_seam_free_(plan->seam);
    reel_graph_release_(plan->graph);
    reel_free_(plan->asked, ((size_t)plan->n_feeds + 2 * (size_t)plan->n_fetches + 1) * sizeof *plan->asked);
    reel_free_(plan->reports, ((size_t)REEL_MAX_PASSES + 1) * sizeof *plan->reports);
    const size_t groups = (size_t)(plan->n_steps + plan->n_late) + 1;
    for (size_t i = 0; i < groups && plan->groups; i++)
        if (plan->groups[i].f)
            reel_free_(plan->groups[i].f, reel_fused_bytes_(plan->groups[i].f, plan->groups[i].kind));
    reel_free_(plan->groups, groups * sizeof *plan->groups);
    for (int i = 0; i < plan->n_kernels; i++) {
        if (plan->kernels[i]->drop) plan->kernels[i]->drop(plan->kernel_plans[i]);
        reel_free_(plan->kernel_plans[i], plan->kernel_bytes[i]);
    }
    while (plan->frames) {
        reel_frame *f = plan->frames;
        plan->frames = f->next;
        reel_frame_free_(f);
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
    reel_free_(plan->feed_given, nf * sizeof *plan->feed_given);
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
    reel_free_(plan->changes, ((size_t)plan->n_changes + 1) * sizeof *plan->changes);
    reel_free_(plan->late, ((size_t)plan->n_late + 1) * sizeof *plan->late);
    reel_free_(plan->vars, ((size_t)plan->n_vars + 1) * sizeof *plan->vars);
    reel_free_(plan->fresh, ((size_t)plan->n_fresh + 1) * sizeof *plan->fresh);
    reel_free_(plan->donor, ((size_t)plan->n_fresh + 1) * sizeof *plan->donor);
    reel_free_(plan->results, ((size_t)plan->n_results + 1) * sizeof *plan->results);
    reel_plan_notes_free_(plan);
    reel_compiled_free_(plan->compiled); /* behind the kernels that use it */
    reel_free_(plan, sizeof *plan);
}
