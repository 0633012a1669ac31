/* samples_dynamic.c: ops whose sizes depend on data, and rows of a table. */
#include "samples.h"

#define UNUSED (void)s, (void)d
#define APPLY(name, call)                                                                               \
    static int name##_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[]) \
    {                                                                                                   \
        UNUSED;                                                                                         \
        out[0] = call;                                                                                  \
        return reel_status();                                                                           \
    }
#define SAMPLES(name)                                                                                        \
    const samples samples_##name = {GOOD(name##_good), .apply = name##_apply, .reference = name##_reference, \
                                    .bad = name##_bad}

static int axis_of(const nd *x, double axis)
{
    return (int)axis < 0 ? (int)axis + x->shape.rank : (int)axis;
}

/* ---- nonzero ----------------------------------------------------------------------------------------- */
/* Every third element of x is put to zero by the mask. */
APPLY(nonzero, reel_nonzero(s->p[0] != 0 ? reel_where(in[1], in[0], reel_zeros_like(in[0])) : in[0]))

static void nonzero_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    UNUSED;
    const int rank = in[0].shape.rank;
    int64_t n = 0, at[REEL_MAX_RANK];
    nd_make(out, REEL_I64, REEL_SHAPE(in[0].count, rank));
    for (int64_t i = 0; i < in[0].count; i++) {
        if (in[0].data[i] == 0 || (s->p[0] != 0 && in[1].data[i] == 0)) continue;
        nd_unravel(&in[0].shape, i, at);
        for (int k = 0; k < rank; k++) out->data[n * rank + k] = (double)at[k];
        n++;
    }
    out->shape.dims[0] = n;
    out->count = n * rank;
}

static void nonzero_bad(void)
{
    BAD(reel_nonzero(NULL), REEL_EARG, "reel_nonzero: x is NULL");
    BAD(reel_nonzero(dead()), REEL_EARG, "reel_nonzero: x is |dead");
    BAD(reel_nonzero(unset()), REEL_EARG, "variable \"unset\" is read before it has a value");
    BAD(reel_nonzero(symbol()), REEL_ETRACE, "part of a graph");
    BAD(reel_sum(reel_mul(reel_nonzero(X("[3]")), X("[3]"))), REEL_EDTYPE, "dtypes differ: i64 and f32");
    BAD(reel_reshape(reel_nonzero(X("[3]")), REEL_SHAPE(5)), REEL_ESHAPE, "reel_reshape");
}

static const sample nonzero_good[] = {{IN("[5]=")},
                                      {IN("[3,4]=")},
                                      {IN("[2,3,4]=t")},
                                      {IN("[]=")},
                                      {IN("[0]")},
                                      {IN("[0,3]")},
                                      {IN("[1]?")},
                                      {IN("[15]!")},
                                      {IN("[4,3]=r")},
                                      {IN("[4,3]=s")},
                                      {IN("[4,3]=o")},
                                      {IN("[4,3]=b")},
                                      {IN("[5,7]", "[5,7]?"), WITH(1)},
                                      {IN("[330,201]", "[330,201]?"), WITH(1)}};

/* ---- compress: p0 axis -------------------------------------------------------------------------------- */
APPLY(compress, reel_compress(in[0], in[1], (int)s->p[0]))

static void pick(const nd *x, const nd *cond, int axis, bool back, const nd *like, nd *out)
{
    const nd *whole = back ? like : x;
    int64_t n = 0, *const chosen = malloc(((size_t)cond->count + 1) * sizeof *chosen);
    for (int64_t i = 0; i < cond->count; i++)
        if (cond->data[i] != 0) chosen[n++] = i;
    reel_shape part = whole->shape;
    part.dims[axis] = n;
    nd_make(out, x->dtype, back ? like->shape : part);
    for (int64_t i = 0; i < reel_shape_count(part); i++) {
        int64_t at[REEL_MAX_RANK];
        nd_unravel(&part, i, at);
        at[axis] = chosen[at[axis]];
        const int64_t j = nd_ravel(&whole->shape, at);
        if (back)
            out->data[j] = x->data[i];
        else
            out->data[i] = x->data[j];
    }
    free(chosen);
}

static void compress_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    UNUSED;
    pick(&in[0], &in[1], axis_of(&in[0], s->p[0]), false, NULL, out);
}

