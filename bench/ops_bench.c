/* ops_bench.c: our side of bench/run.py for single ops and for what passes make of several. A case is a body and its inputs; rows
   named op_..._train also take the gradients of the float inputs, for an output gradient of ones; rows named fused_... are replays. */
#include <math.h>
#include <reel/reel.h>
#include "bench.h"

enum { MAX_IN = 20, MAX_OUT = 2, N = 1024 };
typedef enum { EAGER, REPLAY, FUSED } how_run; /* through a function: the last two */

typedef struct op_case {
    const char *name;
    reel_body *body;
    /* kind, then dims: n normal, c normal and constant, p positive, o ones, u between -1 and 1, s the same sorted,
       i ids below 10,000, k below 1024 */
    const char *in[MAX_IN];
    how_run how;
    int n_out;          /* 0: one */
    void (*make)(void); /* beyond the inputs; NULL: nothing */
} op_case;
#define CASE(name, ...)                                    \
    {                                                      \
#name, name##_body, {__VA_ARGS__ }, EAGER, 0, NULL \
    }
#define REPLAYED(name, ...)                                 \
    {                                                       \
#name, name##_body, {__VA_ARGS__ }, REPLAY, 0, NULL \
    }

/* ---- bodies -------------------------------------------------------------------------------------- */
#define LAYER "n128,128", "n128"
#define LAYERS5 LAYER, LAYER, LAYER, LAYER, LAYER
#define BODY(name, value)                                                           \
    static int name##_body(void *self, reel_tensor *const in[], reel_tensor *out[]) \
    {                                                                               \
        (void)self;                                                                 \
        out[0] = value;                                                             \
        return reel_status();                                                       \
    }
BODY(exp, reel_exp(in[0]))
BODY(log, reel_log(in[0]))
BODY(tanh, reel_tanh(in[0]))
BODY(chain, reel_sub(reel_mul(reel_add(reel_mul(in[0], reel_num(2)), reel_num(1)), reel_tanh(in[0])),
                     reel_div(in[0], reel_num(3))))
BODY(sum_all, reel_sum(in[0]))
BODY(sum_axis0, reel_sum_axes(in[0], REEL_AXES(0), false))
BODY(sum_axis1, reel_sum_axes(in[0], REEL_AXES(1), false))
BODY(max_axis1, reel_max(in[0], 1))
BODY(softmax, reel_softmax(in[0], -1))
BODY(transpose_copy, reel_reshape(reel_transpose(in[0], REEL_ALL_AXES), REEL_SHAPE(N *N)))
BODY(strided_copy, reel_reshape(reel_slice(in[0], 2, REEL_RANGES(REEL_ALL, {1, N - 1, 2})), REEL_SHAPE(N *(N / 2 - 1))))
BODY(attention, reel_attention(in[0], in[1], in[2], NULL, REEL_OPTS(attention, .causal = REEL_CAUSAL)))
BODY(einsum_scores, reel_einsum("bhqd,bhkd->bhqk", REEL_LIST(in[0], in[1])))
BODY(einsum_chain, reel_einsum("ij,jk,kl->il", REEL_LIST(in[0], in[1], in[2])))

BODY(sin, reel_sin(in[0]))
BODY(erf, reel_erf(in[0]))
BODY(gelu, reel_gelu(in[0]))
BODY(layer_norm, reel_layer_norm(in[0], in[1], in[2], NULL))
BODY(gather, reel_gather(in[0], in[1], 0))
BODY(embedding, reel_embedding(in[0], in[1], REEL_OPTS(embedding, .dense_gradient = true)))
BODY(scatter_add, reel_index_add(in[0], 0, in[1], in[2]))
BODY(batch_norm, reel_batch_norm(in[0], in[1], in[2], NULL, NULL, REEL_OPTS(batch_norm, .training = true)))
BODY(sort, reel_sort(in[0], -1, false))
BODY(scatter, reel_scatter(in[0], in[1], in[2], 0, REEL_SCATTER_SET))
BODY(scatter_sum, reel_scatter(in[0], in[1], in[2], 0, REEL_SCATTER_ADD))
BODY(searchsorted, reel_searchsorted(in[0], in[1], false))
BODY(grid_sample, reel_grid_sample(in[0], in[1], NULL))
static int topk_rows_body(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *two[2];
    (void)self;
    const int code = reel_topk(in[0], 8, -1, NULL, two);
    out[0] = two[0];
    return code;
}
static int topk_body(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *two[2];
    (void)self;
    const int code = reel_topk(in[0], 100, -1, NULL, two);
    out[0] = two[0];
    return code;
}
BODY(conv, reel_conv2d(in[0], in[1], REEL_OPTS(conv2d, .padding = REEL_SAME)))
BODY(max_pool, reel_max_pool2d(in[0], REEL_SHAPE(2, 2), NULL))
BODY(avg_pool, reel_avg_pool2d(in[0], REEL_SHAPE(2, 2), NULL))
static int lstm_body(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *y[3];
    (void)self;
    const int code = reel_lstm(in[0], in[1], in[2], in[3], NULL, y);
    out[0] = y[0];
    return code;
}

