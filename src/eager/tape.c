/* tape.c: what a tape hears and keeps; its handles. */
#include "tape.h"
#include <string.h>
#include "core/alloc.h"
#include "core/error.h"
#include "core/options.h"

enum { CHUNK_BYTES = 1 << 14, KEEP_CHUNKS = 64, KEEP_TAPES = 8, KEEP_MAP = 1 << 16, ENDED = 64 };

/* A handle is a number, thread << 40 | n, never an address: no misuse of it can touch memory. */
_Static_assert(sizeof(uintptr_t) >= sizeof(uint64_t), "a tape's handle needs 64 bits");

typedef struct ended {
    uint64_t serial;
    const char *site, *how, *where;
} ended;

/* What a thread keeps for its tapes, for reuse and for telling what became of them. */
typedef struct tape_cache {
    reel_tape_rec *open, *spare;
    reel_tape_chunk *chunks;
    int n_spare, n_chunks;
    uint64_t next_serial;
    ended ended[ENDED];
} tape_cache;

static void free_tape_rec(reel_tape_rec *t)
{
    reel_free_(t->map, t->map_cap * sizeof *t->map);
    reel_free_(t->table, t->table_cap * sizeof *t->table);
    reel_free_(t->cells, t->cells_cap * sizeof *t->cells);
    reel_free_(t, sizeof *t);
}

static void cache_free(void *arg)
{
    tape_cache *c = arg;
    while (c->open) reel_tape_finish_(c->open, "ended with its thread", "");
    while (c->spare) {
        reel_tape_rec *t = c->spare;
        c->spare = t->next;
        free_tape_rec(t);
    }
    while (c->chunks) {
        reel_tape_chunk *k = c->chunks;
        c->chunks = k->next;
        reel_free_(k, k->bytes);
    }
    reel_free_(c, sizeof *c);
}

static tape_cache *cache_of(reel_ctx *c)
{
    if (REEL_LIKELY(c->tape_cache != NULL)) return c->tape_cache;
    tape_cache *k = reel_zalloc_(sizeof *k);
    if (!k) return NULL;
    k->next_serial = ((uint64_t)c->thread << 40) + 1;
    c->tape_cache = k;
    c->tape_cache_free = cache_free;
    return k;
}

/* ---- ids to nodes -------------------------------------------------------------------------------- */

static size_t slot_of(const reel_tape_rec *t, uint64_t id)
{
    return (size_t)((id * 0x9e3779b97f4a7c15u) >> 32) & (t->table_cap - 1);
}

static uint32_t table_find(const reel_tape_rec *t, uint64_t id)
{
    for (size_t i = slot_of(t, id); t->table[i].node; i = (i + 1) & (t->table_cap - 1))
        if (t->table[i].id == id) return t->table[i].node;
    return 0;
}

static inline uint32_t find(const reel_tape_rec *t, uint64_t id)
{
    const uint64_t i = id - t->first_id;
    if (i < t->map_used) {
        const uint32_t n = t->map[i];
        if (n || !t->far) return n;
    }
    return t->table_used ? table_find(t, id) : 0;
}

static void table_put(reel_tape_rec *t, uint64_t id, uint32_t node)
{
    size_t i = slot_of(t, id);
    while (t->table[i].node && t->table[i].id != id) i = (i + 1) & (t->table_cap - 1);
    t->table_used += t->table[i].node == 0;
    t->table[i] = (reel_id_node){id, node};
}

static int table_insert(reel_tape_rec *t, uint64_t id, uint32_t node)
{
    if (2 * (t->table_used + 1) > t->table_cap) {
        const size_t old_cap = t->table_cap, cap = old_cap ? 2 * old_cap : 32;
        reel_id_node *old = t->table, *table = reel_zalloc_(cap * sizeof *table);
        if (!table) return REEL_ENOMEM;
        t->table = table;
        t->table_cap = cap;
        t->table_used = 0;
        for (size_t i = 0; i < old_cap; i++)
            if (old[i].node) table_put(t, old[i].id, old[i].node);
        reel_free_(old, old_cap * sizeof *old);
    }
    table_put(t, id, node);
    return 0;
}

