/* choose.c: for each kind of step: operands among the values there are, and numbers that fit them. What cannot be seen from types is
   left to the shape rules: a step that the graph refuses is dropped. */
#include "generate.h"

/* ---- values ------------------------------------------------------------------------------------------- */

const reel_type *type_of(const fuzz_gen *g, int value)
{
    return &g->p->type[value];
}

bool same_type(const reel_type *a, const reel_type *b)
{
    if (a->dtype != b->dtype || a->shape.rank != b->shape.rank) return false;
    for (int i = 0; i < a->shape.rank; i++)
        if (a->shape.dims[i] != b->shape.dims[i]) return false;
    return true;
}

bool known(const reel_type *t)
{
    for (int i = 0; i < t->shape.rank; i++)
        if (t->shape.dims[i] < 0) return false;
    return true;
}

int64_t count_of(const reel_type *t)
{
    int64_t n = 1;
    for (int i = 0; i < t->shape.rank; i++) n *= t->shape.dims[i] < 0 ? 7 : t->shape.dims[i];
    return n;
}

int pick(fuzz_gen *g)
{
    const int recent = g->n_pool < 4 ? g->n_pool : 4;
    return g->pool[below(g, 3) ? below(g, g->n_pool) : g->n_pool - 1 - below(g, recent)];
}

int pick_float(fuzz_gen *g)
{
    for (int i = 0; i < 12; i++) {
        const int v = pick(g);
        if (fuzz_is_float(type_of(g, v)->dtype)) return v;
    }
    return -1;
}

int pick_number(fuzz_gen *g)
{
    for (int i = 0; i < 12; i++) {
        const int v = pick(g);
        if (type_of(g, v)->dtype != REEL_BOOL) return v;
    }
    return -1;
}

static bool fit(const reel_type *a, const reel_type *b)
{
    const reel_shape *x = &a->shape, *y = &b->shape;
    const int rank = x->rank > y->rank ? x->rank : y->rank;
    int64_t count = 1;
    for (int i = 1; i <= rank; i++) {
        const int64_t p = i <= x->rank ? x->dims[x->rank - i] : 1, q = i <= y->rank ? y->dims[y->rank - i] : 1;
        if (p != q && p != 1 && q != 1) return false;
        const int64_t d = p == 1 ? q : p;
        count *= d < 0 ? 7 : d;
    }
    return count <= FUZZ_ELEMENTS;
}

static int partner(fuzz_gen *g, int a)
{
    for (int i = 0; i < 10; i++) {
        const int b = pick(g);
        if (type_of(g, b)->dtype == type_of(g, a)->dtype && fit(type_of(g, a), type_of(g, b))) return b;
    }
    return a;
}

static reel_dtype any_dtype(fuzz_gen *g)
{
    static const reel_dtype d[] = {REEL_F32,  REEL_F32, REEL_F32, REEL_F32, REEL_F64, REEL_F64, REEL_F16,
                                   REEL_BF16, REEL_I8,  REEL_U8,  REEL_I32, REEL_I64, REEL_BOOL};
    return d[below(g, 13)];
}

static int64_t any_dim(fuzz_gen *g)
{
    static const int64_t dims[] = {1, 1, 2, 2, 3, 3, 3, 4, 5, 8, 17, 0};
    return dims[below(g, below(g, 4) ? 11 : 12)];
}

static bool one(fuzz_step *s, int a)
{
    s->n_in = 1;
    s->in[0] = a;
    return a >= 0;
}

static bool two(fuzz_step *s, int a, int b)
{
    s->n_in = 2;
    s->in[0] = a;
    s->in[1] = b;
    return a >= 0 && b >= 0;
}

/* ---- what depends on operand 0, which is chosen and of type a: further operands, numbers ------------------ */

static bool rest_none(fuzz_gen *g, fuzz_step *s, const reel_type *a)
{
    (void)g, (void)s, (void)a;
    return true;
}

static bool rest_dtype(fuzz_gen *g, fuzz_step *s, const reel_type *a)
{
    (void)g;
    s->n[0] = a->dtype;
    return true;
}

/* n[0]: a number, in eighths */
static bool rest_number(fuzz_gen *g, fuzz_step *s, const reel_type *a)
{
    static const int64_t eighths[] = {0, 8, 16, 24, -8, 4, 2, -4, 1, -12, 8, 0};
    s->n[0] = eighths[below(g, fuzz_is_float(a->dtype) ? 12 : a->dtype == REEL_U8 ? 4 : 5)];
    return true;
}

