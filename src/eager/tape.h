/* tape.h: the inside of a tape, shared by tape.c, backward.c, callback.c and gradcheck.c.

   A tape numbers the values it tracks: node 1, 2, ... Sources (watched tensors, variables) and outputs of entries
   have one each; an id finds its node through an array indexed by id - first_id, ids from before the tape through a
   small hash table. Entries lie one behind the other in chunks, each linked to the one before. */
#ifndef REEL_EAGER_TAPE_H
#define REEL_EAGER_TAPE_H
#include "core/context.h"
#include "core/listener.h"
#include "core/op.h"
#include "core/tensor.h"
#include "reel/reel.h"

/* One heard call, followed by its records (inputs, outputs), the nodes of its inputs and its attribute bytes. */
typedef struct reel_entry {
    struct reel_entry *prev;
    const reel_op *op;
    const char *site;
    uint32_t bytes;
    uint32_t out0; /* node of output 0; the others follow */
    int n_in, n_out;
} reel_entry;

#define REEL_SOURCE_NODE 0x80000000u /* marks a node that no entry made */
static inline uint32_t reel_node_(uint32_t n)
{
    return n & ~REEL_SOURCE_NODE;
}
static inline reel_rec **reel_entry_recs_(const reel_entry *e)
{
    return (reel_rec **)(uintptr_t)(e + 1);
}
static inline uint32_t *reel_entry_nodes_(const reel_entry *e)
{
    return (uint32_t *)(void *)(reel_entry_recs_(e) + e->n_in + e->n_out);
}
static inline void *reel_entry_attr_(const reel_entry *e)
{
    return reel_entry_nodes_(e) + ((e->n_in + 1) & ~1);
}
static inline bool reel_keeps_in_(const reel_op *op, int i)
{
    return (op->keep >> (i < 15 ? i : 15)) & 1u;
}
static inline bool reel_keeps_out_(const reel_op *op, int j)
{
    return (op->keep >> (j < 15 ? 16 + j : 31)) & 1u;
}

typedef struct reel_tape_chunk {
    struct reel_tape_chunk *next;
    size_t bytes, used; /* with this header */
} reel_tape_chunk;

typedef struct reel_id_node {
    uint64_t id;
    uint32_t node; /* 0: an empty place */
} reel_id_node;

typedef struct reel_tape_rec {
    reel_listener listener; /* first */
    struct reel_tape_rec *next;
    uint64_t serial; /* what the handle is */
    bool persistent, no_variables;
    bool stopped; /* by its first reel_grad: hears nothing more */
    bool busy;    /* its backward runs */
    bool dropped; /* its scope ended meanwhile */
    bool far;     /* the table holds ids that the map could hold */
    char *at, *end;
    reel_entry *last;
    reel_tape_chunk *first, *chunk;
    uint64_t first_id;
    uint32_t *map;
    size_t map_cap, map_used;
    reel_id_node *table;
    size_t table_cap, table_used; /* cap: 0 or a power of two */
    reel_id_node *cells;          /* watched variables, by node */
    size_t cells_cap, n_cells;
    uint32_t nodes; /* the next node's number */
    int max_in, max_out;
} reel_tape_rec;

/* The open tape behind a handle; NULL: raised (says what became of it). */
reel_tape_rec *reel_tape_find_(const char *site, const char *fn, const reel_tape *t);
/* The node of a live record (a variable: of its cell); 0: not tracked. */
uint32_t reel_tape_node_(const reel_tape_rec *t, const reel_rec *r);
int reel_tape_watch_(reel_tape_rec *t, const reel_rec *r);
/* Is node a variable? Then *id is its cell's. */
bool reel_tape_cell_(const reel_tape_rec *t, uint32_t node, uint64_t *id);
/* From here on value stands for the variable whose cell has this id, if the tape knows that one. */
int reel_tape_stand_in_(reel_tape_rec *t, uint64_t cell_id, const reel_rec *value);
/* What the door's call is to a tape; custom gradients and checkpoints make such calls themselves. */
int reel_tape_record_(reel_tape_rec *t, const reel_call *call);
void reel_entry_drop_(reel_entry *e);
/* Ends it: entries dropped, handle dead. where and how tell later misuse what happened: "ended by reel_grad". */
void reel_tape_finish_(reel_tape_rec *t, const char *how, const char *where);
/* Is l a tape? */
bool reel_is_tape_(const reel_listener *l);

/* dys NULL: ones. The tape is stopped; entries go as they are done with unless it is persistent. dxs belong to the
   innermost scope. fn: "reel_grad". */
int reel_backward_(reel_tape_rec *t, const char *site, const char *fn, reel_list ys, reel_tensor *const *dys,
                   reel_list xs, reel_tensor *dxs[]);

/* sparse.c: the sum of two row-sparse tensors: the rows of both, one behind the other. */
reel_tensor *reel_rows_joined_(const char *site, reel_rec *a, reel_rec *b);

/* ---- callback.c ---------------------------------------------------------------------------------- */

/* Runs f; moves out[] to the scope that is innermost at the call. On failure out[] is all NULL. */
int reel_run_body_(const char *site, const char *fn, reel_fn f, reel_tensor *const in[], reel_tensor *out[]);
/* x under an id of its own, as a view that tapes and traces hear of. */
reel_tensor *reel_renamed_(const char *site, reel_tensor *x);
/* A float tensor given twice stands under a second value from its second place on, so that each in[i] has a gradient of
   its own, in every mode. *own: NULL if there is none, otherwise n handles to free. */
int reel_tell_apart_(const char *site, int n, reel_tensor *const in[], reel_tensor ***own);
/* Body, counts and handles as they should be? */
int reel_check_fn_(const char *site, const char *fn, reel_fn f, reel_list in, reel_tensor *const *out);

/* The thread's tapes made deaf for a while. */
enum { REEL_QUIET_MAX = 32 };
typedef struct reel_quiet {
    reel_listener *tape[REEL_QUIET_MAX]; /* those that were not paused, innermost first */
    int n;
} reel_quiet;
int reel_quiet_begin_(const char *site, const char *fn, reel_quiet *q);
void reel_quiet_end_(reel_quiet *q);
bool reel_traced_(void);                                          /* does a capture or a graph listen? */
int reel_quiet_tell_(const reel_quiet *q, const reel_call *call); /* to those tapes, after the end */
/* Records of inputs as the door would resolve them; value[i] with a reference that the caller releases. */
int reel_resolve_(const char *site, const char *fn, reel_list in, reel_rec **arg, reel_rec **value);
/* Outputs as values of their own: what is older than first_id, a variable, a number or there twice gets another id.
   heard: gradients flow from the new value to the old one. */
int reel_make_fresh_(const char *site, uint64_t first_id, bool heard, int n, reel_tensor *out[]);

/* ---- checkpoint.c -------------------------------------------------------------------------------- */

/* The variables that are read (or assigned) while it listens, each with the value first seen (the cell itself in a graph). */
typedef struct reel_cell_use {
    reel_rec *cell;  /* a ghost: may die */
    reel_rec *value; /* a reference */
} reel_cell_use;
typedef struct reel_cells {
    reel_listener listener;
    reel_cell_use *use;
    size_t n, cap;
} reel_cells;
void reel_cells_begin_(reel_cells *s, const char *site);
int reel_cells_add_(reel_cells *s, reel_rec *cell, reel_rec *value);
void reel_cells_end_(reel_cells *s);  /* stops listening */
void reel_cells_free_(reel_cells *s); /* of what was heard */
#endif
