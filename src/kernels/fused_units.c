/* fused_units.c: the loops of a fused group's parts. */
#include <string.h>
#include "kernels/units.h"

int reel_units_(const reel_fused *f, reel_unit unit[REEL_FUSED_PARTS])
{
    for (int i = 0; i < f->n_parts; i++) {
        const reel_fused_part *part = &f->part[i];
        reel_unit *u = &unit[i];
        *u = (reel_unit){.out = part->out, .out_dtype = part->out_dtype};
        if (part->reduces) continue;
        u->n_in = part->n_in;
        memcpy(u->in, part->in, sizeof u->in);
        memcpy(u->in_dtype, part->in_dtype, sizeof u->in_dtype);
        const int rc = reel_loop_op_(&u->op, part);
        if (rc) return rc;
    }
    return 0;
}
