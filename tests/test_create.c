/* test_create.c: the kernels that make, copy and draw values, called through prepare and run. */
#include <math.h>
#include <stdlib.h>
#include "core/random.h"
#include "kernels/kernels.h"
#include "kernels/random.h"
#include "ops/attrs.h"
#include "ops/ids.h"
#include "reel/tensor.h"
#include "tap.h"

static int call(const reel_kernel *k, const reel_op *op, const void *attr, int n_in, int n_out, reel_kview *v)
{
    void *ptr[8];
    for (int i = 0; i < n_in + n_out; i++) {
        ptr[i] = v[i].data;
    }
    const reel_ksig sig = {.op = op, .attr = attr, .n_in = n_in, .n_out = n_out, .in = v, .out = v + n_in};
    size_t workspace = 0;
    void *plan = calloc(1, k->plan_size);
    int code = k->prepare(&sig, plan, &workspace);
    void *work = aligned_alloc(64, workspace / 64 * 64 + 64);
    code = code ? code : k->run(plan, ptr, work);
    if (k->drop) {
        k->drop(plan);
    }
    free(work);
    free(plan);
    return code;
}
static const reel_op *row(int id)
{
    return &reel_rows_[id];
}

static void test_fill(void)
{
    for (reel_dtype d = REEL_F32; d < REEL_N_DTYPES; d = (reel_dtype)(d + 1)) {
        unsigned char out[200 * 8], in[8] = {0};
        int64_t dims[1] = {200}, strides[1] = {1};
        reel_kview v[2] = {{d, 1, dims, strides, in}, {d, 1, dims, strides, out}};
        const double value = d == REEL_BOOL ? 1 : 3;
        const reel_attr_full full = {.type = {.dtype = d}, .value = value};
        const reel_attr_num num = {.value = value};
        bool ok = call(&reel_k_full_, row(REEL_OP_full), &full, 0, 1, v + 1) == 0;
        for (size_t i = 0; i < 200; i++) {
            ok = ok && reel_load_number_(out + i * reel_size_(d), d) == value;
        }
        memset(out, 0xff, sizeof out);
        ok = ok && call(&reel_k_full_, row(REEL_OP_full_like), &num, 1, 1, v) == 0;
        ok = ok && reel_load_number_(out, d) == value && reel_load_number_(out + 199 * reel_size_(d), d) == value;
        reel_kview zero_d = {d, 0, dims, strides, out};
        ok = ok && call(&reel_k_num_, row(REEL_OP_num), &num, 0, 1, &zero_d) == 0 && reel_load_number_(out, d) == value;
        const reel_attr_num half = {.value = 0.5};
        const int code = call(&reel_k_num_, row(REEL_OP_num), &half, 0, 1, &zero_d);
        ok = ok && (code != 0) == !reel_is_float_(d);
        reel_take_error(NULL);
        TAP_OK(ok, "full, full_like and num of %s", reel_dtype_name(d));
    }
}

static void test_arange_eye(void)
{
    int64_t out[600], dims[2] = {600, 1}, strides[2] = {1, 1};
    reel_kview v = {REEL_I64, 1, dims, strides, out};
    const reel_attr_arange a = {.start = 5, .step = -3, .count = 600, .dtype = REEL_I64};
    bool ok = call(&reel_k_arange_, row(REEL_OP_arange), &a, 0, 1, &v) == 0;
    for (int i = 0; i < 600; i++) {
        ok = ok && out[i] == 5 - 3 * i;
    }
    TAP_OK(ok, "arange of i64");
    float f[600];
    v = (reel_kview){REEL_F32, 1, dims, strides, f};
    const reel_attr_arange b = {.start = 0.1, .step = 0.1, .count = 600, .dtype = REEL_F32};
    ok = call(&reel_k_arange_, row(REEL_OP_arange), &b, 0, 1, &v) == 0;
    for (int i = 0; i < 600; i++) {
        ok = ok && f[i] == (float)(0.1 + i * 0.1);
    }
    TAP_OK(ok, "arange of f32 rounds once from double");
    dims[0] = 5;
    dims[1] = 3;
    v = (reel_kview){REEL_F32, 2, dims, strides, f};
    const reel_attr_full main_diagonal = {.value = 0};
    ok = call(&reel_k_eye_, row(REEL_OP_eye), &main_diagonal, 0, 1, &v) == 0;
    for (int i = 0; i < 15; i++) {
        ok = ok && f[i] == (float)(i / 3 == i % 3);
    }
    TAP_OK(ok, "eye");
}

