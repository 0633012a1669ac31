/* rotary.c: rotary position embedding. */
#include <math.h>

#include "core/error.h"
#include "core/options.h"
#include "internal.h"

int reel_infer_rotary_(const reel_infer *io)
{
    static const char *const names[] = {"x", "cos", "sin"};
    const reel_shape *x = &io->in[0]->shape;
    char a[REEL_SHAPE_TEXT], b[REEL_SHAPE_TEXT];
    if (x->rank < 1) return reel_fail(REEL_ESHAPE, "x is a scalar");
    int64_t half = REEL_ANY;
    for (int i = 1; i < 3; i++) {
        const reel_shape *t = &io->in[i]->shape;
        const int lead = x->rank - t->rank;
        bool fits = t->rank >= 1 && lead >= 0;
        for (int k = 0; fits && k < t->rank - 1; k++) {
            const int64_t m = t->dims[k], n = x->dims[lead + k];
            fits = m == 1 || m == n || m == REEL_ANY || n == REEL_ANY;
        }
        if (!fits || !reel_merge_dim_(half, t->dims[t->rank - 1], &half))
            return reel_fail(REEL_ESHAPE, "%s %s does not fit x %s", names[i], reel_shape_text_(t, a),
                             reel_shape_text_(x, b));
    }
    const int64_t d = x->dims[x->rank - 1];
    if (half != REEL_ANY && d != REEL_ANY && half > d / 2)
        return reel_fail(REEL_ESHAPE, "%lld angles turn pairs, x has %lld numbers", (long long)half, (long long)d);
    io->out[0] = *io->in[0];
    return 0;
}

reel_tensor *reel_rotary_at(const char *site, reel_tensor *x, reel_tensor *cosine, reel_tensor *sine,
                            const reel_rotary_opts *o)
{
    reel_rotary_opts p = {0};
    reel_options_(&p, sizeof p, o);
    const reel_attr_rotary a = {.interleaved = p.interleaved};
    reel_tensor *const in[3] = {x, cosine, sine};
    reel_tensor *out = NULL;
    reel_door_(&reel_rows_[REEL_OP_rotary], &a, in, 3, &out, 1, site);
    return out;
}

/* The first or second numbers of the pairs. */
static reel_tensor *of_pairs(const reel_vjp_args *v, reel_tensor *x, int64_t half, bool second)
{
    const reel_attr_rotary *a = v->attr;
    const int rank = reel_type_of_(x)->shape.rank;
    reel_range r[REEL_MAX_RANK];
    for (int i = 0; i < rank; i++) r[i] = (reel_range){REEL_END, REEL_END, 1};
    if (a->interleaved)
        r[rank - 1] = (reel_range){second, 2 * half, 2};
    else
        r[rank - 1] = (reel_range){second ? half : 0, second ? 2 * half : half, 1};
    return reel_slice_at(v->site, x, rank, r);
}

int reel_vjp_rotary_(const reel_vjp_args *v) /* turned back */
{
    const char *site = v->site;
    reel_tensor *x = v->in[0], *g = v->dout[0];
    if (v->need[0]) {
        const reel_attr_rotary *a = v->attr;
        const reel_rotary_opts o = {.size = sizeof o, .interleaved = a->interleaved != 0};
        v->din[0] = reel_rotary_at(site, g, v->in[1], reel_neg_at(site, v->in[2]), &o);
    }
    if (!v->need[1] && !v->need[2]) return reel_status();
    const reel_shape *c = &reel_type_of_(v->in[1])->shape, *s = &reel_type_of_(v->in[2])->shape;
    const int64_t half = c->dims[c->rank - 1] != REEL_ANY ? c->dims[c->rank - 1] : s->dims[s->rank - 1];
    if (half == REEL_ANY)
        return reel_fail(REEL_ESHAPE, "the derivative by the angles needs to know how many there are");
    reel_tensor *x1 = of_pairs(v, x, half, false), *x2 = of_pairs(v, x, half, true);
    reel_tensor *g1 = of_pairs(v, g, half, false), *g2 = of_pairs(v, g, half, true);
    if (v->need[1]) {
        reel_tensor *d = reel_add_at(site, reel_mul_at(site, g1, x1), reel_mul_at(site, g2, x2));
        v->din[1] = d ? reel_to_shape_(site, d, v->in[1]) : NULL;
    }
    if (v->need[2]) {
        reel_tensor *d = reel_sub_at(site, reel_mul_at(site, g2, x1), reel_mul_at(site, g1, x2));
        v->din[2] = d ? reel_to_shape_(site, d, v->in[2]) : NULL;
    }
    return reel_status();
}
