/* op.h: the op descriptor, the one shape rule's and the vjp's calling conventions, and the door. */
#ifndef REEL_CORE_OP_H
#define REEL_CORE_OP_H
#include "compiler.h"
#include "dtype.h"
#include "reel/base.h"
#include "reel/custom.h"
#include "shape.h"

enum { REEL_MAX_IN = 64, REEL_MAX_OUT = 64, REEL_ATTR_MAX = 256 };

enum reel_op_flags {
    REEL_OPF_ELEMENTWISE = 1, /* out[j][i] from in[..][i] broadcast; may run in place */
    REEL_OPF_VIEW = 2,        /* has a view rule: outputs may share input 0's storage */
    REEL_OPF_REDUCTION = 4,
    REEL_OPF_RANDOM = 8,      /* draws from a generator: attr begins with reel_attr_random */
    REEL_OPF_EFFECT = 16,     /* changes state: keeps program order, never pruned from a function */
    REEL_OPF_DYNAMIC = 32,    /* output sizes depend on data: the shape rule leaves REEL_ANY, the kernel counts */
    REEL_OPF_LIKE0 = 64,      /* of input 0 only the shape is read (input may be a ghost) */
    REEL_OPF_LIKE1 = 128,     /* of input 1 */
    REEL_OPF_LIKE_REST = 256, /* of all inputs from 1 on */
    REEL_OPF_CELL0 = 512,     /* input 0 is a variable, taken as cell */
    REEL_OPF_CREATE = 1024,   /* makes values from attributes: a float result is f64 while gradcheck widens */
    REEL_OPF_SUMS = 2048,     /* its vjp is a backward of its own: see reel_vjp_args */
    REEL_OPF_ROWS = 8192,     /* output j is input j with some rows changed: see reel_update_ */
    REEL_OPF_PRODUCT =
        4096 /* sums of products by a route chosen for the machine: other bits at another ISA level or library */
};
/* Does op read only the shape of input i? */
static inline bool reel_shape_only_(unsigned flags, int i)
{
    return (i == 0 && (flags & REEL_OPF_LIKE0)) || (i == 1 && (flags & REEL_OPF_LIKE1)) ||
           (i >= 1 && (flags & REEL_OPF_LIKE_REST));
}

/* What a vjp needs as values; of everything else it gets handles good for shapes only. */
#define REEL_KEEP_IN(i) (1u << (i))
#define REEL_KEEP_OUT(i) (1u << (16 + (i)))
#define REEL_KEEP_ALL_IN 0xffffu /* inputs from 16 on follow bit 15 */

typedef enum { REEL_VJP, REEL_ZERO_GRAD, REEL_NO_GRAD } reel_grad_kind;

typedef struct reel_infer {
    const reel_op *op;
    const void *attr;
    int n_in, n_out;
    const reel_type *const *in; /* dtypes of weak numbers are resolved already */
    reel_type *out;
} reel_infer;

/* A view rule fills strides (elements) and byte offset of each output relative to input 0's data.
   Returns 1, or 0 if this layout needs a copy (then the op's kernel runs). Shapes are known. */
typedef struct reel_view_rule {
    const void *attr;
    int n_in, n_out;
    const reel_type *const *in;
    const int64_t *strides; /* of input 0 */
    const reel_type *out;
    int64_t (*out_strides)[REEL_MAX_RANK];
    int64_t *byte_offset;
} reel_view_rule;

typedef struct reel_vjp {
    const reel_op *op;
    const void *attr;
    const char *site; /* the forward call's: pass it on */
    int n_in, n_out;
    reel_tensor *const *in;
    reel_tensor *const *out;
    reel_tensor *const *dout; /* NULL: zero (only with several outputs) */
    const bool *need;         /* is din[i] wanted? */
    reel_tensor **din;        /* all NULL at the start; NULL means zero */
    /* An op that stands for several (REEL_OPF_SUMS) goes on with the sums of gradients that the backward has for its
       inputs, so that the order of the additions is that of the ops it stands for. Both NULL for other ops. */
    reel_tensor *const *sum; /* NULL: nothing yet */
    bool *total;             /* all false at the start; true: din[i] has sum[i] in it */
    const uint32_t *node;    /* what the inputs are to the tape: for reel_vjp_again_ */
} reel_vjp_args;             /* not reel_vjp: that is a public function */

