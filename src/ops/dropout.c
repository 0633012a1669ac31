/* dropout.c: dropout as two ops: a state is drawn, and the mask that it stands for is applied, to x and later to its
   gradient. So no mask is stored, and every derivative is the same linear map. */
#include "internal.h"

#include "core/error.h"
#include "core/options.h"

/* ---- random_state: i64[2], key and counter of a stream of its own; takes one counter of the generator ---------- */
int reel_infer_random_state_(const reel_infer *io)
{
    io->out[0] = (reel_type){.dtype = REEL_I64, .shape = {1, {2}}};
    return 0;
}

static reel_tensor *random_state(const char *site, reel_generator *g)
{
    reel_attr_random a;
    memset(&a, 0, sizeof a);
    a.generator = g;
    reel_tensor *out = NULL;
    reel_door_(&reel_rows_[REEL_OP_random_state], &a, NULL, 0, &out, 1, site);
    return out;
}

reel_tensor *reel_random_state_at_(const char *site, reel_generator *g)
{
    return random_state(site, g);
}

/* ---- drop(x, state): x / (1 - p) or 0 --------------------------------------------------------------------------- */
int reel_infer_drop_(const reel_infer *io)
{
    const reel_attr_num *a = io->attr;
    const reel_type *state = io->in[1];
    int64_t two;
    if (!(a->value >= 0 && a->value <= 1)) return reel_fail(REEL_EARG, "p is %g, it must be in [0, 1]", a->value);
    if (state->dtype != REEL_I64 || state->shape.rank != 1 || !reel_merge_dim_(state->shape.dims[0], 2, &two))
        return reel_fail(REEL_ESHAPE, "state is no i64[2]");
    io->out[0] = *io->in[0];
    return 0;
}

reel_tensor *reel_drop_at_(const char *site, reel_tensor *x, reel_tensor *state, double p)
{
    const reel_attr_num a = {.value = p + 0.0};
    return reel_op2_(REEL_OP_drop, &a, site, x, state);
}

int reel_vjp_drop_(const reel_vjp_args *v)
{
    const reel_attr_num *a = v->attr;
    v->din[0] = reel_drop_at_(v->site, v->dout[0], v->in[1], a->value);
    return reel_status();
}

/* ---- public functions --------------------------------------------------------------------------------------------- */
/* The first element along the axes that share a draw: [n, c, 1 ...]. */
static reel_tensor *corner(const char *site, reel_tensor *x, const reel_dropout_opts *o, int rank)
{
    reel_range r[REEL_MAX_RANK];
    for (int i = 0; i < rank; i++) {
        const bool own = i == 0 || i == (o->channels_last ? rank - 1 : 1);
        r[i] = own ? (reel_range)REEL_ALL : (reel_range){0, 1, 1};
    }
    return reel_slice_at(site, x, rank, r);
}

static const reel_rec *begin(const char *site, const char *fn, reel_tensor *x, double p, reel_dropout_opts *o,
                             const reel_dropout_opts *given)
{
    const reel_rec *r = reel_live_(site, fn, "x", x);
    reel_options_(o, sizeof *o, given);
    if (!r) return NULL;
    if (!reel_is_float_(r->type.dtype)) {
        reel_fail_at_(site, REEL_EDTYPE, "%s: x is %s, allowed: f32 f64 f16 bf16", fn, reel_dtype_name(r->type.dtype));
        return NULL;
    }
    if (!(p >= 0 && p <= 1)) {
        reel_fail_at_(site, REEL_EARG, "%s: p is %g, it must be in [0, 1]", fn, p);
        return NULL;
    }
    if (o->channels && r->type.shape.rank < 2) {
        char text[REEL_SHAPE_TEXT];
        reel_fail_at_(site, REEL_ESHAPE, "%s: x of shape %s has no channels", fn,
                      reel_shape_text_(&r->type.shape, text));
        return NULL;
    }
    return r;
}

/* What x is multiplied with: 0 or 1 / (1 - p), of x's shape or broadcasting to it. */
static reel_tensor *factors(const char *site, reel_tensor *x, double p, const reel_dropout_opts *o, int rank)
{
    reel_tensor *like = o->channels ? corner(site, x, o, rank) : x;
    return reel_drop_at_(site, reel_full_like_at_(site, like, 1), random_state(site, o->generator), p);
}

reel_tensor *reel_dropout_at(const char *site, reel_tensor *x, double p, const reel_dropout_opts *given)
{
    reel_dropout_opts o = {0};
    const reel_rec *r = begin(site, "reel_dropout", x, p, &o, given);
    if (!r) return NULL;
    if (o.eval) return reel_broadcast_like_at(site, x, x);
    if (!o.channels) return reel_drop_at_(site, x, random_state(site, o.generator), p);
    return reel_mul_at(site, x, factors(site, x, p, &o, r->type.shape.rank));
}

int reel_dropout_mask_at(const char *site, reel_tensor *x, double p, const reel_dropout_opts *given,
                         reel_tensor *out[2])
{
    static const char fn[] = "reel_dropout_mask";
    reel_dropout_opts o = {0};
    if (!out) return reel_fail_at_(site, REEL_EARG, "%s: out is NULL", fn);
    out[0] = out[1] = NULL;
    const reel_rec *r = begin(site, fn, x, p, &o, given);
    if (!r) return reel_status();
    reel_tensor *f = o.eval ? reel_full_like_at_(site, x, 1) : factors(site, x, p, &o, r->type.shape.rank);
    reel_tensor *kept = reel_not_equal_at(site, f, reel_num_at(site, 0));
    out[0] = o.eval ? reel_broadcast_like_at(site, x, x) : reel_mul_at(site, x, f);
    out[1] = reel_broadcast_like_at(site, kept, x);
    if (reel_status()) out[0] = out[1] = NULL;
    return reel_status();
}
