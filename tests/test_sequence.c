/* test_sequence.c: attention, recurrent layers and resampling where the sweep does not look: large sizes, any number of threads,
   memory, rows without anything to attend to, fused against composed, examples with known results. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bits.h"

/* The largest difference; NaN and errors count as infinite. */
static double apart(reel_tensor *a, reel_tensor *b)
{
    const double d = reel_item(reel_max_axes(reel_abs(reel_sub(a, b)), REEL_ALL_AXES, false));
    return reel_status() || d != d ? INFINITY : d;
}

static reel_tensor *random_of(reel_dtype d, reel_shape s)
{
    return reel_uniform(d, s, -1, 1, NULL);
}

/* ---- attention --------------------------------------------------------------------------------------- */
typedef struct attention_case {
    reel_shape q, k, v;
    int causal;
    int64_t past;
} attention_case;

static reel_tensor *composed(reel_tensor *q, reel_tensor *k, reel_tensor *v, int64_t shared, const bool causal,
                             int64_t past)
{
    const int64_t t = reel_dim(q, 2), s = reel_dim(k, 2);
    reel_tensor *heads[16];
    for (int64_t h = 0; h < reel_dim(q, 1); h++) {
        const reel_range one[2] = {REEL_ALL, {h, h + 1, 1}}, group[2] = {REEL_ALL, {h / shared, h / shared + 1, 1}};
        reel_tensor *x = reel_matmul(reel_slice(q, 2, one), reel_swapaxes(reel_slice(k, 2, group), -1, -2));
        x = reel_mul(x, reel_num(1 / sqrt((double)reel_dim(q, 3))));
        if (causal) {
            reel_tensor *at = reel_unsqueeze(reel_arange(REEL_I64, (double)past, (double)(past + t), 1), REEL_AXES(1));
            x = reel_where(reel_greater_equal(at, reel_arange(REEL_I64, 0, (double)s, 1)), x, reel_num(-INFINITY));
        }
        heads[h] = reel_matmul(reel_softmax(x, -1), reel_slice(v, 2, group));
    }
    return reel_concat((reel_list){(int)reel_dim(q, 1), heads}, 1);
}

static void attention_with_gradients(reel_tensor *const in[3], bool fused, int64_t shared, const attention_case *c,
                                     reel_tensor *out[4])
{
    reel_tape *tape = reel_tape_begin(NULL);
    reel_watch(tape, (reel_list){3, in});
    out[0] = fused
                 ? reel_attention(in[0], in[1], in[2], NULL, REEL_OPTS(attention, .causal = c->causal, .past = c->past))
                 : composed(in[0], in[1], in[2], shared, c->causal != 0,
                            c->causal == REEL_CAUSAL_END ? c->k.dims[2] - c->q.dims[2] : c->past);
    reel_tensor *loss = reel_sum(reel_square(reel_add(out[0], reel_num(0.3))));
    reel_grad(tape, loss, (reel_list){3, in}, out + 1);
}

static void test_attention_against_composed(void)
{
    const attention_case cases[] = {
        {REEL_SHAPE(2, 4, 64, 32), REEL_SHAPE(2, 4, 64, 32), REEL_SHAPE(2, 4, 64, 32), 0, 0},
        {REEL_SHAPE(1, 4, 200, 24), REEL_SHAPE(1, 2, 333, 24), REEL_SHAPE(1, 2, 333, 40), 0, 0},
        {REEL_SHAPE(1, 4, 200, 24), REEL_SHAPE(1, 1, 333, 24), REEL_SHAPE(1, 1, 333, 40), REEL_CAUSAL_END, 0},
        {REEL_SHAPE(2, 2, 65, 7), REEL_SHAPE(2, 2, 129, 7), REEL_SHAPE(2, 2, 129, 3), REEL_CAUSAL, 5},
        {REEL_SHAPE(1, 8, 1, 64), REEL_SHAPE(1, 2, 1000, 64), REEL_SHAPE(1, 2, 1000, 64), 0, 0}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        REEL_SCOPED;
        const attention_case *c = &cases[k];
        reel_tensor *in[3] = {random_of(REEL_F32, c->q), random_of(REEL_F32, c->k), random_of(REEL_F32, c->v)}, *got[4],
                    *again[4], *want[4];
        reel_set_threads(2);
        attention_with_gradients(in, true, 0, c, got);
        reel_set_threads(1);
        attention_with_gradients(in, true, 0, c, again);
        reel_set_threads(0);
        attention_with_gradients(in, false, c->q.dims[1] / c->k.dims[1], c, want);
        for (int i = 0; i < 4; i++) {
            const double d = apart(got[i], want[i]), most = i == 0 ? 2e-6 : 1e-4;
            TAP_OK(d <= most, "case %zu: result %d is %g from the composed one", k, i, d);
            TAP_OK(same_bits(got[i], again[i]), "case %zu: result %d has the same bits on one thread", k, i);
        }
    }
}