static bool rest_partner(fuzz_gen *g, fuzz_step *s, const reel_type *a)
{
    const int x = s->in[0], y = partner(g, x);
    (void)a;
    return below(g, 2) ? two(s, x, y) : two(s, y, x);
}

/* C: a condition */
static bool rest_where(fuzz_gen *g, fuzz_step *s, const reel_type *a)
{
    (void)rest_partner(g, s, a);
    s->n_in = 3;
    for (int i = 0; i < 20; i++) {
        s->in[2] = pick(g);
        const reel_type *c = type_of(g, s->in[2]);
        if (c->dtype == REEL_BOOL && fit(type_of(g, s->in[0]), c) && fit(type_of(g, s->in[1]), c)) return true;
    }
    return false;
}

/* ---- reductions: n[0]: keepdims, n[1] ...: axes ------------------------------------------------------------ */

static bool axes_of(fuzz_gen *g, fuzz_step *s, const reel_shape *shape, bool nonempty)
{
    s->n[0] = below(g, 2);
    s->n[1] = 0;
    for (int i = 0; i < shape->rank; i++) {
        if (below(g, 2) || (nonempty && shape->dims[i] <= 0)) continue;
        s->n[2 + s->n[1]++] = below(g, 2) ? i : i - shape->rank;
    }
    return !nonempty || s->n[1] > 0;
}

static bool rest_axes(fuzz_gen *g, fuzz_step *s, const reel_type *a)
{
    return axes_of(g, s, &a->shape, false);
}

static bool rest_some_axes(fuzz_gen *g, fuzz_step *s, const reel_type *a)
{
    return axes_of(g, s, &a->shape, true);
}

static bool rest_one_axis(fuzz_gen *g, fuzz_step *s, const reel_type *a)
{
    if (!axes_of(g, s, &a->shape, true)) return false;
    s->n[1] = 1;
    return true;
}

/* ---- shapes -------------------------------------------------------------------------------------------- */

static bool rest_slice(fuzz_gen *g, fuzz_step *s, const reel_type *a)
{
    static const int64_t steps[] = {1, 1, 2, -1, -2, 3, 0};
    s->n[0] = a->shape.rank ? below(g, a->shape.rank + 1) : 0;
    for (int i = 0; i < s->n[0]; i++) {
        int64_t *r = &s->n[1 + 3 * i];
        r[0] = r[1] = REEL_END;
        r[2] = 1;
        if (a->shape.dims[i] < 0) continue;
        const int span = 2 * (int)a->shape.dims[i] + 3;
        r[2] = steps[below(g, 7)];
        if (below(g, 3)) r[0] = below(g, span) - a->shape.dims[i] - 1;
        if (below(g, 3)) r[1] = below(g, span) - a->shape.dims[i] - 1;
    }
    return s->n[0] <= 8;
}

static bool rest_reshape_flat(fuzz_gen *g, fuzz_step *s, const reel_type *a)
{
    (void)g;
    if (count_of(a) == 0) return false;
    s->n[0] = 1;
    s->n[1] = -1;
    if (known(a)) return true;
    if (a->shape.dims[0] >= 0) return false;
    s->n[0] = 2;
    s->n[2] = 1;
    for (int i = 1; i < a->shape.rank; i++) s->n[2] *= a->shape.dims[i];
    return s->n[2] > 0;
}

static bool rest_reshape_swap(fuzz_gen *g, fuzz_step *s, const reel_type *a)
{
    (void)g;
    if (a->shape.rank < 2 || !known(a)) return false;
    s->n[0] = a->shape.rank;
    for (int i = 0; i < a->shape.rank; i++) s->n[1 + i] = a->shape.dims[i];
    s->n[a->shape.rank - 1] = a->shape.dims[a->shape.rank - 1];
    s->n[a->shape.rank] = a->shape.dims[a->shape.rank - 2];
    return true;
}

/* n[0] ...: a permutation; n[9] ...: its inverse */
static bool rest_transpose(fuzz_gen *g, fuzz_step *s, const reel_type *a)
{
    const int rank = a->shape.rank;
    s->n[0] = s->n[9] = rank;
    for (int i = 0; i < rank; i++) s->n[1 + i] = i;
    for (int i = rank - 1; i > 0; i--) {
        const int j = below(g, i + 1);
        const int64_t t = s->n[1 + i];
        s->n[1 + i] = s->n[1 + j];
        s->n[1 + j] = t;
    }
    for (int i = 0; i < rank; i++) s->n[10 + s->n[1 + i]] = i;
    return rank <= 8 && (s->kind == FUZZ_transpose || fuzz_is_float(type_of(g, s->in[0])->dtype));
}

