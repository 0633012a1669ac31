/* op.c: the registry of ops, and the dtype rules that every op shares; its own shape rule comes after them. */
#include "op.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "alloc.h"
#include "context.h"
#include "error.h"
#include "tensor.h"

enum { MAX_CUSTOM = 4096 };

/* Rows are set once at start. Custom ops are only ever added, under the lock; a reader sees an entry
   once the count that covers it is published. */
static const reel_op *rows;
static int n_rows;
static const reel_op *custom[MAX_CUSTOM];
static _Atomic int n_custom;
static pthread_mutex_t custom_lock = PTHREAD_MUTEX_INITIALIZER;

void reel_ops_install_(const reel_op *table, int n)
{
    rows = table;
    n_rows = n;
}

int reel_op_total_(void)
{
    return n_rows + atomic_load_explicit(&n_custom, memory_order_acquire);
}

const reel_op *reel_op_at_(int id)
{
    if (id < 0 || id >= reel_op_total_()) return NULL;
    return id < n_rows ? &rows[id] : custom[id - n_rows];
}

static const reel_op *find_custom(const char *name, int n)
{
    for (int i = 0; i < n; i++)
        if (strcmp(custom[i]->name, name) == 0) return custom[i];
    return NULL;
}

/* A user's op comes before a built-in one of its name: a later version that brings the name must not break a program. */
const reel_op *reel_op_find(const char *name)
{
    if (!name) return NULL;
    const reel_op *op = find_custom(name, atomic_load_explicit(&n_custom, memory_order_acquire));
    for (int i = 0; !op && i < n_rows; i++)
        if (strcmp(rows[i].name, name) == 0) op = &rows[i];
    return op;
}

const reel_op *reel_op_add_(const char *site, const reel_op *op)
{
    (void)reel_ctx_(); /* see reel_op_find */
    const size_t name_size = strlen(op->name) + 1;
    reel_op *own = NULL; /* made only when there is a place for it: it is never freed */

    pthread_mutex_lock(&custom_lock);
    const int n = atomic_load_explicit(&n_custom, memory_order_relaxed);
    const bool taken = find_custom(op->name, n) != NULL;
    if (!taken && n < MAX_CUSTOM) own = reel_alloc_forever_(sizeof *own + name_size, _Alignof(max_align_t));
    if (own) {
        char *name = (char *)(own + 1);
        memcpy(name, op->name, name_size);
        *own = *op;
        own->name = name;
        own->def.name = name;
        own->id = n_rows + n;
        custom[n] = own;
        atomic_store_explicit(&n_custom, n + 1, memory_order_release);
    }
    pthread_mutex_unlock(&custom_lock);

    if (taken)
        return reel_fail_at_(site, REEL_EARG, "reel_op_register: there is an op \"%s\" of your own already", op->name),
               NULL;
    if (n >= MAX_CUSTOM)
        return reel_fail_at_(site, REEL_EARG, "reel_op_register: more than %d ops of your own", MAX_CUSTOM), NULL;
    return own;
}

char *reel_arg_name_(const reel_op *op, int i, char buf[REEL_ARG_TEXT])
{
    const char *name = op->args;
    int at = 0;
    for (const char *comma; at < i && name && (comma = strchr(name, ',')) != NULL; at++) name = comma + 1;
    const int length = name ? (int)strcspn(name, ",") : 0;
    const bool last = !name || name[length] == 0;
    if (length == 0)
        snprintf(buf, REEL_ARG_TEXT, "in[%d]", i);
    else if (op->n_in < 0 && last)
        snprintf(buf, REEL_ARG_TEXT, "%.*s[%d]", length < 40 ? length : 40, name, i - at);
    else
        snprintf(buf, REEL_ARG_TEXT, "%.*s", length < 40 ? length : 40, name);
    return buf;
}

/* ---- weak numbers ------------------------------------------------------------------------------------ */
bool reel_num_fits_(double value, reel_dtype d)
{
    uint64_t scratch;
    return reel_store_number_(&scratch, d, value);
}

void reel_num_fill_(struct reel_rec *r, double value)
{
    r->flags |= REEL_R_NUM;
    if (!r->data) return;
    memset(r->data, 0, 32);
    for (int d = 1; d < REEL_N_DTYPES; d++)
        (void)reel_store_number_(r->data + reel_num_offset_((reel_dtype)d), (reel_dtype)d, value);
}

