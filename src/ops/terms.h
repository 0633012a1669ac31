/* terms.h: short names for the arithmetic that gradients are written with; each is an op through the door. */
#ifndef REEL_OPS_TERMS_H
#define REEL_OPS_TERMS_H
#include "internal.h"

static inline reel_tensor *reel_mul3_(const char *site, reel_tensor *a, reel_tensor *b, reel_tensor *c)
{
    return reel_mul_at(site, reel_mul_at(site, a, b), c);
}
static inline reel_tensor *reel_scaled_(const char *site, double factor, reel_tensor *x)
{
    return reel_mul_at(site, x, reel_num_at(site, factor));
}
static inline reel_tensor *reel_plus_(const char *site, reel_tensor *x, double c)
{
    return reel_add_at(site, x, reel_num_at(site, c));
}
/* c - x */
static inline reel_tensor *reel_from_(const char *site, double c, reel_tensor *x)
{
    return reel_sub_at(site, reel_num_at(site, c), x);
}
/* A weak number as a 0-d tensor of dtype d: between two numbers it would fall back to f32. */
static inline reel_tensor *reel_strong_(const char *site, reel_tensor *t, reel_dtype d)
{
    if (!(reel_rec_of_(t)->flags & REEL_R_NUM)) return t;
    reel_attr_full a;
    memset(&a, 0, sizeof a);
    a.type.dtype = d;
    reel_tensor *zero = NULL;
    reel_door_(&reel_rows_[REEL_OP_full], &a, NULL, 0, &zero, 1, site);
    return reel_add_at(site, t, zero);
}
static inline reel_tensor *reel_op3_(int id, const void *attr, const char *site, reel_tensor *x, reel_tensor *y,
                                     reel_tensor *z)
{
    reel_tensor *const in[3] = {x, y, z};
    reel_tensor *out = NULL;
    reel_door_(&reel_rows_[id], attr, in, 3, &out, 1, site);
    return out;
}
#endif
