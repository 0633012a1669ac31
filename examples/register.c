/* register: lays one image over another. The second is the first, moved, turned and stretched; gradients through the sampling
   find the map between them, first on blurred images, which have no small valleys to be caught in, then on sharp ones. */
#include <math.h>
#include <reel/reel.h>

enum { SIZE = 64, STEPS = 150 };
static const double truth[6] = {0.9, -0.25, 0.12, 0.2, 0.95, -0.08}; /* (x, y) -> (0.9 x - 0.25 y + 0.12, ...) */

struct model {
    reel_vars *vars;
    reel_tensor *map;
    reel_optimizer *opt;
};

/* Soft spots: random numbers on 8 x 8 places, cubic between them. */
static reel_tensor *spots(void)
{
    reel_tensor *coarse = reel_uniform(REEL_F32, REEL_SHAPE(1, 1, 8, 8), 0, 1, NULL);
    return reel_resize(coarse, 2, (int64_t[]){SIZE, SIZE}, REEL_OPTS(resize, .mode = REEL_RESIZE_CUBIC));
}

static reel_tensor *blurred(reel_tensor *image)
{
    reel_tensor *x = reel_arange(REEL_F32, -6, 7, 1);
    reel_tensor *bell = reel_softmax(reel_mul(reel_square(x), reel_num(-0.06)), 0); /* sums to 1 */
    reel_tensor *w = reel_reshape(reel_outer(bell, bell), REEL_SHAPE(1, 1, 13, 13));
    return reel_conv2d(image, w, REEL_OPTS(conv, .padding = REEL_SAME));
}

static reel_tensor *moved(reel_tensor *image, reel_tensor *map)
{
    reel_tensor *grid = reel_affine_grid(map, 2, (int64_t[]){SIZE, SIZE}, false);
    return reel_grid_sample(image, grid, REEL_OPTS(grid_sample, .padding = REEL_BORDER));
}

static int step(void *self, reel_tensor *const in[], reel_tensor *out[]) /* in: image, target; out: loss */
{
    struct model *m = self;
    reel_tape *tape = reel_tape_begin(NULL);
    out[0] = reel_mse_loss(moved(in[0], m->map), in[1], NULL);
    return reel_minimize(m->opt, tape, out[0]);
}

static void descend(reel_function *fast, const char *name, reel_tensor *image, reel_tensor *target)
{
    double first = 0, last = 0;
    for (int i = 0; i < STEPS && !reel_status(); i++) {
        REEL_SCOPED;
        reel_tensor *loss[1];
        if (reel_function_call(fast, REEL_LIST(image, target), loss)) return;
        last = reel_item(loss[0]);
        if (i == 0) first = last;
    }
    printf("%s: mean square difference %.2e, after %d steps %.2e\n", name, first, STEPS, last);
}

int main(void)
{
    REEL_SCOPED;
    reel_seed(3);
    struct model m = {.vars = reel_vars_new("register")};
    reel_tensor *start = reel_eye(REEL_F32, 2, 3);
    m.map = reel_var(m.vars, "map", reel_unsqueeze(start, REEL_AXES(0)));
    m.opt = reel_adam(m.vars, REEL_OPTS(adam, .lr = 0.01));
    reel_tensor *right = reel_cast(reel_from_f64(REEL_SHAPE(1, 2, 3), truth, 6), REEL_F32);
    reel_tensor *image = spots(), *target = moved(image, right);

    reel_function *fast = reel_function_new(REEL_FN(step, &m, 2, 1), NULL);
    descend(fast, "blurred", blurred(image), blurred(target));
    descend(fast, "sharp", image, target);
    reel_print(m.map);
    const double off = reel_item(reel_max_axes(reel_abs(reel_sub(m.map, right)), REEL_ALL_AXES, false));
    printf("register: off by %.1e at most\n", off);
    reel_function_free(fast);
    reel_optimizer_free(m.opt);
    reel_vars_free(m.vars);
    reel_error e;
    if (!reel_take_error(&e)) return off > 0.01;
    fprintf(stderr, "%s\n", e.text);
    return 1;
}