REEL_NOINLINE static int insert_slow(reel_tape_rec *t, uint64_t id, uint32_t node)
{
    const uint64_t i = id - t->first_id;
    if (i >= 65536 + 16 * (uint64_t)t->nodes &&
        i >= t->map_cap) { /* a tape that hears little of what its thread does */
        t->far |= i >> 40 == 0;
        return table_insert(t, id, node);
    }
    if (i >= t->map_cap && reel_grow_((void **)&t->map, &t->map_cap, i < 255 ? 256 : (size_t)i + 1, sizeof *t->map))
        return REEL_ENOMEM;
    memset(t->map + t->map_used, 0, (i - t->map_used) * sizeof *t->map);
    t->map[i] = node;
    t->map_used = (size_t)i + 1;
    return 0;
}

static inline int insert(reel_tape_rec *t, uint64_t id, uint32_t node)
{
    const uint64_t i = id - t->first_id;
    if (i < t->map_used) {
        t->map[i] = node;
        return 0;
    }
    if (i == t->map_used && i < t->map_cap) {
        t->map[i] = node;
        t->map_used++;
        return 0;
    }
    return insert_slow(t, id, node);
}

uint32_t reel_tape_node_(const reel_tape_rec *t, const reel_rec *r)
{
    return reel_node_(find(t, r->id));
}

int reel_tape_watch_(reel_tape_rec *t, const reel_rec *r)
{
    if (find(t, r->id)) return 0;
    const bool cell = r->flags & REEL_R_CELL;
    if (cell && reel_grow_((void **)&t->cells, &t->cells_cap, t->n_cells + 1, sizeof *t->cells)) return REEL_ENOMEM;
    const int rc = insert(t, r->id, t->nodes | REEL_SOURCE_NODE);
    if (rc) return rc;
    if (cell) t->cells[t->n_cells++] = (reel_id_node){r->id, t->nodes};
    t->nodes++;
    return 0;
}

bool reel_tape_cell_(const reel_tape_rec *t, uint32_t node, uint64_t *id)
{
    size_t low = 0, high = t->n_cells; /* nodes ascend */
    while (low < high) {
        const size_t mid = (low + high) / 2;
        if (t->cells[mid].node < node)
            low = mid + 1;
        else
            high = mid;
    }
    if (low == t->n_cells || t->cells[low].node != node) return false;
    *id = t->cells[low].id;
    return true;
}

int reel_tape_stand_in_(reel_tape_rec *t, uint64_t cell_id, const reel_rec *value)
{
    const uint32_t node = find(t, cell_id);
    return node ? insert(t, value->id, node) : 0;
}

/* ---- entries ------------------------------------------------------------------------------------- */

static int add_chunk(reel_tape_rec *t, size_t bytes)
{
    tape_cache *c = cache_of(reel_ctx_());
    const size_t need = sizeof(reel_tape_chunk) + bytes;
    reel_tape_chunk *k = c->chunks;
    if (k && need <= k->bytes) {
        c->chunks = k->next;
        c->n_chunks--;
    } else {
        const size_t size = need > CHUNK_BYTES ? need : CHUNK_BYTES;
        k = reel_alloc_(size);
        if (!k) return REEL_ENOMEM;
        k->bytes = size;
    }
    k->next = NULL;
    k->used = sizeof *k;
    if (t->chunk) {
        t->chunk->used = (size_t)(t->at - (char *)t->chunk);
        t->chunk->next = k;
    } else {
        t->first = k;
    }
    t->chunk = k;
    t->at = (char *)k + sizeof *k;
    t->end = (char *)k + k->bytes;
    return 0;
}

/* A float variable is watched when it is read. */
REEL_NOINLINE static int variable_node(reel_tape_rec *t, const reel_rec *cell, uint32_t *node)
{
    *node = find(t, cell->id);
    if (*node || t->no_variables || !reel_is_float_(cell->type.dtype)) return 0;
    const int rc = reel_tape_watch_(t, cell);
    *node = find(t, cell->id);
    return rc;
}

