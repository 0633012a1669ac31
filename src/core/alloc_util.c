/* alloc_util.c: what is made of reel_alloc_: zeroed memory, arrays, growing, strings; and slabs. */
#include "core/alloc.h"
#include "core/alloc_custom.h"
#include "core/error.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

void *reel_zalloc_(size_t bytes)
{
    void *p = reel_alloc_(bytes);
    if (p) {
        memset(p, 0, bytes);
    }
    return p;
}

void *reel_alloc_array_(size_t n, size_t size)
{
    size_t bytes;
    if (REEL_MUL_OVERFLOW(n, size, &bytes)) {
        reel_no_memory_(SIZE_MAX);
        return NULL;
    }
    return reel_alloc_(bytes);
}

int reel_grow_(void **p, size_t *cap, size_t need, size_t elem)
{
    if (need <= *cap) {
        return REEL_OK;
    }
    const size_t twice = *cap > SIZE_MAX / 2 ? need : *cap * 2;
    size_t more = need > twice ? need : twice;
    more = more < 8 ? 8 : more;
    void *q = reel_alloc_array_(more, elem);
    if (!q) {
        return REEL_ENOMEM;
    }
    if (*p) {
        memcpy(q, *p, *cap * elem);
        reel_free_(*p, *cap * elem);
    }
    *p = q;
    *cap = more;
    return REEL_OK;
}

/* A custom allocator is asked whether it would give so much, and gets it back at once: the memory itself comes from
   the system, since it must stay readable when that allocator and all its memory are gone. */
void *reel_alloc_forever_(size_t bytes, size_t align)
{
    const size_t rounded = bytes > SIZE_MAX - align ? 0 : (bytes + align - 1) / align * align;
    void *p = NULL;
    if (atomic_load_explicit(&reel_custom_on_, memory_order_relaxed) && reel_custom_alloc_(bytes, &p)) {
        if (!p) {
            return NULL;
        }
        reel_custom_free_(p, bytes);
    }
    p = rounded ? aligned_alloc(align, rounded) : NULL;
    if (!p) {
        reel_no_memory_(bytes);
    }
    return p;
}

char *reel_strdup_(const char *s)
{
    const size_t bytes = strlen(s) + 1;
    char *copy = reel_alloc_(bytes);
    if (copy) {
        memcpy(copy, s, bytes);
    }
    return copy;
}

void reel_strfree_(char *s)
{
    if (s) {
        reel_free_(s, strlen(s) + 1);
    }
}
