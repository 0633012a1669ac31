/* test_pass_order.c: passes over steps in any order that is allowed: always the eager bits; and who comes first gets what several want. */
#include "replay_help.h"
#include "trace_help.h"

enum { ROWS = 96, COLS = 80, ORDERS = 24 };
static const char *const names[4] = {"fuse", "epilogue", "columns", "sweep"};

/* Something for each of them: a product with bias and gelu, the gradient of the bias, a softmax by hand, two updates. */
static int program(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    reel_tensor *x = in[0], *w = in[1], *b = in[2], *lr = reel_full(REEL_F32, REEL_SCALAR, 0.1);
    const reel_axes last = {1, {-1}}, first = {1, {0}};
    reel_tensor *h = reel_gelu(reel_add(reel_matmul(x, w), b)), *dz = reel_mul(reel_sigmoid(x), reel_square(x));
    reel_tensor *e = reel_exp(reel_sub(x, reel_max_axes(x, last, true)));
    out[0] = reel_sum_axes(dz, first, false);
    out[1] = reel_div(e, reel_sum_axes(e, last, true));
    out[2] = reel_mul(h, dz);
    out[3] = reel_mean_axes(h, first, false);
    reel_sgd_update(w, reel_zeros_like(w), reel_tanh(w), lr, 0.9, 0, out + 4);
    return reel_sgd_update(b, reel_square(b), out[0], lr, 0.9, 0, out + 6);
}

/* Permutation number k of the four, with reduce and schedule where they may be. */
static void order(int k, char list[128])
{
    int left[4] = {0, 1, 2, 3};
    const char *end = k % 2 ? "reduce,prune,schedule" : "schedule,prune";
    *list = '\0';
    for (int n = 4; n > 0; k /= n--) {
        const int i = k % n;
        snprintf(list + strlen(list), 128 - strlen(list), "%s,", names[left[i]]);
        left[i] = left[n - 1];
    }
    snprintf(list + strlen(list), 128 - strlen(list), "%s", end);
}

static void test_orders(void)
{
    REEL_SCOPED;
    reel_seed(5);
    const reel_list in =
        REEL_LIST(reel_randn(REEL_F32, REEL_SHAPE(ROWS, COLS)), reel_randn(REEL_F32, REEL_SHAPE(COLS, COLS)),
                  reel_randn(REEL_F32, REEL_SHAPE(COLS)));
    for (int k = 0; k < ORDERS; k++) {
        char list[128];
        replayed r;
        order(k, list);
        const bool ok = replays(REEL_FN(program, NULL, 3, 8), in, list, &r);
        TAP_OK(ok && r.found[REEL_STEPS_SWEEP] == 2, "%s: the eager bits in %d steps", list, r.steps);
        const size_t found = r.found[REEL_STEPS_FUSE] + r.found[REEL_STEPS_EPILOGUE] + r.found[REEL_STEPS_COLUMNS];
        TAP_OK(r.found[REEL_STEPS_COLUMNS] && found >= 4, "%s: %zu steps are joined", list, found);
    }
}

/* What is done to a product, and then summed: whose is it? */
static int wanted_by_two(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    (void)self;
    const reel_axes first = {1, {0}};
    out[0] = reel_relu(reel_add(reel_matmul(in[0], in[1]), in[2]));
    out[1] = reel_sum_axes(out[0], first, false);
    return reel_status();
}

static void test_first(void)
{
    REEL_SCOPED;
    reel_seed(6);
    const reel_list in =
        REEL_LIST(reel_randn(REEL_F32, REEL_SHAPE(ROWS, COLS)), reel_randn(REEL_F32, REEL_SHAPE(COLS, COLS)),
                  reel_randn(REEL_F32, REEL_SHAPE(COLS)));
    replayed r;
    bool ok = replays(REEL_FN(wanted_by_two, NULL, 3, 2), in, "fuse,epilogue,columns", &r);
    TAP_OK(ok && r.found[REEL_STEPS_EPILOGUE] == 1 && r.found[REEL_STEPS_COLUMNS] == 0,
           "epilogue first: it is the product's");
    ok = replays(REEL_FN(wanted_by_two, NULL, 3, 2), in, "fuse,columns,epilogue", &r);
    TAP_OK(ok && r.found[REEL_STEPS_EPILOGUE] == 0 && r.found[REEL_STEPS_COLUMNS] == 1,
           "columns first: it is the sum's");
    ok = replays(REEL_FN(wanted_by_two, NULL, 3, 2), in, "epilogue,fuse", &r);
    TAP_OK(ok && r.found[REEL_STEPS_EPILOGUE] == 1 && r.found[REEL_STEPS_FUSE] == 0,
           "epilogue before fuse: it gets the bias alone, which leaves relu by itself");
}

int main(void)
{
    test_orders();
    test_first();
    return tap_finish();
}