static void compress_bad(void)
{
    BAD(reel_compress(NULL, X("[3]?"), 0), REEL_EARG, "reel_compress: x is NULL");
    BAD(reel_compress(X("[3]"), NULL, 0), REEL_EARG, "reel_compress: cond is NULL");
    BAD(reel_compress(X("[3]"), X("[3]"), 0), REEL_EDTYPE, "the condition is f32, not bool|x f32[3]");
    BAD(reel_compress(X("[3]"), X("[3,1]?"), 0), REEL_ESHAPE, "the condition has rank 2, not 1");
    BAD(reel_compress(X("[3]"), X("[4]?"), 0), REEL_ESHAPE, "a condition of 4 for axis 0 of size 3");
    BAD(reel_compress(X("[3,2]"), X("[3]?"), 1), REEL_ESHAPE, "a condition of 3 for axis 1 of size 2");
    BAD(reel_compress(X("[3]"), X("[3]?"), 1), REEL_EARG, "axis 1 is out of range for rank 1");
    BAD(reel_compress(X("[]"), X("[1]?"), 0), REEL_EARG, "axis 0 is out of range for rank 0");
    BAD(reel_compress(X("[3]"), dead(), 0), REEL_EARG, "cond is |dead");
    BAD(reel_compress(symbol(), X("[2]?"), 0), REEL_ETRACE, "part of a graph");
}

static const sample compress_good[] = {{IN("[5]", "[5]?")},
                                       {IN("[5]", "[3]?")},
                                       {IN("[5]", "[0]?")},
                                       {IN("[0]", "[0]?")},
                                       {IN("[3,4]", "[3]?")},
                                       {IN("[3,4]", "[4]?"), WITH(1)},
                                       {IN("[3,4]t", "[4]?r"), WITH(-1)},
                                       {IN("[2,5,3]", "[5]?s"), WITH(1)},
                                       {IN("[2,5,3]r", "[5]?o"), WITH(1)},
                                       {IN("[4,3]b", "[4]?")},
                                       {IN("[1]", "[1]?")},
                                       {IN("[4,0]", "[4]?")},
                                       {IN("[15]!", "[15]?")},
                                       {IN("[70000]", "[70000]?")},
                                       {IN("[300,41]", "[300]?")}};

/* ---- uncompress(g, like, cond): p0 axis, p1 how many of cond hold -------------------------------------- */
APPLY(uncompress, reel_uncompress_at_(REEL_HERE, in[0], in[1], in[2], (int)s->p[0]))

static void uncompress_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    UNUSED;
    pick(&in[0], &in[2], axis_of(&in[1], s->p[0]), true, &in[1], out);
}

static void uncompress_bad(void)
{
    BAD(reel_uncompress_at_(REEL_HERE, NULL, X("[3]"), X("[3]?"), 0), REEL_EARG, "reel_uncompress: g is NULL");
    BAD(reel_uncompress_at_(REEL_HERE, X("[3]"), X("[3]"), X("[2]"), 0), REEL_EDTYPE, "the condition is f32");
    BAD(reel_uncompress_at_(REEL_HERE, X("[3,2]"), X("[3]"), X("[3]?"), 0), REEL_ESHAPE, "are no slices of");
    BAD(reel_uncompress_at_(REEL_HERE, X("[3,2]"), X("[3,3]"), X("[3]?"), 0), REEL_ESHAPE,
        "[3,2] are no slices of [3,3]");
    BAD(reel_uncompress_at_(REEL_HERE, X("[1]"), X("[3]"), X("[4]?"), 0), REEL_ESHAPE, "a condition of 4");
    BAD(reel_uncompress_at_(REEL_HERE, X("[9]"), X("[3]"), X("[3]?"), 0), REEL_ESHAPE, "times, g has 9 slices");
}

/* conditions of operand() hold at every other element, beginning with the second (seed 2: the first value is ...) */
static const sample uncompress_good[] = {{IN("[1]", "[1]", "[1]?")},
                                         {IN("[34653]", "[70000]", "[70000]?")},
                                         {IN("[2]", "[5]", "[5]?")},
                                         {IN("[0]", "[3]", "[0]?")},
                                         {IN("[0]", "[0]", "[0]?")},
                                         {IN("[2,3]", "[5,3]", "[5]?")},
                                         {IN("[3,2]", "[3,5]", "[5]?"), WITH(1)},
                                         {IN("[3,2]t", "[3,5]", "[5]?"), WITH(-1)},
                                         {IN("[3,2]r", "[3,6]", "[5]?"), WITH(1)},
                                         {IN("[2,2,2]s", "[2,5,2]", "[5]?"), WITH(1)},
                                         {IN("[2,2,2]o", "[2,5,2]", "[5]?"), WITH(1)},
                                         {IN("[2,3]b", "[5,3]", "[5]?")},
                                         {IN("[2,0]", "[5,0]", "[5]?")},
                                         {IN("[2]!", "[5]", "[5]?")}};

