/* Shapes: counts, checks, broadcasting, strides, axes, ranges. */
#include "core/context.h"
#include "core/shape.h"
#include "reel/reel.h"
#include "tap.h"
#include <stdlib.h>

static bool fails(int code, int want, const char *part)
{
    reel_error e = {0};
    const int pending = reel_take_error(&e);
    const bool ok = code == want && pending == want && strstr(e.text, part);
    if (!ok) {
        tap_note("returned %d, raised %d: %s", code, pending, e.text);
    }
    return ok;
}

static const reel_shape too_big = {3, {INT64_C(1) << 30, INT64_C(1) << 30, INT64_C(1) << 30}};

static void test_count(void)
{
    TAP_EQ_INT(reel_shape_count(REEL_SCALAR), 1);
    TAP_EQ_INT(reel_shape_count(REEL_SHAPE(2, 3, 4)), 24);
    TAP_EQ_INT(reel_shape_count(REEL_SHAPE(2, 0, 4)), 0);
    TAP_EQ_INT(reel_shape_count(REEL_SHAPE(2, REEL_ANY)), REEL_ANY);
    TAP_EQ_INT(reel_shape_count(REEL_SHAPE(2, -2)), -2);
    TAP_EQ_INT(reel_shape_count(too_big), -2);
    TAP_EQ_INT(reel_shape_count((reel_shape){.rank = 9}), -2);
    TAP_EQ_INT(reel_shape_count((reel_shape){.rank = -1}), -2);
}

static void test_check(void)
{
    TAP_EQ_INT(reel_shape_check_(REEL_SHAPE(1, 2, 3, 4, 5, 6, 7, 8), false), 0);
    TAP_EQ_INT(reel_shape_check_(REEL_SCALAR, false), 0);
    TAP_EQ_INT(reel_shape_check_(REEL_SHAPE(0, 5), false), 0);
    TAP_EQ_INT(reel_shape_check_(REEL_SHAPE(REEL_ANY, 5), true), 0);
    TAP_OK(fails(reel_shape_check_(REEL_SHAPE(REEL_ANY, 5), false), REEL_ESHAPE, "[?,5]"),
           "unknown where it may not be");
    TAP_OK(fails(reel_shape_check_((reel_shape){.rank = 9}, true), REEL_ESHAPE, "rank 9"), "rank 9");
    TAP_OK(fails(reel_shape_check_((reel_shape){.rank = -1}, true), REEL_ESHAPE, "rank -1"), "rank -1");
    TAP_OK(fails(reel_shape_check_(REEL_SHAPE(3, -7), true), REEL_ESHAPE, "axis 1 is -7"), "negative dimension");
    TAP_OK(fails(reel_shape_check_(too_big, true), REEL_ESHAPE, "overflows"), "overflow");
    TAP_OK(fails(reel_shape_check_(REEL_SHAPE(INT64_MAX / 8 + 1), true), REEL_ESHAPE, "overflows"),
           "overflow in bytes");
    TAP_EQ_INT(reel_shape_check_(REEL_SHAPE(INT64_MAX / 8), true), 0);
}