/* ---- what passes join ---------------------------------------------------------------------------- */
static struct {
    reel_vars *vars;
    reel_optimizer *opt;
} net; /* of the case that trains */

static int softmax_by_hand_body(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    reel_tensor *e = reel_exp(reel_sub(in[0], reel_max_axes(in[0], REEL_AXES(-1), true)));
    out[0] = reel_div(e, reel_sum_axes(e, REEL_AXES(-1), true));
    return reel_status();
}
static int layer_norm_by_hand_body(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    reel_tensor *d = reel_sub(in[0], reel_mean_axes(in[0], REEL_AXES(-1), true));
    reel_tensor *v = reel_mean_axes(reel_square(d), REEL_AXES(-1), true);
    out[0] = reel_add(reel_mul(reel_mul(d, reel_rsqrt(reel_add(v, reel_num(1e-5)))), in[1]), in[2]);
    return reel_status();
}
static int mse_body(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    reel_tape *tape = reel_tape_begin(NULL);
    reel_watch(tape, REEL_LIST(in[0]));
    out[0] = reel_mean(reel_square(reel_sub(reel_tanh(in[0]), in[1])));
    return reel_grad(tape, out[0], REEL_LIST(in[0]), &out[1]);
}
BODY(matmul_gelu, reel_gelu(reel_add(reel_matmul(in[0], in[1]), in[2])))
BODY(conv_relu, reel_relu(reel_conv2d(in[0], in[1], REEL_OPTS(conv2d, .padding = REEL_SAME, .bias = in[2]))))

static void adam_make(void);
static int adam_body(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    out[0] = reel_optimizer_lr(net.opt);
    return reel_optimizer_step(net.opt, in);
}

