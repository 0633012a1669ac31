/* test_join.c: concat, split and unslice against plain loops: any axis, layouts, element sizes, empty parts. */
#include "kernel_drive.h"
#include "tap.h"

static const reel_dtype kinds[] = {REEL_U8, REEL_BF16, REEL_F32, REEL_I64};

static void fill_bits(array *a)
{
    for (int64_t i = 0; i < count_of(a); i++) {
        const uint64_t u = next_bits();
        memcpy(element(a, i), &u, reel_size_(a->dtype));
    }
}

/* Offset in elements (C order) of the element of part i (C order) inside whole, part beginning at start along axis. */
static int64_t place_in(const array *whole, const array *part, int axis, int64_t start, int64_t i)
{
    int64_t at_axis[REEL_MAX_RANK], o = 0;
    for (int k = part->rank - 1; k >= 0; k--) {
        at_axis[k] = i % part->dims[k] + (k == axis ? start : 0);
        i /= part->dims[k];
    }
    for (int k = 0; k < whole->rank; k++) o = o * whole->dims[k] + at_axis[k];
    return o;
}

static void one_concat(reel_dtype d, int rank, const int64_t *dims, int axis, int n, const int64_t *sizes)
{
    array in[8], whole;
    int64_t out_dims[REEL_MAX_RANK], total = 0;
    for (int i = 0; i < n; i++) {
        int64_t own[REEL_MAX_RANK];
        memcpy(own, dims, sizeof own);
        own[axis] = sizes[i];
        total += sizes[i];
        array a = dense_array(d, rank, own);
        fill_bits(&a);
        in[i] = relaid(&a, i % LAYOUTS);
        free(a.base);
    }
    memcpy(out_dims, dims, sizeof out_dims);
    out_dims[axis] = total;
    whole = dense_array(d, rank, out_dims);
    for (int threads = 1; threads <= 2; threads++) {
        const reel_attr_axis attr = {.axis = threads == 1 ? axis : axis - rank};
        memset(whole.data, 0x11, (size_t)count_of(&whole) * reel_size_(d));
        reel_set_threads(threads);
        bool ok = drive(&reel_k_concat_, REEL_OP_concat, &attr, n, in, 1, &whole, no_swap) == 0;
        int64_t start = 0;
        for (int i = 0; i < n; i++) {
            for (int64_t j = 0; ok && j < count_of(&in[i]); j++)
                ok = memcmp(element(&in[i], j), element(&whole, place_in(&whole, &in[i], axis, start, j)),
                            reel_size_(d)) == 0;
            start += sizes[i];
        }
        TAP_OK(ok, "concat of %d %s of rank %d along %d, %d threads", n, reel_dtype_name(d), rank, axis, threads);
    }
    for (int i = 0; i < n; i++) free(in[i].base);
    free(whole.base);
}

static void test_concat(void)
{
    for (size_t d = 0; d < 4; d++) {
        for (int axis = 0; axis < 3; axis++) {
            one_concat(kinds[d], 3, (int64_t[REEL_MAX_RANK]){3, 4, 5}, axis, 4, (int64_t[]){2, 1, 3, 7});
            one_concat(kinds[d], 3, (int64_t[REEL_MAX_RANK]){3, 1, 5}, axis, 5, (int64_t[]){0, 1, 3, 0, 2});
            one_concat(kinds[d], 3, (int64_t[REEL_MAX_RANK]){1, 4, 1}, axis, 1, (int64_t[]){4});
        }
        one_concat(kinds[d], 1, (int64_t[REEL_MAX_RANK]){1}, 0, 3, (int64_t[]){5, 100, 1});
        one_concat(kinds[d], 2, (int64_t[REEL_MAX_RANK]){0, 3}, 1, 2, (int64_t[]){3, 2});
    }
    one_concat(REEL_F32, 3, (int64_t[REEL_MAX_RANK]){30, 100, 40}, 1, 4, (int64_t[]){70, 100, 1, 33});
}

