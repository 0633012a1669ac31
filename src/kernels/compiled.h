/* compiled.h: what the C of a compiled plan begins with. tools/gen_compiled.py puts all that it includes in place and the library
   carries the text, so that compiling needs no installed source. See docs/compiled.md. */
#ifndef REEL_KERNELS_COMPILED_H
#define REEL_KERNELS_COMPILED_H
#include "kernels/half.h"
#include "kernels/vmath.h"

/* The library's own loops, for ops that are not printed: reel_group_call of core/device.h. */
typedef struct reel_loop_of_part {
    void (*fn)(void *const *ptr, const uint8_t *step, int64_t n, const void *extra);
    const void *extra;
} reel_loop_of_part;
enum { REEL_TILE = 512 }; /* elements of what one loop of a group leaves for the next */
enum { REEL_DO_WHOLE = 1, REEL_DO_ROWS = 2 };
#endif