static const op_case cases[] = {
    CASE(exp, "n1048576"),
    CASE(log, "p1048576"),
    CASE(tanh, "n1048576"),
    REPLAYED(chain, "n1048576"),
    CASE(sum_all, "n1048576"),
    CASE(sum_axis0, "n1024,1024"),
    CASE(sum_axis1, "n1024,1024"),
    CASE(max_axis1, "n1024,1024"),
    CASE(softmax, "n1024,1024"),
    CASE(transpose_copy, "n1024,1024"),
    CASE(strided_copy, "n1024,1024"),
    {"attention_small", attention_body, {"n12,4,64,32", "n12,4,64,32", "n12,4,64,32"}, EAGER, 0, NULL},
    {"attention_long", attention_body, {"n1,8,1024,64", "n1,8,1024,64", "n1,8,1024,64"}, EAGER, 0, NULL},
    CASE(einsum_scores, "n12,4,64,32", "n12,4,64,32"),
    CASE(einsum_chain, "n256,64", "n64,512", "n512,128"),
    {"conv_lenet1", conv_body, {"n64,1,28,28", "n32,1,3,3"}, EAGER, 0, NULL},
    {"conv_lenet2", conv_body, {"n64,32,14,14", "n64,32,3,3"}, EAGER, 0, NULL},
    {"conv_resnet56", conv_body, {"n8,64,56,56", "n64,64,3,3"}, EAGER, 0, NULL},
    {"conv_resnet14", conv_body, {"n8,256,14,14", "n256,256,3,3"}, EAGER, 0, NULL},
    CASE(sin, "n1048576"),
    CASE(erf, "n1048576"),
    CASE(gelu, "n1048576"),
    CASE(layer_norm, "n1024,1024", "o1024", "o1024"),
    CASE(gather, "n10000,128", "i8192"),
    CASE(embedding, "n10000,128", "i32,256"),
    CASE(scatter_add, "n10000,128", "i8192", "n8192,128"),
    CASE(batch_norm, "n64,64,28,28", "o64", "o64"),
    CASE(sort, "n1048576"),
    {"sort_rows", sort_body, {"n1024,1024"}, EAGER, 0, NULL},
    CASE(topk, "n1048576"),
    CASE(topk_rows, "n8192,64"),
    {"topk_rows1000", topk_rows_body, {"n1024,1000"}, EAGER, 0, NULL},
    CASE(scatter, "n1024,1024", "k1024,1024", "n1024,1024"),
    CASE(scatter_sum, "n1024,1024", "k1024,1024", "n1024,1024"),
    CASE(searchsorted, "s100000", "u1048576"),
    CASE(grid_sample, "n8,32,64,64", "u8,64,64,2"),
    CASE(max_pool, "n64,32,28,28"),
    CASE(avg_pool, "n64,32,28,28"),
    CASE(lstm, "c32,16,128", "n512,128", "n512,128", "n512"),
    {"softmax", softmax_by_hand_body, {"n1024,1024"}, FUSED, 0, NULL},
    {"layer_norm", layer_norm_by_hand_body, {"n1024,1024", "o1024", "o1024"}, FUSED, 0, NULL},
    {"mse_grad", mse_body, {"n1024,1024", "n1024,1024"}, FUSED, 2, NULL},
    {"matmul_gelu", matmul_gelu_body, {"n768,128", "n128,512", "n512"}, FUSED, 0, NULL},
    {"conv_lenet2", conv_relu_body, {"n64,32,14,14", "n64,32,3,3", "n64"}, FUSED, 0, NULL},
    {"conv_resnet56", conv_relu_body, {"n8,64,56,56", "n64,64,3,3", "n64"}, FUSED, 0, NULL},
    {"adam20", adam_body, {LAYERS5, LAYERS5}, FUSED, 0, adam_make}, /* the inputs are the gradients */
};
enum { N_CASES = sizeof cases / sizeof *cases };

/* ---- running ------------------------------------------------------------------------------------- */
static struct {
    const op_case *c;
    reel_scope *scope;
    reel_function *function;
    reel_tensor *in[MAX_IN], *x[MAX_IN], *dy;
    int n, n_x;
} now;

static reel_tensor *input(const char *spec)
{
    reel_shape s = {0};
    for (const char *p = spec + 1; *p; p += *p == ',') {
        char *end;
        s.dims[s.rank++] = strtoll(p, &end, 10);
        p = end;
    }
    const int64_t n = reel_shape_count(s);
    if (spec[0] == 'n' || spec[0] == 'c') return reel_randn(REEL_F32, s);
    if (spec[0] == 'p') return reel_uniform(REEL_F32, s, 0.1, 1.1, NULL);
    if (spec[0] == 'o') return reel_ones(REEL_F32, s);
    if (spec[0] == 'u') return reel_uniform(REEL_F32, s, -1, 1, NULL);
    if (spec[0] == 's') return reel_sort(reel_uniform(REEL_F32, s, -1, 1, NULL), -1, false);
    int32_t *ids = malloc((size_t)n * sizeof *ids);
    for (int64_t i = 0; ids && i < n; i++) ids[i] = (int32_t)(spec[0] == 'k' ? i * 7919 / 1000 % N : i * 7919 % 10000);
    reel_tensor *t = ids ? reel_from_i32(s, ids, (size_t)n) : NULL;
    free(ids);
    return t;
}

/* Twenty variables like the inputs, and Adam for them. */
static void adam_make(void)
{
    net.vars = reel_vars_new("net");
    for (int i = 0; i < now.n; i++) {
        REEL_SCOPED;
        char name[16];
        snprintf(name, sizeof name, "w%d", i);
        reel_var(net.vars, name, reel_randn(REEL_F32, reel_shape_of(now.in[i])));
    }
    net.opt = reel_adam(net.vars, NULL);
}

