/* test_elementwise.c: the elementwise kernels, called through prepare and run as the eager mode calls them: every op and
   dtype against plain scalar C; every layout, position and ISA level giving the same bits. */
#include "kernels/elementwise.h"
#include <math.h>
#include <stdlib.h>
#include "core/dtype.h"
#include "core/shape.h"
#include "kernels/kernels.h"
#include "kernels/vmath.h"
#include "ops/attrs.h"
#include "tap.h"

static uint64_t state = 0x9e3779b97f4a7c15u;
static uint64_t next(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

/* ---- calling a kernel --------------------------------------------------------------------------------- */
typedef struct view {
    reel_dtype dtype;
    int rank;
    int64_t dims[REEL_MAX_RANK], strides[REEL_MAX_RANK];
    void *data;
} view;

static view dense(reel_dtype d, void *data, int rank, const int64_t *dims)
{
    view v = {.dtype = d, .rank = rank, .data = data};
    int64_t s = 1;
    for (int i = rank; i-- > 0;) {
        v.dims[i] = dims[i];
        v.strides[i] = s;
        s *= dims[i];
    }
    return v;
}
static view vector(reel_dtype d, void *data, int64_t n)
{
    return dense(d, data, 1, &n);
}

/* views: inputs, then outputs */
static int call(const reel_kernel *k, int op, const void *attr, int n_in, int n_out, const view *v)
{
    reel_kview kv[9];
    void *ptr[9];
    for (int i = 0; i < n_in + n_out; i++) {
        kv[i] = (reel_kview){v[i].dtype, v[i].rank, v[i].dims, v[i].strides, v[i].data};
        ptr[i] = v[i].data;
    }
    const reel_ksig sig = {
        .op = &reel_rows_[op], .attr = attr, .n_in = n_in, .n_out = n_out, .in = kv, .out = kv + n_in};
    _Alignas(64) char plan[REEL_PLAN_STACK];
    size_t workspace = 0;
    int code = k->prepare(&sig, plan, &workspace);
    void *work = workspace ? malloc(workspace) : NULL;
    code = code ? code : k->run(plan, ptr, work);
    free(work);
    return code;
}

/* ---- scalar references --------------------------------------------------------------------------------- */
static int op_inputs(int op)
{
    return reel_rows_[op].n_in;
}
/* the attributes of ops that have some; good for all of them */
static const reel_attr_scalars scalars = {{1, 3, 2, 4}};
static const void *attr_of(int op)
{
    return reel_rows_[op].attr_size ? &scalars : NULL;
}
static reel_dtype result_of(int op, reel_dtype d)
{
    const reel_type t = {.dtype = d}, *in[3] = {&t, &t, &t};
    reel_type out = t;
    const reel_infer io = {&reel_rows_[op], attr_of(op), op_inputs(op), 1, in, &out};
    (void)reel_rows_[op].infer(&io);
    return out.dtype;
}
static reel_inner_fn *loop_of(int op, reel_dtype d, int level)
{
    const reel_ew_row *row = reel_ew_row_(op, level);
    return row ? row->loop[d] : NULL;
}

#define REFERENCE(T, name, SQRT, FABS)                                                       \
    static T name(int op, T x, T y)                                                          \
    {                                                                                        \
        const double d = (double)x, e = (double)y;                                           \
        switch (op) {                                                                        \
        case REEL_OP_neg: return -x;                                                         \
        case REEL_OP_exp: return (T)exp(d);                                                  \
        case REEL_OP_log: return (T)log(d);                                                  \
        case REEL_OP_sqrt: return SQRT(x);                                                   \
        case REEL_OP_rsqrt: return 1 / SQRT(x);                                              \
        case REEL_OP_tanh: return (T)tanh(d);                                                \
        case REEL_OP_sigmoid: return (T)(d < 0 ? exp(d) / (1 + exp(d)) : 1 / (1 + exp(-d))); \
        case REEL_OP_softplus: return (T)((d < 0 ? 0 : d) + log1p(exp(-fabs(d))));           \
        case REEL_OP_relu: return isnan(x) || x > 0 ? x : 0;                                 \
        case REEL_OP_abs: return FABS(x);                                                    \
        case REEL_OP_sign: return isnan(x) ? x : (T)((x > 0) - (x < 0));                     \
        case REEL_OP_square: return x * x;                                                   \
        case REEL_OP_add: return x + y;                                                      \
        case REEL_OP_sub: return x - y;                                                      \
        case REEL_OP_mul: return x * y;                                                      \
        case REEL_OP_div: return x / y;                                                      \
        case REEL_OP_pow: return (T)pow(d, e);                                               \
        case REEL_OP_maximum: return isnan(x) ? x : isnan(y) ? y : x > y ? x : y;            \
        case REEL_OP_minimum: return isnan(x) ? x : isnan(y) ? y : x < y ? x : y;            \
        case REEL_OP_equal: return x == y;                                                   \
        case REEL_OP_not_equal: return x != y;                                               \
        case REEL_OP_less: return x < y;                                                     \
        case REEL_OP_less_equal: return x <= y;                                              \
        case REEL_OP_greater: return x > y;                                                  \
        case REEL_OP_greater_equal: return x >= y;                                           \
        case REEL_OP_relu_grad: return x > 0 ? y : 0;                                        \
        case REEL_OP_tanh_grad: return y * ((1 - x) * (1 + x));                              \
        case REEL_OP_sigmoid_grad: return y * (x * (1 - x));                                 \
        default: return 12345;                                                               \
        }                                                                                    \
    }
REFERENCE(float, reference_f32, sqrtf, fabsf)
REFERENCE(double, reference_f64, sqrt, fabs)

static int64_t power(uint64_t x, uint64_t y)
{
    uint64_t r = 1;
    for (int bit = 63; bit >= 0; bit--) {
        r *= r;
        r *= y >> bit & 1 ? x : 1;
    }
    return (int64_t)r;
}
/* wrapped to the dtype by the caller */
static int64_t reference_int(int op, int64_t x, int64_t y)
{
    const uint64_t u = (uint64_t)x, v = (uint64_t)y;
    switch (op) {
    case REEL_OP_neg: return (int64_t)(0 - u);
    case REEL_OP_relu: return x > 0 ? x : 0;
    case REEL_OP_abs: return x < 0 ? (int64_t)(0 - u) : x;
    case REEL_OP_sign: return (x > 0) - (x < 0);
    case REEL_OP_square: return (int64_t)(u * u);
    case REEL_OP_add: return (int64_t)(u + v);
    case REEL_OP_sub: return (int64_t)(u - v);
    case REEL_OP_mul: return (int64_t)(u * v);
    case REEL_OP_div: return y == 0 ? 0 : y == -1 ? (int64_t)(0 - u) : x / y;
    case REEL_OP_maximum: return x > y ? x : y;
    case REEL_OP_minimum: return x < y ? x : y;
    case REEL_OP_equal: return x == y;
    case REEL_OP_not_equal: return x != y;
    case REEL_OP_less: return x < y;
    case REEL_OP_less_equal: return x <= y;
    case REEL_OP_greater: return x > y;
    case REEL_OP_greater_equal: return x >= y;
    case REEL_OP_relu_grad: return x > 0 ? y : 0;
    case REEL_OP_pow: return y < 0 ? (x == 1 ? 1 : x == -1 ? (y % 2 ? -1 : 1) : 0) : power(u, v);
    default: return 12345;
    }
}
/* Ops with a reference here (the sweep has one for all), and those whose reference is only near: in ulp of the dtype. */
static bool is_referenced(int op)
{
    return reference_f64(op, 2, 3) != 12345;
}
static bool is_near(int op)
{
    return op == REEL_OP_exp || op == REEL_OP_log || op == REEL_OP_tanh || op == REEL_OP_sigmoid ||
           op == REEL_OP_softplus || op == REEL_OP_pow;
}

/* ---- data: ordinary numbers, then special ones -------------------------------------------------------------- */
enum { N = 1000, SPECIAL = 14 };
static _Alignas(64) char a_data[N * 8], b_data[N * 8], c_data[N * 8], got[N * 8], want[N * 8], other[N * 8];

static void fill(void *to, reel_dtype d)
{
    static const double special[SPECIAL] = {0,     -0.0,    1,     -1,   INFINITY, -INFINITY, NAN,
                                            1e-40, -1e-310, 65504, 88.7, -104,     3e38,      0.5};
    static const int64_t corner[] = {0,         1,         -1,        INT8_MIN, INT8_MAX, UINT8_MAX, INT32_MIN,
                                     INT32_MAX, INT64_MIN, INT64_MAX, 2,        -2,       3,         46341};
    for (int i = 0; i < N; i++) {
        const size_t at = (size_t)i * reel_size_(d);
        const uint64_t r = next();
        if (d == REEL_BOOL) {
            ((uint8_t *)to)[i] = r & 1;
        } else if (reel_is_int_(d)) {
            const int64_t v = r % 4 == 0 ? corner[(r >> 8) % SPECIAL] : (int64_t)next() >> (r >> 8) % 60;
            reel_convert_((char *)to + at, d, 1, &v, REEL_I64, 1, 1);
        } else {
            const double v =
                r % 6 == 0 ? special[(r >> 8) % SPECIAL] : ((double)(r >> 11) * 0x1p-53 - 0.4) * (r % 3 ? 4 : 60);
            reel_convert_((char *)to + at, d, 1, &v, REEL_F64, 1, 1);
        }
    }
}

static bool same_bits(const void *x, const void *y, reel_dtype d, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        const char *p = (const char *)x + (size_t)i * reel_size_(d), *q = (const char *)y + (size_t)i * reel_size_(d);
        if (memcmp(p, q, reel_size_(d)) != 0 &&
            !(reel_is_float_(d) && isnan(reel_load_number_(p, d)) && isnan(reel_load_number_(q, d)))) {
            tap_note("element %lld of %lld: %.17g and %.17g", (long long)i, (long long)n, reel_load_number_(p, d),
                     reel_load_number_(q, d));
            return false;
        }
    }
    return true;
}
/* At most that many floats of dtype d apart: bits as ordered integers. */
static bool within(const void *x, const void *y, reel_dtype d, int64_t ulp)
{
    int64_t k[2];
    const void *p[2] = {x, y};
    for (int i = 0; i < 2; i++) {
        uint64_t u = 0;
        memcpy(&u, p[i], reel_size_(d));
        const uint64_t sign = (uint64_t)1 << (8 * reel_size_(d) - 1);
        k[i] = u & sign ? -(int64_t)(u & (sign - 1)) : (int64_t)u;
    }
    const double f = reel_load_number_(x, d), g = reel_load_number_(y, d);
    return (isnan(f) && isnan(g)) || (!isnan(f) && !isnan(g) && k[0] - k[1] <= ulp && k[1] - k[0] <= ulp);
}

