/* onednn.c: matrix products of oneDNN on one thread. The primitive is created while OpenMP is set to
   one thread, and runs so: one created for two threads and run inside a parallel region deadlocks or leaves half its
   output unwritten. Scratch memory is the caller's, because the library's own belongs to the thread that created the
   primitive. Memory objects hold the pointers of a call, so each call under way needs a set of its own: a slot. */
#include "onednn.h"

#ifdef REEL_HAVE_ONEDNN
#include "core/alloc.h"
#include "core/error.h"
#include "onednn_inner.h"
#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#if DNNL_VERSION_MAJOR >= 3 /* descriptors are objects */
static bool desc_new(dnnl_memory_desc_t *d, const dnnl_dims_t dims, dnnl_data_type_t type, const dnnl_dims_t strides)
{
    return dnnl_memory_desc_create_with_strides(d, 2, dims, type, strides) == dnnl_success;
}
static void desc_free(dnnl_memory_desc_t *d)
{
    if (*d) dnnl_memory_desc_destroy(*d);
}
static bool pd_new(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, const dnnl_memory_desc_t d[3],
                   dnnl_primitive_attr_t attr)
{
    return dnnl_matmul_primitive_desc_create(pd, engine, d[0], d[1], NULL, d[2], attr) == dnnl_success;
}
#else /* and plain structs */
static bool desc_new(dnnl_memory_desc_t *d, const dnnl_dims_t dims, dnnl_data_type_t type, const dnnl_dims_t strides)
{
    return dnnl_memory_desc_init_by_strides(d, 2, dims, type, strides) == dnnl_success;
}
static void desc_free(dnnl_memory_desc_t *d)
{
    (void)d;
}
static bool pd_new(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, const dnnl_memory_desc_t d[3],
                   dnnl_primitive_attr_t attr)
{
    dnnl_matmul_desc_t desc;
    return dnnl_matmul_desc_init(&desc, &d[0], &d[1], NULL, &d[2]) == dnnl_success &&
           dnnl_primitive_desc_create(pd, &desc, attr, engine, NULL) == dnnl_success;
}
#endif

enum { SLOTS = 16, SRC = 0, WEIGHTS = 1, DST = 2, SCRATCH = 3, N_ARGS = 4 };

typedef struct slot {
    atomic_flag busy;
    dnnl_stream_t stream;
    dnnl_memory_t mem[N_ARGS];
} slot;

struct reel_onednn {
    dnnl_primitive_t primitive;
    size_t scratch;
    char name[64];
    slot slots[SLOTS];
};

/* One CPU engine for the process, and OpenMP's two calls as found in the process (libdnnl brings its OpenMP with it).
   */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static dnnl_engine_t engine;
static int (*get_threads)(void);
static void (*set_threads)(int);

static void start(void)
{
    void *get = dlsym(RTLD_DEFAULT, "omp_get_max_threads"), *set = dlsym(RTLD_DEFAULT, "omp_set_num_threads");
    memcpy(&get_threads, &get, sizeof get);
    memcpy(&set_threads, &set, sizeof set);
    if (dnnl_engine_create(&engine, dnnl_cpu, 0) != dnnl_success) engine = NULL;
}

/* Is its threading one that can be held to one thread? */
static bool usable(void)
{
#if DNNL_CPU_THREADING_RUNTIME == DNNL_RUNTIME_OMP
    return engine && get_threads && set_threads;
#elif DNNL_CPU_THREADING_RUNTIME == DNNL_RUNTIME_SEQ
    return engine != NULL;
#else
    return false;
#endif
}

dnnl_engine_t reel_onednn_engine_(void)
{
    pthread_once(&once, start);
    return usable() ? engine : NULL;
}

int reel_onednn_begin_(void)
{
    if (!set_threads) return 0;
    const int before = get_threads();
    if (before != 1) set_threads(1);
    return before;
}

void reel_onednn_end_(int state)
{
    if (set_threads && state != 1) set_threads(state);
}

static bool slot_new(slot *s, const dnnl_memory_desc_t d[3], desc_ref scratch)
{
    if (dnnl_stream_create(&s->stream, engine, dnnl_stream_default_flags) != dnnl_success) return false;
    for (int i = 0; i < 3; i++)
        if (dnnl_memory_create(&s->mem[i], DESC(d[i]), engine, DNNL_MEMORY_NONE) != dnnl_success) return false;
    return dnnl_memory_create(&s->mem[SCRATCH], scratch, engine, DNNL_MEMORY_NONE) == dnnl_success;
}

static bool fill(reel_onednn *r, const dnnl_memory_desc_t d[3], dnnl_primitive_attr_t attr, bool bf16)
{
    dnnl_primitive_desc_t pd = NULL;
    if (dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user) != dnnl_success ||
        !pd_new(&pd, engine, d, attr))
        return false;
    const char *name = NULL;
    bool ok = dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, &name) == dnnl_success && name &&
              !strstr(name, "ref");
    /* bf16 emulated on f32 units is slower than converting to f32 first */
    if (ok && bf16) ok = strstr(name, "bf16") && !strncmp(name, "brg", 3);
    if (ok) {
        strncpy(r->name, name, sizeof r->name - 1);
        const desc_ref scratch = dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0);
        r->scratch = scratch ? dnnl_memory_desc_get_size(scratch) : 0;
        ok = dnnl_primitive_create(&r->primitive, pd) == dnnl_success;
        for (int i = 0; ok && i < SLOTS; i++) ok = slot_new(&r->slots[i], d, scratch);
    }
    dnnl_primitive_desc_destroy(pd);
    return ok;
}

