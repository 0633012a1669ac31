/* device.h: a device is a table of function pointers. CPU kernels and a GPU plugin fill the same one. */
#ifndef REEL_CORE_DEVICE_H
#define REEL_CORE_DEVICE_H
#include "op.h"
#include "tensor.h"

/* One operand as a kernel sees it. data is NULL in prepare when a session plans. */
typedef struct reel_kview {
    reel_dtype dtype;
    int rank;
    const int64_t *dims, *strides; /* strides in elements; may be 0 or negative */
    void *data;
} reel_kview;

typedef struct reel_ksig {
    const reel_op *op;
    const void *attr;
    int n_in, n_out;
    const reel_kview *in, *out; /* outputs are dense */
} reel_ksig;

enum { REEL_PLAN_STACK = 768 };
enum {
    REEL_K_CHEAP =
        1 /* prepare costs next to nothing, plan_size <= REEL_PLAN_STACK, no drop: eager prepares at each call on the stack */
};
typedef struct reel_kernel {
    size_t plan_size;
    unsigned flags;
    /* Chooses everything that depends on op, attributes, dtypes, shapes and strides; never looks at data. *workspace starts 0. Raises. */
    int (*prepare)(const reel_ksig *sig, void *plan, size_t *workspace);
    /* No allocation, no lookup. ptr: inputs' data, then outputs'. work: *workspace bytes, 64-byte aligned. May run on several
       threads at once with different ptr and work. Raises with reel_fail (say: a label out of range). */
    int (*run)(const void *plan, void *const *ptr, void *work);
    void (*drop)(void *plan); /* NULL: nothing to drop */
    /* What it has chosen, for people: "OpenBLAS gemm". Lives as long as the plan. NULL: there is nothing to choose. */
    const char *(*name)(const void *plan);
} reel_kernel;

/* The kernel of an op flagged DYNAMIC. count: the number that stands for every dimension the shape rule left unknown. It comes
   between prepare, which sees REEL_ANY there, and run; ptr has no outputs yet. What it leaves in the workspace stays. Raises. */
typedef struct reel_counting_kernel {
    reel_kernel kernel;
    int (*count)(const void *plan, void *const *ptr, void *work, int64_t *n);
} reel_counting_kernel;
static inline const reel_counting_kernel *reel_counting_(const reel_kernel *k)
{
    return (const reel_counting_kernel *)k;
}

/* Several ops of one output each as one kernel, which goes once over memory: parts in program order. Operands are numbered: the
   inputs, the numbers (inputs of one element), the outputs, then what stays inside. The same bits as one by one. sig: op NULL, attr
   the reel_fused, in: inputs and numbers.

   A plain group (rows.n == 0) is elementwise: its inputs are broadcast against the outputs, which all have one shape.

   A group by rows (rows.n > 0) has reductions of the innermost axes of that shape. Its operands are whole (that shape, rows.n times
   rows.cols elements), or have one element a row, and parts are: elementwise on whole operands, in which row operands are repeated
   along the row; elementwise on row operands; reductions (reduces) of a whole operand to a row operand. Where rows are longer than
   REEL_FUSED_COLS nothing whole depends on row operands that the group makes: such rows go by in pieces. Who wants to play or print
   groups some other way may leave those by rows to the interpreter. */
enum { REEL_FUSED_ARGS = 4, REEL_FUSED_PARTS = 32, REEL_FUSED_IN = 6, REEL_FUSED_NUMBERS = 16, REEL_FUSED_OUT = 8 };
enum { REEL_FUSED_OPERANDS = REEL_FUSED_IN + REEL_FUSED_NUMBERS + REEL_FUSED_PARTS };
enum { REEL_FUSED_COLS = 4096, REEL_FUSED_REDUCTIONS = 8 };
typedef struct reel_fused_part {
    const reel_op *op;
    const void *attr;
    int32_t node; /* of the graph; kernels need not know */
    int n_in;     /* operands: without what a reduction reads only the shape of */
    bool reduces;
    int16_t in[REEL_FUSED_ARGS], out;
    reel_dtype in_dtype[REEL_FUSED_ARGS], out_dtype;
} reel_fused_part;
typedef struct reel_fused_rows {
    int64_t n, cols;
    int rank, axis; /* of what is whole; a row is the axes from axis on */
    int64_t dims[REEL_MAX_RANK];
    bool whole[REEL_FUSED_OPERANDS]; /* numbers are not */
    int64_t strides[REEL_FUSED_IN]
                   [REEL_MAX_RANK]; /* of inputs, elements, along dims (row operands: up to axis); 0: repeated */
} reel_fused_rows;
typedef struct reel_fused {
    int n_parts, n_in, n_numbers, n_out, n_operands; /* n_in: without the numbers */
    reel_fused_part part[REEL_FUSED_PARTS];
    reel_fused_rows rows;
} reel_fused;
typedef enum {
    REEL_REDUCES_NOT,
    REEL_REDUCES_SHORT,
    REEL_REDUCES
} reel_reduces; /* SHORT: rows up to REEL_FUSED_COLS */

typedef struct reel_device {
    const char *name;
    const reel_kernel *const *kernels; /* by op id */
    int n_kernels;
    const reel_kernel *custom;                  /* for ids beyond: runs op->def.cpu on dense copies */
    const reel_kernel *fused;                   /* NULL: none */
    const reel_kernel *fused_rows;              /* for groups by rows */
    bool (*fuses)(const reel_op *op);           /* may it be part of a fused kernel? */
    reel_reduces (*reduces)(const reel_op *op); /* may it be a reduction of one by rows? */
    int (*fits)(const reel_fused *f);           /* has the kernel room for this group by rows? -1: raised */
} reel_device;
const reel_device *reel_device_(int number); /* 0: the CPU; NULL: none */
void reel_device_install_(int number, const reel_device *d);

static inline const reel_kernel *reel_kernel_(const reel_device *d, const reel_op *op)
{
    if (REEL_UNLIKELY(op->id < 0)) return op->kernel;
    return op->id < d->n_kernels ? d->kernels[op->id] : d->custom;
}
#endif
