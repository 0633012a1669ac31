/* alloc.h: all memory of the library comes from here: 64-byte aligned, counted, able to fail in tests.
   Functions that return NULL have raised REEL_ENOMEM. free needs the size that was asked for. */
#ifndef REEL_CORE_ALLOC_H
#define REEL_CORE_ALLOC_H
#include <stddef.h>
#include "compiler.h"
void *reel_alloc_(size_t bytes);                /* bytes 0: as 1 */
void *reel_zalloc_(size_t bytes);               /* zeroed */
void reel_free_(void *p, size_t bytes);         /* p NULL: nothing */
void *reel_alloc_array_(size_t n, size_t size); /* n * size checked */
/* Makes room for need elements in *p (capacity *cap), at least doubling; contents kept. 0 or REEL_ENOMEM, *p unchanged. */
int reel_grow_(void **p, size_t *cap, size_t need, size_t elem);
/* For slabs only: memory that is never given back (dead handles must stay readable). NULL: raised. */
void *reel_alloc_forever_(size_t bytes, size_t align);
void reel_alloc_thread_end_(void *front); /* the context calls it when a thread ends */
char *reel_strdup_(const char *s);        /* free with reel_strfree_ */
void reel_strfree_(char *s);
#endif
