/* walk.h: walking strided views in logical (C) order. Offsets are in elements. */
#ifndef REEL_KERNELS_WALK_H
#define REEL_KERNELS_WALK_H
#include "core/compiler.h"
#include "reel/base.h"

/* Some axes of a view, outermost first, neighbours merged where their strides allow it. */
typedef struct reel_walk {
    int n;
    int64_t dim[REEL_MAX_RANK], stride[REEL_MAX_RANK];
} reel_walk;

/* Adds an axis on the outside; axes come innermost first and reel_walk_turn_ puts them in order. */
static inline void reel_walk_add_(reel_walk *w, int64_t dim, int64_t stride)
{
    if (dim == 1) return;
    const int k = w->n - 1;
    if (k >= 0 && stride == w->stride[k] * w->dim[k]) {
        w->dim[k] *= dim;
        return;
    }
    w->dim[w->n] = dim;
    w->stride[w->n++] = stride;
}

static inline void reel_walk_turn_(reel_walk *w)
{
    for (int a = 0, b = w->n - 1; a < b; a++, b--) {
        const int64_t d = w->dim[a], s = w->stride[a];
        w->dim[a] = w->dim[b], w->stride[a] = w->stride[b];
        w->dim[b] = d, w->stride[b] = s;
    }
}

/* Where the i-th element in logical order lies. */
static inline int64_t reel_walk_offset_(const reel_walk *w, int64_t i)
{
    int64_t off = 0;
    for (int k = w->n - 1; k > 0 && i; k--) {
        off += i % w->dim[k] * w->stride[k];
        i /= w->dim[k];
    }
    return w->n ? off + i * w->stride[0] : 0;
}

/* A place in a walk that can step to the next element. */
typedef struct reel_place {
    int64_t at[REEL_MAX_RANK], off;
} reel_place;

static inline void reel_place_set_(reel_place *p, const reel_walk *w, int64_t i)
{
    p->off = 0;
    for (int k = w->n - 1; k >= 0; k--) {
        p->at[k] = k ? i % w->dim[k] : i;
        i /= w->dim[k];
        p->off += p->at[k] * w->stride[k];
    }
}

/* Past the last element of axis k: carry into the outer ones. */
static inline void reel_place_carry_(reel_place *p, const reel_walk *w, int k)
{
    while (k > 0 && p->at[k] == w->dim[k]) {
        p->off += w->stride[k - 1] - w->dim[k] * w->stride[k];
        p->at[k--] = 0;
        p->at[k]++;
    }
}

static inline void reel_place_next_(reel_place *p, const reel_walk *w)
{
    const int k = w->n - 1;
    if (k < 0) return;
    p->at[k]++;
    p->off += w->stride[k];
    reel_place_carry_(p, w, k);
}

/* n elements of type T from the first-th on, copied to dst. */
#define REEL_DEFINE_GATHER(name, T)                                                                     \
    static void name(T *REEL_RESTRICT dst, const T *base, const reel_walk *w, int64_t first, int64_t n) \
    {                                                                                                   \
        if (w->n == 0) {                                                                                \
            for (int64_t i = 0; i < n; i++) dst[i] = base[0];                                           \
            return;                                                                                     \
        }                                                                                               \
        reel_place p;                                                                                   \
        reel_place_set_(&p, w, first);                                                                  \
        const int k = w->n - 1;                                                                         \
        const int64_t step = w->stride[k];                                                              \
        for (int64_t i = 0; i < n;) {                                                                   \
            const int64_t left = k ? w->dim[k] - p.at[k] : n - i, run = left < n - i ? left : n - i;    \
            const T *s = base + p.off;                                                                  \
            if (step == 1)                                                                              \
                for (int64_t j = 0; j < run; j++) dst[i + j] = s[j];                                    \
            else                                                                                        \
                for (int64_t j = 0; j < run; j++) dst[i + j] = s[j * step];                             \
            i += run;                                                                                   \
            p.at[k] += run;                                                                             \
            p.off += run * step;                                                                        \
            reel_place_carry_(&p, w, k);                                                                \
        }                                                                                               \
    }
#endif