static void test_nothing_to_attend_to(void)
{
    REEL_SCOPED;
    reel_tensor *in[3] = {random_of(REEL_F32, REEL_SHAPE(3, 4)), random_of(REEL_F32, REEL_SHAPE(5, 4)),
                          random_of(REEL_F32, REEL_SHAPE(5, 2))};
    uint8_t allowed[15] = {0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0};
    reel_tensor *mask = reel_cast(reel_from_u8(REEL_SHAPE(3, 5), allowed, 15), REEL_BOOL);
    reel_tensor *added = reel_where(mask, reel_zeros(REEL_F32, REEL_SCALAR), reel_num(-INFINITY));
    reel_tensor *masks[2] = {mask, added};
    for (int k = 0; k < 2; k++) {
        reel_tensor *d[3];
        float y[6], dq[12];
        reel_tape *tape = reel_tape_begin(NULL);
        reel_watch(tape, (reel_list){3, in});
        reel_tensor *out = reel_attention(in[0], in[1], in[2], masks[k], NULL);
        reel_grad(tape, reel_sum(reel_square(out)), (reel_list){3, in}, d);
        TAP_OK(reel_read_f32(out, y, 6) == 0 && reel_read_f32(d[0], dq, 12) == 0, "it runs");
        TAP_OK(y[0] == 0 && y[1] == 0 && y[4] == 0 && y[5] == 0 && y[2] != 0, "rows that see nothing give 0, mask %d",
               k);
        bool zero = true;
        for (int i = 0; i < 4; i++) zero = zero && dq[i] == 0 && dq[8 + i] == 0;
        TAP_OK(zero, "and no gradient, mask %d", k);
        for (int i = 0; i < 3; i++) {
            const double n = reel_item(reel_sum(d[i]));
            TAP_OK(n == n, "gradient %d has no NaN", i);
        }
    }
}

/* 8192 x 8192 weights would be 256 MB, a quarter under sanitizers. */
static void test_attention_memory(void)
{
    REEL_SCOPED;
    const reel_shape s = REEL_SHAPE(1, 1, tap_reduced ? 4096 : 8192, 4);
    reel_tensor *q = random_of(REEL_F32, s), *k = random_of(REEL_F32, s), *v = reel_ones(REEL_F32, s);
    reel_memory_stats before, after;
    reel_memory(&before);
    reel_tensor *y = reel_attention(q, k, v, NULL, REEL_OPTS(attention, .causal = REEL_CAUSAL));
    reel_memory(&after);
    TAP_OK(apart(y, v) < 1e-5, "a mean of ones is one");
    TAP_OK(after.peak - before.in_use < 8u << 20, "%.1f MB at most", (double)(after.peak - before.in_use) / 1e6);
}

static void test_cache_is_the_whole(void)
{
    REEL_SCOPED;
    enum { T = 9 };
    reel_tensor *q = random_of(REEL_F32, REEL_SHAPE(2, 4, T, 8)), *k = random_of(REEL_F32, REEL_SHAPE(2, 2, T, 8)),
                *v = random_of(REEL_F32, REEL_SHAPE(2, 2, T, 8));
    reel_tensor *whole = reel_attention(q, k, v, NULL, REEL_OPTS(attention, .causal = REEL_CAUSAL)),
                *past[2] = {NULL, NULL}, *rows[T];
    for (int64_t t = 0; t < T; t++) {
        const reel_range r[3] = {REEL_ALL, REEL_ALL, {t, t + 1, 1}};
        reel_tensor *out[3];
        reel_attention_cached(reel_slice(q, 3, r), reel_slice(k, 3, r), reel_slice(v, 3, r), past[0], past[1], NULL,
                              NULL, out);
        rows[t] = out[0], past[0] = out[1], past[1] = out[2];
    }
    TAP_OK(apart(reel_concat((reel_list){T, rows}, 2), whole) < 1e-6, "token by token is the whole at once");
    TAP_OK(same_bits(past[0], k) && same_bits(past[1], v), "the cache holds all keys and values");
}

/* ---- recurrent layers ---------------------------------------------------------------------------------- */
static reel_tensor *small(reel_shape s)
{
    return reel_mul(random_of(REEL_F32, s), reel_num(0.2));
}

