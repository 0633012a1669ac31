/* alloc_custom.h: between alloc.c and alloc_custom.c. */
#ifndef REEL_CORE_ALLOC_CUSTOM_H
#define REEL_CORE_ALLOC_CUSTOM_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

extern _Atomic int reel_custom_on_;         /* a custom allocator is set, or blocks of one are alive */
extern _Atomic uint64_t reel_custom_calls_; /* allocations that one answered */
/* False: none is set, ask the built-in one. Otherwise *p is the block, or NULL with an error raised. */
bool reel_custom_alloc_(size_t bytes, void **p);
bool reel_custom_free_(void *p, size_t bytes); /* false: not a block of a custom allocator */
void reel_count_bytes_(int64_t bytes);         /* adds to the bytes in use */
#endif