static void test_one_hot_count(void)
{
    int32_t labels[6] = {2, 9, 0, 9, -1, 9};
    float out[9] = {7};
    int64_t dims[2] = {3, 3}, strides[2] = {3, 1}, every_second[1] = {2};
    reel_kview v[2] = {{REEL_I32, 1, dims, every_second, labels}, {REEL_F32, 2, dims, strides, out}};
    static const float want[9] = {0, 0, 1, 1, 0, 0, 0, 0, 0};
    TAP_OK(call(&reel_k_one_hot_, row(REEL_OP_one_hot), NULL, 1, 1, v) == 0 && !memcmp(out, want, sizeof want),
           "one_hot of strided labels, one outside");
    int64_t shape[3] = {4, 5, 6}, steps[3] = {30, 6, 1};
    double n = 0;
    reel_kview c[2] = {{REEL_F64, 3, shape, steps, NULL}, {REEL_F64, 0, shape, steps, &n}};
    const reel_attr_reduce all = {.axes = {.n = 0}}, some = {.axes = {.n = 2, .axis = {0, -1}}};
    bool ok = call(&reel_k_count_, row(REEL_OP_count_like), &all, 1, 1, c) == 0 && n == 120;
    TAP_OK(ok && call(&reel_k_count_, row(REEL_OP_count_like), &some, 1, 1, c) == 0 && n == 24, "count_like");
}

/* ---- copies ---------------------------------------------------------------------------------------------- */
static void test_pack(void)
{
    static _Alignas(8) unsigned char src[90000 * 8], dst[90000 * 8];
    for (size_t i = 0; i < sizeof src; i++) {
        src[i] = (unsigned char)(i * 2654435761u >> 7);
    }
    static const reel_dtype dtypes[] = {REEL_U8, REEL_F16, REEL_F32, REEL_F64};
    static const struct {
        int rank;
        int64_t dims[4], strides[4], first;
    } c[] = {
        {0, {0}, {0}, 5},
        {1, {1000}, {1}, 0},
        {1, {1000}, {-1}, 999},
        {1, {1000}, {0}, 3},
        {2, {300, 299}, {1, 300}, 0},
        {2, {37, 1}, {1, 1}, 0},
        {3, {5, 6, 7}, {42, 7, 1}, 0},
        {3, {5, 6, 7}, {1, 5, 30}, 0},
        {3, {9, 40, 33}, {1, 9, 360}, 0},
        {3, {40, 9, 33}, {297, 1, 9}, 0},
        {4, {3, 4, 50, 60}, {12000, 3000, 1, 50}, 0},
        {4, {3, 50, 4, 60}, {12000, 1, 3000, 50}, 0},
        {3, {4, 0, 3}, {1, 1, 1}, 0},
        {3, {6, 7, 8}, {0, 8, -1}, 7},
        {2, {200, 20}, {0, 1}, 0},
        {2, {200, 20}, {1, 0}, 0},
        {2, {64, 64}, {-64, 2}, 63 * 64},
        {3, {2, 100, 100}, {1, 200, 2}, 0},
    };
    for (size_t k = 0; k < sizeof c / sizeof *c; k++) {
        bool ok = true;
        for (int t = 0; t < 4; t++) {
            const size_t size = reel_size_(dtypes[t]);
            int64_t n = 1, index[4] = {0};
            for (int d = 0; d < c[k].rank; d++) {
                n *= c[k].dims[d];
            }
            const reel_kview v = {dtypes[t], c[k].rank, c[k].dims, c[k].strides, src + (size_t)c[k].first * size};
            memset(dst, 0xa5, sizeof dst);
            reel_pack_(dst, &v);
            for (int64_t i = 0; i < n; i++) {
                int64_t at = c[k].first;
                for (int d = 0; d < c[k].rank; d++) {
                    at += index[d] * c[k].strides[d];
                }
                ok = ok && memcmp(dst + (size_t)i * size, src + (size_t)at * size, size) == 0;
                for (int d = c[k].rank; d-- > 0 && ++index[d] == c[k].dims[d];) {
                    index[d] = 0;
                }
            }
            ok = ok && dst[(size_t)n * size] == 0xa5;
        }
        TAP_OK(ok, "layout %d packed, all element sizes", (int)k);
    }
}

