/* samples_product.c: einsum and the products that are spelled as one, gemm and addmm. */
#include "samples.h"

#define UNUSED (void)s, (void)d
#define APPLY(name, call)                                                                               \
    static int name##_apply(const sample *s, reel_dtype d, reel_tensor *const in[], reel_tensor *out[]) \
    {                                                                                                   \
        UNUSED;                                                                                         \
        out[0] = call;                                                                                  \
        return reel_status();                                                                           \
    }
#define SAMPLES(name, factor)                                                                  \
    const samples samples_##name = {GOOD(name##_good), .scale = factor, .apply = name##_apply, \
                                    .reference = name##_reference, .bad = name##_bad}

static int count_in(const sample *s)
{
    int n = 0;
    while (n < SAMPLE_IN && s->in[n]) n++;
    return n;
}

/* ---- einsum: p0 which spec; the reference knows only single letters, one loop over all of them ------------ */
typedef struct spec {
    const char *text, *plain; /* as the user writes it; with "..." and the result written out */
} spec;
static const spec specs[] = {
    {"ij->ji", "ij->ji"},                                     /* 0 */
    {"ij", "ij->ij"},                                         /* 1 */
    {"ba", "ba->ab"},                                         /* 2 */
    {"ii", "ii->"},                                           /* 3 */
    {"ii->i", "ii->i"},                                       /* 4 */
    {"ij->", "ij->"},                                         /* 5 */
    {"ij->j", "ij->j"},                                       /* 6 */
    {"ij,jk", "ij,jk->ik"},                                   /* 7 */
    {"ij,kj->ki", "ij,kj->ki"},                               /* 8 */
    {"i,j", "i,j->ij"},                                       /* 9 */
    {"i,i", "i,i->"},                                         /* 10 */
    {"ij,ij->ij", "ij,ij->ij"},                               /* 11 */
    {"bij,bjk->bik", "bij,bjk->bik"},                         /* 12 */
    {"...ij,...jk->...ik", "bij,bjk->bik"},                   /* 13 */
    {"...ii->...", "aii->a"},                                 /* 14 */
    {"bqhd,bkhd->bhqk", "bqhd,bkhd->bhqk"},                   /* 15 */
    {"bhqk,bkhd->bqhd", "bhqk,bkhd->bqhd"},                   /* 16 */
    {"ij,jk,kl->il", "ij,jk,kl->il"},                         /* 17 */
    {"i,ij,j->", "i,ij,j->"},                                 /* 18 */
    {"ijk,jil->kl", "ijk,jil->kl"},                           /* 19 */
    {"ij,kl->", "ij,kl->"},                                   /* 20 */
    {"iij,jk->ik", "iij,jk->ik"},                             /* 21 */
    {"i,i,i->i", "i,i,i->i"},                                 /* 22 */
    {"a,b,c,d->dcba", "a,b,c,d->dcba"},                       /* 23 */
    {",ij->ij", ",ij->ij"},                                   /* 24 */
    {"i...,...->i...", "ixy,y->ixy"},                         /* 25 */
    {" i j , j k -> i k ", "ij,jk->ik"},                      /* 26 */
    {"iji,j->ij", "iji,j->ij"},                               /* 27 */
    {"ab,bc,cd,de,ef->af", "ab,bc,cd,de,ef->af"},             /* 28 */
    {"abcd,acbd->bd", "abcd,acbd->bd"},                       /* 29 */
    {"...,...", "ab,b->ab"},                                  /* 30 */
    {"ab,bc,cd,de,ef,fg,ga,a->", "ab,bc,cd,de,ef,fg,ga,a->"}, /* 31 */
    {"ea,fb,abcd,gc,hd->efgh", "ea,fb,abcd,gc,hd->efgh"},     /* 32 */
    {"ij,ik->ijk", "ij,ik->ijk"},                             /* 33 */
    {"Ba,aB->B", "Ba,aB->B"},                                 /* 34 */
};

APPLY(einsum, reel_einsum(specs[(int)s->p[0]].text, ((reel_list){count_in(s), in})))

static void einsum_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    const char *t = specs[(int)s->p[0]].plain;
    int64_t size[128], at[128] = {0}, total = 1;
    char used[64] = "";
    int n = 0;
    reel_shape shape = {0};
    for (int c = 0; c < 128; c++) size[c] = 1;
    const char *arrow = strstr(t, "->") + 2;
    for (int k = 0, axis = 0; t + 2 < arrow; t++) {
        if (*t == ',') {
            k++;
            axis = 0;
            continue;
        }
        const int64_t dim = in[k].shape.dims[axis++];
        if (dim != 1) size[(int)*t] = dim;
        if (!strchr(used, *t)) used[n++] = *t;
    }
    for (const char *a = arrow; *a; a++) shape.dims[shape.rank++] = size[(int)*a];
    for (int i = 0; i < n; i++) total *= size[(int)used[i]];
    nd_make(out, d, shape);
    for (int64_t i = 0; i < total; i++) {
        double product = 1;
        int64_t rest = i, to[REEL_MAX_RANK] = {0};
        for (int k = n - 1; k >= 0; k--) {
            at[(int)used[k]] = rest % size[(int)used[k]];
            rest /= size[(int)used[k]];
        }
        const char *c = specs[(int)s->p[0]].plain;
        for (int k = 0; k < count_in(s); k++, c++) {
            int64_t from[REEL_MAX_RANK] = {0};
            for (int axis = 0; *c != ',' && *c != '-'; c++, axis++)
                from[axis] = in[k].shape.dims[axis] == 1 ? 0 : at[(int)*c];
            product *= in[k].data[nd_ravel(&in[k].shape, from)];
        }
        for (int k = 0; arrow[k]; k++) to[k] = at[(int)arrow[k]];
        out->data[nd_ravel(&shape, to)] += product;
    }
}

