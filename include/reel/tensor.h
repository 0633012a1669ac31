/* tensor.h: scopes, handles, creation from and reading into host memory, printing, and the few
   process-wide services (allocator, threads). Functions that make tensors return NULL on error. */
#ifndef REEL_TENSOR_H
#define REEL_TENSOR_H
#include <stdio.h>
#include "base.h"
#include "macros.h"
REEL_BEGIN_DECLS

/* ---- scopes: own tensors, and the tapes and graphs begun in them ---------------------------------
   Every tensor a call makes belongs to the innermost scope of the thread; with none open, to the
   thread's root scope. Ending a scope ends all still open inside it, so any exit path heals. */
reel_scope *reel_scope_begin(const char *site,
                             const char *name); /* NULL when out of memory: the enclosing scope goes on owning */
void reel_scope_end(reel_scope *s);             /* NULL: nothing. Not the innermost: ends those inside first */
static inline void reel_scope_cleanup_(reel_scope **s)
{
    reel_scope_end(*s);
}
/* A declaration: the rest of this block is a scope. A helper library passes its caller's site on. */
#define REEL_SCOPED REEL_SCOPED_AT(REEL_HERE)
#define REEL_SCOPED_AT(site)                                                                             \
    reel_scope *REEL_CAT_(reel_scope_, __LINE__) __attribute__((cleanup(reel_scope_cleanup_), unused)) = \
        reel_scope_begin(site, __func__)
reel_tensor *reel_keep(
    reel_tensor *t); /* owned by the innermost scope: move to its parent; otherwise nothing. Returns t */
/* slot owns t from now on: retain t, release what it held. t NULL: slot unchanged. Returns *slot. */
reel_tensor *reel_set(reel_tensor **slot, reel_tensor *t);
void reel_unset(reel_tensor **slot); /* release and set to NULL */
reel_tensor *reel_retain(reel_tensor *t);
void reel_release(
    reel_tensor *t); /* the count taken by reel_retain; a scope's own count is not the caller's to release */
/* Name scope: shown in errors and graph listings as "hidden/out". Ends with its scope. */
int reel_name_scope_begin(const char *name);
void reel_name_scope_end(void);

/* ---- creation from host memory: counts are elements and are checked against the shape ------------ */
reel_tensor *reel_from_f32_at(const char *site, reel_shape s, const float *x, size_t n);
reel_tensor *reel_from_f64_at(const char *site, reel_shape s, const double *x, size_t n);
reel_tensor *reel_from_i32_at(const char *site, reel_shape s, const int32_t *x, size_t n);
reel_tensor *reel_from_i64_at(const char *site, reel_shape s, const int64_t *x, size_t n);
reel_tensor *reel_from_u8_at(const char *site, reel_shape s, const uint8_t *x, size_t n);
reel_tensor *reel_from_at(const char *site, reel_type t, const void *x, size_t bytes);
/* The caller's memory itself, C order, not copied: a promise not to change it while it is referenced.
   free_fn(arg) is called once when the last tensor using it is gone (may be NULL). */
reel_tensor *reel_wrap_at(const char *site, reel_type t, void *x, size_t bytes, void (*free_fn)(void *arg), void *arg);
/* A weak 0-d constant that takes the other operand's dtype: reel_mul(x, reel_num(2)). An integer operand
   needs an integral value in range. With no strong partner it is f32. */
reel_tensor *reel_num_at(const char *site, double value);

/* ---- reading: converts, copies from any layout. n must be the element count ---------------------- */
int reel_read_f32_at(const char *site, reel_tensor *t, float *dst, size_t n);
int reel_read_f64_at(const char *site, reel_tensor *t, double *dst, size_t n);
int reel_read_i64_at(const char *site, reel_tensor *t, int64_t *dst, size_t n);
int reel_read_at(const char *site, reel_tensor *t, void *dst, size_t bytes); /* as it is, in C order */
double reel_item_at(const char *site, reel_tensor *t); /* one element; NaN and an error if it cannot */
int64_t reel_dim_at(const char *site, reel_tensor *t,
                    int axis);            /* REEL_ANY if unknown; -2 and an error if no such axis */
reel_shape reel_shape_of(reel_tensor *t); /* rank -1 and an error for a bad handle */
reel_dtype reel_dtype_of(reel_tensor *t); /* 0 and an error for a bad handle */

/* ---- printing, as NumPy prints: summarised beyond 1,000 elements --------------------------------- */
int reel_print(reel_tensor *t); /* to stdout with a newline: [[1. 2.] [3. 4.]] */
int reel_fprint(FILE *f, reel_tensor *t);
/* At most size bytes with the final 0, like snprintf: returns the length needed, or -1 and an error. */
int64_t reel_format(reel_tensor *t, char *buf, size_t size);

/* ---- random generators: Philox4x32-10 (Salmon et al., SC 2011), counter based --------------------
   A generator is (key, counter); each draw reserves as many counters as it needs. */
reel_generator *reel_generator_new(uint64_t seed);
void reel_generator_free(reel_generator *g);
reel_generator *reel_generator_default(void);              /* the calling thread's own; seed 0 until set */
int reel_generator_seed(reel_generator *g, uint64_t seed); /* g NULL: the thread's default. Counter back to 0 */
int reel_seed(uint64_t seed);                              /* reel_generator_seed(NULL, seed) */

/* ---- process-wide services -----------------------------------------------------------------------
   alloc returns 64-byte aligned memory or NULL; free gets the same size. Set before the first tensor
   is made, or between programs when nothing lives; NULL restores the built-in caching allocator. */
typedef struct {
    size_t size; /* sizeof(reel_allocator) */
    void *(*alloc)(void *self, size_t bytes);
    void (*free)(void *self, void *p, size_t bytes);
    void *self;
} reel_allocator;
int reel_set_allocator(const reel_allocator *a);
typedef struct {
    uint64_t in_use, peak, cached; /* bytes handed out now, at most, and kept for reuse */
    uint64_t allocs, hits;         /* calls; calls answered from the cache */
    uint64_t tensors;              /* tensor blocks alive, all threads */
} reel_memory_stats;
void reel_memory(reel_memory_stats *out);
void reel_memory_trim(void); /* gives what the calling thread and the shared cache keep back to the system */

int reel_threads(void); /* threads a parallel loop may use, the caller included */
int reel_set_threads(
    int n); /* 1 = serial; 0 = as many as the process may run on. REEL_THREADS in the environment sets the start value */
/* body(arg, begin, end) over pieces of [0, n), each a multiple of grain but the last; grain >= 1. Which
   pieces there are depends on n and grain only. Nested calls and calls after fork run serially. */
void reel_parallel_for(int64_t n, int64_t grain, void (*body)(void *arg, int64_t begin, int64_t end), void *arg);
const char *reel_isa(void); /* "baseline", "x86-64-v3" or "x86-64-v4"; REEL_ISA in the environment lowers it */
REEL_END_DECLS
#endif
