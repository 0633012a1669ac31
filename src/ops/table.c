/* table.c: ops.def as descriptors. */
#include "internal.h"

enum {
    ANY = -1,
    ELEMENTWISE = REEL_OPF_ELEMENTWISE,
    VIEW = REEL_OPF_VIEW,
    REDUCTION = REEL_OPF_REDUCTION,
    RANDOM = REEL_OPF_RANDOM,
    EFFECT = REEL_OPF_EFFECT,
    LIKE0 = REEL_OPF_LIKE0,
    LIKE1 = REEL_OPF_LIKE1,
    LIKE_REST = REEL_OPF_LIKE_REST,
    CELL0 = REEL_OPF_CELL0,
    CREATE = REEL_OPF_CREATE,
    PRODUCT = REEL_OPF_PRODUCT,
    DYNAMIC = REEL_OPF_DYNAMIC,
    ROWS = REEL_OPF_ROWS,
    FLOATS = REEL_FLOATS,
    REALS = REEL_REALS,
    INTS = REEL_INTS,
    BITS = REEL_INTS | REEL_BIT(REEL_BOOL),
    NUMBERS = REEL_NUMBERS,
    ALL_DTYPES = REEL_ALL_DTYPES
};
#define KEEP_IN(i) REEL_KEEP_IN(i)
#define KEEP_OUT(i) REEL_KEEP_OUT(i)
#define reel_view_0_ NULL

/* the last column: VJP, STRAIGHT("reason"), ZERO or NONE("reason") */
#define KIND_VJP REEL_VJP
#define KIND_STRAIGHT(reason) REEL_VJP
#define KIND_ZERO REEL_ZERO_GRAD
#define KIND_NONE(reason) REEL_NO_GRAD
#define FUNCTION_VJP(name) reel_vjp_##name##_
#define FUNCTION_STRAIGHT(reason) FUNCTION_VJP
#define FUNCTION_ZERO(name) NULL
#define FUNCTION_NONE(reason) FUNCTION_ZERO
#define REASON_VJP NULL
#define REASON_STRAIGHT(reason) reason
#define REASON_ZERO NULL
#define REASON_NONE(reason) reason

#define ROW(id_, args_, n_in_, n_out_, flags_, keep_, unify_, dtypes_, attr_, infer_, view_, grad_)   \
    {.size = sizeof(reel_op),                                                                         \
     .id = REEL_OP_##id_,                                                                             \
     .name = #id_,                                                                                    \
     .args = args_,                                                                                   \
     .n_in = n_in_,                                                                                   \
     .n_out = n_out_,                                                                                 \
     .flags = (flags_),                                                                               \
     .keep = (keep_),                                                                                 \
     .unify = (unify_),                                                                               \
     .dtypes = (dtypes_),                                                                             \
     .attr_size = sizeof(reel_attr_##attr_) > sizeof(reel_attr_none) ? sizeof(reel_attr_##attr_) : 0, \
     .infer = reel_infer_##infer_##_,                                                                 \
     .view = reel_view_##view_##_,                                                                    \
     .grad = KIND_##grad_,                                                                            \
     .vjp = FUNCTION_##grad_(id_),                                                                    \
     .no_grad = REASON_##grad_},

const reel_op reel_rows_[REEL_N_OPS] = {
#include "ops.def"
};