/* ---- masked_select ----------------------------------------------------------------------------------- */
APPLY(masked_select, reel_masked_select(in[0], in[1]))

static void masked_select_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    UNUSED;
    const reel_shape b = nd_broadcast(in[0].shape, in[1].shape);
    const int64_t count = reel_shape_count(b);
    int64_t n = 0;
    nd_make(out, in[0].dtype, REEL_SHAPE(count));
    for (int64_t i = 0; i < count; i++)
        if (nd_at(&in[1], &b, i) != 0) out->data[n++] = nd_at(&in[0], &b, i);
    out->shape.dims[0] = out->count = n;
}

static void masked_select_bad(void)
{
    BAD(reel_masked_select(NULL, X("[3]?")), REEL_EARG, "reel_masked_select: x is NULL");
    BAD(reel_masked_select(X("[3]"), NULL), REEL_EARG, "reel_masked_select: mask is NULL");
    BAD(reel_masked_select(X("[3]"), X("[3]")), REEL_EDTYPE, "reel_masked_select: mask is f32, not bool");
    BAD(reel_masked_select(X("[3]"), X("[4]?")), REEL_ESHAPE, "[3]|[4]");
    BAD(reel_masked_select(X("[3]"), dead()), REEL_EARG, "mask is |dead");
    BAD(reel_masked_select(dead(), X("[4]?")), REEL_EARG, "x is |dead");
    BAD(reel_masked_select(unset(), X("[2]?")), REEL_EARG, "variable \"unset\"");
    BAD(reel_masked_select(symbol(), X("[2]?")), REEL_ETRACE, "part of a graph");
}

static const sample masked_select_good[] = {{IN("[5]", "[5]?")},
                                            {IN("[3,4]", "[3,4]?")},
                                            {IN("[3,4]t", "[3,4]?r")},
                                            {IN("[3,4]", "[4]?")},
                                            {IN("[4]", "[3,4]?")},
                                            {IN("[3,1]", "[1,4]?")},
                                            {IN("[]", "[]?")},
                                            {IN("[]", "[3]?")},
                                            {IN("[3]", "[]?")},
                                            {IN("[0]", "[0]?")},
                                            {IN("[2,3]s", "[2,3]?o")},
                                            {IN("[15]!", "[15]?")},
                                            {IN("[300,300]", "[300,300]?")}};

/* ---- unique_all: p0 1: by axis p1, p2 by first appearance ----------------------------------------------- */
static int unique_all_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    (void)d;
    return reel_unique_all(
        in[0], REEL_OPTS(unique, .by_axis = s->p[0] != 0, .axis = (int)s->p[1], .unsorted = s->p[2] != 0), out);
}

/* NaN after everything else. */
static int order(double a, double b)
{
    if (isnan(a) || isnan(b)) return isnan(a) - isnan(b);
    return (a > b) - (a < b);
}

static int slices_order(const nd *x, int axis, int64_t a, int64_t b)
{
    reel_shape rest = x->shape;
    if (axis < 0) return order(x->data[a], x->data[b]);
    rest.dims[axis] = 1;
    for (int64_t i = 0; i < reel_shape_count(rest); i++) {
        int64_t at[REEL_MAX_RANK];
        nd_unravel(&rest, i, at);
        at[axis] = a;
        const double u = x->data[nd_ravel(&x->shape, at)];
        at[axis] = b;
        const int o = order(u, x->data[nd_ravel(&x->shape, at)]);
        if (o) return o;
    }
    return 0;
}

