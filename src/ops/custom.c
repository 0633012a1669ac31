/* custom.c: a user's op becomes a descriptor like any row; adaptors turn the user's functions into a shape
   rule and a vjp. */
#include "internal.h"

#include "core/error.h"

enum { MAX_OPERANDS = 8 };

/* ---- adaptors ---------------------------------------------------------------------------------------- */
static int failed(const char *what, int code)
{
    return reel_status() ? reel_status() : reel_fail(REEL_EUSER, "its %s function returned %d", what, code);
}

static int infer(const reel_infer *io)
{
    const reel_op_def *def = &io->op->def;
    reel_type in[MAX_OPERANDS], out[MAX_OPERANDS];
    bool known = true;
    memset(out, 0, sizeof out);
    for (int i = 0; i < io->n_in; i++) {
        char name[REEL_ARG_TEXT];
        in[i] = *io->in[i];
        known = known && reel_shape_known_(&in[i].shape);
        if (def->dtypes && !(def->dtypes & REEL_BIT(in[i].dtype)))
            return reel_fail(REEL_EDTYPE, "%s is %s, which it does not take", reel_arg_name_(io->op, i, name),
                             reel_dtype_name(in[i].dtype));
    }
    const int code = def->shape(io->attr, in, out);
    if (code) return failed("shape", code);
    for (int j = 0; j < io->n_out; j++) {
        if (!reel_is_dtype_(out[j].dtype))
            return reel_fail(REEL_EDTYPE, "its shape function gave output %d no dtype", j);
        const int bad = reel_shape_check_(out[j].shape, !known);
        if (bad) return bad;
        io->out[j] = (reel_type){.dtype = out[j].dtype};
        reel_put_shape_(&io->out[j].shape, &out[j].shape);
    }
    return 0;
}

static int vjp(const reel_vjp_args *v)
{
    reel_tensor *dout[MAX_OPERANDS];
    for (int j = 0; j < v->n_out; j++) dout[j] = v->dout[j] ? v->dout[j] : reel_zeros_like_at(v->site, v->out[j]);
    if (reel_status()) return reel_status();
    const int code = v->op->def.vjp(v->attr, v->in, v->out, dout, v->din);
    return code ? failed("vjp", code) : reel_status();
}

/* ---- public functions -------------------------------------------------------------------------------- */
const reel_op *reel_op_register(const reel_op_def *def)
{
    const char *wrong = NULL;
    if (!def)
        wrong = "the definition is NULL";
    else if (def->size != 0 && def->size != sizeof *def)
        wrong = "size is not sizeof(reel_op_def); REEL_OP_DEF fills it";
    else if (!def->name || !def->name[0])
        wrong = "it has no name";
    else if (def->n_in < 0 || def->n_in > MAX_OPERANDS || def->n_out < 1 || def->n_out > MAX_OPERANDS)
        wrong = "it needs 0 to 8 inputs and 1 to 8 outputs";
    else if (def->attr_size > REEL_ATTR_MAX)
        wrong = "its attributes are larger than 256 bytes";
    else if (!def->shape || !def->cpu)
        wrong = "it needs a shape and a cpu function";
    if (wrong)
        return reel_fail_at_("", REEL_EARG, "reel_op_register: %s%s%s", def && def->name ? def->name : "",
                             def && def->name ? ": " : "", wrong),
               NULL;
    const reel_op op = {.size = sizeof(reel_op),
                        .name = def->name,
                        .args = "",
                        .n_in = def->n_in,
                        .n_out = def->n_out,
                        .keep = REEL_KEEP_ALL_IN | 0xffff0000u,
                        .dtypes = REEL_ALL_DTYPES,
                        .attr_size = def->attr_size,
                        .infer = infer,
                        .grad = def->vjp ? REEL_VJP : REEL_NO_GRAD,
                        .vjp = def->vjp ? vjp : NULL,
                        .no_grad = def->vjp ? NULL : "it was registered without a vjp",
                        .def = *def};
    return reel_op_add_("", &op);
}

int reel_op_call_at(const char *site, const reel_op *op, reel_list in, const void *attr, reel_tensor *out[])
{
    const _Alignas(16) char zeros[REEL_ATTR_MAX] = {0};
    _Alignas(16) char bytes[REEL_ATTR_MAX];
    if (!op || !out || (in.n > 0 && !in.t))
        return reel_fail_at_(site, REEL_EARG, "reel_op_call: %s is NULL",
                             !op    ? "op"
                             : !out ? "out"
                                    : "the list of inputs");
    if (op->n_out < 0) return reel_fail_at_(site, REEL_EARG, "reel_op_call: reel_%s has its own function", op->name);
    for (int j = 0; j < op->n_out; j++) out[j] = NULL;
    if (in.n < 0 || in.n > REEL_MAX_IN) return reel_fail_at_(site, REEL_EARG, "reel_op_call: %d inputs", in.n);
    if (attr) memcpy(bytes, attr, op->attr_size);
    return reel_door_(op, attr ? bytes : zeros, in.t, in.n, out, op->n_out, site);
}
