/* options.h: reading a caller's options struct, which begins with its size: one compiled against an older header is shorter. */
#ifndef REEL_CORE_OPTIONS_H
#define REEL_CORE_OPTIONS_H
#include <stddef.h>
#include <string.h>
/* from (NULL: nothing) over the defaults in to. Size 0, as in a struct written without REEL_OPTS: all of it. */
static inline void reel_options_(void *to, size_t size, const void *from)
{
    size_t given;
    if (!from) return;
    memcpy(&given, from, sizeof given);
    memcpy(to, from, given && given < size ? given : size);
}
#endif