static void unique_all_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    (void)d;
    const nd *x = &in[0];
    const int axis = s->p[0] != 0 ? axis_of(x, s->p[1]) : -1;
    const int64_t n = axis < 0 ? x->count : x->shape.dims[axis];
    int64_t *first = calloc((size_t)n + 1, sizeof *first), groups = 0;
    for (int64_t i = 0; i < n; i++) { /* insertion into the list of firsts */
        int64_t k = 0;
        while (k < groups && slices_order(x, axis, first[k], i) != 0) k++;
        if (k < groups) continue;
        k = groups++;
        while (s->p[2] == 0 && k > 0 && slices_order(x, axis, first[k - 1], i) > 0) first[k] = first[k - 1], k--;
        first[k] = i;
    }
    reel_shape values = axis < 0 ? REEL_SHAPE(groups) : x->shape;
    if (axis >= 0) values.dims[axis] = groups;
    nd_make(&out[0], x->dtype, values);
    for (int64_t i = 0; i < out[0].count; i++) {
        int64_t at[REEL_MAX_RANK];
        nd_unravel(&values, i, at);
        if (axis >= 0) at[axis] = first[at[axis]];
        out[0].data[i] = x->data[axis < 0 ? first[i] : nd_ravel(&x->shape, at)];
    }
    nd_make(&out[1], REEL_I64, REEL_SHAPE(groups));
    nd_make(&out[2], REEL_I64, axis < 0 ? x->shape : REEL_SHAPE(n));
    nd_make(&out[3], REEL_I64, REEL_SHAPE(groups));
    for (int64_t g = 0; g < groups; g++) out[1].data[g] = (double)first[g];
    for (int64_t i = 0; i < n; i++)
        for (int64_t g = 0; g < groups; g++)
            if (slices_order(x, axis, first[g], i) == 0) out[2].data[i] = (double)g, out[3].data[g]++;
    free(first);
}

static void unique_all_bad(void)
{
    reel_tensor *out[4];
    BAD_CODE(reel_unique_all(NULL, NULL, out), REEL_EARG, "reel_unique_all: x is NULL");
    BAD_CODE(reel_unique_all(X("[3]"), NULL, NULL), REEL_EARG, "out is NULL");
    BAD_CODE(reel_unique_all(X("[3]"), REEL_OPTS(unique, .by_axis = true, .axis = 1), out), REEL_EARG,
             "axis 1 is out of range for rank 1|x f32[3]");
    BAD_CODE(reel_unique_all(X("[]"), REEL_OPTS(unique, .by_axis = true), out), REEL_EARG, "axis 0 is out of range");
    BAD_CODE(reel_unique_all(dead(), NULL, out), REEL_EARG, "x is |dead");
    BAD_CODE(reel_unique_all(unset(), NULL, out), REEL_EARG, "variable \"unset\"");
    BAD_CODE(reel_unique_all(symbol(), NULL, out), REEL_ETRACE, "part of a graph");
}

static const sample unique_all_good[] = {{IN("[7]="), .flags = NO_GRAD},
                                         {IN("[7]="), WITH(0, 0, 1), .flags = NO_GRAD},
                                         {IN("[1]")},
                                         {IN("[5000]="), .flags = NO_GRAD},
                                         {IN("[3,4]=t"), .flags = NO_GRAD},
                                         {IN("[2,3]")},
                                         {IN("[3,2]"), WITH(1, 0)},
                                         {IN("[3,2]t"), WITH(1, 1)},
                                         {IN("[3,2]r"), WITH(1, -1, 1)},
                                         {IN("[]")},
                                         {IN("[0]")},
                                         {IN("[0,2]"), WITH(1, 0)},
                                         {IN("[6,1]=s"), WITH(1, 0), .flags = NO_GRAD},
                                         {IN("[5,4]?"), WITH(1, 1, 0), .flags = NO_GRAD},
                                         {IN("[30]!"), .flags = NO_GRAD},
                                         {IN("[30]!"), WITH(0, 0, 1), .flags = NO_GRAD},
                                         {IN("[4,2]b"), WITH(1, 1), .flags = NO_GRAD},
                                         {IN("[40,30]o"), .flags = NO_GRAD},
                                         {IN("[12,2,3]="), WITH(1, 0), .flags = NO_GRAD}};

/* ---- unique ------------------------------------------------------------------------------------------ */
APPLY(unique, reel_unique(in[0]))

static void unique_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    UNUSED;
    nd all[4] = {{0}};
    const sample flat = {.in = {NULL}};
    unique_all_reference(&flat, d, in, all);
    *out = all[0];
    for (int i = 1; i < 4; i++) nd_free(&all[i]);
}

static void unique_bad(void)
{
    BAD(reel_unique(NULL), REEL_EARG, "x is NULL");
    BAD(reel_unique(dead()), REEL_EARG, "x is |dead");
    BAD(reel_unique(unset()), REEL_EARG, "variable \"unset\"");
    BAD(reel_unique(symbol()), REEL_ETRACE, "part of a graph");
    BAD(reel_reshape(reel_unique(X("[3]")), REEL_SHAPE(2)), REEL_ESHAPE, "reel_reshape");
    BAD(reel_add(reel_unique(X("[3]")), X("[2]")), REEL_ESHAPE, "reel_add");
}