reel_dtype reel_widened_(reel_dtype d)
{
    return reel_ctx_()->widen && reel_is_float_(d) ? REEL_F64 : d;
}

/* ---- dtype rules ------------------------------------------------------------------------------------- */
static bool unified(const reel_op *op, int i)
{
    return (op->unify >> (i < 15 ? i : 15)) & 1u;
}

static REEL_COLD int fail_count(const reel_op *op, const char *what, int n, int want)
{
    if (want >= 0) return reel_fail(REEL_EARG, "%d %ss given, it takes %d", n, what, want);
    return reel_fail(REEL_EARG, "%d %ss given, it takes 1 to %d", n, what, op->n_in < 0 ? REEL_MAX_IN : REEL_MAX_OUT);
}

static REEL_COLD int fail_mask(const reel_op *op, int i, reel_dtype d)
{
    char name[REEL_ARG_TEXT], allowed[64] = "";
    size_t n = 0;
    for (int k = 1; k < REEL_N_DTYPES; k++)
        if (op->dtypes & REEL_BIT(k))
            n += (size_t)snprintf(allowed + n, sizeof allowed - n, " %s", reel_dtype_name((reel_dtype)k));
    return reel_fail(REEL_EDTYPE, "%s is %s, allowed:%s", reel_arg_name_(op, i, name), reel_dtype_name(d), allowed);
}

static REEL_COLD int fail_differ(reel_dtype a, reel_dtype b)
{
    return reel_fail(REEL_EDTYPE, "dtypes differ: %s and %s (reel_cast converts)", reel_dtype_name(a),
                     reel_dtype_name(b));
}

/* The dtype that the inputs of the unify mask share: that of the strong ones, or the default for numbers alone. */
static int common_dtype(const reel_op *op, const reel_type *const *in, const bool *weak, int n_in, reel_dtype *common)
{
    int first = -1;
    *common = (reel_dtype)0;
    for (int i = 0; i < n_in; i++) {
        if (!unified(op, i)) continue;
        if (first < 0) first = i;
        if (weak && weak[i]) continue;
        const reel_dtype d = in[i]->dtype;
        if (*common == 0) {
            *common = d;
            first = i;
        } else if (d != *common) {
            return fail_differ(*common, d);
        }
    }
    if (first < 0) return 0;
    if (*common == 0) *common = reel_widened_(REEL_F32);
    if (REEL_UNLIKELY(!(op->dtypes & REEL_BIT(*common)))) return fail_mask(op, first, *common);
    return 0;
}

int reel_infer_(const reel_op *op, const void *attr, const reel_type *const *in, const bool *weak, int n_in,
                reel_dtype *in_dtype, reel_type *out, int n_out)
{
    const reel_type *resolved[REEL_MAX_IN];
    reel_type numbers[REEL_MAX_IN]; /* touched only for weak inputs, which are few */
    reel_dtype common;
    bool any_weak = false;

    if (REEL_UNLIKELY(op->n_in >= 0 ? n_in != op->n_in : n_in < 1 || n_in > REEL_MAX_IN))
        return fail_count(op, "input", n_in, op->n_in);
    if (REEL_UNLIKELY(op->n_out >= 0 ? n_out != op->n_out : n_out < 1 || n_out > REEL_MAX_OUT))
        return fail_count(op, "output", n_out, op->n_out);
    const int code = common_dtype(op, in, weak, n_in, &common);
    if (REEL_UNLIKELY(code)) return code;
    for (int i = 0; i < n_in; i++) {
        const bool w = weak && weak[i];
        in_dtype[i] = !w ? in[i]->dtype : unified(op, i) ? common : reel_widened_(REEL_F32);
        resolved[i] = in[i];
        if (REEL_UNLIKELY(w && in_dtype[i] != in[i]->dtype)) {
            numbers[i] = *in[i];
            numbers[i].dtype = in_dtype[i];
            resolved[i] = &numbers[i];
            any_weak = true;
        }
    }
    const reel_infer io = {op, attr, n_in, n_out, any_weak ? (const reel_type *const *)resolved : in, out};
    return op->infer(&io);
}
