/* options.h: reading a caller's options struct, which begins with its size: one compiled against an older header is shorter;
   and operands that may be left out. */
#ifndef REEL_CORE_OPTIONS_H
#define REEL_CORE_OPTIONS_H
#include <stddef.h>
#include <string.h>
#include "reel/base.h"
/* from (NULL: nothing) over the defaults in to. Size 0, as in a struct written without REEL_OPTS: all of it. */
static inline void reel_options_(void *to, size_t size, const void *from)
{
    size_t given;
    if (!from) return;
    memcpy(&given, from, sizeof given);
    memcpy(to, from, given && given < size ? given : size);
}

/* For every operand that a call may be given or not: NULL means none, unless an error is pending. It may be what failed then,
   and the call must not pass for one without it: false, and the caller gives NULL without a word, as the door does for any
   other operand. */
static inline bool reel_optional_(const reel_tensor *t)
{
    return t || !reel_status();
}
#endif