/* An axis of known size that is not empty; -1: there is none. */
static int known_axis(fuzz_gen *g, const reel_type *a)
{
    const reel_shape *s = &a->shape;
    const int first = below(g, s->rank ? s->rank : 1);
    for (int i = 0; i < s->rank; i++) {
        const int k = (first + i) % s->rank;
        if (s->dims[k] > 0) return k;
    }
    return -1;
}

/* n: axis, its size, a number up to it and 4, one below 5, one below 2 */
static bool rest_axis(fuzz_gen *g, fuzz_step *s, const reel_type *a)
{
    const int axis = known_axis(g, a);
    if (axis < 0) return false;
    const int size = (int)a->shape.dims[axis];
    s->n[0] = axis;
    s->n[1] = size;
    s->n[2] = 1 + below(g, size < 4 ? size : 4);
    s->n[3] = below(g, 5);
    s->n[4] = below(g, 2);
    return true;
}

static bool rest_select(fuzz_gen *g, fuzz_step *s, const reel_type *a)
{
    if (!rest_axis(g, s, a)) return false;
    s->n[1] = below(g, 2 * (int)s->n[1]) - s->n[1];
    return true;
}

static bool rest_unsqueeze(fuzz_gen *g, fuzz_step *s, const reel_type *a)
{
    const int rank = a->shape.rank;
    s->n[0] = 1;
    s->n[1] = below(g, rank + 1);
    return rank < 6;
}

static bool rest_squeeze(fuzz_gen *g, fuzz_step *s, const reel_type *a)
{
    s->n[0] = 0;
    for (int i = 0; i < a->shape.rank; i++)
        if (a->shape.dims[i] == 1 && below(g, 3)) s->n[1 + s->n[0]++] = i;
    return s->n[0] > 0;
}

static bool rest_broadcast(fuzz_gen *g, fuzz_step *s, const reel_type *a)
{
    s->n[0] = a->shape.rank + 1;
    s->n[1] = 1 + below(g, 3);
    for (int i = 0; i < a->shape.rank; i++) s->n[2 + i] = a->shape.dims[i] == 1 ? any_dim(g) : a->shape.dims[i];
    return known(a) && a->shape.rank < 5;
}

static bool rest_concat(fuzz_gen *g, fuzz_step *s, const reel_type *t)
{
    const int a = s->in[0], axis = known_axis(g, t);
    if (axis < 0) return false;
    s->n[0] = axis;
    s->n_in = 3;
    s->in[1] = s->in[2] = a;
    for (int i = 0; i < 8; i++) {
        const int b = pick(g);
        const reel_type *z = type_of(g, b);
        bool ok = z->dtype == t->dtype && z->shape.rank == t->shape.rank && z->shape.dims[axis] >= 0;
        for (int j = 0; ok && j < t->shape.rank; j++) ok = j == axis || z->shape.dims[j] == t->shape.dims[j];
        if (ok) s->in[i % 3] = b;
    }
    return true;
}

static bool rest_split(fuzz_gen *g, fuzz_step *s, const reel_type *a)
{
    static const int parts[] = {2, 3, 5, 1};
    if (!rest_axis(g, s, a)) return false;
    const int64_t size = s->n[1];
    for (int i = 0; i < 4; i++) {
        s->n[1] = parts[i];
        if (size % parts[i] == 0) return true;
    }
    return false;
}

/* n[0]: rank; n[1] ...: before, n[6] ...: after */
static bool rest_pad(fuzz_gen *g, fuzz_step *s, const reel_type *a)
{
    s->n[0] = a->shape.rank;
    for (int i = 0; i < a->shape.rank && i < 5; i++) {
        s->n[1 + i] = below(g, 3);
        s->n[6 + i] = below(g, 4) - 1;
        if (a->shape.dims[i] <= 0 || a->shape.dims[i] + s->n[1 + i] + s->n[6 + i] < 0) s->n[1 + i] = s->n[6 + i] = 0;
    }
    return a->shape.rank <= 5;
}

/* ---- matrices ------------------------------------------------------------------------------------------ */

static bool rest_matrix_any(fuzz_gen *g, fuzz_step *s, const reel_type *a)
{
    s->n[0] = below(g, 3);
    return a->shape.rank >= 2 && a->shape.dims[a->shape.rank - 1] > 0 && a->shape.dims[a->shape.rank - 2] > 0;
}

/* n[1] ...: the permutation that swaps the last two */
static bool rest_matrix_float(fuzz_gen *g, fuzz_step *s, const reel_type *a)
{
    (void)g;
    const int rank = a->shape.rank;
    s->n[1] = rank;
    for (int i = 0; i < rank; i++) s->n[2 + i] = i;
    if (rank > 1) s->n[rank] = rank - 1, s->n[rank + 1] = rank - 2;
    return rank > 0;
}