#define E1(spec, a) reel_einsum(spec, REEL_LIST(a))
#define E2(spec, a, b) reel_einsum(spec, REEL_LIST(a, b))
static void einsum_bad(void)
{
    BAD(reel_einsum(NULL, REEL_LIST(X("[2]"))), REEL_EARG, "reel_einsum: the spec is NULL");
    BAD(reel_einsum("i", ((reel_list){1, NULL})), REEL_EARG, "the list of tensors is NULL");
    BAD(reel_einsum("", ((reel_list){0, NULL})), REEL_EARG, "0 tensors given, it takes 1 to 64");
    BAD(E2("ij,jk", X("[2,3]"), NULL), REEL_EARG, "reel_einsum: xs[1] is NULL");
    BAD(E2("i,i", X("[2]"), dead()), REEL_EARG, "xs[1]|dead");
    BAD(E2("ij,jk", X("[2,3]"), X("[2,3]")), REEL_ESHAPE, "index 'j' has size 3, but 2 in axis 0 of xs[1]");
    BAD(E1("ij,jk", X("[2,3]")), REEL_EARG, "\"ij,jk\" has 2 terms for 1 tensors");
    BAD(E2("ij", X("[2,3]"), X("[2]")), REEL_EARG, "\"ij\" has 1 terms for 2 tensors");
    BAD(E1("ijk", X("[2,3]")), REEL_ESHAPE, "term \"ijk\" has 3 indices, xs[0] has rank 2");
    BAD(E1("i", X("[2,3]")), REEL_ESHAPE, "term \"i\" has 1 indices, xs[0] has rank 2");
    BAD(E1("...ijk", X("[2,3]")), REEL_ESHAPE, "has 3 indices, xs[0] has rank 2");
    BAD(E1("ij->k", X("[2,3]")), REEL_EARG, "index 'k' of the result is in no operand");
    BAD(E1("ij->ii", X("[2,3]")), REEL_EARG, "index 'i' stands twice in the result");
    BAD(E1("i1", X("[2,3]")), REEL_EARG, "letters, ',', \"...\" and \"->\" are expected");
    BAD(E1("i..j", X("[2,3]")), REEL_EARG, "\"...\" stands once in a term");
    BAD(E1("...i...", X("[2,3]")), REEL_EARG, "\"...\" stands once in a term");
    BAD(E1("ij-i", X("[2,3]")), REEL_EARG, "are expected at \"-i\"");
    BAD(E1("ij->i->j", X("[2,3]")), REEL_EARG, "more follows");
    BAD(E1("...j->j", X("[2,3]")), REEL_EARG, "the result has no \"...\"");
    BAD(E1("ii", X("[2,3]")), REEL_ESHAPE, "index 'i' has size 2, but 3 in axis 1 of xs[0]");
    BAD(E2("...i,...i", X("[2,3]"), X("[4,3]")), REEL_ESHAPE, "axis -1 of \"...\" has size 2, but 4");
    BAD(E2("abcdefgh,ijklmnop->bd", X("[1,1,1,1,1,1,1,1]"), X("[2]")), REEL_ESHAPE, "8 indices, xs[1] has rank 1");
    BAD(E1("abcdefghi", X("[1,1,1,1,1,1,1,1]")), REEL_EARG, "more than 8 indices");
    BAD(E2("abcde,fghij", X("[1,1,1,1,1]"), X("[1,1,1,1,1]")), REEL_ESHAPE, "result would have more than 8 axes");
    BAD(E2("i,i", X("[2]"), XD("[2]", REEL_F64)), REEL_EDTYPE, "dtypes differ: f32 and f64");
    BAD(E1("i", XD("[2]", REEL_BOOL)), REEL_EDTYPE, "xs[0] is bool, allowed: f32");
    BAD(E1("i", unset()), REEL_EARG, "unset");
}

