/* elements.h: what emitters share beyond emit.h: loops over elements, rows along an axis. */
#ifndef REEL_TRACE_EXPORT_ELEMENTS_H
#define REEL_TRACE_EXPORT_ELEMENTS_H
#include "emit.h"
/* Loops over all elements of `shape` (dense), neighbouring axes joined where all the inputs of that mask allow; $o is where an
   element of it lies, $i0 ... where the inputs' do. Returns how many loops. */
int reel_open_elements_(reel_emit *e, const reel_eoperand *shape, unsigned inputs);
/* Loops v0, v1 ... over the axes of o in mask (none for a size of 1), over one that is limited as far as there is something. Returns how
   many. */
int reel_open_axes_(reel_emit *e, const reel_eoperand *o, unsigned mask, const char *v);
/* Rows of `shape` along axis: loops i0, i1 ... over the others; $x0 ... is where input k's row begins, $s0 ... the step along it, for
   inputs of shape's rank; $y0 ..., $t0 ... of outputs. Returns how many loops. */
int reel_open_rows_(reel_emit *e, const reel_eoperand *shape, int axis);
static inline int reel_emit_axis_(int axis, int rank)
{
    return axis < 0 ? axis + rank : axis;
}
/* The body returns 1 where its data are no good, which is said in these words. */
static inline void reel_refuses_(reel_emit *e, const char *what)
{
    e->fails = true;
    e->refuses = what;
}
int reel_emit_fill_(reel_emit *e, double value); /* output 0 */
#endif
