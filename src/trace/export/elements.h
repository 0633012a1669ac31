/* elements.h: what emitters share beyond emit.h: loops over elements, rows along an axis. */
#ifndef REEL_TRACE_EXPORT_ELEMENTS_H
#define REEL_TRACE_EXPORT_ELEMENTS_H
#include "emit.h"
/* Loops over all elements of `shape` (dense), neighbouring axes joined where all the inputs of that mask allow; $o is where an
   element of it lies, $i0 ... where the inputs' do. Returns how many loops. */
int reel_open_elements_(reel_emit *e, const reel_eoperand *shape, unsigned inputs);
int reel_emit_fill_(reel_emit *e, double value); /* output 0 */
#endif