static int healthy(const char *what)
{
    reel_error e;
    if (!reel_take_error(&e)) return 1;
    fprintf(stderr, "%s: %s\n", what, e.text);
    return 0;
}

static int begin(int k)
{
    now.c = &cases[k];
    now.scope = reel_scope_begin(REEL_HERE, "bench");
    now.n = now.n_x = 0;
    for (int i = 0; i < MAX_IN && now.c->in[i]; i++) {
        now.in[now.n++] = input(now.c->in[i]);
        if (!strchr("ikc", now.c->in[i][0])) now.x[now.n_x++] = now.in[i];
    }
    if (now.c->make) now.c->make();
    const reel_fn fn = {now.c->body, NULL, now.n, now.c->n_out ? now.c->n_out : 1, now.c->name};
    reel_tensor *out[MAX_OUT] = {0};
    if (reel_invoke(fn, (reel_list){now.n, now.in}, out)) return healthy(now.c->name);
    now.dy = reel_ones_like(out[0]);
    if (now.c->how != EAGER) now.function = reel_function_new(fn, NULL);
    return healthy(now.c->name);
}

static void forward(int64_t times)
{
    for (int64_t i = 0; i < times; i++) {
        REEL_SCOPED;
        reel_tensor *out[MAX_OUT] = {0};
        if (now.function)
            reel_function_call(now.function, (reel_list){now.n, now.in}, out);
        else
            now.c->body(NULL, now.in, out);
    }
}

static void backward(int64_t times)
{
    for (int64_t i = 0; i < times; i++) {
        REEL_SCOPED;
        reel_tensor *out[1] = {0}, *dx[MAX_IN];
        reel_tape *tape = reel_tape_begin(NULL);
        reel_watch(tape, (reel_list){now.n_x, now.x});
        now.c->body(NULL, now.in, out);
        reel_vjp(tape, (reel_list){1, out}, REEL_LIST(now.dy), (reel_list){now.n_x, now.x}, dx);
    }
}

static void end(void)
{
    reel_function_free(now.function);
    now.function = NULL;
    reel_optimizer_free(net.opt);
    reel_vars_free(net.vars);
    memset(&net, 0, sizeof net);
    reel_scope_end(now.scope);
    healthy("end");
}

/* ---- the machine: a + s b on 1M floats, on all threads --------------------------------------------- */
static float *triad_x, *triad_a, *triad_b;

static int begin_triad(int n)
{
    float **const all[3] = {&triad_x, &triad_a, &triad_b};
    for (int k = 0; k < 3; k++) {
        *all[k] = aligned_alloc(64, (size_t)n * sizeof(float));
        for (int i = 0; *all[k] && i < n; i++) (*all[k])[i] = (float)i;
    }
    return triad_x && triad_a && triad_b;
}

static void triad_part(void *arg, int64_t from, int64_t to)
{
    float *restrict x = triad_x;
    const float *restrict a = triad_a, *restrict b = triad_b;
    (void)arg;
    for (int64_t i = from; i < to; i++) x[i] = a[i] + 3 * b[i];
}

static void triad(int64_t times)
{
    for (int64_t i = 0; i < times; i++) reel_parallel_for(N * N, 65536, triad_part, NULL);
}

static void end_triad(void)
{
    free(triad_x);
    free(triad_a);
    free(triad_b);
}

int main(void)
{
    static bench_row rows[2 * N_CASES + 1];
    static char names[2 * N_CASES][64];
    int n = 0;
    for (int k = 0; k < N_CASES; k++) {
        const bool fused = cases[k].how == FUSED;
        for (int train = 0; train < (fused ? 1 : 2); train++) {
            snprintf(names[n], sizeof names[n], "%s_%s%s", fused ? "fused" : "op", cases[k].name,
                     train ? "_train" : "");
            rows[n] = (bench_row){names[n], begin, train ? backward : forward, end, k, 1};
            n++;
        }
    }
    rows[n++] = (bench_row){"op_triad", begin_triad, triad, end_triad, N * N, 1};
    return bench_serve(rows, (size_t)n);
}
