/* views.c: law: two views of the same elements in the same order are one value; a view of all of them is the value itself. So double
   transposes and reshapes, slices of everything and sums to the shape that is there already go, layouts and all. */
#include <string.h>
#include "pass.h"

static uint64_t mix(uint64_t h, uint64_t x)
{
    h = (h ^ x) * 0x9e3779b97f4a7c15u;
    return h ^ h >> 29;
}

static uint64_t key_of(const reel_type *t, const reel_layout *at)
{
    uint64_t h = mix(mix((uint64_t)at->root, (uint64_t)at->offset), (uint64_t)t->dtype << 8 | (uint64_t)t->shape.rank);
    for (int i = 0; i < t->shape.rank; i++) h = mix(mix(h, (uint64_t)t->shape.dims[i]), (uint64_t)at->strides[i]);
    return h ? h : 1;
}

static bool is_same(const reel_rewriter *w, int32_t v, const reel_type *t, const reel_layout *at)
{
    const reel_type *o = &w->to->values[v].type;
    const reel_layout *b = &w->at[v];
    return b->root == at->root && b->offset == at->offset && o->dtype == t->dtype &&
           reel_shape_same_(&o->shape, &t->shape) &&
           memcmp(b->strides, at->strides, (size_t)t->shape.rank * sizeof at->strides[0]) == 0;
}

int32_t reel_view_find_(reel_rewriter *w, const reel_idmap *seen, const reel_type *t, const reel_layout *at,
                        uint64_t *key)
{
    *key = key_of(t, at);
    for (int32_t v; (v = reel_map_get_(seen, *key)) >= 0; *key = *key + 1 ? *key + 1 : 1) {
        w->work++;
        if (is_same(w, v, t, at)) return v;
    }
    return -1;
}

int reel_view_note_(reel_rewriter *w, reel_idmap *seen, int32_t v)
{
    uint64_t key;
    if (w->at[v].root < 0 || reel_view_find_(w, seen, &w->to->values[v].type, &w->at[v], &key) >= 0) return 0;
    return reel_map_put_(seen, key, v);
}

static int same_view(reel_rewriter *w, int32_t i)
{
    const reel_node *n = &w->from->nodes[i];
    if (reel_keep_(w, i)) return reel_status();
    for (int k = 0; k < n->n_out; k++) {
        const int32_t v = w->value[n->first_out + k];
        uint64_t key;
        if (w->at[v].root < 0) continue;
        const int32_t old = reel_view_find_(w, w->own, &w->to->values[v].type, &w->at[v], &key);
        if (old < 0) {
            if (reel_map_put_(w->own, key, v)) return REEL_ENOMEM;
        } else if (old != v) {
            reel_replace_(w, n->first_out + k, old);
        }
    }
    return 0;
}

static int run(reel_rewriter *w)
{
    reel_idmap seen = {0};
    w->own = &seen;
    const int rc = reel_each_node_(w, same_view);
    reel_map_free_(&seen);
    return rc;
}

const reel_pass reel_pass_views_ = {.name = "views",
                                    .law = "views of the same elements in the same order are one value",
                                    .by_default = true,
                                    .run = run};
