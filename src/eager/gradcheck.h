/* gradcheck.h: what the two halves of gradcheck share: gradcheck.c sets the stage and reports, gradcheck_points.c
   evaluates and compares. */
#ifndef REEL_EAGER_GRADCHECK_H
#define REEL_EAGER_GRADCHECK_H
#include "core/random.h"
#include "tape.h"

/* What may be moved: a float input, or a float variable that the function reads or that is to be checked. */
typedef struct reel_leaf {
    int which;      /* the report's number; -1: not compared */
    int input;      /* of the function; -1: a variable */
    reel_rec *cell; /* a variable's */
    reel_tensor *x; /* its f64 value, moved in place between evaluations */
    reel_tensor *v; /* order 2: the projection of its gradient */
    int64_t n;
    double *base, *analytic, *direction; /* n each */
} reel_leaf;

/* A variable as it was. */
typedef struct reel_saved_cell {
    reel_rec *cell, *value;
    reel_dtype dtype;
} reel_saved_cell;

typedef struct reel_checker {
    const char *site;
    reel_fn f;
    reel_list in;
    double step, tol;
    int order; /* being checked */
    int projections;
    reel_random_state random;
    reel_tensor **args; /* f's inputs, floats in f64 */
    reel_leaf *leaf;
    int n_leaves;
    reel_saved_cell *saved;
    int n_saved;
    bool widened;
    /* outputs of the function being checked: floats only, one behind the other */
    reel_tensor **dys; /* f's weights as tensors, by output; NULL: no float */
    size_t n_y;
    double *weight, *y0, *yp, *ym;
    reel_gradcheck_report *r;
} reel_checker;

/* One order: analytic gradients, then every element (or projection). 0: compared, look at r->verdict. */
int reel_check_points_(reel_checker *k);
void reel_check_free_points_(reel_checker *k);
/* The variables and the random numbers as they were at the beginning. */
void reel_check_reset_(reel_checker *k);
double reel_check_random_(uint64_t stream, uint64_t i); /* in +-[0.5, 1.5) */
#endif
