/* ctc.c: connectionist temporal classification (Graves, Fernandez, Gomez and Schmidhuber, ICML 2006). Three rows: the loss of
   each sequence, its gradient d loss / d log_probs, and the derivatives of that along one direction or more: along one the
   product of the Hessian with it. Derivatives are symmetric in their directions, so that row is its own gradient. */
#include "ops/loss.h"

#include "core/error.h"
#include "core/options.h"

static int fail_shape(const char *what, const reel_shape *have, const char *want)
{
    char text[REEL_SHAPE_TEXT];
    return reel_fail(REEL_ESHAPE, "%s has shape %s, expected %s", what, reel_shape_text_(have, text), want);
}

/* log_probs [t, n, c], targets [n, s], lengths [n], target_lengths [n]; *n is what is known of the batch size */
static int check(const reel_infer *io, int64_t *n)
{
    static const char *const names[] = {"log_probs", "targets", "lengths", "target_lengths"};
    static const int ranks[] = {3, 2, 1, 1}, batch[] = {1, 0, 0, 0};
    static const char *const want[] = {"[t,n,c]", "[n,s]", "[n]", "[n]"};
    const reel_attr_ctc *a = io->attr;
    *n = REEL_ANY;
    for (int i = 0; i < 4; i++) {
        const reel_type *t = io->in[i];
        if (i && !reel_is_int_(t->dtype))
            return reel_fail(REEL_EDTYPE, "%s is %s, allowed: i8 u8 i32 i64", names[i], reel_dtype_name(t->dtype));
        if (t->shape.rank != ranks[i]) return fail_shape(names[i], &t->shape, want[i]);
        if (!reel_merge_dim_(*n, t->shape.dims[batch[i]], n))
            return reel_fail(REEL_ESHAPE, "%s is a batch of %lld, those before of %lld", names[i],
                             (long long)t->shape.dims[batch[i]], (long long)*n);
    }
    const int64_t c = io->in[0]->shape.dims[2];
    if (a->blank < 0 || (c != REEL_ANY && a->blank >= c))
        return reel_fail(REEL_EARG, "blank %lld is out of range for %lld classes", (long long)a->blank, (long long)c);
    return 0;
}

int reel_infer_ctc_loss_(const reel_infer *io)
{
    int64_t n;
    const int code = check(io, &n);
    io->out[0] = (reel_type){.dtype = io->in[0]->dtype, .shape = {1, {n}}};
    return code;
}

int reel_infer_ctc_grad_(const reel_infer *io)
{
    int64_t n;
    if (io->op->id == REEL_OP_ctc_curve && (io->n_in < 5 || io->n_in > 4 + REEL_CTC_DIRECTIONS))
        return reel_fail(REEL_EARG, "derivatives along %d directions, there are those along 1 to %d", io->n_in - 4,
                         REEL_CTC_DIRECTIONS);
    const int code = check(io, &n);
    io->out[0] = *io->in[0];
    if (!code) io->out[0].shape.dims[1] = n;
    for (int i = 4; !code && i < io->n_in; i++)
        if (!reel_merge_shape_(&io->in[i]->shape, &io->out[0].shape, &io->out[0].shape))
            return reel_fail(REEL_ESHAPE, "direction %d does not have the shape of log_probs", i - 4);
    return code;
}

static reel_tensor *call(int id, const char *site, const reel_attr_ctc *a, reel_tensor *const in[], int n_in)
{
    reel_tensor *out = NULL;
    reel_door_(&reel_rows_[id], a, in, n_in, &out, 1, site);
    return out;
}

reel_tensor *reel_ctc_grad_at_(const char *site, reel_tensor *const in[4], const reel_attr_ctc *a)
{
    return call(REEL_OP_ctc_grad, site, a, in, 4);
}

reel_tensor *reel_ctc_curve_at_(const char *site, reel_tensor *const in[], int n_in, const reel_attr_ctc *a)
{
    return call(REEL_OP_ctc_curve, site, a, in, n_in);
}

reel_tensor *reel_ctc_loss_at(const char *site, reel_tensor *log_probs, reel_tensor *targets, reel_tensor *lengths,
                              reel_tensor *target_lengths, const reel_ctc_opts *given)
{
    reel_ctc_opts o = {0};
    reel_options_(&o, sizeof o, given);
    if (!reel_loss_reduction_(site, "reel_ctc_loss", o.reduction)) return NULL;
    const reel_attr_ctc a = {.blank = o.blank, .zero_infinity = o.zero_infinity};
    reel_tensor *const in[4] = {log_probs, targets, lengths, target_lengths};
    reel_tensor *loss = call(REEL_OP_ctc_loss, site, &a, in, 4);
    if (!loss || o.reduction != REEL_REDUCE_MEAN) return loss ? reel_loss_reduce_(site, loss, o.reduction) : NULL;
    reel_tensor *size = reel_cast_at(site, target_lengths, reel_type_of_(loss)->dtype);
    size = reel_maximum_at(site, size, reel_num_at(site, 1));
    return reel_mean_at(site, reel_div_at(site, loss, size));
}

int reel_vjp_ctc_loss_(const reel_vjp_args *v)
{
    const reel_axes last = {1, {-1}};
    if (!v->need[0]) return 0;
    v->din[0] =
        reel_mul_at(v->site, reel_ctc_grad_at_(v->site, v->in, v->attr), reel_unsqueeze_at(v->site, v->dout[0], last));
    return reel_status();
}

int reel_vjp_ctc_grad_(const reel_vjp_args *v)
{
    reel_tensor *const in[5] = {v->in[0], v->in[1], v->in[2], v->in[3], v->dout[0]};
    if (v->need[0]) v->din[0] = reel_ctc_curve_at_(v->site, in, 5, v->attr);
    return reel_status();
}

int reel_vjp_ctc_curve_(const reel_vjp_args *v)
{
    reel_tensor *in[REEL_MAX_IN];
    memcpy(in, v->in, (size_t)v->n_in * sizeof *in);
    for (int i = 4; i < v->n_in; i++) { /* dout in v's place */
        if (!v->need[i]) continue;
        in[i] = v->dout[0];
        v->din[i] = reel_ctc_curve_at_(v->site, in, v->n_in, v->attr);
        in[i] = v->in[i];
    }
    in[v->n_in] = v->dout[0];
    if (v->need[0]) v->din[0] = reel_ctc_curve_at_(v->site, in, v->n_in + 1, v->attr);
    return reel_status();
}
