/* recurrent.h: what the recurrent layers' files share. */
#ifndef REEL_OPS_RECURRENT_H
#define REEL_OPS_RECURRENT_H
#include "core/context.h"
#include "core/error.h"
#include "core/options.h"
#include "internal.h"

/* Operands of a scan by name; NULL: not there. */
typedef struct reel_scan {
    const char *site;
    int kind;
    bool reverse;
    reel_tensor *xp, *r, *h0, *c0, *b, *rb, *lengths;
} reel_scan;

/* x[t] along axis 0, the axis gone. */
static inline reel_tensor *reel_step_of_(const char *site, reel_tensor *x, int64_t t)
{
    const reel_range range = {t, t + 1, 1};
    const reel_axes first = {1, {0}};
    if (!x) return NULL;
    return reel_squeeze_at(site, reel_slice_at(site, x, 1, &range), first);
}
/* n tensors joined along a new axis 0, however many; the list is used up. */
reel_tensor *reel_stack_steps_(const char *site, reel_tensor **steps, int64_t n);
/* n parts along axis. 0, or the error's code. */
static inline int reel_parts_(const char *site, reel_tensor *x, int axis, int n, reel_tensor *out[])
{
    if (n == 1) {
        out[0] = x;
        return x ? 0 : reel_status();
    }
    return reel_split_at(site, x, axis, n, out);
}
/* true for the rows that have a step t: [B, 1] */
static inline reel_tensor *reel_rows_on_(const char *site, reel_tensor *lengths, int64_t t)
{
    const reel_axes last = {1, {-1}};
    return reel_unsqueeze_at(site, reel_greater_at(site, lengths, reel_num_at(site, (double)t)), last);
}
int reel_cell_step_(const char *site, int kind, reel_tensor *xp, reel_tensor *r, reel_tensor *rb, reel_tensor *peephole,
                    reel_tensor *h, reel_tensor *c, reel_tensor *out[2]);
#endif