static void test_split(void)
{
    for (size_t d = 0; d < 4; d++)
        for (int layout = 0; layout < LAYOUTS; layout++)
            for (int axis = 0; axis < 3; axis++) {
                array a = dense_array(kinds[d], 3, (int64_t[]){6, 12, 18}), part[3];
                fill_bits(&a);
                array x = relaid(&a, layout);
                int64_t dims[3];
                memcpy(dims, a.dims, sizeof dims);
                dims[axis] /= 3;
                for (int i = 0; i < 3; i++) part[i] = dense_array(kinds[d], 3, dims);
                const reel_attr_axis attr = {.axis = axis, .index = 3};
                bool ok = drive(&reel_k_split_, REEL_OP_split, &attr, 1, &x, 3, part, no_swap) == 0;
                for (int i = 0; i < 3; i++) {
                    for (int64_t j = 0; ok && j < count_of(&part[i]); j++)
                        ok = memcmp(element(&part[i], j), element(&a, place_in(&a, &part[i], axis, i * dims[axis], j)),
                                    reel_size_(a.dtype)) == 0;
                    free(part[i].base);
                }
                TAP_OK(ok, "split of %s along %d, layout %d", reel_dtype_name(kinds[d]), axis, layout);
                free(a.base), free(x.base);
            }
}

static void one_unslice(reel_dtype d, int rank, const int64_t *dims, int n, const reel_range *r, int layout)
{
    reel_attr_slice attr = {.n = n};
    int64_t first[REEL_MAX_RANK] = {0}, count[REEL_MAX_RANK] = {0}, step[REEL_MAX_RANK] = {0};
    for (int k = 0; k < rank; k++) {
        count[k] = dims[k];
        step[k] = 1;
        if (k >= n) continue;
        attr.r[k] = r[k];
        reel_range_resolve_(r[k], dims[k], &first[k], &count[k], &step[k]);
    }
    array g = dense_array(d, rank, count), y = dense_array(d, rank, dims), want = dense_array(d, rank, dims);
    fill_bits(&g);
    for (int64_t i = 0; i < count_of(&g); i++) {
        int64_t rest = i, o = 0, at_axis[REEL_MAX_RANK];
        for (int k = rank - 1; k >= 0; k--) {
            at_axis[k] = first[k] + rest % count[k] * step[k];
            rest /= count[k];
        }
        for (int k = 0; k < rank; k++) o = o * dims[k] + at_axis[k];
        memcpy(element(&want, o), element(&g, i), reel_size_(d));
    }
    array in[2] = {relaid(&g, layout), want};
    in[1].data = NULL; /* only its shape may be read */
    memset(y.data, 0x33, (size_t)count_of(&y) * reel_size_(d));
    const bool ok = drive(&reel_k_unslice_, REEL_OP_unslice, &attr, 2, in, 1, &y, no_swap) == 0;
    TAP_OK(ok && memcmp(y.data, want.data, (size_t)count_of(&y) * reel_size_(d)) == 0,
           "unslice %s rank %d, %d ranges, layout %d", reel_dtype_name(d), rank, n, layout);
    free(g.base), free(y.base), free(want.base), free(in[0].base);
}

static void test_unslice(void)
{
    const reel_range whole = {REEL_END, REEL_END, 1};
    for (size_t d = 0; d < 4; d++)
        for (int l = 0; l < LAYOUTS; l++) {
            const int64_t dims[] = {6, 7, 8};
            one_unslice(kinds[d], 3, dims, 3, (reel_range[]){{1, 5, 2}, {REEL_END, REEL_END, -1}, {2, 3, 1}}, l);
            one_unslice(kinds[d], 3, dims, 1, (reel_range[]){{-2, REEL_END, 1}}, l);
            one_unslice(kinds[d], 3, dims, 2, (reel_range[]){whole, {6, 0, -3}}, l);
            one_unslice(kinds[d], 3, dims, 2, (reel_range[]){whole, {3, 3, 1}}, l); /* empty */
            one_unslice(kinds[d], 1, dims, 0, NULL, l);
        }
    one_unslice(REEL_F32, 0, NULL, 0, NULL, 0);
    one_unslice(REEL_F32, 2, (int64_t[]){0, 3}, 1, (reel_range[]){whole}, 0);
    one_unslice(REEL_F32, 3, (int64_t[]){50, 60, 100}, 2, (reel_range[]){{0, 50, 2}, {10, 50, 3}}, 2);
}

TAP_MAIN(test_concat, test_split, test_unslice)
