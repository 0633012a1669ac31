/* tensor.h: what a handle stands for. A block of 512 bytes from a slab holds the record of a tensor, the
   storage it made (if it made one) and up to REEL_INLINE_BYTES of its data.

   A handle is the block's address with the block's generation in the low 9 bits, so a stale handle is
   told from a live one without touching anything but the block, which is never unmapped.

   Counts: `local` belongs to the owner thread (its scopes, tapes, traces), `shared` is atomic (reel_retain, slots,
   variables, other threads). When local falls to 0 with shared left, the record is marked merged and only
   shared counts from then on. `parts` keeps the block itself: 1 for the tensor, 1 for the embedded
   storage, 1 for each ghost (somebody who needs only id and shape: tapes). */
#ifndef REEL_CORE_TENSOR_H
#define REEL_CORE_TENSOR_H
#include <stdatomic.h>
#include <stdint.h>
#include "compiler.h"
#include "dtype.h"
#include "reel/base.h"
#include "shape.h"

enum { REEL_BLOCK = 512, REEL_DATA_AT = 384, REEL_INLINE_BYTES = REEL_BLOCK - REEL_DATA_AT };

typedef struct reel_storage {
    _Atomic int32_t refs;
    uint8_t device; /* 0 = CPU */
    uint8_t kind;   /* REEL_STORE_... */
    uint16_t flags;
    uint64_t id;      /* never reused; caches of derived data are keyed by (id, version) */
    uint64_t version; /* grows with every in-place write */
    void *data;
    size_t bytes; /* as allocated */
    void (*free_fn)(void *arg);
    void *free_arg;
    void *ready, *used, *failed; /* a device's event and error slots */
    uint64_t checksum;           /* of wrapped memory, debug builds */
} reel_storage;
enum { REEL_STORE_INLINE, REEL_STORE_OWN, REEL_STORE_WRAP };

typedef struct reel_rec {
    uint64_t id;           /* the value's: a ghost or a snapshot of a variable keeps it */
    reel_storage *storage; /* NULL: symbolic, a cell, or dead */
    char *data;            /* storage->data + offset, NULL likewise */
    reel_type type;
    int64_t strides[REEL_MAX_RANK]; /* elements */
    int32_t local;
    _Atomic int32_t shared; /* REEL_MERGED + count once local is gone */
    _Atomic int32_t parts;
    uint32_t owner; /* thread number */
    uint16_t generation;
    uint8_t state;                /* REEL_FREE_, REEL_LIVE, REEL_DEAD */
    uint8_t flags;                /* REEL_R_... */
    const char *made, *died;      /* sites; died: where the scope that ended was begun */
    const char *died_in;          /* its name */
    struct reel_scope *scope;     /* owner, NULL if none */
    struct reel_rec *prev, *next; /* in scope; next also links free blocks */
    struct reel_rec *value;       /* a cell's present value, NULL before the first; a row-sparse tensor's rows */
    struct reel_rec *ids,
        *dense;          /* of a row-sparse tensor: which rows; itself made dense, NULL before the first time */
    const char *name;    /* a cell's full name */
    _Atomic bool locked; /* a cell's value is being read or swapped */
    reel_storage own;
} reel_rec;
enum { REEL_FREE_BLOCK, REEL_LIVE, REEL_DEAD };
enum {
    REEL_R_CELL = 1,     /* a variable */
    REEL_R_NUM = 2,      /* weak number: data holds it in every dtype, see reel_num_at_ */
    REEL_R_SYMBOLIC = 4, /* of a graph being built: no storage, dims may be ANY */
    REEL_R_DENSE = 8,    /* C order without gaps */
    REEL_R_ALIAS = 16,   /* has the id of another record */
    REEL_R_SPARSE = 64,  /* row-sparse: rows and their numbers stand for a table of this type; no storage */
    REEL_R_COUNTED = 32  /* inside a trace: its sizes depend on data, see reel_traced_type_ */
};
_Static_assert(sizeof(reel_rec) <= REEL_DATA_AT, "record overlaps inline data");
#define REEL_MERGED ((int32_t)1 << 30)

static inline reel_rec *reel_rec_of_(const reel_tensor *t)
{
    return (reel_rec *)((uintptr_t)t & ~(uintptr_t)(REEL_BLOCK - 1));
}
static inline reel_tensor *reel_handle_(const reel_rec *r)
{
    return r ? (reel_tensor *)((uintptr_t)r | r->generation) : NULL;
}
static inline bool reel_is_live_(const reel_tensor *t)
{
    const reel_rec *r = reel_rec_of_(t);
    return r->generation == ((uintptr_t)t & (REEL_BLOCK - 1)) && r->state == REEL_LIVE;
}
/* The record of a live handle, or NULL with an error that says what is wrong ("x is NULL", "x is dead: made at ..., its scope
   ... has ended"). Pending error and t NULL: NULL, nothing raised. what: "x" or "in[2]". */
