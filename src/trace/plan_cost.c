/* plan_cost.c: what the machine can do at most, for the shares that reel_session_explain gives. */
#include <string.h>
#include "core/alloc.h"
#include "debug.h"
#include "reel/reel.h"

enum { SIDE = 768, TIMES = 5, COPIED = 64 << 20 };

typedef struct copy_job {
    char *to;
    const char *from;
} copy_job;

static void copy_piece(void *arg, int64_t begin, int64_t end)
{
    const copy_job *j = arg;
    memcpy(j->to + begin, j->from + begin, (size_t)(end - begin));
}

/* Read and written. */
static int measure_copy(double *best)
{
    copy_job j = {.to = reel_zalloc_(COPIED / 2), .from = reel_zalloc_(COPIED / 2)};
    const bool good = j.to && j.from;
    for (int i = 0; i < TIMES && good; i++) {
        const double start = reel_now_();
        reel_parallel_for(COPIED / 2, 1 << 20, copy_piece, &j);
        const double rate = COPIED / (reel_now_() - start);
        if (rate > *best) *best = rate;
    }
    reel_free_(j.to, COPIED / 2);
    reel_free_((void *)(uintptr_t)j.from, COPIED / 2);
    return good ? 0 : REEL_ENOMEM;
}

static int measure_product(double *best)
{
    const double flops = 2.0 * SIDE * SIDE * SIDE;
    reel_tensor *a = reel_ones(REEL_F32, REEL_SHAPE(SIDE, SIDE));
    for (int i = 0; i < TIMES && a; i++) {
        const double start = reel_now_();
        if (!reel_matmul(a, a)) break;
        const double rate = flops / (reel_now_() - start);
        if (rate > *best) *best = rate;
    }
    return reel_status();
}

int reel_peak_measure_(reel_peak *out)
{
    reel_hush hush;
    *out = (reel_peak){0};
    int rc = reel_hush_begin_("", "reel_session_explain", &hush);
    if (rc) return rc;
    reel_scope *scope = reel_scope_begin("", "explain");
    rc = scope ? measure_product(&out->flops) : reel_status();
    reel_scope_end(scope);
    reel_hush_end_(&hush);
    return rc ? rc : measure_copy(&out->bytes);
}
