/* numerics.h: looking at an op's operands for NaN and infinity: for the door and for replays. */
#ifndef REEL_CORE_NUMERICS_H
#define REEL_CORE_NUMERICS_H
#include "device.h"

typedef struct reel_stats {
    int64_t n, nans, infs, first_bad; /* flat index in C order; -1: all finite */
    double min, max, mean;            /* of the finite ones; NaN if there are none */
} reel_stats;
bool reel_all_finite_(const void *data, reel_dtype d, int64_t n); /* dense; true for integers and bool */
void reel_stats_(const reel_kview *v, reel_stats *out);           /* any layout */
/* dst, dense, gets the elements of v. */
void reel_kview_copy_(void *dst, const reel_kview *v);

/* Raises REEL_ENUMERICS, in the name of the call under way, if a float output has a NaN or an infinity although op makes it from
   finite inputs and attributes. Inputs without data are not looked at. name: of the value in its graph, or NULL. */
int reel_check_finite_(const reel_op *op, const void *attr, const reel_kview *in, int n_in, const reel_kview *out,
                       int n_out, const char *name);
#endif