static bool rest_product(fuzz_gen *g, fuzz_step *s, const reel_type *x)
{
    for (int i = 0; i < 8 && x->shape.rank > 0; i++) {
        const int b = pick(g);
        const reel_type *z = type_of(g, b);
        const int rank = z->shape.rank;
        if (rank == 0 || z->dtype != x->dtype) continue;
        if (z->shape.dims[rank > 1 ? rank - 2 : 0] != x->shape.dims[x->shape.rank - 1]) continue;
        if (rank <= 2 || (known(x) && known(z) && x->shape.rank <= 2)) return two(s, s->in[0], b);
    }
    return false;
}

static bool rest_product_const(fuzz_gen *g, fuzz_step *s, const reel_type *a)
{
    if (a->shape.rank == 0) return false;
    s->n[0] = a->dtype;
    s->n[1] = a->shape.dims[a->shape.rank - 1];
    s->n[2] = any_dim(g);
    return s->n[1] >= 0;
}

static bool rest_small_matrix(fuzz_gen *g, fuzz_step *s, const reel_type *a)
{
    if (a->shape.rank != 2 || !known(a) || count_of(a) == 0 || a->shape.dims[1] > 8) return false;
    s->n[0] = a->dtype;
    s->n[1] = a->shape.dims[1];
    s->n[2] = below(g, 2);
    return a->dtype == REEL_F32 || a->dtype == REEL_F64;
}

static bool rest_last_axis(fuzz_gen *g, fuzz_step *s, const reel_type *a)
{
    (void)g;
    s->n[0] = a->shape.rank - 1;
    return a->shape.rank > 0 && a->shape.dims[a->shape.rank - 1] > 0;
}

static bool rest_vector(fuzz_gen *g, fuzz_step *s, const reel_type *a)
{
    (void)g, (void)s;
    return a->shape.rank == 1;
}

static bool rest_flat(fuzz_gen *g, fuzz_step *s, const reel_type *a)
{
    (void)g;
    s->n[0] = count_of(a);
    return known(a) && s->n[0] > 0 && a->shape.rank > 0;
}

/* n[0] ...: its shape as [1, channels, h, w]; n[5]: its dtype */
static bool rest_image(fuzz_gen *g, fuzz_step *s, const reel_type *a)
{
    (void)g;
    const int rank = a->shape.rank;
    if (rank < 2 || !known(a) || count_of(a) == 0 || count_of(a) > 300) return false;
    s->n[0] = 4;
    s->n[1] = s->n[2] = 1;
    for (int i = 0; i < rank - 2; i++) s->n[2] *= a->shape.dims[i];
    s->n[3] = a->shape.dims[rank - 2];
    s->n[4] = a->shape.dims[rank - 1];
    s->n[5] = a->dtype;
    return true;
}

static bool rest_sequence(fuzz_gen *g, fuzz_step *s, const reel_type *a)
{
    s->n[0] = below(g, 2);
    return a->shape.rank >= 2 && a->shape.rank <= 3 && known(a) && count_of(a) > 0;
}

static bool rest_steps_of(fuzz_gen *g, fuzz_step *s, const reel_type *a)
{
    if (!rest_sequence(g, s, a)) return false;
    if (a->shape.rank != 3) return false;
    s->n[0] = a->dtype;
    s->n[1] = a->shape.dims[2];
    s->n[2] = below(g, 2);
    return true;
}

/* ---- operand 0, then the rest ------------------------------------------------------------------------------ */

typedef bool rest_of(fuzz_gen *g, fuzz_step *s, const reel_type *a);
static bool choose(fuzz_gen *g, fuzz_step *s, int operand, rest_of *rest)
{
    return one(s, operand) && rest(g, s, type_of(g, operand));
}

#define CHOOSER(name, operand, rest)                     \
    static bool choose_##name(fuzz_gen *g, fuzz_step *s) \
    {                                                    \
        return choose(g, s, operand(g), rest);           \
    }