struct reel_op {
    size_t size;      /* sizeof(reel_op) */
    int id;           /* row number; custom ops from REEL_N_OPS on */
    const char *name; /* "matmul": errors say reel_matmul */
    const char *args; /* "a,b": input names for errors; the last repeats as "xs[2]" for a variadic op */
    int n_in, n_out;  /* -1: any number from 1 on */
    unsigned flags;
    uint32_t keep;   /* REEL_KEEP_... */
    uint32_t unify;  /* bit i: input i shares one dtype with the others so marked (bit 15: also all from 16 on) */
    uint32_t dtypes; /* mask that dtype must be in */
    size_t attr_size;
    int (*infer)(const reel_infer *io);
    int (*view)(const reel_view_rule *v);
    reel_grad_kind grad;
    int (*vjp)(const reel_vjp_args *v); /* NULL unless grad is REEL_VJP */
    const char *no_grad;                /* why: of REEL_NO_GRAD, or of a vjp that is no derivative */
    void (*attr_retain)(
        const void *attr); /* attributes that own something: called when a listener copies the bytes ... */
    void (*attr_release)(const void *attr); /* ... and when it drops them; both NULL for plain bytes */
    const struct reel_kernel *kernel;       /* of an op without a row (id -1), which is not in any device's table */
    reel_op_def def;                        /* custom ops: what the user gave */
};

/* Floating-point operations that it does (src/ops/flops.c): a multiply-add is two, an elementwise op one an element. Shapes are known. */
double reel_flops_(const reel_op *op, const void *attr, const reel_type *const *in, int n_in, const reel_type *out,
                   int n_out);

/* The registry: rows of ops.def, then custom ops. */
const reel_op *reel_op_at_(int id); /* NULL: no such op */
int reel_op_total_(void);
void reel_ops_install_(const reel_op *rows, int n); /* init.c, once, before anything else */
const reel_op *reel_op_add_(const char *site,
                            const reel_op *op); /* copies op and the name; gives it the next id. NULL: raised */
enum { REEL_ARG_TEXT = 64 };
/* What errors call input i: "a", or "xs[2]" for a variadic op. Returns buf. */
char *reel_arg_name_(const reel_op *op, int i, char buf[REEL_ARG_TEXT]);

/* Weak numbers: can d hold the value exactly enough (always, for floats)? The door asks after reel_infer_. */
bool reel_num_fits_(double value, reel_dtype d);
struct reel_rec;
void reel_num_fill_(struct reel_rec *r, double value); /* marks r as a weak number: its block's data in every dtype */

/* dtype rules and shape rule together. in[i]->dtype of a weak number is whatever; weak[i] says it is one (weak may be NULL).
   On return in_dtype[i] is the dtype input i is read as. Raises through reel_fail (site and op name are the caller's to set). */
int reel_infer_(const reel_op *op, const void *attr, const reel_type *const *in, const bool *weak, int n_in,
                reel_dtype *in_dtype, reel_type *out, int n_out);

/* THE DOOR (src/eager/door.c). Every op call of every mode. attr: op->attr_size bytes, padding zeroed. in[i] may be NULL or dead: an
   error naming it. out[0..n_out) are filled (all NULL on error), owned by the innermost scope. Returns 0 or the code. */
int reel_door_(const reel_op *op, const void *attr, reel_tensor *const in[], int n_in, reel_tensor *out[], int n_out,
               const char *site);

/* The call of a pure op flagged ROWS and the assignment of its outputs to the variables that in[] begins with, as one (src/eager/
   update.c): in place where nobody else has their values. */
int reel_update_(const reel_op *op, const void *attr, reel_tensor *const in[], int n_in, const char *site);

/* reel_vjp that starts the gradient of xs[i] at from[i] (NULL: at nothing) and gives the total; dxs[i] is NULL if there is
   none (src/eager/backward.c). */
int reel_vjp_from_(const char *site, reel_tape *tape, reel_list ys, reel_list dys, reel_list xs,
                   reel_tensor *const *from, reel_tensor *dxs[]);

/* Default float dtype and widening: the dtype a creation of d gives (f64 for floats while gradcheck widens). */
reel_dtype reel_widened_(reel_dtype d);
#endif