/* The nodes of the inputs; *any: is one of them tracked? */
static int input_nodes(reel_tape_rec *t, const reel_call *c, uint32_t *node, uint32_t *any)
{
    const unsigned shapes = c->op->flags & (REEL_OPF_LIKE0 | REEL_OPF_LIKE1 | REEL_OPF_LIKE_REST);
    for (int i = 0; i < c->n_in; i++) {
        const reel_rec *r = c->arg[i];
        uint32_t n = 0;
        if (REEL_UNLIKELY(shapes != 0) && reel_shape_only_(shapes, i)) {
            n = 0;
        } else if (REEL_UNLIKELY((r->flags & REEL_R_CELL) != 0)) {
            const int rc = variable_node(t, r, &n);
            if (rc) return rc;
        } else {
            n = find(t, r->id);
        }
        node[i] = n;
        *any |= n;
    }
    return 0;
}

/* An input's own entry keeps its block; a source has none, and an alias is another block than the one kept. */
static inline bool is_kept_by_nobody(const reel_rec *r, uint32_t node)
{
    return node == 0 || node & REEL_SOURCE_NODE || r->flags & REEL_R_ALIAS;
}

static inline void keep_records(const reel_entry *e, const reel_call *c, const uint32_t *node)
{
    reel_rec **rec = reel_entry_recs_(e);
    for (int i = 0; i < c->n_in; i++) {
        rec[i] = c->in[i];
        if (reel_keeps_in_(c->op, i))
            reel_hold_(rec[i]);
        else if (is_kept_by_nobody(rec[i], node[i]))
            reel_ghost_(rec[i]); /* otherwise its own entry keeps it */
    }
    rec += c->n_in;
    for (int j = 0; j < c->n_out; j++) {
        rec[j] = c->out[j];
        if (reel_keeps_out_(c->op, j))
            reel_hold_(rec[j]);
        else
            reel_ghost_(rec[j]);
    }
}

REEL_HOT int reel_tape_record_(reel_tape_rec *t, const reel_call *c)
{
    const reel_op *op = c->op;
    const size_t head = sizeof(reel_entry) + (size_t)(c->n_in + c->n_out) * sizeof(reel_rec *);
    const size_t bytes = head + (size_t)((c->n_in + 1) & ~1) * sizeof(uint32_t) + ((op->attr_size + 7) & ~(size_t)7);
    if (REEL_UNLIKELY((size_t)(t->end - t->at) < bytes) && add_chunk(t, bytes)) return REEL_ENOMEM;
    reel_entry *e = (reel_entry *)(void *)t->at;
    uint32_t *node = (uint32_t *)(void *)(t->at + head);
    uint32_t any = 0;
    const int rc = input_nodes(t, c, node, &any);
    if (rc || !any) return rc;
    if (REEL_UNLIKELY(op->grad == REEL_NO_GRAD))
        return reel_fail(REEL_EARG, "has no gradient, and the tape begun at %s watches an input: %s", t->listener.site,
                         op->no_grad ? op->no_grad : "none is defined");
    bool floats = false;
    for (int j = 0; j < c->n_out; j++) {
        if (!reel_is_float_(c->out[j]->type.dtype)) continue;
        floats = true;
        if (REEL_UNLIKELY(insert(t, c->out[j]->id, t->nodes + (uint32_t)j))) return REEL_ENOMEM;
    }
    if (!floats) return 0;
    e->prev = t->last;
    e->op = op;
    e->site = c->site;
    e->bytes = (uint32_t)bytes;
    e->out0 = t->nodes;
    e->n_in = c->n_in;
    e->n_out = c->n_out;
    keep_records(e, c, node);
    if (op->attr_size) {
        void *attr = reel_entry_attr_(e);
        memcpy(attr, c->attr, op->attr_size);
        if (op->attr_retain) op->attr_retain(attr);
    }
    t->nodes += (uint32_t)c->n_out;
    if (c->n_in > t->max_in) t->max_in = c->n_in;
    if (c->n_out > t->max_out) t->max_out = c->n_out;
    t->last = e;
    t->at += bytes;
    return 0;
}

void reel_entry_drop_(reel_entry *e)
{
    reel_rec **rec = reel_entry_recs_(e);
    const uint32_t *node = reel_entry_nodes_(e);
    for (int i = 0; i < e->n_in; i++) {
        if (reel_keeps_in_(e->op, i))
            reel_drop_(rec[i]);
        else if (is_kept_by_nobody(rec[i], node[i]))
            reel_unghost_(rec[i]);
    }
    rec += e->n_in;
    for (int j = 0; j < e->n_out; j++) {
        if (reel_keeps_out_(e->op, j))
            reel_drop_(rec[j]);
        else
            reel_unghost_(rec[j]);
    }
    if (e->op->attr_release) e->op->attr_release(reel_entry_attr_(e));
}