static bool element_right(int op, reel_dtype d, reel_dtype out, int64_t i)
{
    const size_t size = reel_size_(d), at = (size_t)i * size;
    const void *g = got + (size_t)i * reel_size_(out);
    unsigned char expect[8] = {0};
    if (d == REEL_F64) {
        double x, y;
        memcpy(&x, a_data + at, 8);
        memcpy(&y, b_data + at, 8);
        const double r = reference_f64(op, x, y);
        reel_convert_(expect, out, 1, &r, REEL_F64, 1, 1);
    } else if (reel_is_float_(d)) {
        const float r =
            reference_f32(op, (float)reel_load_number_(a_data + at, d), (float)reel_load_number_(b_data + at, d));
        reel_convert_(expect, out, 1, &r, REEL_F32, 1, 1);
    } else {
        int64_t x, y;
        reel_convert_(&x, REEL_I64, 1, a_data + at, d, 1, 1);
        reel_convert_(&y, REEL_I64, 1, b_data + at, d, 1, 1);
        const int64_t r = reference_int(op, x, y);
        reel_convert_(expect, out, 1, &r, REEL_I64, 1, 1);
    }
    const bool right = is_near(op) ? within(g, expect, out, reel_size_(d) == 2 ? 1 : 3) : same_bits(g, expect, out, 1);
    if (!right) {
        tap_note("%s of %s: %.17g and %.17g give %.17g, not %.17g", reel_rows_[op].name, reel_dtype_name(d),
                 reel_load_number_(a_data + at, d), reel_load_number_(b_data + at, d), reel_load_number_(g, out),
                 reel_load_number_(expect, out));
    }
    return right;
}