static const sample einsum_good[] = {
    {IN("[2,3]"), WITH(0)},
    {IN("[3,2]t"), WITH(1)},
    {IN("[2,3]r"), WITH(2)},
    {IN("[3,3]"), WITH(3)},
    {IN("[3,3]s"), WITH(4)},
    {IN("[3,3]t"), WITH(4)},
    {IN("[4,3]"), WITH(5)},
    {IN("[4,3]o"), WITH(6)},
    {IN("[0,3]"), WITH(5)},
    {IN("[2,3]", "[3,4]"), WITH(7)},
    {IN("[2,3]s", "[3,4]r"), WITH(7)},
    {IN("[2,1]", "[3,4]"), WITH(7)},
    {IN("[2,0]", "[0,4]"), WITH(7)},
    {IN("[1,1]", "[1,1]"), WITH(7)},
    {IN("[33,65]", "[65,47]"), WITH(7)},
    {IN("[2,3]", "[4,3]"), WITH(8)},
    {IN("[3]", "[4]"), WITH(9)},
    {IN("[5]", "[5]"), WITH(10)},
    {IN("[5]b", "[1]"), WITH(10)},
    {IN("[2,3]", "[2,3]t"), WITH(11)},
    {IN("[2,3]", "[2,1]"), WITH(11)},
    {IN("[2,2,3]", "[2,3,2]"), WITH(12)},
    {IN("[2,2,3]", "[1,3,2]"), WITH(13)},
    {IN("[2,3,3]"), WITH(14)},
    {IN("[2,3,2,2]", "[2,2,2,2]"), WITH(15)},
    {IN("[3,20,4,8]", "[3,30,4,8]"), WITH(15)},
    {IN("[2,2,3,2]", "[2,2,2,2]"), WITH(16)},
    {IN("[2,4,20,30]", "[2,30,4,8]"), WITH(16)},
    {IN("[2,3]", "[3,2]", "[2,4]"), WITH(17)},
    {IN("[3]", "[3,4]", "[4]"), WITH(18)},
    {IN("[2,3,2]", "[3,2,2]"), WITH(19)},
    {IN("[7,8,9]t", "[8,7,6]"), WITH(19)},
    {IN("[2,3]", "[3,2]"), WITH(20)},
    {IN("[2,2,3]", "[3,2]"), WITH(21)},
    {IN("[3]", "[3]", "[3]"), WITH(22)},
    {IN("[2]", "[3]", "[1]", "[2]"), WITH(23)},
    {IN("[]", "[2,3]"), WITH(24)},
    {IN("#1", "[2,3]"), WITH(24)},
    {IN("[2,2,3]", "[3]"), WITH(25)},
    {IN("[2,3]", "[3,2]"), WITH(26)},
    {IN("[2,3,2]", "[3]"), WITH(27)},
    {IN("[2,3]", "[3,2]", "[2,3]", "[3,2]", "[2,2]"), WITH(28)},
    {IN("[6,7]", "[7,5]", "[5,4]", "[4,6]", "[6,5]"), WITH(28)},
    {IN("[2,3,2,2]", "[2,2,3,2]"), WITH(29)},
    {IN("[2,3]", "[3]"), WITH(30)},
    {IN("[2,2]", "[2,2]", "[2,2]", "[2,2]", "[2,2]", "[2,2]", "[2,2]", "[2]"), WITH(31)},
    {IN("[2,2]", "[2,2]", "[2,2,2,2]", "[2,2]", "[2,2]"), WITH(32)},
    {IN("[2,3]", "[2,2]"), WITH(33)},
    {IN("[2,3]", "[3,2]"), WITH(34)},
};
const samples samples_einsum = {GOOD(einsum_good), .scale = 64, .apply = einsum_apply, .reference = einsum_reference,
                                .bad = einsum_bad};

/* ---- contractions of two operands: one reference ---------------------------------------------------------- */
/* Sums over n pairs of axes; what is left of a, then of b. */
static void contracted(const nd *a, const nd *b, int n, const int *ax, const int *bx, reel_dtype d, nd *out)
{
    reel_shape s = {0}, inner = {.rank = n};
    int free_a[REEL_MAX_RANK], free_b[REEL_MAX_RANK], na = 0, nb = 0;
    for (int i = 0; i < a->shape.rank; i++) {
        bool summed = false;
        for (int k = 0; k < n; k++) summed = summed || ax[k] == i;
        if (!summed) free_a[na++] = i, s.dims[s.rank++] = a->shape.dims[i];
    }
    for (int i = 0; i < b->shape.rank; i++) {
        bool summed = false;
        for (int k = 0; k < n; k++) summed = summed || bx[k] == i;
        if (!summed) free_b[nb++] = i, s.dims[s.rank++] = b->shape.dims[i];
    }
    int64_t total = 1;
    for (int k = 0; k < n; k++) total *= inner.dims[k] = a->shape.dims[ax[k]];
    nd_make(out, d, s);
    for (int64_t i = 0; i < out->count; i++) {
        int64_t at[REEL_MAX_RANK], in[REEL_MAX_RANK], pa[REEL_MAX_RANK], pb[REEL_MAX_RANK];
        nd_unravel(&s, i, at);
        for (int64_t j = 0; j < total; j++) {
            nd_unravel(&inner, j, in);
            for (int k = 0; k < na; k++) pa[free_a[k]] = at[k];
            for (int k = 0; k < nb; k++) pb[free_b[k]] = at[na + k];
            for (int k = 0; k < n; k++) pa[ax[k]] = in[k], pb[bx[k]] = in[k];
            out->data[i] += a->data[nd_ravel(&a->shape, pa)] * b->data[nd_ravel(&b->shape, pb)];
        }
    }
}

static void multiplied(const nd *a, const nd *b, reel_dtype d, nd *out)
{
    contracted(a, b, 0, NULL, NULL, d, out);
}

