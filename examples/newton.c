/* newton: the minimum of a function by Newton's method. The Hessian times a vector is the gradient of a gradient: the
   outer tape hears the backward of the inner one. */
#include <math.h>
#include <reel/reel.h>

static reel_tensor *f(reel_tensor *x) /* sum (x^2 - 2)^2: least at x = sqrt 2 */
{
    return reel_sum(reel_square(reel_sub(reel_square(x), reel_num(2))));
}

static reel_tensor *gradient(reel_tensor *x)
{
    REEL_SCOPED;
    reel_tape *tape = reel_tape_begin(NULL);
    reel_watch(tape, REEL_LIST(x));
    return reel_keep(reel_grad1(tape, f(x), x));
}

static reel_tensor *hessian_times(reel_tensor *x, reel_tensor *v)
{
    REEL_SCOPED;
    reel_tape *outer = reel_tape_begin(NULL);
    reel_watch(outer, REEL_LIST(x));
    reel_tensor *g = gradient(x);
    return reel_keep(reel_grad1(outer, reel_sum(reel_mul(g, v)), x));
}

static int newton_step(void *self, reel_tensor *const in[], reel_tensor *out[]) /* the Hessian of f is diagonal */
{
    (void)self;
    out[0] = reel_sub(in[0], reel_div(gradient(in[0]), hessian_times(in[0], reel_ones_like(in[0]))));
    return reel_status();
}

/* Eagerly with fast = NULL, else replayed; the iterate lives in a slot across the scopes of the loop. */
static int solve(reel_function *fast, const double start[2], double result[2])
{
    reel_tensor *x = NULL;
    for (int i = 0; i <= 10 && reel_status() == 0; i++) {
        REEL_SCOPED;
        reel_tensor *next[1];
        if (i == 0) {
            reel_set(&x, reel_from_f64(REEL_SHAPE(2), start, 2));
        } else if (fast ? reel_function_call(fast, REEL_LIST(x), next)
                        : reel_invoke(REEL_FN(newton_step, NULL, 1, 1), REEL_LIST(x), next)) {
            break;
        } else {
            reel_set(&x, next[0]);
        }
    }
    const int rc = reel_read_f64(x, result, 2);
    reel_unset(&x);
    return rc;
}

int main(void)
{
    const double start[2] = {1, 2};
    double eager[2], replayed[2];
    reel_function *fast = reel_function_new(REEL_FN(newton_step, NULL, 1, 1), NULL);
    int rc = solve(NULL, start, eager);
    rc = rc ? rc : solve(fast, start, replayed);
    reel_function_free(fast);
    reel_error e;
    if (reel_take_error(&e)) {
        fprintf(stderr, "%s\n", e.text);
        return 1;
    }
    printf("eager %.15g %.15g, replayed %.15g %.15g\n", eager[0], eager[1], replayed[0], replayed[1]);
    return rc || fabs(eager[0] - sqrt(2)) > 1e-12 || eager[0] != replayed[0] || eager[1] != replayed[1];
}