#define EACH_LOOP(op, d)                                                          \
    for (int op = 0; op < REEL_N_OPS; op++)                                       \
        for (reel_dtype d = REEL_F32; d < REEL_N_DTYPES; d = (reel_dtype)(d + 1)) \
            if (loop_of(op, d, 0))

static void test_values(void)
{
    EACH_LOOP(op, d)
    {
        if (!is_referenced(op)) {
            continue;
        }
        const reel_dtype out = result_of(op, d);
        fill(a_data, d);
        fill(b_data, d);
        const view v[3] = {vector(d, a_data, N), op_inputs(op) == 2 ? vector(d, b_data, N) : vector(out, got, N),
                           vector(out, got, N)};
        bool ok = call(&reel_k_elementwise_, op, NULL, op_inputs(op), 1, v) == 0;
        for (int i = 0; i < N && ok; i++) {
            ok = element_right(op, d, out, i);
        }
        TAP_OK(ok, "%s of %s against scalar C", reel_rows_[op].name, reel_dtype_name(d));
    }
}

/* The rows of ops.def and the loops name the same dtypes. */
static void test_rows(void)
{
    for (int op = 0; op < REEL_N_OPS; op++) {
        const reel_ew_row *row = reel_ew_row_(op, 0);
        unsigned mask = 0;
        for (int d = REEL_F32; row && d < REEL_N_DTYPES; d++) {
            mask |= row->loop[d] ? REEL_BIT(d) : 0;
        }
        if (row) {
            TAP_OK(mask == reel_rows_[op].dtypes, "%s has loops for its dtypes", reel_rows_[op].name);
        }
    }
}

