/* update.c: an optimizer's step for some rows of a table, with its assignment: in place where nobody else has the values, so that it costs
   what the rows cost. Where somebody listens it is the op and the assignments, which replays make in place again. */
#include <string.h>
#include "core/context.h"
#include "core/error.h"
#include "eager.h"
#include "ops/ids.h"
#include "reel/var.h"

enum { MAX_STATE = 3 };

static bool heard(const reel_ctx *c) REEL_UNUSED;
static bool heard(const reel_ctx *c)
{
    for (const reel_listener *l = c->listeners; l; l = l->next)
        if (!l->paused) return true;
    return false;
}

static int op_and_assign(const reel_op *op, const void *attr, reel_tensor *const in[], int n_in, const char *site)
{
    reel_tensor *out[MAX_STATE] = {NULL};
    int rc = reel_door_(op, attr, in, n_in, out, op->n_out, site);
    for (int j = 0; j < op->n_out && !rc; j++) rc = reel_assign_at(site, in[j], out[j]);
    return rc;
}

int reel_update_(const reel_op *op, const void *attr, reel_tensor *const in[], int n_in, const char *site)
{
    return op_and_assign(op, attr, in, n_in, site);
}