static reel_tensor *step_of(reel_tensor *x, int64_t t)
{
    const reel_range r = {t, t + 1, 1};
    return reel_squeeze(reel_slice(x, 1, &r), REEL_AXES(0));
}

static void test_lstm_against_cells(void)
{
    REEL_SCOPED;
    enum { T = 20 };
    const int64_t b = 19, n = 33, h = 48;
    reel_tensor *p[4] = {random_of(REEL_F32, REEL_SHAPE(T, b, n)), small(REEL_SHAPE(4 * h, n)),
                         small(REEL_SHAPE(4 * h, h)), small(REEL_SHAPE(4 * h))};
    reel_tensor *d[3][5], *y[3];
    for (int way = 0; way < 3; way++) {
        reel_tensor *out[3];
        reel_set_threads(way == 1 ? 1 : 2);
        reel_tape *tape = reel_tape_begin(NULL);
        reel_watch(tape, (reel_list){4, p});
        if (way < 2) {
            reel_lstm(p[0], p[1], p[2], p[3], NULL, out);
            y[way] = out[0];
        } else {
            reel_tensor *rows[T],
                *s[2] = {reel_zeros(REEL_F32, REEL_SHAPE(b, h)), reel_zeros(REEL_F32, REEL_SHAPE(b, h))};
            for (int64_t t = 0; t < T; t++) {
                reel_lstm_cell(step_of(p[0], t), s[0], s[1], p[1], p[2], p[3], NULL, out);
                s[0] = out[0], s[1] = out[1];
                rows[t] = reel_unsqueeze(s[0], REEL_AXES(0));
            }
            y[way] = reel_concat((reel_list){T, rows}, 0);
        }
        reel_grad(tape, reel_sum(reel_square(y[way])), (reel_list){4, p}, d[way]);
    }
    reel_set_threads(0);
    TAP_OK(same_bits(y[0], y[1]), "lstm: the same bits on one thread and two");
    TAP_OK(apart(y[0], y[2]) < 2e-6, "lstm: fused is %g from cells", apart(y[0], y[2]));
    for (int i = 0; i < 4; i++) {
        TAP_OK(same_bits(d[0][i], d[1][i]), "gradient %d: the same bits on one thread and two", i);
        TAP_OK(apart(d[0][i], d[2][i]) < 1e-3, "gradient %d: fused is %g from cells", i, apart(d[0][i], d[2][i]));
    }
}

static void test_lengths_are_shorter_sequences(void)
{
    REEL_SCOPED;
    const int64_t t = 12, b = 3, h = 5;
    const int32_t lengths[3] = {12, 0, 7};
    reel_tensor *x = random_of(REEL_F32, REEL_SHAPE(t, b, 4)), *w = small(REEL_SHAPE(2, 3 * h, 4)),
                *r = small(REEL_SHAPE(2, 3 * h, h));
    reel_tensor *out[2], *alone[2], *l = reel_from_i32(REEL_SHAPE(3), lengths, 3);
    reel_gru(x, w, r, NULL, REEL_OPTS(rnn, .lengths = l, .direction = REEL_BOTH), out);
    const reel_range row[2] = {{0, 7, 1}, {2, 3, 1}}, rest[2] = {{7, t, 1}, {2, 3, 1}}, none[2] = {REEL_ALL, {1, 2, 1}};
    reel_gru(reel_slice(x, 2, row), w, r, NULL, REEL_OPTS(rnn, .direction = REEL_BOTH), alone);
    TAP_OK(apart(reel_slice(out[0], 2, row), alone[0]) < 1e-6,
           "a row of length 7 is the sequence of 7 steps, both ways");
    TAP_OK(reel_item(reel_sum(reel_abs(reel_slice(out[0], 2, rest)))) == 0, "and 0 after them");
    TAP_OK(reel_item(reel_sum(reel_abs(reel_slice(out[0], 2, none)))) == 0, "a row of length 0 is 0");
    const reel_range last[2] = {REEL_ALL, {2, 3, 1}};
    TAP_OK(apart(reel_slice(out[1], 2, last), alone[1]) < 1e-6, "its last states are those of its last step");
}

/* Longer than one concat joins: the second derivative stacks its steps in two rounds. */
static int long_loss(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    reel_tensor *y[2];
    (void)self;
    reel_rnn(in[0], in[1], in[2], NULL, NULL, y);
    out[0] = reel_sum(reel_square(y[1]));
    return reel_status();
}