static const sample unique_good[] = {{IN("[7]")},
                                     {IN("[2,3]")},
                                     {IN("[2,3]t")},
                                     {IN("[]")},
                                     {IN("[1]")},
                                     {IN("[0]")},
                                     {IN("[2,0]")},
                                     {IN("[9]="), .flags = NO_GRAD},
                                     {IN("[9]r")},
                                     {IN("[9]s")},
                                     {IN("[9]o")},
                                     {IN("[4,2]b"), .flags = NO_GRAD},
                                     {IN("[2000]="), .flags = NO_GRAD}};

/* ---- embedding: p0 1: padding row p1 --------------------------------------------------------------------- */
APPLY(embedding, reel_embedding(in[0], in[1],
                                REEL_OPTS(embedding, .has_padding = s->p[0] != 0, .padding = (int64_t)s->p[1],
                                          .dense_gradient = s->p[2] != 0)))

static void embedding_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    UNUSED;
    reel_shape shape = in[1].shape;
    for (int i = 1; i < in[0].shape.rank; i++) shape.dims[shape.rank++] = in[0].shape.dims[i];
    nd_make(out, in[0].dtype, shape);
    const int64_t row = in[1].count ? out->count / in[1].count : 0;
    for (int64_t i = 0; i < in[1].count; i++)
        for (int64_t k = 0; k < row; k++) out->data[i * row + k] = in[0].data[(int64_t)in[1].data[i] * row + k];
}

static void embedding_bad(void)
{
    BAD(reel_embedding(NULL, X("[3]L2"), NULL), REEL_EARG, "reel_embedding: table is NULL");
    BAD(reel_embedding(X("[3,2]"), NULL, NULL), REEL_EARG, "reel_embedding: ids is NULL");
    BAD(reel_embedding(X("[3,2]"), X("[3]"), NULL), REEL_EDTYPE, "ids are f32, not integers|table f32[3,2]");
    BAD(reel_embedding(X("[]"), X("[3]L2"), NULL), REEL_ESHAPE, "the table has no rows");
    BAD(reel_embedding(X("[3,2]"), X("[9]L5"), NULL), REEL_EARG, "index 4 at position 2|is out of range for 3 rows");
    BAD(reel_embedding(X("[0,2]"), X("[1]L1"), NULL), REEL_EARG, "index 0 at position 0 is out of range for 0 rows");
    BAD(reel_embedding(X("[3,2]"), X("[2]L2"), REEL_OPTS(embedding, .has_padding = true, .padding = 3)), REEL_EARG,
        "padding row 3 is out of range for 3 rows");
    BAD(reel_embedding(X("[3,2]"), X("[2]L2"), REEL_OPTS(embedding, .has_padding = true, .padding = -1)), REEL_EARG,
        "padding row -1");
    BAD(reel_embedding(X("[1,1,1,1,1]"), X("[1,1,1,1,1]L1"), NULL), REEL_ESHAPE, "a result of rank 9: at most 8");
    BAD(reel_embedding(X("[3,2]"), reel_neg(X("[2]L2")), NULL), REEL_EARG, "index -1 at position");
    BAD(reel_embedding(dead(), X("[2]L2"), NULL), REEL_EARG, "table is |dead");
    BAD(reel_embedding(unset(), X("[2]L2"), NULL), REEL_EARG, "variable \"unset\"");
    BAD(reel_embedding(symbol(), X("[2]L2"), NULL), REEL_ETRACE, "part of a graph");
}

static const sample embedding_good[] = {{IN("[4,3]", "[5]L4")},
                                        {IN("[4,3]", "[5]L4"), WITH(0, 0, 1)},
                                        {IN("[4,3]", "[2,3]L4"), WITH(1, 2), .flags = NO_GRAD},
                                        {IN("[4]", "[3]L4"), WITH(1, 0), .flags = NO_GRAD},
                                        {IN("[4,3]", "[]L4")},
                                        {IN("[4,2,2]", "[3]L4")},
                                        {IN("[4,3]t", "[3,2]L4t")},
                                        {IN("[4,3]r", "[3]L4r")},
                                        {IN("[4,3]s", "[3]L4s")},
                                        {IN("[4,3]o", "[3]L4o")},
                                        {IN("[4,3]b", "[3]L4")},
                                        {IN("[4,3]", "[0]L4")},
                                        {IN("[4,0]", "[3]L4")},
                                        {IN("[1,1]", "[1]L1")},
                                        {IN("[7,3]!", "[9]L7"), .flags = NO_GRAD},
                                        {IN("[50,600]", "[9,9]L50")}};