/* p0: number of axes, or -1: the axes p1.. of a, p3.. of b, two each */
APPLY(tensordot, s->p[0] >= 0 ? reel_tensordot(in[0], in[1], (int)s->p[0])
                              : reel_tensordot_axes(in[0], in[1], REEL_AXES((int)s->p[1], (int)s->p[2]),
                                                    REEL_AXES((int)s->p[3], (int)s->p[4])))
static void tensordot_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    int ax[REEL_MAX_RANK], bx[REEL_MAX_RANK], n = (int)s->p[0];
    for (int i = 0; i < n; i++) ax[i] = in[0].shape.rank - n + i, bx[i] = i;
    if (n < 0)
        for (n = 0; n < 2; n++) {
            const int x = (int)s->p[1 + n], y = (int)s->p[3 + n];
            ax[n] = x < 0 ? x + in[0].shape.rank : x;
            bx[n] = y < 0 ? y + in[1].shape.rank : y;
        }
    contracted(&in[0], &in[1], n, ax, bx, d, out);
}
static void tensordot_bad(void)
{
    BAD(reel_tensordot(NULL, X("[2]"), 1), REEL_EARG, "reel_tensordot: a is NULL");
    BAD(reel_tensordot(X("[2]"), NULL, 1), REEL_EARG, "reel_tensordot: b is NULL");
    BAD(reel_tensordot(X("[2]"), dead(), 1), REEL_EARG, "dead");
    BAD(reel_tensordot(X("[2,3]"), X("[2,3]"), 1), REEL_ESHAPE, "axis 1 of a has size 3, axis 0 of b 2");
    BAD(reel_tensordot(X("[2,3]"), X("[3]"), 2), REEL_EARG, "axis 1 of b is out of range for rank 1");
    BAD(reel_tensordot(X("[3]"), X("[2,3]"), 2), REEL_EARG, "axis -2 of a is out of range for rank 1");
    BAD(reel_tensordot(X("[3]"), X("[3]"), -1), REEL_EARG, "-1 axes of a against -1 of b");
    BAD(reel_tensordot(X("[3]"), X("[3]"), 9), REEL_EARG, "9 axes of a");
    BAD(reel_tensordot_axes(X("[3,3]"), X("[3,3]"), REEL_AXES(0, 0), REEL_AXES(0, 1)), REEL_EARG, "given twice");
    BAD(reel_tensordot_axes(X("[3,3]"), X("[3,3]"), REEL_AXES(0), REEL_AXES(0, 1)), REEL_EARG, "1 axes of a against 2");
    BAD(reel_tensordot(X("[1,1,1,1,1]"), X("[1,1,1,1]"), 0), REEL_ESHAPE, "result would have 9 axes");
    BAD(reel_tensordot(X("[2]"), XD("[2]", REEL_I32), 1), REEL_EDTYPE, "dtypes differ");
}
static const sample tensordot_good[] = {{IN("[3]", "[3]"), WITH(1)},
                                        {IN("[2,3]", "[3,2]"), WITH(1)},
                                        {IN("[2,3]", "[2,3]"), WITH(2)},
                                        {IN("[3,2]t", "[2]"), WITH(1)},
                                        {IN("[2]", "[3]"), WITH(0)},
                                        {IN("[]", "[2,2]"), WITH(0)},
                                        {IN("[]", "[]"), WITH(0)},
                                        {IN("[0,3]", "[3,2]"), WITH(1)},
                                        {IN("[2,0]", "[0,2]"), WITH(1)},
                                        {IN("[2,3,4]", "[3,4,2]r"), WITH(2)},
                                        {IN("[2,3,2]", "[2,3,2]"), WITH(-1, 0, 1, -1, 1)},
                                        {IN("[3,2,2]s", "[2,3,3]o"), WITH(-1, 2, 0, 0, -1)},
                                        {IN("[10,20,30]", "[30,20,15]"), WITH(-1, 1, 2, 1, 0)},
                                        {IN("[1,5]b", "[5,1]"), WITH(1)}};
SAMPLES(tensordot, 32);