static int hear(reel_listener *l, const reel_call *call)
{
    return call->op->grad == REEL_ZERO_GRAD || call->n_in == 0 ? 0 : reel_tape_record_((reel_tape_rec *)l, call);
}

static bool follows(reel_listener *l, const reel_rec *r)
{
    const reel_tape_rec *t = (const reel_tape_rec *)l;
    return find(t, r->id) || (r->flags & REEL_R_CELL && !t->no_variables && reel_is_float_(r->type.dtype));
}

/* Another record of a value that it may know. */
static int known_as(reel_listener *l, const reel_rec *r, const reel_rec *old)
{
    reel_tape_rec *t = (reel_tape_rec *)l;
    const uint32_t node = find(t, old->id);
    return node ? insert(t, r->id, node) : 0;
}

static void drop(reel_listener *l)
{
    reel_tape_rec *t = (reel_tape_rec *)l;
    if (t->busy)
        t->dropped = true;
    else
        reel_tape_finish_(t, "ended with the scope it was begun in", l->scope ? l->scope->site : "");
}

bool reel_is_tape_(const reel_listener *l)
{
    return l->hear == hear;
}

/* ---- beginning and ending ------------------------------------------------------------------------ */

static reel_tape *handle_of(const reel_tape_rec *t)
{
    return (reel_tape *)(uintptr_t)t->serial;
}

static reel_tape_rec *take_tape(tape_cache *c)
{
    reel_tape_rec *t = c->spare;
    if (!t) return reel_zalloc_(sizeof *t);
    c->spare = t->next;
    c->n_spare--;
    uint32_t *map = t->map;
    reel_id_node *table = t->table, *cells = t->cells;
    const size_t map_cap = t->map_cap, table_cap = t->table_cap, cells_cap = t->cells_cap;
    if (t->table_used) memset(table, 0, table_cap * sizeof *table);
    memset(t, 0, sizeof *t);
    t->map = map;
    t->map_cap = map_cap;
    t->table = table;
    t->table_cap = table_cap;
    t->cells = cells;
    t->cells_cap = cells_cap;
    return t;
}

reel_tape *reel_tape_begin_at(const char *site, const reel_tape_opts *o)
{
    reel_ctx *ctx = reel_ctx_();
    if (ctx->error.code) return NULL;
    reel_tape_opts opts = {0};
    reel_options_(&opts, sizeof opts, o);
    tape_cache *c = cache_of(ctx);
    reel_tape_rec *t = c ? take_tape(c) : NULL;
    if (!t) return NULL;
    t->listener.site = site ? site : "";
    t->listener.hear = hear;
    t->listener.follows = follows;
    t->listener.known_as = known_as;
    t->listener.drop = drop;
    t->persistent = opts.persistent;
    t->no_variables = opts.no_variables;
    t->first_id = ctx->next_id;
    t->nodes = 1;
    t->serial = c->next_serial++;
    t->next = c->open;
    c->open = t;
    reel_listener_push_(&t->listener);
    return handle_of(t);
}

static void give_chunks_back(tape_cache *c, reel_tape_chunk *k)
{
    while (k) {
        reel_tape_chunk *next = k->next;
        if (k->bytes == CHUNK_BYTES && c->n_chunks < KEEP_CHUNKS) {
            k->next = c->chunks;
            c->chunks = k;
            c->n_chunks++;
        } else {
            reel_free_(k, k->bytes);
        }
        k = next;
    }
}

void reel_tape_finish_(reel_tape_rec *t, const char *how, const char *where)
{
    tape_cache *c = cache_of(reel_ctx_());
    reel_listener_remove_(&t->listener);
    reel_tape_rec **p = &c->open;
    while (*p && *p != t) p = &(*p)->next;
    if (*p) *p = t->next;
    c->ended[t->serial % ENDED] = (ended){t->serial, t->listener.site, how, where};
    for (reel_entry *e = t->last, *prev; e; e = prev) {
        prev = e->prev;
        reel_entry_drop_(e);
    }
    t->last = NULL;
    give_chunks_back(c, t->first);
    t->first = t->chunk = NULL;
    if (c->n_spare >= KEEP_TAPES || t->map_cap > KEEP_MAP || t->table_cap > KEEP_MAP) {
        free_tape_rec(t);
        return;
    }
    t->next = c->spare;
    c->spare = t;
    c->n_spare++;
}

