/* after.c: a product or a convolution, and elementwise ops done to each block of its result while that is in cache. The result is the
   rounded one that the product alone would have stored, so the bits are those of two steps. */
#include "kernels/after.h"
#include <string.h>
#include "core/alloc.h"
#include "kernels/cpu_table.h"
#include "kernels/kernels.h"
#include "kernels/printing.h"
#include "ops/ids.h"
#include "reel/tensor.h"

enum { GRAIN = 16384 }; /* elements of the result worth a thread, for what is done to them */
enum { POINTERS = REEL_FUSED_IN + REEL_FUSED_NUMBERS + REEL_FUSED_OUT };

/* A kernel that can tell of its blocks. */
typedef struct teller {
    const reel_kernel *kernel;
    int (*run)(const void *plan, void *const *ptr, void *work, const reel_block_done *told);
} teller;
static const teller tellers[] = {{&reel_k_matmul_, reel_matmul_blocks_run_}, {&reel_k_conv_, reel_conv_blocks_run_}};

typedef struct after {
    const teller *of;
    int n_in, input, over;   /* of the product; of the group: the product's number, and the output it lies under */
    int n_inputs, n_outputs; /* of the group: with the product, with numbers */
    void *product, *group;   /* the plans */
} after;
typedef struct job {
    const after *a;
    void *ptr[POINTERS];
} job;

static const teller *teller_of(const reel_op *op)
{
    const reel_kernel *k = reel_kernel_(&reel_cpu_device_, op);
    for (size_t i = 0; i < sizeof tellers / sizeof *tellers; i++)
        if (tellers[i].kernel == k) return &tellers[i];
    return NULL;
}

/* The gradient by a convolution's weights is a sum over the batch, there when all is over. */
bool reel_finishes_(const reel_op *op)
{
    return teller_of(op) && op->id != REEL_OP_conv_weights;
}

static void all_piece(void *arg, int64_t begin, int64_t end)
{
    const reel_block_done *told = arg;
    told->done(told->arg, begin, 1, end - begin, end - begin);
}

void reel_tell_all_(const reel_block_done *told, int64_t n)
{
    reel_parallel_for(n, GRAIN, all_piece, (void *)(uintptr_t)told);
}

static void drop(void *plan)
{
    after *a = plan;
    if (a->product) {
        a->of->kernel->drop(a->product);
        reel_free_(a->product, a->of->kernel->plan_size);
    }
    if (a->group) {
        reel_k_fused_.drop(a->group);
        reel_free_(a->group, reel_k_fused_.plan_size);
    }
}

static int prepare_product(const reel_ksig *sig, const reel_after *f, after *a, size_t *workspace)
{
    const reel_ksig own = {
        .op = f->op, .attr = f->attr, .n_in = f->n_in, .n_out = 1, .in = sig->in, .out = sig->out + f->over};
    const reel_kernel *k = a->of->kernel;
    void *plan = reel_zalloc_(k->plan_size);
    if (!plan) return REEL_ENOMEM;
    const int rc = k->prepare(&own, plan, workspace);
    if (rc)
        reel_free_(plan, k->plan_size);
    else
        a->product = plan;
    return rc;
}

static int prepare_group(const reel_ksig *sig, const reel_after *f, after *a)
{
    reel_kview in[REEL_FUSED_IN + REEL_FUSED_NUMBERS];
    const int n = f->f->n_in + f->f->n_numbers;
    for (int k = 0, from = f->n_in; k < n; k++) in[k] = k == f->input ? sig->out[f->over] : sig->in[from++];
    const reel_ksig own = {.attr = f->f, .n_in = n, .n_out = sig->n_out, .in = in, .out = sig->out};
    return reel_fused_new_(&own, &a->group);
}

static int prepare(const reel_ksig *sig, void *plan, size_t *workspace)
{
    const reel_after *f = sig->attr;
    after *a = plan;
    a->of = teller_of(f->op);
    a->n_in = f->n_in;
    a->input = f->input;
    a->over = f->over;
    a->n_inputs = f->f->n_in + f->f->n_numbers;
    a->n_outputs = sig->n_out;
    int rc = prepare_product(sig, f, a, workspace);
    if (!rc) rc = prepare_group(sig, f, a);
    if (rc) drop(a);
    return rc;
}

void reel_after_use_(void *plan, reel_group_fn *fn)
{
    reel_fused_use_(((after *)plan)->group, fn);
}

static void block_done(void *arg, int64_t first, int64_t rows, int64_t cols, int64_t apart)
{
    const job *j = arg;
    if (cols == apart) {
        reel_fused_range_(j->a->group, j->ptr, first, first + rows * cols);
        return;
    }
    for (int64_t r = 0; r < rows; r++, first += apart) reel_fused_range_(j->a->group, j->ptr, first, first + cols);
}

static int run(const void *plan, void *const *ptr, void *work)
{
    const after *a = plan;
    job j = {.a = a};
    void *const *out = ptr + a->n_in + a->n_inputs - 1;
    for (int k = 0, from = a->n_in; k < a->n_inputs; k++) j.ptr[k] = k == a->input ? out[a->over] : ptr[from++];
    memcpy(j.ptr + a->n_inputs, out, (size_t)a->n_outputs * sizeof *out);
    void *product[REEL_MAX_IN];
    memcpy(product, ptr, (size_t)a->n_in * sizeof *ptr);
    product[a->n_in] = out[a->over];
    const reel_block_done done = {block_done, &j};
    return a->of->run(a->product, product, work, &done);
}

/* The product's; what is done to its blocks has nothing to choose. */
static const char *name(const void *plan)
{
    const after *a = plan;
    return a->of->kernel->name(a->product);
}
const reel_kernel reel_k_after_ = {
    .plan_size = sizeof(after), .prepare = prepare, .run = run, .drop = drop, .name = name};