APPLY(dot, reel_dot(in[0], in[1]))
static void dot_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    UNUSED;
    const int a = in[0].shape.rank - 1, b = in[1].shape.rank > 1 ? in[1].shape.rank - 2 : 0;
    if (a < 0 || in[1].shape.rank == 0)
        multiplied(&in[0], &in[1], d, out);
    else
        contracted(&in[0], &in[1], 1, &a, &b, d, out);
}
APPLY(inner, reel_inner(in[0], in[1]))
static void inner_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    UNUSED;
    const int a = in[0].shape.rank - 1, b = in[1].shape.rank - 1;
    if (a < 0 || b < 0)
        multiplied(&in[0], &in[1], d, out);
    else
        contracted(&in[0], &in[1], 1, &a, &b, d, out);
}
#define DOT_BAD(name)                                                                                               \
    static void name##_bad(void)                                                                                    \
    {                                                                                                               \
        BAD(reel_##name(NULL, X("[2]")), REEL_EARG, "reel_" #name ": a is NULL");                                   \
        BAD(reel_##name(X("[2]"), NULL), REEL_EARG, "reel_" #name ": b is NULL");                                   \
        BAD(reel_##name(X("[2]"), X("[3]")), REEL_ESHAPE, "has size 2, axis 0 of b 3");                             \
        BAD(reel_##name(X("[2]"), X("[1]")), REEL_ESHAPE, "reel_" #name ": axis 0 of a has size 2, axis 0 of b 1"); \
        BAD(reel_##name(X("[2]"), XD("[2]", REEL_F64)), REEL_EDTYPE, "dtypes differ: f32 and f64");                 \
        BAD(reel_##name(XD("[2]", REEL_BOOL), XD("[2]", REEL_BOOL)), REEL_EDTYPE, "is bool, allowed: f32");         \
        BAD(reel_##name(X("[2]"), dead()), REEL_EARG, "dead");                                                      \
        BAD(reel_##name(dead(), X("[2]")), REEL_EARG, "dead");                                                      \
        BAD(reel_##name(unset(), X("[2]")), REEL_EARG, "unset");                                                    \
        BAD(reel_##name(X("[1,1,1,1,1,1]"), X("[1,1,1,1,1]")), REEL_ESHAPE, "result would have 9 axes");            \
    }
DOT_BAD(dot)
DOT_BAD(inner)
static const sample dot_good[] = {
    {IN("[]", "[]")},         {IN("[]", "[2,3]")},        {IN("[3]", "[]")},        {IN("[3]", "[3]")},
    {IN("[2,3]", "[3]")},     {IN("[3]", "[3,2]")},       {IN("[2,3]", "[3,2]t")},  {IN("[2,3]r", "[3,4]s")},
    {IN("[2,2,3]", "[3,2]")}, {IN("[2,3]", "[2,3,2]")},   {IN("[0,3]", "[3]")},     {IN("[0]", "[0]")},
    {IN("[5]b", "[5]o")},     {IN("[40,70]", "[70,50]")}, {IN("[3000]", "[3000]")}, {IN("[1]", "[1]")}};
SAMPLES(dot, 128);
static const sample inner_good[] = {
    {IN("[]", "[]")},         {IN("[]", "[2,3]")},        {IN("[3]", "[]")},        {IN("[3]", "[3]")},
    {IN("[2,3]", "[3]")},     {IN("[3]", "[2,3]")},       {IN("[2,3]", "[2,3]t")},  {IN("[2,3]r", "[4,3]s")},
    {IN("[2,2,3]", "[2,3]")}, {IN("[2,3]", "[2,2,3]")},   {IN("[0,3]", "[3]")},     {IN("[0]", "[0]")},
    {IN("[5]b", "[5]o")},     {IN("[40,70]", "[50,70]")}, {IN("[3000]", "[3000]")}, {IN("[1]", "[1]")}};
SAMPLES(inner, 128);

/* ---- vdot, outer: flattened --------------------------------------------------------------------------- */
static nd flat(const nd *x)
{
    nd f = *x;
    f.shape = (reel_shape){1, {x->count}};
    return f;
}
APPLY(vdot, reel_vdot(in[0], in[1]))
static void vdot_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    UNUSED;
    const nd a = flat(&in[0]), b = flat(&in[1]);
    const int axis = 0;
    contracted(&a, &b, 1, &axis, &axis, d, out);
}
APPLY(outer, reel_outer(in[0], in[1]))
static void outer_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    UNUSED;
    const nd a = flat(&in[0]), b = flat(&in[1]);
    multiplied(&a, &b, d, out);
}
#define FLAT_BAD(name)                                                                                  \
    BAD(reel_##name(NULL, X("[2]")), REEL_EARG, "x is NULL");                                           \
    BAD(reel_##name(X("[2]"), NULL), REEL_EARG, "x is NULL");                                           \
    BAD(reel_##name(X("[2]"), XD("[2]", REEL_F64)), REEL_EDTYPE, "dtypes differ: f32 and f64");         \
    BAD(reel_##name(XD("[2]", REEL_BOOL), XD("[2]", REEL_BOOL)), REEL_EDTYPE, "is bool, allowed: f32"); \
    BAD(reel_##name(X("[2]"), dead()), REEL_EARG, "dead");                                              \
    BAD(reel_##name(dead(), X("[2]")), REEL_EARG, "dead");                                              \
    BAD(reel_##name(unset(), X("[2]")), REEL_EARG, "unset");                                            \
    BAD(reel_##name(X("[2]"), unset()), REEL_EARG, "unset")
static void vdot_bad(void)
{
    FLAT_BAD(vdot);
    BAD(reel_vdot(X("[2]"), X("[3]")), REEL_ESHAPE, "axis 0 of a has size 2, axis 0 of b 3");
    BAD(reel_vdot(X("[2,2]"), X("[1]")), REEL_ESHAPE, "axis 0 of a has size 4, axis 0 of b 1");
}
static void outer_bad(void)
{
    FLAT_BAD(outer);
}
static const sample vdot_good[] = {{IN("[]", "[]")},         {IN("[1]", "[]")},           {IN("[3]", "[3]")},
                                   {IN("[2,3]", "[3,2]")},   {IN("[2,3]t", "[6]")},       {IN("[2,3]r", "[2,3]s")},
                                   {IN("[2,3]b", "[2,3]o")}, {IN("[0]", "[2,0]")},        {IN("[2,2,2]", "[8]")},
                                   {IN("[3000]", "[3000]")}, {IN("[40,50]t", "[40,50]")}, {IN("[1,1]", "[1]")}};
SAMPLES(vdot, 128);
static const sample outer_good[] = {{IN("[]", "[]")},         {IN("[1]", "[3]")},        {IN("[3]", "[2]")},
                                    {IN("[2,2]", "[3,2]")},   {IN("[2,3]t", "[2]")},     {IN("[2,3]r", "[2,3]s")},
                                    {IN("[2,3]b", "[2,3]o")}, {IN("[0]", "[2,3]")},      {IN("[2]", "[0]")},
                                    {IN("[100]", "[300]")},   {IN("[4,5]t", "[40,50]")}, {IN("[3]!", "[4]")}};
SAMPLES(outer, 1);

/* ---- trace: p0 offset, p1 and p2 the axes; kron ------------------------------------------------------------- */
APPLY(trace, reel_trace(in[0], (int64_t)s->p[0], (int)s->p[1], (int)s->p[2]))
static void trace_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    const int r = in->shape.rank, p = (int)s->p[1] < 0 ? (int)s->p[1] + r : (int)s->p[1],
              q = (int)s->p[2] < 0 ? (int)s->p[2] + r : (int)s->p[2];
    reel_shape rest = {0};
    for (int i = 0; i < r; i++)
        if (i != p && i != q) rest.dims[rest.rank++] = in->shape.dims[i];
    nd_make(out, d, rest);
    for (int64_t e = 0; e < in->count; e++) {
        int64_t at[REEL_MAX_RANK], to[REEL_MAX_RANK];
        int n = 0;
        nd_unravel(&in->shape, e, at);
        for (int i = 0; i < r; i++)
            if (i != p && i != q) to[n++] = at[i];
        if (at[q] - at[p] == (int64_t)s->p[0]) out->data[nd_ravel(&rest, to)] += in->data[e];
    }
}
static void trace_bad(void)
{
    BAD(reel_trace(NULL, 0, 0, 1), REEL_EARG, "x is NULL");
    BAD(reel_trace(X("[3]"), 0, 0, 1), REEL_EARG, "rank 1");
    BAD(reel_trace(X("[]"), 0, 0, 1), REEL_EARG, "rank 0");
    BAD(reel_trace(X("[2,2]"), 0, 0, 2), REEL_EARG, "axis 2 is out of range for rank 2");
    BAD(reel_trace(X("[2,2]"), 0, -3, 1), REEL_EARG, "axis -3 is out of range");
    BAD(reel_trace(X("[2,2]"), 0, 1, 1), REEL_EARG, "1");
    BAD(reel_trace(XD("[2,2]", REEL_BOOL), 0, 0, 1), REEL_EDTYPE, "bool");
    BAD(reel_trace(dead(), 0, 0, 1), REEL_EARG, "dead");
    BAD(reel_trace(unset(), 0, 0, 1), REEL_EARG, "unset");
    BAD(reel_trace(symbol(), 0, 0, 1), REEL_ETRACE, "graph");
}
static const sample trace_good[] = {
    {IN("[3,3]"), WITH(0, 0, 1)},     {IN("[2,3]"), WITH(1, 0, 1)},    {IN("[3,2]t"), WITH(-1, 0, 1)},
    {IN("[2,3,3]"), WITH(0, -2, -1)}, {IN("[3,2,3]r"), WITH(0, 0, 2)}, {IN("[3,2,3]s"), WITH(1, 2, 0)},
    {IN("[3,3]o"), WITH(0, 1, 0)},    {IN("[3,3]b"), WITH(0, 0, 1)},   {IN("[0,3]"), WITH(0, 0, 1)},
    {IN("[3,3]"), WITH(5, 0, 1)},     {IN("[1,1]"), WITH(0, 0, 1)},    {IN("[60,70]"), WITH(3, 0, 1)}};
SAMPLES(trace, 16);

APPLY(kron, reel_kron(in[0], in[1]))
static void kron_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    UNUSED;
    const int n = in[0].shape.rank > in[1].shape.rank ? in[0].shape.rank : in[1].shape.rank;
    reel_shape a = {.rank = n}, b = a, shape = a;
    for (int i = 0; i < n; i++) {
        const int la = i - (n - in[0].shape.rank), lb = i - (n - in[1].shape.rank);
        a.dims[i] = la < 0 ? 1 : in[0].shape.dims[la];
        b.dims[i] = lb < 0 ? 1 : in[1].shape.dims[lb];
        shape.dims[i] = a.dims[i] * b.dims[i];
    }
    nd_make(out, d, shape);
    for (int64_t e = 0; e < out->count; e++) {
        int64_t at[REEL_MAX_RANK], x[REEL_MAX_RANK], y[REEL_MAX_RANK];
        nd_unravel(&shape, e, at);
        for (int i = 0; i < n; i++) x[i] = at[i] / b.dims[i], y[i] = at[i] % b.dims[i];
        out->data[e] = in[0].data[nd_ravel(&a, x)] * in[1].data[nd_ravel(&b, y)];
    }
}
static void kron_bad(void)
{
    BAD(reel_kron(NULL, X("[2]")), REEL_EARG, "reel_kron: a is NULL");
    BAD(reel_kron(X("[2]"), NULL), REEL_EARG, "reel_kron: b is NULL");
    BAD(reel_kron(X("[1,1,1,1,1]"), X("[2]")), REEL_ESHAPE, "reel_kron: rank 5, it takes at most 4");
    BAD(reel_kron(X("[2]"), X("[1,1,1,1,1]")), REEL_ESHAPE, "rank 5");
    BAD(reel_kron(X("[2]"), XD("[2]", REEL_F64)), REEL_EDTYPE, "dtypes differ: f32 and f64");
    BAD(reel_kron(XD("[2]", REEL_BOOL), XD("[2]", REEL_BOOL)), REEL_EDTYPE, "is bool, allowed");
    BAD(reel_kron(dead(), X("[2]")), REEL_EARG, "dead");
    BAD(reel_kron(X("[2]"), dead()), REEL_EARG, "dead");
    BAD(reel_kron(unset(), X("[2]")), REEL_EARG, "unset");
    BAD(reel_kron(X("[2]"), unset()), REEL_EARG, "unset");
}
static const sample kron_good[] = {{IN("[]", "[]")},          {IN("[]", "[2,3]")},      {IN("[3]", "[2]")},
                                   {IN("[2,2]", "[2,3]")},    {IN("[2,3]t", "[2]")},    {IN("[2]", "[2,3]r")},
                                   {IN("[2,2]s", "[2,2]o")},  {IN("[2,2]b", "[3,1]")},  {IN("[0,2]", "[2,2]")},
                                   {IN("[2,1,2]", "[2,2]t")}, {IN("[50,50]", "[2,3]")}, {IN("[2,2,1,2]", "[1,2,1,1]")}};
SAMPLES(kron, 1);

/* ---- gemm: p0 alpha, p1 beta (99: explicit zero), p2 1: a transposed, 2: b, 4: no c; addmm the same -------- */
static double option(double p)
{
    return p == 99 ? REEL_ZERO : p;
}
APPLY(gemm, reel_gemm(in[0], in[1], (int)s->p[2] & 4 ? NULL : in[2],
                      REEL_OPTS(gemm, .alpha = option(s->p[0]), .beta = option(s->p[1]), .trans_a = (int)s->p[2] & 1,
                                .trans_b = ((int)s->p[2] & 2) != 0)))
static void affine_of(const nd *a, const nd *b, const nd *c, bool ta, bool tb, double alpha, double beta, reel_dtype d,
                      nd *out)
{
    const int ra = a->shape.rank, rb = b->shape.rank;
    const int64_t m = a->shape.dims[ra - (ta ? 1 : 2)], k = a->shape.dims[ra - (ta ? 2 : 1)],
                  n = b->shape.dims[rb - (tb ? 2 : 1)];
    reel_shape shape = ra > rb ? a->shape : b->shape;
    shape.dims[shape.rank - 2] = m, shape.dims[shape.rank - 1] = n;
    nd_make(out, d, shape);
    for (int64_t i = 0; i < out->count; i++) {
        const int64_t batch = i / (m * n), row = i / n % m, col = i % n;
        const double *x = a->data + (ra > 2 ? batch * m * k : 0), *y = b->data + (rb > 2 ? batch * k * n : 0);
        double sum = 0;
        for (int64_t p = 0; p < k; p++) sum += x[ta ? p * m + row : row * k + p] * y[tb ? col * k + p : p * n + col];
        out->data[i] = alpha * sum + (c && beta != 0 ? beta * nd_at(c, &shape, i) : 0);
    }
}
static void gemm_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    const int how = (int)s->p[2];
    affine_of(&in[0], &in[1], how & 4 ? NULL : &in[2], how & 1, (how & 2) != 0,
              s->p[0] == 99  ? 0
              : s->p[0] == 0 ? 1
                             : s->p[0],
              s->p[1] == 99  ? 0
              : s->p[1] == 0 ? 1
                             : s->p[1],
              d, out);
}
static void gemm_bad(void)
{
    BAD(reel_gemm(NULL, X("[2,2]"), NULL, NULL), REEL_EARG, "a is NULL");
    BAD(reel_gemm(X("[2,3]"), X("[2,3]"), NULL, NULL), REEL_ESHAPE, "inner dimensions differ: 3 and 2");
    BAD(reel_gemm(X("[2,3]"), X("[3,2]"), NULL, REEL_OPTS(gemm, .trans_a = true)), REEL_ESHAPE, "differ: 2 and 3");
    BAD(reel_gemm(X("[3]"), X("[3,2]"), NULL, REEL_OPTS(gemm, .trans_a = true)), REEL_ESHAPE, "a has rank 1");
    BAD(reel_gemm(X("[2,3]"), X("[3]"), NULL, REEL_OPTS(gemm, .trans_b = true)), REEL_ESHAPE, "b has rank 1");
    BAD(reel_gemm(X("[2,3]"), X("[3,4]"), X("[3]"), NULL), REEL_ESHAPE, "c [3] does not broadcast to|shape [2,4]");
    BAD(reel_gemm(X("[2,3]"), X("[3,4]"), X("[5,2,4]"), NULL), REEL_ESHAPE, "c [5,2,4] does not broadcast");
    BAD(reel_gemm(X("[2,3]"), X("[3,4]"), XD("[4]", REEL_F64), NULL), REEL_EDTYPE, "a b is f32, c is f64");
    BAD(reel_gemm(X("[2,3]"), X("[3,4]"), dead(), NULL), REEL_EARG, "dead");
    BAD(reel_gemm(X("[2,3]"), X("[3,4]"), NULL, REEL_OPTS(gemm, .alpha = (double)NAN)), REEL_EARG, "alpha is NaN");
    BAD(reel_gemm(X("[2,3]"), X("[3,4]"), X("[]"), REEL_OPTS(gemm, .beta = (double)NAN)), REEL_EARG, "beta is NaN");
}
static const sample gemm_good[] = {{IN("[2,3]", "[3,4]"), WITH(2, 0, 4)},
                                   {IN("[2,3]", "[3,4]", "[2,4]")},
                                   {IN("[2,3]", "[3,4]", "[4]"), WITH(2, 3)},
                                   {IN("[3,2]", "[3,4]", "[2,1]"), WITH(0, 0, 1)},
                                   {IN("[2,3]", "[4,3]", "[]"), WITH(4, 2, 2)},
                                   {IN("[3,2]s", "[4,3]r", "[1,1]"), WITH(3, 2, 3)},
                                   {IN("[2,3]t", "[3,2]o", "[2,2]"), WITH(99, 2)},
                                   {IN("[2,3]", "[3,2]b", "[2,2]"), WITH(2, 99)},
                                   {IN("[2,0]", "[0,2]", "[2]")},
                                   {IN("[0,2]", "[2,2]", "[2]")},
                                   {IN("[2,2,3]", "[3,2]", "[2]")},
                                   {IN("[2,2,3]", "[2,3,2]", "[2,1,2]"), WITH(2, 2)},
                                   {IN("[60,70]", "[50,70]", "[50]"), WITH(2, 3, 2)},
                                   {IN("[1,1]", "[1,1]", "[1]")}};
SAMPLES(gemm, 32);

APPLY(addmm, reel_addmm(in[2], in[0], in[1], s->p[1], s->p[0]))
static void addmm_reference(const sample *s, reel_dtype d, const nd *in, nd *out)
{
    affine_of(&in[0], &in[1], &in[2], false, false, s->p[0], s->p[1], d, out);
}
static void addmm_bad(void)
{
    BAD(reel_addmm(NULL, X("[2,2]"), X("[2,2]"), 1, 1), REEL_EARG, "reel_addmm: c is NULL");
    BAD(reel_addmm(X("[2]"), NULL, X("[2,2]"), 1, 1), REEL_EARG, "a is NULL");
    BAD(reel_addmm(X("[2]"), X("[2,2]"), NULL, 1, 1), REEL_EARG, "b is NULL");
    BAD(reel_addmm(X("[2]"), X("[2,2]"), dead(), 1, 1), REEL_EARG, "dead");
    BAD(reel_addmm(X("[2]"), X("[2,3]"), X("[2,3]"), 1, 1), REEL_ESHAPE, "inner dimensions differ");
    BAD(reel_addmm(X("[3]"), X("[2,3]"), X("[3,2]"), 1, 1), REEL_ESHAPE, "reel_addmm: c [3] does not broadcast");
    BAD(reel_addmm(X("[2]"), X("[2,3]"), X("[3,2]"), (double)NAN, 1), REEL_EARG, "reel_addmm: beta is NaN");
    BAD(reel_addmm(X("[2]"), X("[2,3]"), X("[3,2]"), 1, (double)NAN), REEL_EARG, "alpha is NaN");
    BAD(reel_addmm(XD("[2]", REEL_F64), X("[2,3]"), X("[3,2]"), 1, 1), REEL_EDTYPE, "a b is f32, c is f64");
    BAD(reel_addmm(XD("[2]", REEL_I32), XD("[2,3]", REEL_I32), XD("[3,2]", REEL_I32), 1, 0.5), REEL_EDTYPE, "0.5");
}
static const sample addmm_good[] = {
    {IN("[2,3]", "[3,4]", "[2,4]"), WITH(1, 1)},    {IN("[2,3]", "[3,4]", "[4]"), WITH(2, 3)},
    {IN("[2,3]t", "[3,4]", "[2,1]"), WITH(1, 2)},   {IN("[2,3]", "[3,4]t", "[]"), WITH(4, 2)},
    {IN("[2,3]s", "[3,4]r", "[1,1]"), WITH(3, 2)},  {IN("[2,3]o", "[3,2]", "[2,2]"), WITH(0, 2)},
    {IN("[2,3]", "[3,2]b", "[2,2]"), WITH(2, 0)},   {IN("[2,0]", "[0,2]", "[2]"), WITH(1, 1)},
    {IN("[0,2]", "[2,2]", "[2]"), WITH(1, 1)},      {IN("[2,2,3]", "[3,2]", "[2]"), WITH(1, 1)},
    {IN("[60,70]", "[70,50]", "[50]"), WITH(2, 3)}, {IN("[1,1]", "[1,1]", "[1]"), WITH(1, 1)}};
SAMPLES(addmm, 32);