REEL_COLD static void not_open(const char *site, const char *fn, const reel_tape *handle, const reel_ctx *ctx)
{
    const uint64_t serial = (uint64_t)(uintptr_t)handle;
    const tape_cache *c = ctx->tape_cache;
    if (!handle) {
        if (!ctx->error.code) reel_fail_at_(site, REEL_EARG, "%s: tape is NULL", fn);
        return;
    }
    if (serial >> 40 != ctx->thread) {
        reel_fail_at_(site, REEL_ETRACE, "%s: the tape is not one of this thread's", fn);
        return;
    }
    const ended *e = c ? &c->ended[serial % ENDED] : NULL;
    if (!e || e->serial != serial)
        reel_fail_at_(site, REEL_ETRACE, "%s: the tape has ended", fn);
    else
        reel_fail_at_(site, REEL_ETRACE, "%s: the tape has ended: begun at %s, %s%s%s", fn,
                      *e->site ? e->site : "an unknown line", e->how, e->where && *e->where ? " at " : "",
                      e->where ? e->where : "");
}

reel_tape_rec *reel_tape_find_(const char *site, const char *fn, const reel_tape *handle)
{
    const reel_ctx *ctx = reel_ctx_();
    const tape_cache *c = ctx->tape_cache;
    for (reel_tape_rec *t = c ? c->open : NULL; t; t = t->next)
        if (handle_of(t) == handle) return t;
    not_open(site, fn, handle, ctx);
    return NULL;
}

void reel_tape_end(reel_tape *handle)
{
    const reel_ctx *ctx = reel_ctx_();
    const uint64_t serial = (uint64_t)(uintptr_t)handle;
    const tape_cache *c = ctx->tape_cache;
    if (!handle || (serial >> 40 == ctx->thread && c && serial < c->next_serial && serial != 0)) {
        for (reel_tape_rec *t = handle ? c->open : NULL; t; t = t->next) {
            if (handle_of(t) != handle) continue;
            if (t->busy)
                t->dropped = true;
            else
                reel_tape_finish_(t, "ended by reel_tape_end", "");
            return;
        }
        return; /* ended already: nothing to do */
    }
    not_open("", "reel_tape_end", handle, ctx);
}

int reel_watch_at(const char *site, reel_tape *handle, reel_list xs)
{
    if (reel_pending_()) return reel_pending_();
    reel_tape_rec *t = reel_tape_find_(site, "reel_watch", handle);
    if (!t) return reel_status();
    if (t->stopped)
        return reel_fail_at_(site, REEL_ETRACE, "reel_watch: the tape begun at %s has been stopped by reel_grad",
                             t->listener.site);
    if (xs.n < 0 || (xs.n > 0 && !xs.t))
        return reel_fail_at_(site, REEL_EARG, "reel_watch: the list has %d tensors at NULL", xs.n);
    for (int i = 0; i < xs.n; i++) {
        const reel_rec *r = reel_live_(site, "reel_watch", "xs", xs.t[i]);
        if (!r) return reel_status();
        if (r->flags & REEL_R_SPARSE)
            return reel_fail_at_(site, REEL_EARG,
                                 "reel_watch: xs[%d] is row-sparse; watch what reel_densify makes of it", i);
        if (r->flags & REEL_R_NUM)
            return reel_fail_at_(site, REEL_EARG, "reel_watch: xs[%d] is a weak number; use reel_full", i);
        if (!reel_is_float_(r->type.dtype))
            return reel_fail_at_(site, REEL_EDTYPE, "reel_watch: xs[%d], made at %s, is %s: only floats have gradients",
                                 i, r->made, reel_dtype_name(r->type.dtype));
        const int rc = reel_tape_watch_(t, r);
        if (rc) return rc;
    }
    return 0;
}
