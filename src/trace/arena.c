/* arena.c: offsets in one arena for values that live from one step to another. A two-level segregated fit
   (Masmano et al. 2004) over offsets instead of memory: taking and giving back cost constant time, neighbours merge,
   and a request that nothing fits grows the arena. */
#include "core/alloc.h"
#include "trace.h"

enum { UNIT = 64, SUB = 8, LEVELS = 56, BINS = LEVELS * SUB };

typedef struct block {
    size_t offset, size;         /* units */
    int32_t before, after;       /* neighbours in the arena, -1: none */
    int32_t previous, following; /* in its bin, while free */
    bool free;
} block;

struct reel_arena {
    block *blocks;
    size_t n, capacity;
    int32_t last;  /* the block at the arena's end */
    int32_t spare; /* records of merged blocks, linked by `following` */
    int32_t bins[BINS];
    uint64_t levels; /* which levels have a free block */
    uint8_t subs[LEVELS];
    size_t top;
};

static int log2_of(size_t n)
{
    int l = 0;
    while (n >>= 1) l++;
    return l;
}

static int bin_of(size_t units)
{
    const int level = log2_of(units);
    const size_t sub = level >= 3 ? (units >> (level - 3)) & (SUB - 1) : (units << (3 - level)) & (SUB - 1);
    return level * SUB + (int)sub;
}

reel_arena *reel_arena_new_(void)
{
    reel_arena *a = reel_zalloc_(sizeof *a);
    if (!a) return NULL;
    a->last = a->spare = -1;
    for (int i = 0; i < BINS; i++) a->bins[i] = -1;
    return a;
}

void reel_arena_free_(reel_arena *a)
{
    if (!a) return;
    reel_free_(a->blocks, a->capacity * sizeof *a->blocks);
    reel_free_(a, sizeof *a);
}

static void bin_in(reel_arena *a, int32_t i)
{
    const int bin = bin_of(a->blocks[i].size);
    a->blocks[i].free = true;
    a->blocks[i].previous = -1;
    a->blocks[i].following = a->bins[bin];
    if (a->bins[bin] >= 0) a->blocks[a->bins[bin]].previous = i;
    a->bins[bin] = i;
    a->levels |= (uint64_t)1 << (bin / SUB);
    a->subs[bin / SUB] = (uint8_t)(a->subs[bin / SUB] | 1u << (bin % SUB));
}

static void bin_out(reel_arena *a, int32_t i)
{
    block *b = &a->blocks[i];
    const int bin = bin_of(b->size), level = bin / SUB;
    b->free = false;
    if (b->previous >= 0)
        a->blocks[b->previous].following = b->following;
    else
        a->bins[bin] = b->following;
    if (b->following >= 0) a->blocks[b->following].previous = b->previous;
    if (a->bins[bin] >= 0) return;
    a->subs[level] = (uint8_t)(a->subs[level] & ~(1u << (bin % SUB)));
    if (!a->subs[level]) a->levels &= ~((uint64_t)1 << level);
}

/* A free block of at least that size: the head of its own bin, or any of a higher bin. */
static int32_t find(const reel_arena *a, size_t units)
{
    const int own = bin_of(units);
    if (a->bins[own] >= 0 && a->blocks[a->bins[own]].size >= units) return a->bins[own];
    int level = own / SUB;
    unsigned subs = a->subs[level] & (0xfeu << (own % SUB)) & 0xffu;
    if (!subs) {
        const uint64_t higher = level + 1 < 64 ? a->levels >> (level + 1) << (level + 1) : 0;
        if (!higher) return -1;
        level = log2_of((size_t)(higher & (~higher + 1)));
        subs = a->subs[level];
    }
    return a->bins[level * SUB + log2_of(subs & (~subs + 1))];
}

static int32_t new_block(reel_arena *a)
{
    if (a->spare >= 0) {
        const int32_t i = a->spare;
        a->spare = a->blocks[i].following;
        return i;
    }
    if (a->n >= INT32_MAX || reel_grow_((void **)&a->blocks, &a->capacity, a->n + 1, sizeof *a->blocks)) return -1;
    return (int32_t)a->n++;
}

static int32_t grow(reel_arena *a, size_t units)
{
    if (a->last >= 0 && a->blocks[a->last].free) {
        const int32_t i = a->last;
        bin_out(a, i);
        a->blocks[i].size = units;
        a->top = a->blocks[i].offset + units;
        return i;
    }
    const int32_t i = new_block(a);
    if (i < 0) return -1;
    a->blocks[i] =
        (block){.offset = a->top, .size = units, .before = a->last, .after = -1, .previous = -1, .following = -1};
    if (a->last >= 0) a->blocks[a->last].after = i;
    a->last = i;
    a->top += units;
    return i;
}

int32_t reel_arena_take_(reel_arena *a, size_t bytes)
{
    const size_t units = bytes / UNIT + (bytes % UNIT != 0) + (bytes == 0);
    const int32_t i = find(a, units);
    if (i < 0) return grow(a, units);
    if (a->blocks[i].size > units) {
        const int32_t rest = new_block(a);
        if (rest < 0) return -1;
        bin_out(a, i);
        block *b = &a->blocks[i];
        a->blocks[rest] = (block){.offset = b->offset + units, .size = b->size - units, .before = i, .after = b->after};
        if (b->after >= 0)
            a->blocks[b->after].before = rest;
        else
            a->last = rest;
        b->after = rest;
        b->size = units;
        bin_in(a, rest);
    } else {
        bin_out(a, i);
    }
    return i;
}

/* i takes over its right neighbour, which is free. */
static void merge(reel_arena *a, int32_t i, int32_t right)
{
    bin_out(a, right);
    block *b = &a->blocks[i], *r = &a->blocks[right];
    b->size += r->size;
    b->after = r->after;
    if (r->after >= 0)
        a->blocks[r->after].before = i;
    else
        a->last = i;
    r->following = a->spare;
    a->spare = right;
}

void reel_arena_give_(reel_arena *a, int32_t i)
{
    if (a->blocks[i].after >= 0 && a->blocks[a->blocks[i].after].free) merge(a, i, a->blocks[i].after);
    const int32_t left = a->blocks[i].before;
    if (left >= 0 && a->blocks[left].free) {
        bin_out(a, left);
        a->blocks[i].free = true; /* so that merge finds a free neighbour in a bin */
        bin_in(a, i);
        merge(a, left, i);
        i = left;
    }
    bin_in(a, i);
}

size_t reel_arena_offset_(const reel_arena *a, int32_t i)
{
    return a->blocks[i].offset * UNIT;
}

size_t reel_arena_bytes_(const reel_arena *a)
{
    return a->top * UNIT;
}