reel_rec *reel_live_(const char *site, const char *fn, const char *what, const reel_tensor *t);
/* The same, and a variable gives the record of its present value (raises if it has none). Symbolic tensors pass. */
reel_rec *reel_live_value_(const char *site, const char *fn, const char *what, const reel_tensor *t);

/* A weak number's data in dtype d (offset into its block's data). */
static inline unsigned reel_num_offset_(reel_dtype d)
{
    static const uint8_t at[REEL_N_DTYPES] = {0, 8, 0, 12, 14, 28, 29, 24, 16, 30};
    return at[d];
}

/* New record owned by the innermost scope, local = 1. Types are checked already. NULL: raised.
   make_: with storage for type (uninitialised); view_: shares src's storage at byte offset; empty_: symbolic, no storage. */
reel_rec *reel_make_(const char *site, const reel_type *type);
reel_rec *reel_make_view_(const char *site, const reel_type *type, const int64_t *strides, reel_rec *src,
                          int64_t byte_offset);
reel_rec *reel_make_symbolic_(const char *site, const reel_type *type);
/* Around memory somebody else made: kind REEL_STORE_OWN hands over memory from reel_alloc_(bytes), REEL_STORE_WRAP calls
   free_fn(arg) at the end (even when this fails). */
reel_rec *reel_make_around_(const char *site, const reel_type *type, void *data, size_t bytes, int kind,
                            void (*free_fn)(void *), void *arg);
/* Another record of the same value (same id, same storage): what reel_value() returns. */
/* Has nobody but the caller's scope the record, its memory is all of its storage, and nobody else has that? */
bool reel_is_sole_(const reel_rec *r);
/* The scope's reference goes, as at the scope's end; used afterwards the handle is an error that names site. What no scope of this thread
   owns stays as it is. */
void reel_give_away_(reel_rec *r, const char *site);
reel_rec *reel_make_alias_(const char *site, reel_rec *src);

/* A row-sparse tensor around rows and ids, which it retains. */
reel_rec *reel_make_sparse_(const char *site, const reel_type *type, reel_rec *rows, reel_rec *ids);
/* A row-sparse tensor made dense, by an op of its own (src/eager/sparse.c). It belongs to r, or to the innermost scope. NULL: raised. */
reel_rec *reel_dense_of_(const char *site, reel_rec *r);

/* Counts. A hold is local for the owner thread, shared otherwise: hold and drop it on the same thread. A reference
   (retain) may be dropped on any thread. */
void reel_hold_(reel_rec *r);
void reel_drop_(reel_rec *r);
void reel_retain_rec_(reel_rec *r);
void reel_release_rec_(reel_rec *r);
void reel_ghost_(reel_rec *r); /* keep block, id and shape only */
void reel_unghost_(reel_rec *r);
void reel_storage_retain_(reel_storage *s);
void reel_storage_release_(reel_storage *s);
uint64_t reel_blocks_alive_(void); /* records in use, all threads */
void reel_scope_move_(reel_rec *r,
                      struct reel_scope *to); /* change of owner scope, on the owner thread; to NULL: the root scope */

#ifndef NDEBUG
int reel_wrap_check_(const char *site, const reel_rec *r); /* has the memory it wraps been changed? */
#endif

/* Variables (vars.c). get: the present value with a reference taken (release it), or NULL; set: swaps it. Both are safe
   from any thread. set wants the cell's type and a dense record; it takes a reference of its own and cannot fail. */
reel_rec *reel_cell_get_(reel_rec *cell);
void reel_cell_set_(reel_rec *cell, reel_rec *value);
/* For writing in place: the value, with the cell locked, if it is the cell's alone (`held`, if not NULL, is that value with one
   more reference, the caller's); NULL: it is not. unlock puts next in the value's place (NULL: leaves it). Between the two others
   wait, so it is not for long. */
reel_rec *reel_cell_lock_(reel_rec *cell, const reel_rec *held);
void reel_cell_unlock_(reel_rec *cell, reel_rec *next);
reel_rec *reel_cell_make_(const char *site, const reel_type *type,
                          const char *name); /* owned by one reference; no scope */

/* The smallest number of bytes that holds the elements of a checked, known type. */
static inline size_t reel_type_bytes_(const reel_type *t)
{
    return (size_t)reel_count_(&t->shape) * reel_size_(t->dtype);
}
#endif