/* ---- levels and positions ----------------------------------------------------------------------------------- */
static int levels(void)
{
#ifdef REEL_HAVE_LEVELS
    return REEL_CPU_X86_64_V4 ? 3 : REEL_CPU_X86_64_V3 ? 2 : 1;
#else
    return 1;
#endif
}

static void test_levels(void)
{
    tap_note("%d ISA levels on this machine", levels());
    EACH_LOOP(op, d)
    {
        const reel_dtype out = result_of(op, d);
        const int n_in = op_inputs(op), n_steps = reel_ew_row_(op, 0)->spread ? 4 : 1;
        const size_t size = reel_size_(d), out_size = reel_size_(out);
        static const uint8_t steps[4][3] = {{1, 1, 1}, {1, 0, 1}, {0, 1, 1}, {0, 0, 1}};
        bool ok = true;
        fill(a_data, d);
        fill(b_data, d);
        fill(c_data, d);
        for (int s = 0; s < n_steps; s++) {
            for (int64_t i = 0; i < N; i++) { /* one by one at the base level: what everything else must give */
                void *ptr[4] = {a_data + (steps[s][0] ? (size_t)i * size : 0),
                                b_data + (steps[s][1] ? (size_t)i * size : 0), c_data + (size_t)i * size};
                ptr[n_in] = want + (size_t)i * out_size;
                loop_of(op, d, 0)(ptr, steps[0], 1, &scalars);
            }
            for (int l = 0; l < levels(); l++) {
                for (int64_t first = 0; first < 20; first += 7) {
                    void *ptr[4] = {a_data + (steps[s][0] ? (size_t)first * size : 0),
                                    b_data + (steps[s][1] ? (size_t)first * size : 0), c_data + (size_t)first * size};
                    ptr[n_in] = got;
                    loop_of(op, d, l)(ptr, steps[s], N - first, &scalars);
                    ok = ok && same_bits(got, want + (size_t)first * out_size, out, N - first);
                }
            }
        }
        TAP_OK(ok, "%s of %s: the same bits at every level, position and step", reel_rows_[op].name,
               reel_dtype_name(d));
    }
}

