/* generate.h: between generate.c, which makes blocks of steps, and choose.c, which finds operands and numbers for one. */
#ifndef REEL_TESTS_FUZZ_GENERATE_H
#define REEL_TESTS_FUZZ_GENERATE_H
#include "fuzz.h"

enum { POOL = 60 };
typedef struct {
    fuzz_program *p;
    fuzz_block *b;
    uint64_t rng;
    int pool[POOL], n_pool, fixed; /* values that steps may use; the first ones stay */
    int apart[FUZZ_RESULTS - 2],
        n_apart;       /* gradients through control flow: results, but no operands. See differentiates_control */
    int depth, orders; /* of blocks; of gradients around */
    bool assigns, draws, custom, control;
    bool checkpoints; /* where nothing is assigned: they refuse a gradient then */
} fuzz_gen;

typedef bool fuzz_choose(fuzz_gen *g, fuzz_step *s);
extern fuzz_choose *const fuzz_choosers[FUZZ_N_KINDS];
/* Bodies: choose_body.c */
fuzz_choose choose_body, choose_closed_body, choose_custom_grad, choose_call, choose_grad, choose_train, choose_cond,
    choose_while_count, choose_while_data, choose_scan, choose_map;

/* Steps that a graph takes, in g's block, until there are n of them. */
void fuzz_fill(fuzz_gen *g, int n);
int fuzz_append(fuzz_gen *g, fuzz_step *s); /* runs it in the open graph and keeps it: 0 or an error's code */
void fuzz_push(fuzz_gen *g, int value);
void fuzz_drop_block(fuzz_block *b);
bool fuzz_has_control(const fuzz_block *b);

int pick(fuzz_gen *g); /* a value */
int pick_float(fuzz_gen *g);
int pick_number(fuzz_gen *g); /* -1: there is none */
const reel_type *type_of(const fuzz_gen *g, int value);
bool same_type(const reel_type *a, const reel_type *b);
bool known(const reel_type *t);       /* all dimensions */
int64_t count_of(const reel_type *t); /* an unknown dimension counted as 7 */
static inline int below(fuzz_gen *g, int n)
{
    return fuzz_below(&g->rng, n);
}
#endif