CHOOSER(any_one, pick, rest_none)
CHOOSER(floats, pick_float, rest_none)
CHOOSER(numbers, pick_number, rest_dtype)
CHOOSER(number, pick_number, rest_number)
CHOOSER(pair, pick_number, rest_partner)
CHOOSER(any_pair, pick, rest_partner)
CHOOSER(float_pair, pick_float, rest_partner)
CHOOSER(where, pick, rest_where)
CHOOSER(reduce, pick_number, rest_axes)
CHOOSER(reduce_float, pick_float, rest_axes)
CHOOSER(reduce_some, pick_number, rest_some_axes)
CHOOSER(reduce_float_some, pick_float, rest_some_axes)
CHOOSER(reduce_one, pick_number, rest_one_axis)
CHOOSER(slice, pick, rest_slice)
CHOOSER(reshape_flat, pick, rest_reshape_flat)
CHOOSER(reshape_swap, pick, rest_reshape_swap)
CHOOSER(transpose, pick_number, rest_transpose)
CHOOSER(known_axis, pick, rest_axis)
CHOOSER(number_axis, pick_number, rest_axis)
CHOOSER(float_axis, pick_float, rest_axis)
CHOOSER(select, pick, rest_select)
CHOOSER(unsqueeze, pick, rest_unsqueeze)
CHOOSER(squeeze, pick, rest_squeeze)
CHOOSER(broadcast, pick, rest_broadcast)
CHOOSER(concat, pick, rest_concat)
CHOOSER(split, pick, rest_split)
CHOOSER(pad, pick, rest_pad)
CHOOSER(matrix_any, pick, rest_matrix_any)
CHOOSER(matrix_float, pick_float, rest_matrix_float)
CHOOSER(product, pick_float, rest_product)
CHOOSER(product_const, pick_float, rest_product_const)
CHOOSER(small_matrix, pick_float, rest_small_matrix)
CHOOSER(last_axis, pick_float, rest_last_axis)
CHOOSER(vector, pick_number, rest_vector)
CHOOSER(flat, pick_number, rest_flat)
CHOOSER(image, pick_float, rest_image)
CHOOSER(sequence, pick_float, rest_sequence)
CHOOSER(steps_of, pick_float, rest_steps_of)

static bool choose_anything(fuzz_gen *g, fuzz_step *s)
{
    s->n[0] = 8 * below(g, 4);
    return true;
}

static bool choose_cast(fuzz_gen *g, fuzz_step *s)
{
    s->n[0] = any_dtype(g);
    if (!one(s, pick(g))) return false;
    s->n[1] = type_of(g, s->in[0])->dtype;
    /* 1 / -0 as an integer is not 1 / 0 */
    return !(g->p->zeros && fuzz_is_float((reel_dtype)s->n[1]) && !fuzz_is_float((reel_dtype)s->n[0]));
}

/* ---- made, drawn, assigned ----------------------------------------------------------------------------- */

/* n[0]: a dtype, n[1]: a float one, n[2] ...: a shape, n[12] and n[13]: dimensions */
static bool choose_create(fuzz_gen *g, fuzz_step *s)
{
    int64_t count = 1;
    s->n[0] = any_dtype(g);
    s->n[1] = fuzz_is_float((reel_dtype)s->n[0]) ? s->n[0] : REEL_F32;
    s->n[2] = below(g, 4);
    for (int i = 0; i < s->n[2]; i++) {
        s->n[3 + i] = any_dim(g);
        count *= s->n[3 + i];
    }
    s->n[12] = any_dim(g);
    s->n[13] = any_dim(g);
    return count <= FUZZ_ELEMENTS;
}

static bool choose_draw(fuzz_gen *g, fuzz_step *s)
{
    if (!g->draws || !choose_create(g, s)) return false;
    s->n[0] = below(g, 2);
    if (g->control) g->p->untaped = true;
    return true;
}

static bool choose_draw_float(fuzz_gen *g, fuzz_step *s)
{
    if (!g->draws || !choose_floats(g, s)) return false;
    if (g->control) g->p->untaped = true;
    return true;
}

/* B: a variable, A: what may be written to it; n[0]: its dtype, n[1] ...: its shape */
static bool choose_assign(fuzz_gen *g, fuzz_step *s)
{
    const int k = below(g, FUZZ_VARS);
    if (!g->assigns || !two(s, pick_float(g), g->p->n_in + k)) return false;
    s->n[0] = fuzz_var_type[k].dtype;
    s->n[1] = fuzz_var_type[k].shape.rank;
    for (int i = 0; i < s->n[1]; i++) s->n[2 + i] = fuzz_var_type[k].shape.dims[i];
    return true;
}

/* B: a variable that the body may use */
static bool choose_variable(fuzz_gen *g, fuzz_step *s)
{
    const int var = g->p->n_in + below(g, FUZZ_VARS);
    bool there = false;
    for (int i = 0; i < g->n_pool; i++) there = there || g->pool[i] == var;
    return there && two(s, pick(g), var);
}

fuzz_choose *const fuzz_choosers[FUZZ_N_KINDS] = {
#define STEP(name, weight, n_out, n_blocks, chooser, ...) choose_##chooser,
#include "steps.def"
#undef STEP
};