static void test_broadcast(void)
{
    enum { A = -1 };
    static const struct {
        reel_shape a, b, want; /* want.rank -1: an error */
    } cases[] = {
        {{0, {0}}, {0, {0}}, {0, {0}}},
        {{2, {2, 3}}, {0, {0}}, {2, {2, 3}}},
        {{2, {2, 3}}, {1, {3}}, {2, {2, 3}}},
        {{2, {2, 1}}, {1, {3}}, {2, {2, 3}}},
        {{3, {4, 1, 3}}, {2, {5, 1}}, {3, {4, 5, 3}}},
        {{2, {0, 3}}, {2, {1, 3}}, {2, {0, 3}}},
        {{1, {0}}, {1, {1}}, {1, {0}}},
        {{2, {A, 3}}, {1, {3}}, {2, {A, 3}}},
        {{2, {A, 3}}, {2, {1, 3}}, {2, {A, 3}}},
        {{2, {A, 3}}, {2, {7, 3}}, {2, {7, 3}}},
        {{2, {A, 1}}, {2, {A, A}}, {2, {A, A}}},
        {{2, {2, 3}}, {1, {2}}, {-1, {0}}},
        {{2, {2, 3}}, {2, {3, 3}}, {-1, {0}}},
        {{1, {0}}, {1, {2}}, {-1, {0}}},
        {{2, {INT64_C(1) << 40, 1}}, {2, {1, INT64_C(1) << 40}}, {-1, {0}}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int swap = 0; swap < 2; swap++) {
            reel_shape got = {.rank = -1};
            const reel_shape *a = swap ? &cases[i].b : &cases[i].a, *b = swap ? &cases[i].a : &cases[i].b;
            const int code = reel_shape_broadcast_(a, b, &got);
            char ta[REEL_SHAPE_TEXT], tb[REEL_SHAPE_TEXT];
            reel_shape_text_(a, ta);
            reel_shape_text_(b, tb);
            if (cases[i].want.rank < 0) {
                TAP_OK(code == REEL_ESHAPE && reel_take_error(NULL) == REEL_ESHAPE, "%s with %s is an error", ta, tb);
            } else {
                TAP_OK(code == 0 && reel_shape_same_(&got, &cases[i].want), "%s with %s", ta, tb);
            }
        }
    }
    reel_shape out;
    const reel_shape a = REEL_SHAPE(2, 3), b = REEL_SHAPE(4, 3);
    TAP_OK(fails(reel_shape_broadcast_(&a, &b, &out), REEL_ESHAPE, "[2,3] and [4,3]"), "the error names both shapes");
}

static void test_strides(void)
{
    int64_t st[REEL_MAX_RANK];
    reel_shape s = REEL_SHAPE(2, 3, 4);
    reel_shape_strides_(&s, st);
    TAP_OK(st[0] == 12 && st[1] == 4 && st[2] == 1, "strides of [2,3,4]");
    TAP_OK(reel_is_dense_(&s, st), "... are dense");
    TAP_OK(!reel_is_dense_(&s, (const int64_t[]){1, 4, 12}), "others are not");
    TAP_OK(!reel_is_dense_(&s, (const int64_t[]){24, 8, 2}), "nor are gaps");
    s = REEL_SHAPE(2, 1, 4);
    TAP_OK(reel_is_dense_(&s, (const int64_t[]){4, 999, 1}), "the stride of a dimension of size 1 is of no matter");
    s = REEL_SHAPE(2, 0, 4);
    reel_shape_strides_(&s, st);
    TAP_OK(st[0] == 4 && st[1] == 4 && st[2] == 1, "a dimension of size 0 counts as 1 in strides");
    TAP_OK(reel_is_dense_(&s, (const int64_t[]){7, 7, 7}), "an empty tensor is dense");
    s = REEL_SCALAR;
    TAP_OK(reel_is_dense_(&s, st), "so is a scalar");
    s = REEL_SHAPE(2, 2);
    TAP_OK(!reel_is_dense_(&s, (const int64_t[]){0, 1}) && !reel_is_dense_(&s, (const int64_t[]){-2, -1}),
           "a broadcast or reversed one is not");
}

static void test_axes(void)
{
    int out = -5;
    unsigned mask = 0;
    TAP_OK(reel_axis_(-1, 3, &out) == 0 && out == 2, "axis -1 of 3");
    TAP_OK(reel_axis_(0, 3, &out) == 0 && out == 0, "axis 0 of 3");
    TAP_OK(fails(reel_axis_(3, 2, &out), REEL_EARG, "axis 3 is out of range for rank 2"), "axis 3 of 2");
    TAP_OK(fails(reel_axis_(-3, 2, &out), REEL_EARG, "axis -3"), "axis -3 of 2");
    TAP_OK(fails(reel_axis_(0, 0, &out), REEL_EARG, "rank 0"), "axis 0 of a scalar");
    reel_axes axes = REEL_AXES(0, -1);
    TAP_OK(reel_axes_mask_(&axes, 3, &mask) == 0 && mask == 5, "axes 0 and -1 of 3");
    axes = REEL_ALL_AXES;
    TAP_OK(reel_axes_mask_(&axes, 8, &mask) == 0 && mask == 255, "all axes of 8");
    TAP_OK(reel_axes_mask_(&axes, 0, &mask) == 0 && mask == 0, "all axes of a scalar");
    axes = REEL_AXES(1, -2);
    TAP_OK(fails(reel_axes_mask_(&axes, 3, &mask), REEL_EARG, "twice"), "the same axis twice");
    axes = REEL_AXES(1, 5);
    TAP_OK(fails(reel_axes_mask_(&axes, 3, &mask), REEL_EARG, "axis 5"), "an axis out of range");
    axes.n = 9;
    TAP_OK(fails(reel_axes_mask_(&axes, 3, &mask), REEL_EARG, "9 axes"), "too many axes");
    axes.n = -1;
    TAP_OK(fails(reel_axes_mask_(&axes, 3, &mask), REEL_EARG, "-1 axes"), "too few axes");
}