static void test_long_sequences(void)
{
    REEL_SCOPED;
    reel_tensor *in[3] = {random_of(REEL_F64, REEL_SHAPE(70, 1, 1)), reel_full(REEL_F64, REEL_SHAPE(1, 1), 0.7),
                          reel_full(REEL_F64, REEL_SHAPE(1, 1), 0.9)};
    TAP_OK(reel_gradcheck((reel_fn){long_loss, NULL, 3, 1, "long"}, (reel_list){3, in},
                          REEL_OPTS(gradcheck, .order = 2, .tol = 1e-5), NULL) == 0,
           "70 steps: both orders");
    reel_take_error(NULL);
}

/* ---- resampling: PyTorch's results ----------------------------------------------------------------------- */
static void expect(reel_tensor *y, const float *want, size_t n, const char *what)
{
    float got[64];
    bool ok = reel_read_f32(y, got, n) == 0;
    for (size_t i = 0; ok && i < n; i++) ok = fabsf(got[i] - want[i]) <= 1e-5f;
    TAP_OK(ok, "%s", what);
    if (!ok) reel_take_error(NULL);
}

static void test_known_results(void)
{
    REEL_SCOPED;
    reel_tensor *x = reel_from_f32(REEL_SHAPE(1, 1, 2, 2), (float[]){1, 2, 3, 4}, 4);
    const float nearest[16] = {1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4};
    const float linear[16] = {1,    1.25f, 1.75f, 2,    1.5f, 1.75f, 2.25f, 2.5f,
                              2.5f, 2.75f, 3.25f, 3.5f, 3,    3.25f, 3.75f, 4};
    const float aligned[16] = {1,        1.33333f, 1.66667f, 2,        1.66667f, 2,        2.33333f, 2.66667f,
                               2.33333f, 2.66667f, 3,        3.33333f, 3,        3.33333f, 3.66667f, 4};
    expect(reel_upsample(x, 2, REEL_RESIZE_NEAREST), nearest, 16, "upsample, nearest");
    expect(reel_upsample(x, 2, REEL_RESIZE_LINEAR), linear, 16, "upsample, linear");
    const int64_t four[2] = {4, 4};
    expect(reel_resize(x, 2, four, REEL_OPTS(resize, .mode = REEL_RESIZE_LINEAR, .coordinates = REEL_ALIGN_CORNERS)),
           aligned, 16, "aligned corners");
    reel_tensor *same = reel_from_f32(REEL_SHAPE(1, 2, 3), (float[]){1, 0, 0, 0, 1, 0}, 6);
    const int64_t two[2] = {2, 2};
    const float base[8] = {-0.5f, -0.5f, 0.5f, -0.5f, -0.5f, 0.5f, 0.5f, 0.5f}, image[4] = {1, 2, 3, 4};
    reel_tensor *grid = reel_affine_grid(same, 2, two, false);
    expect(grid, base, 8, "affine_grid of the identity");
    expect(reel_grid_sample(x, grid, NULL), image, 4, "grid_sample at the pixels is the image");
    const float far[2] = {9, -9};
    reel_tensor *outside = reel_from_f32(REEL_SHAPE(1, 1, 1, 2), far, 2);
    expect(reel_grid_sample(x, outside, NULL), (float[]){0}, 1, "outside: zeros");
    expect(reel_grid_sample(x, outside, REEL_OPTS(grid_sample, .padding = REEL_BORDER)), (float[]){2}, 1,
           "outside: the border");
    reel_tensor *nan = reel_full(REEL_F32, REEL_SHAPE(1, 1, 1, 2), NAN);
    expect(reel_grid_sample(x, nan, REEL_OPTS(grid_sample, .padding = REEL_BORDER)), (float[]){1}, 1,
           "NaN counts as -1");
    reel_tensor *huge = reel_full(REEL_F32, REEL_SHAPE(1, 1, 1, 2), INFINITY);
    reel_grid_sample(x, huge, REEL_OPTS(grid_sample, .padding = REEL_REFLECTION));
    reel_grid_sample(x, huge, REEL_OPTS(grid_sample, .mode = REEL_SAMPLE_CUBIC, .padding = REEL_REFLECTION));
    TAP_OK(reel_status() == 0, "infinite coordinates harm nothing");
    reel_tensor *turn =
        reel_rotary(reel_from_f32(REEL_SHAPE(1, 2), (float[]){3, 4}, 2), reel_full(REEL_F32, REEL_SHAPE(1, 1), 0),
                    reel_full(REEL_F32, REEL_SHAPE(1, 1), 1), NULL);
    expect(turn, (float[]){-4, 3}, 2, "rotary: a quarter turn");
}

TAP_MAIN(test_attention_against_composed, test_nothing_to_attend_to, test_attention_memory, test_cache_is_the_whole,
         test_lstm_against_cells, test_lengths_are_shorter_sequences, test_long_sequences, test_known_results)