/* ---- layouts ------------------------------------------------------------------------------------------------- */
/* A view of rank 3 with dims [5, 7, c] of each kind; the reference is the same kernel on a packed copy. */
static view layout(int kind, reel_dtype d, void *data, int64_t c)
{
    const int64_t dims[3] = {5, 7, c};
    view v = dense(d, data, 3, dims);
    char *base = data;
    const int64_t size = (int64_t)reel_size_(d);
    switch (kind) {
    case 0: break;
    case 1: v = (view){d, 3, {5, 7, c}, {1, 5, 35}, data}; break; /* transposed */
    case 2: v = (view){d, 0, {0}, {0}, data}; break;              /* scalar */
    case 3: v = (view){d, 1, {c}, {1}, data}; break;              /* row */
    case 4: v = (view){d, 3, {5, 7, 1}, {7, 1, 1}, data}; break;  /* column */
    case 5: v = (view){d, 3, {5, 1, c}, {c, 1, 1}, data}; break;  /* middle axis broadcast */
    case 6: v = (view){d, 3, {5, 7, c}, {-7 * c, -c, -1}, base + (35 * c - 1) * size}; break; /* backwards */
    case 7: v = (view){d, 3, {5, 7, c}, {0, 0, 2}, data}; break;                /* every second, rows expanded */
    case 8: v = (view){d, 3, {5, 7, c}, {0, 0, 0}, data}; break;                /* one element, expanded */
    case 9: v = (view){d, 2, {7, c}, {c, 1}, data}; break;                      /* leading axis missing */
    default: v = (view){d, 3, {5, 7, c}, {7 * (c + 1), c + 1, 1}, data}; break; /* padded rows */
    }
    return v;
}
enum { LAYOUTS = 11 };

static void expand(void *to, const view *v, int64_t c)
{
    const int64_t dims[3] = {5, 7, c};
    int64_t n = 0;
    for (int64_t i = 0; i < 5; i++) {
        for (int64_t j = 0; j < 7; j++) {
            for (int64_t k = 0; k < c; k++, n++) {
                const int64_t index[3] = {i, j, k};
                int64_t at = 0;
                for (int e = 0; e < v->rank; e++) {
                    const int dim = 3 - v->rank + e;
                    at += v->dims[e] == 1 && dims[dim] != 1 ? 0 : index[dim] * v->strides[e];
                }
                memcpy((char *)to + (size_t)n * reel_size_(v->dtype),
                       (char *)v->data + at * (int64_t)reel_size_(v->dtype), reel_size_(v->dtype));
            }
        }
    }
}

static void test_layouts(void)
{
    static const int ops[] = {REEL_OP_sub, REEL_OP_less, REEL_OP_pow, REEL_OP_exp};
    static const reel_dtype dtypes[] = {REEL_F32, REEL_F64, REEL_BF16, REEL_U8};
    static const int64_t columns[] = {1, 3, 24, 300};
    static _Alignas(64) char x[2 * 35 * 301 * 8], y[2 * 35 * 301 * 8], px[35 * 300 * 8], py[35 * 300 * 8],
        r1[35 * 300 * 8], r2[35 * 300 * 8];
    for (size_t i = 0; i + N * 8 <= sizeof x; i += N * 8) { /* finite in every dtype */
        for (size_t k = 0; k < N * 8; k++) {
            x[i + k] = (char)(next() & 0x3f);
            y[i + k] = (char)(next() & 0x3f);
        }
    }
    for (int o = 0; o < 4; o++) {
        for (int t = 0; t < 4; t++) {
            const int op = ops[o];
            const reel_dtype d = dtypes[t], out = result_of(op, d);
            if (!loop_of(op, d, 0)) {
                continue;
            }
            bool ok = true;
            for (int kind = 0; kind < LAYOUTS * LAYOUTS * 4; kind++) {
                const int64_t c = columns[kind % 4], dims[3] = {5, 7, c};
                const int n_in = op_inputs(op);
                const view vx = layout(kind / 4 % LAYOUTS, d, x, c), vy = layout(kind / 4 / LAYOUTS, d, y, c);
                expand(px, &vx, c);
                expand(py, &vy, c);
                view v[3] = {vx, vy}, p[3] = {dense(d, px, 3, dims), dense(d, py, 3, dims)};
                v[n_in] = dense(out, r1, 3, dims);
                p[n_in] = dense(out, r2, 3, dims);
                memset(r1, 0xee, sizeof r1);
                call(&reel_k_elementwise_, op, NULL, n_in, 1, v);
                call(&reel_k_elementwise_, op, NULL, n_in, 1, p);
                const bool same = same_bits(r1, r2, out, 35 * c);
                const unsigned char after = (unsigned char)r1[(size_t)(35 * c) * reel_size_(out) % sizeof r1];
                const bool kept = (size_t)(35 * c) * reel_size_(out) >= sizeof r1 || after == 0xee;
                if (!same || !kept) {
                    tap_note("layouts %d and %d, %d columns", kind / 4 % LAYOUTS, kind / 4 / LAYOUTS, (int)c);
                }
                ok = ok && same && kept;
            }
            TAP_OK(ok, "%s of %s: every layout like its dense copy", reel_rows_[op].name, reel_dtype_name(d));
        }
    }
}