/* ---- put_rows(g, like, ids) ---------------------------------------------------------------------------- */
APPLY(put_rows, reel_put_rows_at_(REEL_HERE, in[0], in[1], in[2]))

static void put_rows_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    UNUSED;
    nd_make(out, in[0].dtype, in[1].shape);
    const int64_t row = in[1].shape.dims[0] ? out->count / in[1].shape.dims[0] : 0;
    for (int64_t i = 0; i < in[2].count; i++)
        for (int64_t k = 0; k < row; k++) out->data[(int64_t)in[2].data[i] * row + k] += in[0].data[i * row + k];
}

static void put_rows_bad(void)
{
    BAD(reel_put_rows_at_(REEL_HERE, NULL, X("[3]"), X("[2]L2")), REEL_EARG, "reel_put_rows: g is NULL");
    BAD(reel_put_rows_at_(REEL_HERE, X("[2]"), X("[3]"), X("[2]")), REEL_EDTYPE, "ids are f32, not integers");
    BAD(reel_put_rows_at_(REEL_HERE, X("[2,2]"), X("[3,2]"), X("[2,1]L2")), REEL_ESHAPE, "a vector of ids");
    BAD(reel_put_rows_at_(REEL_HERE, X("[2,3]"), X("[3,2]"), X("[2]L2")), REEL_ESHAPE,
        "rows are [2,3], expected [2,2]");
    BAD(reel_put_rows_at_(REEL_HERE, X("[9]"), X("[3]"), X("[9]L5")), REEL_EARG, "is out of range for 3 rows");
    BAD(reel_put_rows_at_(REEL_HERE, X("[2]L2"), X("[3]"), X("[2]L2")), REEL_EDTYPE, "g is i32, allowed: f32");
}

static const sample put_rows_good[] = {
    {IN("[1,1]", "[1,1]", "[1]L1")},

    {IN("[5]", "[4]", "[5]L4")},          {IN("[5,2]", "[4,2]", "[5]L4")},
    {IN("[5,2]t", "[4,2]", "[5]L4r")},    {IN("[5,2]r", "[4,2]", "[5]L4s")},
    {IN("[5,2]s", "[4,2]", "[5]L4o")},    {IN("[5,2]o", "[4,2]", "[5]L1")},
    {IN("[5,2]b", "[4,2]", "[5]L4")},     {IN("[0,2]", "[4,2]", "[0]L4")},
    {IN("[0]", "[0]", "[0]L4")},          {IN("[3,0]", "[4,0]", "[3]L4")},
    {IN("[3,2,2]", "[4,2,2]", "[3]L3")},  {IN("[15]!", "[15]", "[15]L15"), .flags = NO_GRAD},
    {IN("[60,300]", "[9,300]", "[60]L9")}};

/* ---- sgd_rows(w, v, g, ids, lr): p0 momentum, p1 decay; adam_rows(w, m, v, g, ids, lr, t): p0 beta1, p1 beta2, p2 eps, p3 decay */
static int sgd_rows_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    (void)d;
    return reel_sgd_rows_at_(REEL_HERE, &(reel_attr_update){.momentum = s->p[0], .decay = s->p[1]}, in, out);
}

static int adam_rows_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[])
{
    (void)d;
    const reel_attr_update a = {.beta1 = s->p[0], .beta2 = s->p[1], .eps = s->p[2], .decay = s->p[3]};
    return reel_adam_rows_at_(REEL_HERE, &a, in, out);
}

/* The rows of g with number i, summed; false: none. */
static bool sum_row(const nd *g, const nd *ids, int64_t i, int64_t width, double *sum)
{
    bool any = false;
    for (int64_t c = 0; c < width; c++) sum[c] = 0;
    for (int64_t k = 0; k < ids->count; k++) {
        if ((int64_t)ids->data[k] != i) continue;
        for (int64_t c = 0; c < width; c++) sum[c] += g->data[k * width + c];
        any = true;
    }
    for (int64_t c = 0; c < width; c++) sum[c] = round_to(sum[c], g->dtype);
    return any;
}

