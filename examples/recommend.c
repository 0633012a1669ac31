/* recommend: who would like what? Each person and each film is a vector, its row in a table; their product is a rating.
   A batch touches the rows it names: the gradient of a table is row-sparse, and a step costs the batch, not the table. */
#include <math.h>
#include <reel/reel.h>

enum { PEOPLE = 2000, FILMS = 500, TASTES = 6, BATCH = 256, STEPS = 1500, BEST = 5 };

struct model {
    reel_vars *vars;
    reel_tensor *people, *films;
    reel_optimizer *opt;
};

static reel_tensor *rating(reel_tensor *people, reel_tensor *films, reel_tensor *p, reel_tensor *f)
{
    reel_tensor *both = reel_mul(reel_embedding(people, p, NULL), reel_embedding(films, f, NULL));
    return reel_sum_axes(both, REEL_AXES(-1), false);
}

static int step(void *self, reel_tensor *const in[], reel_tensor *out[]) /* in: person, film, rating; out: loss */
{
    struct model *m = self;
    reel_tape *tape = reel_tape_begin(NULL);
    out[0] = reel_mse_loss(rating(m->people, m->films, in[0], in[1]), in[2], NULL);
    return reel_minimize(m->opt, tape, out[0]);
}

/* How many rows of `table` are what they were? */
static double untouched(reel_tensor *table, reel_tensor *before)
{
    reel_tensor *same = reel_all_axes(reel_equal(table, before), REEL_AXES(1), false);
    return reel_item(reel_count_nonzero(same));
}

int main(void)
{
    REEL_SCOPED;
    reel_seed(11);
    /* What they really like, of which only ratings are seen. */
    const double spread = pow(TASTES, -0.25);
    reel_tensor *p_true = reel_normal(REEL_F32, REEL_SHAPE(PEOPLE, TASTES), 0, spread, NULL);
    reel_tensor *f_true = reel_normal(REEL_F32, REEL_SHAPE(FILMS, TASTES), 0, spread, NULL);
    struct model m = {.vars = reel_vars_new("tables")};
    m.people = reel_var(m.vars, "people", reel_normal(REEL_F32, REEL_SHAPE(PEOPLE, TASTES), 0, 0.3, NULL));
    m.films = reel_var(m.vars, "films", reel_normal(REEL_F32, REEL_SHAPE(FILMS, TASTES), 0, 0.3, NULL));
    m.opt = reel_adam(m.vars, REEL_OPTS(adam, .lr = 0.02));
    reel_function *fast = reel_function_new(REEL_FN(step, &m, 3, 1), NULL);
    double loss = 0;
    for (int i = 0; i < STEPS && !reel_status(); i++) {
        REEL_SCOPED;
        reel_tensor *p = reel_randint(REEL_I32, REEL_SHAPE(BATCH), 0, PEOPLE, NULL), *out[1];
        reel_tensor *f = reel_randint(REEL_I32, REEL_SHAPE(BATCH), 0, FILMS, NULL), *before = NULL;
        if (i == 0) before = reel_mul(m.people, reel_num(1));
        if (reel_function_call(fast, REEL_LIST(p, f, rating(p_true, f_true, p, f)), out)) break;
        if (before)
            printf("first step: %lld people in the batch, %g of %d rows stayed as they were\n",
                   (long long)reel_dim(reel_unique(p), 0), untouched(m.people, before), PEOPLE);
        loss = reel_item(out[0]);
        if (i % 500 == 0) printf("step %4d: loss %.3f\n", i, loss);
    }
    /* For person 42: all films by their rating, and how many of the best are truly among the best 5 % */
    reel_tensor *who = reel_full(REEL_I32, REEL_SHAPE(FILMS), 42), *every = reel_arange(REEL_I32, 0, FILMS, 1);
    reel_tensor *best[2], *really[2];
    reel_topk(rating(m.people, m.films, who, every), BEST, 0, NULL, best);
    reel_topk(rating(p_true, f_true, who, every), FILMS / 20, 0, NULL, really);
    reel_tensor *hit = reel_equal(reel_unsqueeze(best[1], REEL_AXES(1)), really[1]);
    const double hits = reel_item(reel_count_nonzero(reel_any_axes(hit, REEL_AXES(1), false)));
    printf("films for person 42: ");
    reel_print(best[1]);
    printf("recommend: loss %.3f, %g of %d recommendations are right\n", loss, hits, BEST);
    reel_function_free(fast);
    reel_optimizer_free(m.opt);
    reel_vars_free(m.vars);
    reel_error e;
    if (!reel_take_error(&e)) return hits < BEST - 1;
    fprintf(stderr, "%s\n", e.text);
    return 1;
}
