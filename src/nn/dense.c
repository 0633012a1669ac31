/* dense.c: a dense layer. */
#include <math.h>
#include "reel/reel.h"

int reel_dense_init_at(const char *site, reel_dense *d, reel_vars *vars, const char *name, reel_dtype dtype,
                       int64_t n_in, int64_t n_out)
{
    if (reel_status()) return reel_status();
    if (!d) return reel_fail(REEL_EARG, "%s: reel_dense_init: d is NULL", site);
    d->w = d->b = NULL;
    if (n_in < 1 || n_out < 1)
        return reel_fail(REEL_ESHAPE, "%s: reel_dense_init: %lld inputs and %lld outputs", site, (long long)n_in,
                         (long long)n_out);
    REEL_SCOPED_AT(site);
    const double limit = sqrt(6.0 / ((double)n_in + (double)n_out));
    const reel_shape ws = {2, {n_in, n_out}}, bs = {1, {n_out}};
    reel_tensor *w = reel_uniform_at(site, dtype, ws, -limit, limit, NULL), *b = reel_zeros_at(site, dtype, bs);
    if (!w || !b) return reel_status();
    reel_vars *sub = reel_vars_sub(vars, name);
    if (!sub) return reel_status();
    d->w = reel_var_at(site, sub, "w", w);
    d->b = reel_var_at(site, sub, "b", b);
    if (!reel_status()) return 0;
    reel_vars_free(sub); /* all or nothing */
    d->w = d->b = NULL;
    return reel_status();
}

reel_tensor *reel_dense_apply_at(const char *site, const reel_dense *d, reel_tensor *x)
{
    if (!d) {
        reel_fail(REEL_EARG, "%s: reel_dense_apply: d is NULL", site);
        return NULL;
    }
    REEL_SCOPED_AT(site);
    return reel_keep(reel_add_at(site, reel_matmul_at(site, x, d->w), d->b));
}