static void rows_reference(const sample *s, reel_dtype d, const nd *in, nd *out, bool adam)
{
    const int n = adam ? 3 : 2;
    const nd *g = &in[n], *ids = &in[n + 1];
    const int64_t rows = in[0].shape.dims[0], width = rows ? in[0].count / rows : 0;
    const double lr = in[n + 2].data[0], t = adam ? in[n + 3].data[0] : 0;
    double *sum = calloc((size_t)width + 1, sizeof *sum);
    for (int j = 0; j < n; j++) {
        nd_make(&out[j], d, in[0].shape);
        memcpy(out[j].data, in[j].data, (size_t)in[j].count * sizeof(double));
    }
    for (int64_t i = 0; i < rows; i++) {
        if (!sum_row(g, ids, i, width, sum)) continue;
        for (int64_t c = 0; c < width; c++) {
            const int64_t at = i * width + c;
            const double w = in[0].data[at], g1 = sum[c] + (adam ? s->p[3] : s->p[1]) * w;
            if (adam) {
                const double m = s->p[0] * in[1].data[at] + (1 - s->p[0]) * g1,
                             v = s->p[1] * in[2].data[at] + (1 - s->p[1]) * g1 * g1;
                out[0].data[at] = w - lr / (1 - pow(s->p[0], t)) * m / (sqrt(v / (1 - pow(s->p[1], t))) + s->p[2]);
                out[1].data[at] = m;
                out[2].data[at] = v;
            } else {
                const double v = s->p[0] * in[1].data[at] + g1;
                out[0].data[at] = w - lr * v;
                out[1].data[at] = v;
            }
        }
    }
    free(sum);
}

static void sgd_rows_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    rows_reference(s, d, in, out, false);
}

static void adam_rows_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    rows_reference(s, d, in, out, true);
}

static int sgd_at(const char *site, reel_tensor *w, reel_tensor *v, reel_tensor *g, reel_tensor *ids, reel_tensor *lr)
{
    reel_tensor *out[2];
    return reel_sgd_rows_at_(site, &(reel_attr_update){0}, (reel_tensor *[]){w, v, g, ids, lr}, out);
}
#define sgd_of(...) sgd_at(REEL_HERE, __VA_ARGS__)

static void sgd_rows_bad(void)
{
    reel_tensor *w = X("[4,2]"), *g = X("[3,2]"), *ids = X("[3]L4"), *lr = X("[]");
    BAD_CODE(sgd_of(NULL, w, g, ids, lr), REEL_EARG, "reel_sgd_rows: w is NULL");
    BAD_CODE(sgd_of(w, X("[4]"), g, ids, lr), REEL_ESHAPE, "v does not have the shape of w");
    BAD_CODE(sgd_of(w, w, X("[2,2]"), ids, lr), REEL_ESHAPE, "g and ids are no rows of w");
    BAD_CODE(sgd_of(w, w, X("[3]"), ids, lr), REEL_ESHAPE, "g and ids are no rows of w");
    BAD_CODE(sgd_of(w, w, g, X("[3]"), lr), REEL_EDTYPE, "ids are f32, not integers");
    BAD_CODE(sgd_of(w, w, g, ids, X("[1]")), REEL_ESHAPE, "lr is no scalar");
    BAD_CODE(sgd_of(w, w, X("[9,2]"), X("[9]L5"), lr), REEL_EARG, "index 4 at position 2 is out of range for 4 rows");
    BAD_CODE(sgd_of(w, w, XD("[3,2]", REEL_F64), ids, lr), REEL_EDTYPE, "dtypes differ: f32 and f64");
    BAD_CODE(sgd_of(w, dead(), g, ids, lr), REEL_EARG, "v is |dead");
    BAD_CODE(reel_sgd_rows_at_(REEL_HERE, &(reel_attr_update){0}, (reel_tensor *[]){w, w, g, ids, lr}, NULL), REEL_EARG,
             "is no variable");
}

static int adam_at(const char *site, reel_tensor *w, reel_tensor *v, reel_tensor *g, reel_tensor *ids, reel_tensor *t)
{
    reel_tensor *out[3];
    return reel_adam_rows_at_(site, &(reel_attr_update){.beta1 = .9, .beta2 = .99, .eps = 1e-8},
                              (reel_tensor *[]){w, v, v, g, ids, X("[]"), t}, out);
}
#define adam_of(...) adam_at(REEL_HERE, __VA_ARGS__)