static void test_in_place(void)
{
    for (int op = 0; op < REEL_N_OPS; op++) {
        if (!loop_of(op, REEL_F32, 0) || result_of(op, REEL_F32) != REEL_F32) {
            continue;
        }
        const int n_in = op_inputs(op);
        bool ok = true;
        fill(a_data, REEL_F32);
        fill(b_data, REEL_F32);
        fill(c_data, REEL_F32);
        for (int which = 0; which < n_in; which++) {
            char *const data[3] = {a_data, b_data, c_data};
            view v[4] = {vector(REEL_F32, a_data, N), vector(REEL_F32, b_data, N), vector(REEL_F32, c_data, N)};
            v[n_in] = vector(REEL_F32, want, N);
            call(&reel_k_elementwise_, op, attr_of(op), n_in, 1, v);
            memcpy(got, data[which], sizeof got);
            v[which].data = got;
            v[n_in].data = got;
            call(&reel_k_elementwise_, op, attr_of(op), n_in, 1, v);
            ok = ok && same_bits(got, want, REEL_F32, N);
        }
        TAP_OK(ok, "%s in place", reel_rows_[op].name);
    }
}

/* Beyond the grain: several threads, flat and strided. */
static void test_large(void)
{
    enum { ROWS = 700, COLS = 401 };
    float *x = malloc(sizeof(float) * ROWS * COLS), *y = malloc(sizeof(float) * ROWS * COLS),
          *z = malloc(sizeof(float) * ROWS * COLS);
    for (int i = 0; i < ROWS * COLS; i++) {
        x[i] = (float)(i % 977) * 0.25f;
    }
    const int64_t dims[2] = {ROWS, COLS}, turned[2] = {COLS, ROWS};
    const view flat[2] = {dense(REEL_F32, x, 2, dims), dense(REEL_F32, y, 2, dims)};
    const view row[3] = {flat[0], {REEL_F32, 1, {COLS}, {1}, x}, flat[1]};
    const view across[3] = {
        {REEL_F32, 2, {COLS, ROWS}, {1, COLS}, x}, {REEL_F32, 2, {COLS, 1}, {1, 1}, x}, dense(REEL_F32, z, 2, turned)};
    call(&reel_k_elementwise_, REEL_OP_neg, NULL, 1, 1, flat);
    int bad = 0;
    for (int i = 0; i < ROWS * COLS; i++) {
        bad += y[i] != -x[i];
    }
    TAP_OK(bad == 0, "large and flat");
    call(&reel_k_elementwise_, REEL_OP_add, NULL, 2, 1, row);
    call(&reel_k_elementwise_, REEL_OP_add, NULL, 2, 1, across);
    for (int i = 0; i < ROWS; i++) {
        for (int j = 0; j < COLS; j++) {
            bad += y[i * COLS + j] != x[i * COLS + j] + x[j];
            bad += z[j * ROWS + i] != x[i * COLS + j] + x[j];
        }
    }
    TAP_OK(bad == 0, "large with a broadcast row, and transposed with a column: %d wrong", bad);
    free(x);
    free(y);
    free(z);
}

/* ---- cast, where, optimizer steps ------------------------------------------------------------------------------ */
static void test_cast(void)
{
    for (reel_dtype from = REEL_F32; from < REEL_N_DTYPES; from = (reel_dtype)(from + 1)) {
        for (reel_dtype to = REEL_F32; to < REEL_N_DTYPES; to = (reel_dtype)(to + 1)) {
            fill(a_data, from);
            const reel_attr_cast attr = {.dtype = to};
            view v[2] = {vector(from, a_data, N), vector(to, got, N)};
            bool ok = call(&reel_k_cast_, REEL_OP_cast, &attr, 1, 1, v) == 0;
            reel_convert_(want, to, 1, a_data, from, 1, N);
            ok = ok && same_bits(got, want, to, N);
            v[0] = (view){from, 1, {N}, {0}, a_data}; /* one element expanded */
            call(&reel_k_cast_, REEL_OP_cast, &attr, 1, 1, v);
            reel_convert_(want, to, 1, a_data, from, 0, N);
            TAP_OK(ok && same_bits(got, want, to, N), "cast %s to %s", reel_dtype_name(from), reel_dtype_name(to));
        }
    }
}

