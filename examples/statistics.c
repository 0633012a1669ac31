/* statistics: a table of measurements, each from one of three instruments: counts, means, deviations and order statistics by
   instrument, a histogram, correlations, and the error of a mean by drawing again (the bootstrap). */
#include <math.h>
#include <reel/reel.h>

enum { N = 6000, GROUPS = 3, BINS = 12, DRAWS = 200 };

/* [GROUPS] mean and deviation of x by group. */
static void by_group(reel_tensor *x, reel_tensor *group, reel_tensor **mean, reel_tensor **deviation)
{
    *mean = reel_segment_mean(x, group, GROUPS);
    reel_tensor *off = reel_sub(x, reel_gather(*mean, group, 0)); /* from the mean of its own group */
    *deviation = reel_sqrt(reel_segment_mean(reel_square(off), group, GROUPS));
}

int main(void)
{
    REEL_SCOPED;
    reel_seed(2);
    static const double level[GROUPS] = {10, 12, 20}, width[GROUPS] = {1, 2, 0.5};
    reel_tensor *group = reel_randint(REEL_I32, REEL_SHAPE(N), 0, GROUPS, NULL);
    reel_tensor *x = reel_add(reel_mul(reel_randn(REEL_F64, REEL_SHAPE(N)),
                                       reel_gather(reel_from_f64(REEL_SHAPE(GROUPS), width, GROUPS), group, 0)),
                              reel_gather(reel_from_f64(REEL_SHAPE(GROUPS), level, GROUPS), group, 0));
    reel_tensor *mean, *deviation, *count = reel_bincount(group, NULL, GROUPS);
    by_group(x, group, &mean, &deviation);
    double m[GROUPS], d[GROUPS], n[GROUPS], worst = 0;
    if (reel_read_f64(mean, m, GROUPS) || reel_read_f64(deviation, d, GROUPS) ||
        reel_read_f64(reel_cast(count, REEL_F64), n, GROUPS))
        goto failed;
    for (int g = 0; g < GROUPS; g++) {
        reel_tensor *own = reel_masked_select(x, reel_equal(group, reel_num(g)));
        printf("instrument %d: %4.0f values, mean %6.3f, deviation %.3f, median %6.3f, 90 %% below %6.3f\n", g, n[g],
               m[g], d[g], reel_item(reel_median(own, 0, false)),
               reel_item(reel_quantile(own, 0.9, 0, REEL_QUANTILE_LINEAR, false)));
        worst = fmax(worst, fmax(fabs(m[g] - level[g]), fabs(d[g] - width[g])));
    }

    printf("histogram from 4 to 22: ");
    reel_print(reel_histogram(x, BINS, 4, 22));

    /* Two quantities that go together: y = x + noise; the matrix of correlations. */
    reel_tensor *y = reel_add(x, reel_normal(REEL_F64, REEL_SHAPE(N), 0, 3, NULL));
    reel_tensor *both = reel_stack(REEL_LIST(x, y), 0);
    reel_tensor *z = reel_sub(both, reel_mean_axes(both, REEL_AXES(1), true));
    z = reel_div(z, reel_std(both, REEL_AXES(1), 0, true));
    reel_tensor *correlation = reel_div(reel_matmul(z, reel_transpose(z, REEL_AXES(1, 0))), reel_num(N));
    printf("correlation %.3f\n", reel_item(reel_select(reel_select(correlation, 0, 0), 0, 1)));

    /* How sure is the mean of all? DRAWS times N values drawn from the N, as one table of means. */
    reel_tensor *rows = reel_randint(REEL_I32, REEL_SHAPE(DRAWS, N), 0, N, NULL);
    reel_tensor *means = reel_mean_axes(reel_gather(x, rows, 0), REEL_AXES(1), false);
    const double again = reel_item(reel_std(means, REEL_ALL_AXES, 1, false));
    const double formula = reel_item(reel_std(x, REEL_ALL_AXES, 1, false)) / sqrt(N);
    printf("error of the mean: %.4f by drawing again, %.4f by the formula\n", again, formula);
    printf("statistics: means and deviations within %.3f of the truth\n", worst);
    if (!reel_status()) return worst > 0.1 || fabs(again / formula - 1) > 0.2;
failed:;
    reel_error e;
    reel_take_error(&e);
    fprintf(stderr, "%s\n", e.text);
    return 1;
}