static void test_copy_kernel(void)
{
    float x[12], y[12];
    for (int i = 0; i < 12; i++) {
        x[i] = (float)i;
    }
    int64_t dims[2] = {3, 4}, turned[2] = {1, 3}, dense[2] = {4, 1}, line[1] = {12}, one[1] = {1}, back[2] = {4, 3},
            back_dense[2] = {3, 1};
    /* [3,4] with columns contiguous, read in C order as [12] */
    reel_kview v[2] = {{REEL_F32, 2, dims, turned, x}, {REEL_F32, 1, line, one, y}};
    const reel_attr_shape shape = {.shape = {1, {12}}};
    bool ok = call(&reel_k_copy_, row(REEL_OP_reshape), &shape, 1, 1, v) == 0;
    for (int i = 0; i < 12; i++) {
        ok = ok && y[i] == (float)(i / 4 + i % 4 * 3);
    }
    TAP_OK(ok, "reshape of a strided layout keeps the C order");
    v[0].strides = dense;
    v[1] = (reel_kview){REEL_F32, 2, back, back_dense, y};
    const reel_attr_axes axes = {0};
    ok = call(&reel_k_copy_, row(REEL_OP_transpose), &axes, 1, 1, v) == 0;
    for (int i = 0; i < 12; i++) {
        ok = ok && y[i] == x[i % 3 * 4 + i / 3];
    }
    TAP_OK(ok, "transpose as a copy follows the view rule");
}

/* ---- random ---------------------------------------------------------------------------------------------- */
static const reel_random_table *tables[3];
static int n_tables;
static void test_random(void)
{
    tables[n_tables++] = &reel_random_table_base_;
#ifdef REEL_HAVE_LEVELS
    if (REEL_CPU_X86_64_V3) tables[n_tables++] = &reel_random_table_v3_;
    if (REEL_CPU_X86_64_V4) tables[n_tables++] = &reel_random_table_v4_;
#endif
    enum { N = 3001 };
    static const reel_dtype dtypes[] = {REEL_F32, REEL_F64, REEL_F16, REEL_BF16};
    static unsigned char a[N * 8], b[N * 8];
    const reel_draw d = {.key = 0x123456789abcdef0u, .counter = 0xfffffffeu, .a = -1, .b = 2, .top = 1.9};
    for (int t = 0; t < 4; t++) {
        for (int normal = 0; normal < 2; normal++) {
            const reel_dtype type = dtypes[t];
            const size_t size = reel_size_(type);
            bool ok = true;
#define FN(l) (normal ? tables[l]->normal[type] : tables[l]->uniform[type])
            FN(0)(a, 0, N, &d);
            for (int l = 0; l < n_tables; l++) {
                memset(b, 0, sizeof b);
                FN(l)(b, 0, 1024, &d); /* in pieces */
                FN(l)(b, 1024, 1028, &d);
                FN(l)(b, 1028, N, &d);
                ok = ok && memcmp(a, b, N * size) == 0;
            }
            TAP_OK(ok, "%s of %s: the same bits at every level and in pieces", normal ? "normal" : "uniform",
                   reel_dtype_name(type));
        }
    }
    reel_random_table_base_.uniform[REEL_F32](
        a, 0, N, &(reel_draw){.key = d.key, .counter = d.counter, .a = 0, .b = 1, .top = 0.99999994});
    int bad = 0;
    for (int i = 0; i < N; i++) {
        uint32_t words[4];
        float x;
        reel_philox_(d.key, d.counter + (uint64_t)i / 4, words);
        memcpy(&x, a + 4 * i, 4);
        bad += x != (float)(words[i % 4] >> 8) * 0x1p-24f;
    }
    TAP_OK(bad == 0, "element i is 24 bits of word i %% 4 of counter i / 4");
}

