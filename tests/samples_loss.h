/* samples_loss.h: what the losses' samples share. */
#ifndef REEL_TESTS_SAMPLES_LOSS_H
#define REEL_TESTS_SAMPLES_LOSS_H
#include "samples.h"

/* n losses of the given shape, reduced to out by p0. */
static inline void loss_reduce(const sample *s, reel_dtype d, reel_shape shape, const double *loss, double total,
                               nd *out)
{
    const reel_reduction r = (reel_reduction)s->p[0];
    nd_make(out, d, r == REEL_REDUCE_NONE ? shape : REEL_SCALAR);
    const int64_t n = reel_shape_count(shape);
    long double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (long double)loss[i];
    if (r == REEL_REDUCE_NONE)
        memcpy(out->data, loss, (size_t)n * sizeof *loss);
    else
        out->data[0] = (double)(r == REEL_REDUCE_MEAN ? sum / (long double)total : sum);
}

/* f of the elements of up to four operands broadcast against each other; an operand that is not given counts as 1 */
static inline void loss_reference(const sample *s, reel_dtype d, const nd *in, nd *out,
                                  double (*f)(const double *v, const double *p))
{
    reel_shape shape = in[0].shape;
    for (int k = 1; k < 4; k++)
        if (s->in[k]) shape = nd_broadcast(shape, in[k].shape);
    const int64_t n = reel_shape_count(shape);
    double *loss = calloc((size_t)n + 1, sizeof *loss);
    for (int64_t i = 0; i < n; i++) {
        double v[4] = {1, 1, 1, 1};
        for (int k = 0; k < 4; k++)
            if (s->in[k]) v[k] = nd_at(&in[k], &shape, i);
        loss[i] = f(v, s->p);
    }
    loss_reduce(s, d, shape, loss, (double)n, out);
    free(loss);
}
#endif
