/* player.h: the parts of a run, for player.c, which walks a plan as fast as it can, and debug_run.c, which stops behind each node. */
#ifndef REEL_TRACE_PLAYER_H
#define REEL_TRACE_PLAYER_H
#include "trace.h"

/* frames.c */
size_t reel_arena_size_(const reel_plan *plan);
reel_frame *reel_frame_new_(reel_plan *plan); /* NULL: raised */
void reel_frame_free_(reel_frame *f);
/* Both under the player's lock. enter waits until a run may begin; false: the player is closed. leave also after that. */
bool reel_pool_enter_(reel_player *p, const reel_request *rq);
void reel_pool_leave_(reel_player *p);

/* A plan with a reference and a frame of it. NULL: raised. */
reel_plan *reel_player_acquire_(reel_player *p, const reel_request *rq, reel_frame **frame);
void reel_player_give_back_(reel_player *p, reel_frame *frame); /* the last segment's; those before go too */
/* The frame of the segment that follows `before`, with what that one hands on. NULL: raised. */
reel_frame *reel_next_frame_(reel_player *p, const reel_request *rq, reel_frame *before);
const reel_type *reel_cut_types_(reel_player *p, reel_plan *plan, const reel_request *rq, const reel_type *truth,
                                 int64_t size);

void reel_lock_writes_(uint32_t mask);
void reel_unlock_writes_(uint32_t mask);
int reel_in_hook_(const reel_request *rq); /* raises */
/* The present values of all variables, each with a reference. */
int reel_read_variables_(const reel_plan *plan, const reel_request *rq, reel_rec **recs);
int reel_make_results_(const reel_plan *plan, const reel_request *rq, const reel_type *cut, reel_frame *f);
int reel_run_steps_(const reel_request *rq, reel_frame *f); /* feeds and results are in its records */
int reel_commit_(const reel_frame *f, const reel_request *rq);
int reel_step_failed_(const reel_graph *g, const reel_step *s,
                      int rc); /* puts the op's name and line before what it raised */

/* The pointers into what differs from run to run. */
static inline void reel_patch_(const reel_plan *plan, const reel_frame *f)
{
    for (int i = 0; i < plan->n_patches; i++) {
        const reel_patch *patch = &plan->patches[i];
        f->ptr[patch->slot] = f->recs[patch->ext]->data + patch->offset;
    }
}

/* debug_run.c */
int reel_debug_run_(reel_player *p, const reel_request *rq, const reel_type *truth, int64_t size, reel_tensor *out[]);
void reel_debug_release_(reel_player *p, struct reel_debug *d);
int reel_debug_check_(reel_player *p); /* its runs check numbers from now on */
/* plan_notes.c */
void reel_plan_notes_free_(reel_plan *plan);
#endif
