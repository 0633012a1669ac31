/* share.c: law: the same op with the same attributes of the same values is computed once. Never draws, effects or ops of the user's own. */
#include <string.h>
#include "core/alloc.h"
#include "pass.h"

static uint64_t mix(uint64_t h, uint64_t x)
{
    h = (h ^ x) * 0x9e3779b97f4a7c15u;
    return h ^ h >> 29;
}

static uint64_t mix_bytes(uint64_t h, const void *p, size_t n)
{
    const unsigned char *at = p;
    for (; n >= 8; n -= 8, at += 8) {
        uint64_t x;
        memcpy(&x, at, 8);
        h = mix(h, x);
    }
    for (; n; n--) h = mix(h, *at++);
    return h;
}

enum { SMALL = 256 };
/* Constants are told by their bytes, where those are few. */
static bool is_small(const reel_node *n)
{
    return n->kind == REEL_NODE_CONST &&
           (n->weak || (n->rec->flags & REEL_R_DENSE && reel_type_bytes_(&n->rec->type) <= SMALL && n->rec->data));
}

static size_t data_bytes(const reel_node *n)
{
    return n->weak ? sizeof(double) : reel_type_bytes_(&n->rec->type);
}

static uint64_t key_of(const reel_rewriter *w, const reel_node *n, const int32_t *in)
{
    uint64_t h = mix(n->kind, (uint64_t)n->n_in << 32 | (uint32_t)n->n_out);
    if (n->kind == REEL_NODE_CONST) {
        h = mix(mix_bytes(h, n->rec->data, data_bytes(n)), n->weak);
        h = mix(h, (uint64_t)n->rec->type.dtype << 8 | (uint64_t)n->rec->type.shape.rank);
    } else {
        h = mix(h, (uint64_t)(uintptr_t)n->op);
        for (int k = 0; k < n->n_in; k++) h = mix(h, (uint64_t)in[k]);
        h = mix_bytes(h, reel_node_attr_(w->from, n), n->op->attr_size);
    }
    return h ? h : 1;
}

/* Is to's node `old` what `n` with inputs `in` would be? */
static bool is_same(const reel_rewriter *w, const reel_node *old, const reel_node *n, const int32_t *in)
{
    if (old->kind != n->kind || old->op != n->op || old->n_in != n->n_in || old->n_out != n->n_out ||
        old->weak != n->weak)
        return false;
    if (n->kind == REEL_NODE_CONST)
        return (n->weak || (old->rec->type.dtype == n->rec->type.dtype &&
                            reel_shape_same_(&old->rec->type.shape, &n->rec->type.shape))) &&
               memcmp(old->rec->data, n->rec->data, data_bytes(n)) == 0;
    if (n->n_in && memcmp(w->to->ins + old->first_in, in, (size_t)n->n_in * sizeof *in) != 0) return false;
    return n->op->attr_size == 0 ||
           memcmp(reel_node_attr_(w->to, old), reel_node_attr_(w->from, n), n->op->attr_size) == 0;
}

static int share(reel_rewriter *w, int32_t i)
{
    reel_idmap *seen = w->own;
    const reel_node *n = &w->from->nodes[i];
    int32_t in[REEL_MAX_IN];
    if (!(n->kind == REEL_NODE_OP ? reel_is_pure_(n) && n->n_out : is_small(n))) return reel_keep_(w, i);
    for (int k = 0; k < n->n_in; k++) in[k] = w->value[w->from->ins[n->first_in + k]];
    uint64_t key = key_of(w, n, in);
    int32_t old = reel_map_get_(seen, key);
    for (; old >= 0; old = reel_map_get_(seen, key)) {
        w->work++;
        if (is_same(w, &w->to->nodes[old], n, in)) break;
        key = key + 1 ? key + 1 : 1;
    }
    if (old < 0) {
        const int rc = reel_keep_(w, i);
        return rc || reel_map_put_(seen, key, w->node[i]) ? reel_status() : 0;
    }
    for (int k = 0; k < n->n_out; k++) reel_replace_(w, n->first_out + k, w->to->nodes[old].first_out + k);
    return 0;
}

static int run(reel_rewriter *w)
{
    reel_idmap seen = {0};
    w->own = &seen;
    const int rc = reel_each_node_(w, share);
    reel_map_free_(&seen);
    return rc;
}

const reel_pass reel_pass_share_ = {
    .name = "share", .law = "the same op of the same values is computed once", .by_default = true, .run = run};
