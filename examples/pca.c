/* pca: 500 measurements of 8 quantities that three hidden causes make. The singular values say how many causes there are, the
   vectors give the coordinates, and least squares say how a ninth quantity depends on them. */
#include <reel/reel.h>

enum { ROWS = 500, COLS = 8, CAUSES = 3 };

/* How large a - b is, against b. */
static double apart(reel_tensor *a, reel_tensor *b)
{
    reel_tensor *rest = reel_norm(reel_sub(a, b), 2, REEL_ALL_AXES, false);
    return reel_item(reel_div(rest, reel_norm(b, 2, REEL_ALL_AXES, false)));
}

int main(void)
{
    REEL_SCOPED;
    reel_seed(7);
    reel_tensor *causes = reel_normal(REEL_F64, REEL_SHAPE(ROWS, CAUSES), 0, 1, NULL);
    reel_tensor *mix = reel_normal(REEL_F64, REEL_SHAPE(CAUSES, COLS), 0, 1, NULL);
    reel_tensor *noise = reel_normal(REEL_F64, REEL_SHAPE(ROWS, COLS), 0, 0.05, NULL);
    reel_tensor *data = reel_add(reel_add(reel_matmul(causes, mix), noise), reel_num(10));

    /* data - mean = U diag(s) V^T */
    reel_tensor *mean = reel_mean_axes(data, REEL_AXES(0), true), *centred = reel_sub(data, mean), *usv[3];
    if (reel_svd(centred, false, usv)) goto failed;
    reel_tensor *variance = reel_div(reel_square(usv[1]), reel_num(ROWS - 1));
    reel_tensor *share = reel_div(reel_cumsum(variance, 0, NULL), reel_sum(variance));
    double of[COLS];
    if (reel_read_f64(share, of, COLS)) goto failed;
    int needed = 0;
    while (of[needed++] < 0.99) continue;
    printf("pca: %d components hold %.2f %% of the variance\n", needed, 100 * of[needed - 1]);

    /* The same from the covariance matrix: its eigenvalues, in ascending order. */
    reel_tensor *covariance = reel_div(reel_einsum("ni,nj->ij", REEL_LIST(centred, centred)), reel_num(ROWS - 1));
    reel_tensor *values = reel_flip(reel_eigvalsh(covariance, false), REEL_ALL_AXES);
    printf("eigenvalues of the covariance: apart by %.1e\n", apart(values, variance));

    /* Coordinates of each measurement along the components, and the measurements back from these few numbers. */
    reel_tensor *axes = reel_slice(usv[2], 1, REEL_RANGES({0, needed, 1}));
    reel_tensor *few = reel_einsum("ni,ki->nk", REEL_LIST(centred, axes));
    reel_tensor *back = reel_add(reel_matmul(few, axes), mean);
    printf("%d of %d numbers a row: measurements off by %.2f %%\n", needed, COLS, 100 * apart(back, data));

    /* y = 2 c0 - c1 + 0.5 + noise. It is found from the components as well as from the causes. */
    reel_tensor *truth = reel_from_f64(REEL_SHAPE(CAUSES), (double[]){2, -1, 0}, CAUSES);
    reel_tensor *y = reel_add(reel_matmul(causes, truth), reel_normal(REEL_F64, REEL_SHAPE(ROWS), 0.5, 0.1, NULL));
    reel_tensor *one = reel_ones(REEL_F64, REEL_SHAPE(ROWS, 1));
    reel_tensor *design = reel_concat(REEL_LIST(few, one), 1), *weights = reel_lstsq(design, y, 0);
    reel_tensor *residual = reel_sub(reel_matmul(design, weights), y);
    const double left = reel_item(reel_std(residual, REEL_ALL_AXES, needed + 1, false));
    printf("least squares: constant %.2f, residual %.3f\n", reel_item(reel_select(weights, 0, needed)), left);

    /* The normal equations give it too, by Cholesky: less work, half the digits. */
    reel_tensor *gram = reel_einsum("ni,nj->ij", REEL_LIST(design, design)),
                *rhs = reel_einsum("ni,n->i", REEL_LIST(design, y));
    reel_tensor *l = reel_cholesky(gram, false), *z = reel_triangular_solve(l, rhs, NULL);
    reel_tensor *same = reel_triangular_solve(l, z, REEL_OPTS(triangular_solve, .transposed = true));
    printf("normal equations: apart by %.1e\n", apart(same, weights));
    if (!reel_status()) return needed != CAUSES || left > 0.15;
failed:;
    reel_error e;
    reel_take_error(&e);
    fprintf(stderr, "%s\n", e.text);
    return 1;
}