static void test_where(void)
{
    for (reel_dtype d = REEL_F32; d < REEL_N_DTYPES; d = (reel_dtype)(d + 1)) {
        fill(other, REEL_BOOL);
        fill(a_data, d);
        fill(b_data, d);
        const size_t size = reel_size_(d);
        bool ok = true;
        for (int scalar = 0; scalar < 8; scalar++) {
            const view v[4] = {scalar & 1 ? (view){REEL_BOOL, 0, {0}, {0}, other + 3} : vector(REEL_BOOL, other, N),
                               scalar & 2 ? (view){d, 0, {0}, {0}, a_data} : vector(d, a_data, N),
                               scalar & 4 ? (view){d, 0, {0}, {0}, b_data} : vector(d, b_data, N), vector(d, got, N)};
            call(&reel_k_where_, REEL_OP_where, NULL, 3, 1, v);
            for (size_t i = 0; i < N; i++) {
                const char *from = other[scalar & 1 ? 3 : i] ? a_data + (scalar & 2 ? 0 : i * size)
                                                             : b_data + (scalar & 4 ? 0 : i * size);
                ok = ok && memcmp(got + i * size, from, size) == 0;
            }
        }
        TAP_OK(ok, "where of %s", reel_dtype_name(d));
    }
}

static void test_updates(void)
{
    static float w[N], v[N], m[N], g[N], w1[N], v1[N], m1[N];
    const float lr = 0.1f, t = 3;
    for (int i = 0; i < N; i++) {
        w[i] = (float)(i % 17) - 8;
        v[i] = (float)(i % 5) * 0.5f;
        m[i] = (float)(i % 7) - 3;
        g[i] = (float)(i % 11) * 0.125f;
    }
    const reel_attr_update attr = {.momentum = 0.9, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .decay = 0.01};
    const view s[6] = {vector(REEL_F32, w, N),  vector(REEL_F32, v, N),
                       vector(REEL_F32, g, N),  {REEL_F32, 0, {0}, {0}, (void *)(uintptr_t)&lr},
                       vector(REEL_F32, w1, N), vector(REEL_F32, v1, N)};
    call(&reel_k_update_, REEL_OP_sgd_update, &attr, 4, 2, s);
    double worst = 0;
    for (int i = 0; i < N; i++) {
        const double vi = 0.9 * (double)v[i] + (double)g[i] + 0.01 * (double)w[i], wi = (double)w[i] - 0.1 * vi;
        worst = fmax(worst, fmax(fabs(vi - (double)v1[i]), fabs(wi - (double)w1[i])));
    }
    TAP_OK(worst < 1e-5, "sgd_update: %g", worst);
    const view a[9] = {vector(REEL_F32, w, N),
                       vector(REEL_F32, m, N),
                       vector(REEL_F32, v, N),
                       vector(REEL_F32, g, N),
                       {REEL_F32, 0, {0}, {0}, (void *)(uintptr_t)&lr},
                       {REEL_F32, 0, {0}, {0}, (void *)(uintptr_t)&t},
                       vector(REEL_F32, w1, N),
                       vector(REEL_F32, m1, N),
                       vector(REEL_F32, v1, N)};
    call(&reel_k_update_, REEL_OP_adam_update, &attr, 6, 3, a);
    worst = 0;
    for (int i = 0; i < N; i++) {
        const double gi = (double)g[i] + 0.01 * (double)w[i], mi = 0.9 * (double)m[i] + 0.1 * gi,
                     vi = 0.999 * (double)v[i] + 0.001 * gi * gi;
        const double c1 = 1 - pow(0.9, 3), c2 = 1 - pow(0.999, 3);
        const double wi = (double)w[i] - 0.1 * (mi / c1) / (sqrt(vi / c2) + 1e-8);
        worst = fmax(worst, fabs(mi - (double)m1[i]) + fabs(vi - (double)v1[i]));
        worst = fmax(worst, fabs(wi - (double)w1[i]) / fmax(1, fabs(wi)) * 0.1);
    }
    TAP_OK(worst < 1e-5, "adam_update: %g", worst);
}

TAP_MAIN(test_rows, test_values, test_levels, test_layouts, test_in_place, test_large, test_cast, test_where,
         test_updates)