static void test_distribution(void)
{
    enum { N = 200000 };
    static double y[N];
    static float z[N];
    int64_t dims[1] = {N}, strides[1] = {1};
    reel_generator *g = reel_generator_new(7);
    const reel_attr_random unit = {.generator = g, .a = 2, .b = 3, .type = {REEL_F32, {1, {N}}}};
    const reel_attr_random gauss = {.generator = g, .a = 1, .b = 2, .type = {REEL_F64, {1, {N}}}};
    reel_kview u = {REEL_F32, 1, dims, strides, z}, v = {REEL_F64, 1, dims, strides, y};
    call(&reel_k_random_, row(REEL_OP_uniform), &unit, 0, 1, &u);
    TAP_OK(reel_random_get_(g).counter == N / 4, "a draw reserves its counters");
    call(&reel_k_random_, row(REEL_OP_normal), &gauss, 0, 1, &v);
    TAP_OK(reel_random_get_(g).counter == N / 4 + N / 2, "so does one of f64");
    double sum = 0, square = 0, cube = 0, mean = 0, least = 9, most = 0;
    for (int i = 0; i < N; i++) {
        const double s = (y[i] - 1) / 2;
        sum += s;
        square += s * s;
        cube += s * s * s;
        mean += (double)z[i];
        least = fmin(least, (double)z[i]);
        most = fmax(most, (double)z[i]);
    }
    TAP_OK(fabs(sum / (double)N) < 0.01 && fabs(square / (double)N - 1) < 0.02 && fabs(cube / (double)N) < 0.04,
           "normal: mean %.4f, variance %.4f, skew %.4f", sum / (double)N, square / (double)N, cube / (double)N);
    TAP_OK(least >= 2 && most < 3 && fabs(mean / (double)N - 2.5) < 0.005, "uniform in [%.6f, %.6f], mean %.4f", least,
           most, mean / (double)N);
    static uint16_t h[N];
    const reel_attr_random halves = {.generator = g, .a = 0, .b = 1, .type = {REEL_BF16, {1, {N}}}};
    reel_kview w = {REEL_BF16, 1, dims, strides, h};
    call(&reel_k_random_, row(REEL_OP_uniform), &halves, 0, 1, &w);
    int outside = 0;
    for (int i = 0; i < N; i++) {
        outside += !(reel_bf16_to_f32_(h[i]) < 1);
    }
    TAP_OK(outside == 0, "uniform of bf16 never rounds up to its upper end");
    reel_generator_free(g);
}

/* ---- custom ops --------------------------------------------------------------------------------------------- */
static int twice_shape(const void *attr, const reel_type in[], reel_type out[])
{
    (void)attr;
    out[0] = in[0];
    return 0;
}
static int twice(const void *attr, const reel_view in[], const reel_view out[])
{
    const float *x = in[0].data;
    float *y = out[0].data;
    if (in[0].type.shape.dims[0] == 1) {
        return 3;
    }
    for (int64_t i = 0; i < reel_shape_count(in[0].type.shape); i++) {
        y[i] = x[i] * *(const float *)attr;
    }
    return (uintptr_t)x % 64 ? 2 : 0;
}
static void test_custom(void)
{
    _Alignas(64) float x[16], y[16];
    for (int i = 0; i < 16; i++) {
        x[i] = (float)i;
    }
    const float factor = 2;
    const reel_op op = {.size = sizeof op,
                        .id = REEL_N_OPS,
                        .name = "twice",
                        .n_in = 1,
                        .n_out = 1,
                        .attr_size = sizeof factor,
                        .def = {.size = sizeof(reel_op_def), .shape = twice_shape, .cpu = twice}};
    int64_t dims[1] = {7}, two[1] = {2}, one[1] = {1};
    reel_kview v[2] = {{REEL_F32, 1, dims, two, x + 1}, {REEL_F32, 1, dims, one, y}};
    bool ok = call(&reel_k_custom_, &op, &factor, 1, 1, v) == 0;
    for (int i = 0; i < 7; i++) {
        ok = ok && y[i] == 2 * x[1 + 2 * i];
    }
    TAP_OK(ok, "a custom op sees dense, aligned memory");
    dims[0] = 1;
    TAP_OK(call(&reel_k_custom_, &op, &factor, 1, 1, v) == REEL_EUSER && reel_take_error(NULL) == REEL_EUSER,
           "a code returned without an error raises one");
}

TAP_MAIN(test_fill, test_arange_eye, test_one_hot_count, test_pack, test_copy_kernel, test_random, test_distribution,
         test_custom)