int reel_onednn_new_(reel_dtype dtype, int64_t m, int64_t n, int64_t k, bool ta, int64_t lda, bool tb, int64_t ldb,
                     int64_t ldc, reel_onednn **out)
{
    *out = NULL;
    pthread_once(&once, start);
    if (!usable() || (dtype != REEL_F32 && dtype != REEL_BF16)) return 0;
    reel_onednn *r = reel_zalloc_(sizeof *r);
    if (!r) return REEL_ENOMEM;
    for (int i = 0; i < SLOTS; i++) atomic_flag_clear(&r->slots[i].busy);

    const dnnl_data_type_t type = dtype == REEL_F32 ? dnnl_f32 : dnnl_bf16;
    const dnnl_dims_t dims[3] = {{m, k}, {k, n}, {m, n}};
    const dnnl_dims_t strides[3] = {{ta ? 1 : lda, ta ? lda : 1}, {tb ? 1 : ldb, tb ? ldb : 1}, {ldc, 1}};
    dnnl_memory_desc_t d[3];
    memset(d, 0, sizeof d);
    dnnl_primitive_attr_t attr = NULL;
    const int threads = reel_onednn_begin_();
    bool ok = dnnl_primitive_attr_create(&attr) == dnnl_success;
    for (int i = 0; ok && i < 3; i++) ok = desc_new(&d[i], dims[i], type, strides[i]);
    ok = ok && fill(r, d, attr, dtype == REEL_BF16);
    reel_onednn_end_(threads);
    for (int i = 0; i < 3; i++) desc_free(&d[i]);
    if (attr) dnnl_primitive_attr_destroy(attr);
    if (ok)
        *out = r;
    else
        reel_onednn_free_(r);
    return 0;
}

void reel_onednn_free_(reel_onednn *r)
{
    if (!r) return;
    for (int i = 0; i < SLOTS; i++) {
        for (int j = 0; j < N_ARGS; j++)
            if (r->slots[i].mem[j]) dnnl_memory_destroy(r->slots[i].mem[j]);
        if (r->slots[i].stream) dnnl_stream_destroy(r->slots[i].stream);
    }
    if (r->primitive) dnnl_primitive_destroy(r->primitive);
    reel_free_(r, sizeof *r);
}

size_t reel_onednn_scratch_(const reel_onednn *r)
{
    return r->scratch;
}
const char *reel_onednn_name_(const reel_onednn *r)
{
    return r->name;
}

bool reel_onednn_run_(reel_onednn *r, void *a, void *b, void *c, void *scratch)
{
    slot *s = r->slots;
    while (atomic_flag_test_and_set_explicit(&s->busy, memory_order_acquire))
        if (++s == r->slots + SLOTS) {
            s = r->slots;
            sched_yield();
        }
    void *const at[N_ARGS] = {a, b, c, scratch};
    bool ok = true;
    for (int i = 0; i < N_ARGS; i++) ok = ok && dnnl_memory_set_data_handle(s->mem[i], at[i]) == dnnl_success;
    const dnnl_exec_arg_t args[N_ARGS] = {{DNNL_ARG_SRC, s->mem[SRC]},
                                          {DNNL_ARG_WEIGHTS, s->mem[WEIGHTS]},
                                          {DNNL_ARG_DST, s->mem[DST]},
                                          {DNNL_ARG_SCRATCHPAD, s->mem[SCRATCH]}};
    ok = ok && dnnl_primitive_execute(r->primitive, s->stream, N_ARGS, args) == dnnl_success &&
         dnnl_stream_wait(s->stream) == dnnl_success;
    atomic_flag_clear_explicit(&s->busy, memory_order_release);
    return ok;
}

#else
int reel_onednn_new_(reel_dtype dtype, int64_t m, int64_t n, int64_t k, bool ta, int64_t lda, bool tb, int64_t ldb,
                     int64_t ldc, reel_onednn **out)
{
    (void)dtype, (void)m, (void)n, (void)k, (void)ta, (void)lda, (void)tb, (void)ldb, (void)ldc;
    *out = NULL;
    return 0;
}
void reel_onednn_free_(reel_onednn *d)
{
    (void)d;
}
size_t reel_onednn_scratch_(const reel_onednn *d)
{
    return (void)d, 0;
}
const char *reel_onednn_name_(const reel_onednn *d)
{
    return (void)d, "";
}
bool reel_onednn_run_(reel_onednn *d, void *a, void *b, void *c, void *scratch)
{
    (void)d, (void)a, (void)b, (void)c, (void)scratch;
    return false;
}
int reel_onednn_begin_(void)
{
    return 0;
}
void reel_onednn_end_(int state)
{
    (void)state;
}
#endif