/* Python's slice(start, stop, step).indices(n), then counting, in the slowest way. */
static bool range_is_right(reel_range r, int64_t n)
{
    int64_t first, count, step;
    reel_range_resolve_(r, n, &first, &count, &step);
    const int64_t by = r.step ? r.step : 1;
    int64_t want = 0, at = 0;
    for (int64_t k = 0; k < n; k++) { /* the k-th step from the beginning of the walk */
        const int64_t low = by > 0 ? 0 : -1, high = by > 0 ? n : n - 1;
        int64_t a = r.start == REEL_END ? (by > 0 ? 0 : n - 1) : r.start < 0 ? r.start + n : r.start;
        int64_t b = r.stop == REEL_END ? (by > 0 ? n : -1) : r.stop < 0 ? (r.stop + n < 0 ? low : r.stop + n) : r.stop;
        a = a < low ? low : a > high ? high : a;
        b = b < low ? low : b > high ? high : b;
        const int64_t i = a + k * by;
        if (by > 0 ? i < b : i > b) {
            at = k == 0 ? i : at;
            want++;
        }
    }
    return step == by && count == want && (count == 0 || first == at) && (count == 0 || (first >= 0 && first < n)) &&
           (count == 0 || (first + (count - 1) * step >= 0 && first + (count - 1) * step < n));
}

static void test_ranges(void)
{
    int wrong = 0;
    for (int64_t n = 0; n <= 5; n++) {
        for (int64_t start = -8; start <= 8; start++) {
            for (int64_t stop = -8; stop <= 8; stop++) {
                for (int64_t step = -4; step <= 4; step++) {
                    wrong += !range_is_right(
                        (reel_range){start == 8 ? REEL_END : start, stop == 8 ? REEL_END : stop, step}, n);
                }
            }
        }
    }
    TAP_OK(wrong == 0, "all ranges of up to 5 (%d wrong)", wrong);
    int64_t first, count, step;
    reel_range_resolve_((reel_range){INT64_MIN + 1, INT64_MAX, INT64_MAX}, INT64_MAX / 8, &first, &count, &step);
    TAP_OK(first == 0 && count == 1 && step == INT64_MAX, "the widest numbers overflow nothing");
    reel_range_resolve_((reel_range){INT64_MAX, INT64_MIN + 1, INT64_MIN}, 10, &first, &count, &step);
    TAP_OK(first == 9 && count == 1 && step == INT64_MIN, "... backwards neither");
}

static void test_text(void)
{
    char buf[REEL_SHAPE_TEXT];
    reel_shape s = REEL_SHAPE(32, 784);
    TAP_EQ_STR(reel_shape_text_(&s, buf), "[32,784]");
    s = REEL_SHAPE(REEL_ANY, 784);
    TAP_EQ_STR(reel_shape_text_(&s, buf), "[?,784]");
    s = REEL_SCALAR;
    TAP_EQ_STR(reel_shape_text_(&s, buf), "[]");
    s.rank = 8;
    for (int i = 0; i < 8; i++) {
        s.dims[i] = INT64_MIN;
    }
    TAP_EQ_INT(strlen(reel_shape_text_(&s, buf)), 8 * 20 + 7 + 2);
}

TAP_MAIN(test_count, test_check, test_broadcast, test_strides, test_axes, test_ranges, test_text)