static void adam_rows_bad(void)
{
    reel_tensor *w = X("[4,2]"), *g = X("[3,2]"), *ids = X("[3]L4"), *t = X("[]");
    BAD_CODE(adam_of(NULL, w, g, ids, t), REEL_EARG, "reel_adam_rows: w is NULL");
    BAD_CODE(adam_of(w, X("[4]"), g, ids, t), REEL_ESHAPE, "m does not have the shape of w");
    BAD_CODE(adam_of(w, w, X("[2,2]"), ids, t), REEL_ESHAPE, "g and ids are no rows of w");
    BAD_CODE(adam_of(w, w, g, X("[3,1]L4"), t), REEL_ESHAPE, "g and ids are no rows of w");
    BAD_CODE(adam_of(w, w, g, ids, X("[1]")), REEL_ESHAPE, "t is no scalar");
    BAD_CODE(adam_of(w, w, X("[9,2]"), X("[9]L5"), t), REEL_EARG, "is out of range for 4 rows");
    BAD_CODE(adam_of(w, w, dead(), ids, t), REEL_EARG, "g is |dead");
}

#define SGD(table, g, ids, m, decay)                       \
    {                                                      \
        IN(table, table, g, ids, "#0.125"), WITH(m, decay) \
    }
static const sample sgd_rows_good[] = {SGD("[4,3]", "[5,3]", "[5]L4", 0.5, 0),
                                       SGD("[4,3]", "[5,3]", "[5]L4", 0, 0.125),
                                       SGD("[4]", "[5]", "[5]L3", 0.5, 0),
                                       SGD("[4,3]t", "[5,3]t", "[5]L4r", 0.5, 0),
                                       SGD("[4,3]r", "[5,3]r", "[5]L4s", 0.5, 0),
                                       SGD("[4,3]s", "[5,3]s", "[5]L1o", 0.5, 0),
                                       SGD("[4,3]o", "[5,3]o", "[5]L4", 0.5, 0),
                                       SGD("[4,3]b", "[5,3]b", "[5]L4", 0.5, 0),
                                       SGD("[4,3]", "[0,3]", "[0]L4", 0.5, 0),
                                       SGD("[0,3]", "[0,3]", "[0]L4", 0.5, 0),
                                       SGD("[4,0]", "[3,0]", "[3]L4", 0.5, 0),
                                       SGD("[1,1]", "[1,1]", "[1]L1", 0.5, 0),
                                       SGD("[3,2,2]", "[2,2,2]", "[2]L3", 0.5, 0),
                                       {IN("[4,2]", "[4,2]", "[3,2]", "[3]L4", "[]"), WITH(0.5, 0.25)},
                                       SGD("[90,300]", "[40,300]", "[40]L90", 0.5, 0.25)};
#define ADAM(table, g, ids, decay)                                                         \
    {                                                                                      \
        IN(table, table, table "+", g, ids, "#0.125", "#3"), WITH(0.5, 0.75, 0.125, decay) \
    }
static const sample adam_rows_good[] = {
    ADAM("[4,3]", "[5,3]", "[5]L4", 0),
    ADAM("[4,3]", "[5,3]", "[5]L4", 0.125),
    ADAM("[4]", "[5]", "[5]L3", 0),
    ADAM("[4,3]t", "[5,3]t", "[5]L4r", 0),
    ADAM("[4,3]r", "[5,3]r", "[5]L4s", 0),
    ADAM("[4,3]s", "[5,3]s", "[5]L1o", 0),
    ADAM("[4,3]o", "[5,3]o", "[5]L4", 0),
    ADAM("[4,3]", "[0,3]", "[0]L4", 0),
    ADAM("[0,3]", "[0,3]", "[0]L4", 0),
    ADAM("[1,1]", "[1,1]", "[1]L1", 0),
    ADAM("[3,2,2]", "[2,2,2]", "[2]L3", 0),
    ADAM("[90,300]", "[40,300]", "[40]L90", 0.25),
    ADAM("[2,3]b", "[2,3]b", "[2]L2", 0),
    {IN("[4,2]", "[4,2]", "[4,2]+", "[3,2]", "[3]L4", "[]", "[]+"), WITH(0.5, 0.75, 0.125, 0.25)}};

SAMPLES(nonzero);
SAMPLES(compress);
SAMPLES(uncompress);
SAMPLES(masked_select);
const samples samples_unique_all = {GOOD_OF(unique_all_good, 4), .apply = unique_all_apply,
                                    .reference = unique_all_reference, .bad = unique_all_bad};
SAMPLES(unique);
SAMPLES(embedding);
SAMPLES(put_rows);
const samples samples_sgd_rows = {GOOD_OF(sgd_rows_good, 2), .scale = 4, .apply = sgd_rows_apply,
                                  .reference = sgd_rows_reference, .bad = sgd_rows_bad};
const samples samples_adam_rows = {GOOD_OF(adam_rows_good, 3), .scale = 8, .apply = adam_rows_apply,
                                   .reference = adam_rows_reference, .bad = adam_rows_bad};
