/* einsum.c: Einstein sums and the products that are spelled as one: tensordot, dot, inner. The attributes hold the labels
   of every axis, "..." resolved (ranks are known even where dimensions are not). */
#include "internal.h"

#include "core/error.h"

enum { LABELS = REEL_EINSUM_DOTS + REEL_MAX_RANK };

/* ---- shape rule -------------------------------------------------------------------------------------- */
static char *name_of(int label, char buf[40])
{
    if (label >= REEL_EINSUM_DOTS)
        snprintf(buf, 40, "axis %d of \"...\"", REEL_EINSUM_DOTS - label - 1);
    else
        snprintf(buf, 40, "index '%c'", label <= 26 ? 'A' + label - 1 : 'a' + label - 27);
    return buf;
}

/* What is known of the size of every label; 0 labels have 1. Sizes of 1 broadcast. */
static int sizes(const reel_infer *io, int64_t size[LABELS])
{
    const reel_attr_einsum *a = io->attr;
    char name[40];
    int at = 0;
    for (int i = 0; i < LABELS; i++) size[i] = 1;
    for (int k = 0; k < io->n_in; k++) {
        const reel_shape *s = &io->in[k]->shape;
        if (at + s->rank > REEL_EINSUM_AXES)
            return reel_fail(REEL_ESHAPE, "the operands have more than %d axes in all", REEL_EINSUM_AXES);
        for (int i = 0; i < s->rank; i++) {
            const int l = a->label[at++];
            if (l < 1 || l >= LABELS) return reel_fail(REEL_EARG, "the operands do not have the ranks of the spec");
            const int64_t d = s->dims[i];
            if (size[l] == 1 || (size[l] == REEL_ANY && d != 1))
                size[l] = d;
            else if (d != 1 && d != REEL_ANY && d != size[l])
                return reel_fail(REEL_ESHAPE, "%s has size %lld, but %lld in axis %d of xs[%d]", name_of(l, name),
                                 (long long)size[l], (long long)d, i, k);
        }
    }
    if (a->n_out < 0 || a->n_out > REEL_MAX_RANK || at + a->n_out > REEL_EINSUM_AXES)
        return reel_fail(REEL_ESHAPE, "the result would have %d axes", a->n_out);
    return 0;
}

static const uint8_t *out_labels(const reel_attr_einsum *a, const reel_type *const *in, int n_in)
{
    int at = 0;
    for (int k = 0; k < n_in; k++) at += in[k]->shape.rank;
    return a->label + at;
}

int reel_infer_einsum_(const reel_infer *io)
{
    const reel_attr_einsum *a = io->attr;
    int64_t size[LABELS];
    const int code = sizes(io, size);
    if (code) return code;
    const uint8_t *out = out_labels(a, io->in, io->n_in);
    io->out[0] = (reel_type){.dtype = io->in[0]->dtype, .shape = {.rank = a->n_out}};
    for (int i = 0; i < a->n_out; i++) io->out[0].shape.dims[i] = size[out[i]];
    return reel_shape_check_(io->out[0].shape, true);
}

/* ---- the spec ---------------------------------------------------------------------------------------- */
typedef struct reader {
    const char *site, *at;
    reel_list xs;
    reel_attr_einsum *attr;
    int n;             /* labels written */
    int count[LABELS]; /* how often a label stands among the operands */
    int most_dots;     /* axes of the longest "..." */
} reader;

static REEL_COLD int bad(const reader *r, const char *what)
{
    return reel_fail_at_(r->site, REEL_EARG, "reel_einsum: %s at \"%.20s\"", what, r->at);
}

static int label_of(char c)
{
    return c >= 'A' && c <= 'Z' ? c - 'A' + 1 : c >= 'a' && c <= 'z' ? c - 'a' + 27 : 0;
}

static int put(reader *r, int label)
{
    if (r->n >= REEL_EINSUM_AXES)
        return reel_fail_at_(r->site, REEL_ESHAPE, "reel_einsum: the operands have more than %d axes in all",
                             REEL_EINSUM_AXES);
    r->attr->label[r->n++] = (uint8_t)label;
    return 0;
}

static void blanks(reader *r)
{
    while (*r->at == ' ' || *r->at == '\t') r->at++;
}

/* The labels of one term. *dots is where "..." stands, -1 if it does not. */
static int term(reader *r, uint8_t label[REEL_MAX_RANK], int *n, int *dots)
{
    *n = 0;
    *dots = -1;
    for (blanks(r); *r->at && *r->at != ',' && strncmp(r->at, "->", 2) != 0; blanks(r)) {
        if (*r->at == '.') {
            if (strncmp(r->at, "...", 3) != 0 || *dots >= 0) return bad(r, "\"...\" stands once in a term, unbroken,");
            *dots = *n;
            r->at += 3;
        } else {
            if (!label_of(*r->at)) return bad(r, "letters, ',', \"...\" and \"->\" are expected");
            if (*n >= REEL_MAX_RANK) return bad(r, "a term has more than 8 indices");
            label[(*n)++] = (uint8_t)label_of(*r->at++);
        }
    }
    return 0;
}

static int operand(reader *r, int k)
{
    uint8_t label[REEL_MAX_RANK];
    char name[40];
    int n, dots;
    const char *start = r->at;
    const int code = term(r, label, &n, &dots);
    if (code) return code;
    snprintf(name, sizeof name, "xs[%d]", k);
    const reel_rec *x = reel_live_(r->site, "reel_einsum", name, r->xs.t[k]);
    if (!x) return REEL_EARG;
    const int rank = x->type.shape.rank, more = rank - n;
    if (dots < 0 ? more != 0 : more < 0)
        return reel_fail_at_(r->site, REEL_ESHAPE, "reel_einsum: term \"%.*s\" has %d indices, xs[%d] has rank %d",
                             (int)(r->at - start), start, n, k, rank);
    if (dots >= 0 && more > r->most_dots) r->most_dots = more;
    for (int i = 0; i <= n; i++) {
        for (int j = more - 1; i == dots && j >= 0; j--)
            if (put(r, REEL_EINSUM_DOTS + j)) return REEL_ESHAPE;
        if (i == n) break;
        r->count[label[i]]++;
        if (put(r, label[i])) return REEL_ESHAPE;
    }
    return 0;
}

static int put_out(reader *r, int label)
{
    if (r->attr->n_out == REEL_MAX_RANK)
        return reel_fail_at_(r->site, REEL_ESHAPE, "reel_einsum: the result would have more than %d axes",
                             REEL_MAX_RANK);
    r->attr->n_out++;
    return put(r, label);
}

/* Without "->": "..." first, then the indices that stand once, in alphabetical order. */
static int result_implicit(reader *r)
{
    int code = 0;
    for (int j = r->most_dots - 1; !code && j >= 0; j--) code = put_out(r, REEL_EINSUM_DOTS + j);
    for (int l = 1; !code && l < REEL_EINSUM_DOTS; l++)
        if (r->count[l] == 1) code = put_out(r, l);
    return code;
}

static int result_explicit(reader *r)
{
    uint8_t label[REEL_MAX_RANK];
    bool used[LABELS] = {false};
    char name[40];
    int n, dots;
    int code = term(r, label, &n, &dots);
    if (code) return code;
    if (*r->at) return bad(r, "the result's term ends the spec, but more follows");
    if (dots < 0 && r->most_dots > 0) return bad(r, "the result has no \"...\", but the operands' has axes,");
    for (int i = 0; !code && i <= n; i++) {
        for (int j = r->most_dots - 1; !code && i == dots && j >= 0; j--) code = put_out(r, REEL_EINSUM_DOTS + j);
        if (code || i == n) break;
        const int l = label[i];
        if (r->count[l] == 0)
            return reel_fail_at_(r->site, REEL_EARG, "reel_einsum: %s of the result is in no operand",
                                 name_of(l, name));
        if (used[l])
            return reel_fail_at_(r->site, REEL_EARG, "reel_einsum: %s stands twice in the result", name_of(l, name));
        used[l] = true;
        code = put_out(r, l);
    }
    return code;
}

reel_tensor *reel_einsum_at(const char *site, const char *spec, reel_list xs)
{
    reel_attr_einsum a;
    reel_tensor *out = NULL;
    memset(&a, 0, sizeof a);
    reader r = {.site = site, .at = spec, .xs = xs, .attr = &a};
    if (!spec || (xs.n > 0 && !xs.t)) {
        reel_fail_at_(site, REEL_EARG, "reel_einsum: the %s is NULL", spec ? "list of tensors" : "spec");
        return NULL;
    }
    if (xs.n < 1 || xs.n > REEL_MAX_IN) {
        reel_fail_at_(site, REEL_EARG, "reel_einsum: %d tensors given, it takes 1 to %d", xs.n, REEL_MAX_IN);
        return NULL;
    }
    for (int k = 0; k < xs.n; k++) {
        if (operand(&r, k)) return NULL;
        const bool more = *r.at == ',';
        if (more != (k + 1 < xs.n)) {
            int terms = k + 1;
            for (const char *s = r.at; *s && *s != '-'; s++) terms += *s == ',';
            reel_fail_at_(site, REEL_EARG, "reel_einsum: \"%.60s\" has %d terms for %d tensors", spec, terms, xs.n);
            return NULL;
        }
        r.at += more;
    }
    const bool arrow = *r.at != 0;
    r.at += arrow ? 2 : 0;
    if (arrow ? result_explicit(&r) : result_implicit(&r)) return NULL;
    reel_door_(&reel_rows_[REEL_OP_einsum], &a, xs.t, xs.n, &out, 1, site);
    return out;
}

/* ---- gradient: an einsum of the gradient with the other operands ---------------------------------------- */
/* 1 along every label of operand x that stands nowhere else; takes its sizes from x. */
static reel_tensor *ones_along(const char *site, reel_tensor *x, const uint8_t *label, int rank, const uint8_t *only,
                               int n_only)
{
    reel_attr_einsum a;
    memset(&a, 0, sizeof a);
    memcpy(a.label, label, (size_t)rank);
    memcpy(a.label + rank, only, (size_t)n_only);
    a.n_out = n_only;
    reel_tensor *sizes_of = NULL;
    reel_door_(&reel_rows_[REEL_OP_einsum], &a, &x, 1, &sizes_of, 1, site);
    return sizes_of ? reel_full_like_at_(site, sizes_of, 1) : NULL;
}

/* g in the shape of x: a label may have size 1 in x and more elsewhere, or the other way round. */
static reel_tensor *in_shape_of(const char *site, reel_tensor *g, reel_tensor *x)
{
    if (!g) return NULL;
    const reel_shape *a = &reel_type_of_(g)->shape, *b = &reel_type_of_(x)->shape;
    bool stretched = false;
    for (int i = 0; i < a->rank; i++)
        stretched = stretched || (a->dims[i] != b->dims[i] && b->dims[i] != 1) || b->dims[i] == REEL_ANY;
    if (stretched) g = reel_mul_at(site, g, reel_full_like_at_(site, x, 1));
    return reel_to_shape_(site, g, x);
}

static bool stands_twice(const uint8_t *label, int rank, int j)
{
    for (int k = 0; k < rank; k++)
        if (k != j && label[k] == label[j]) return true;
    return false;
}

/* Is the label known to have the size of axis j of operand i in another operand? Else it could be 1 there, and a diagonal
   of one element would be stretched over the whole matrix. */
static bool has_size(const reel_vjp_args *v, int i, int label, int j)
{
    const reel_attr_einsum *a = v->attr;
    const int64_t size = reel_type_of_(v->in[i])->shape.dims[j];
    for (int k = 0, at = 0; k < v->n_in; k++) {
        const reel_shape *s = &reel_type_of_(v->in[k])->shape;
        for (int x = 0; x < s->rank; x++)
            if (k != i && a->label[at + x] == label && s->dims[x] == size && size != REEL_ANY) return true;
        at += s->rank;
    }
    return false;
}

static reel_tensor *gradient_of(const reel_vjp_args *v, int i)
{
    const reel_attr_einsum *fwd = v->attr;
    reel_attr_einsum a;
    reel_tensor *in[REEL_MAX_IN + 2], *out = NULL;
    bool elsewhere[LABELS] = {false};
    uint8_t only[REEL_MAX_RANK];
    const uint8_t *mine = NULL;
    int at = 0, n = 0, n_in = 0, n_only = 0;
    memset(&a, 0, sizeof a);
    for (int k = 0; k < v->n_in; at += reel_type_of_(v->in[k++])->shape.rank)
        if (k == i) mine = fwd->label + at;
    const int rank = reel_type_of_(v->in[i])->shape.rank;
    for (int j = 0; j < fwd->n_out; j++) elsewhere[a.label[n++] = fwd->label[at + j]] = true;
    in[n_in++] = v->dout[0];
    at = 0;
    for (int k = 0; k < v->n_in; k++) {
        const int r = reel_type_of_(v->in[k])->shape.rank;
        for (int j = 0; k != i && j < r; j++) elsewhere[a.label[n++] = fwd->label[at + j]] = true;
        if (k != i) in[n_in++] = v->in[k];
        at += r;
    }
    for (int j = 0; j < rank; j++) {
        if (elsewhere[mine[j]] && !(stands_twice(mine, rank, j) && !has_size(v, i, mine[j], j))) continue;
        elsewhere[mine[j]] = true;
        if (!n_only || !memchr(only, mine[j], (size_t)n_only)) only[n_only++] = mine[j];
    }
    if (n + n_only + rank > REEL_EINSUM_AXES || n_in + (n_only > 0) > REEL_MAX_IN)
        return reel_fail(REEL_ESHAPE, "the gradient needs more than %d operands or %d axes", REEL_MAX_IN,
                         REEL_EINSUM_AXES),
               NULL;
    if (n_only) {
        in[n_in] = ones_along(v->site, v->in[i], mine, rank, only, n_only);
        if (!in[n_in++]) return NULL;
        for (int j = 0; j < n_only; j++) a.label[n++] = only[j];
    }
    memcpy(a.label + n, mine, (size_t)rank);
    a.n_out = rank;
    reel_door_(&reel_rows_[REEL_OP_einsum], &a, in, n_in, &out, 1, v->site);
    return in_shape_of(v->site, out, v->in[i]);
}

int reel_vjp_einsum_(const reel_vjp_args *v)
{
    for (int i = 0; i < v->n_in; i++)
        if (v->need[i]) v->din[i] = gradient_of(v, i);
    return reel_status();
}

/* ---- products spelled as an einsum ----------------------------------------------------------------------- */
/* Sums over pairs of axes; what is left of a, then of b. */
static reel_tensor *contract(const char *site, reel_tensor *a, reel_tensor *b, int ra, int rb, int n, const int *ax,
                             const int *bx)
{
    reel_attr_einsum e;
    reel_tensor *const in[2] = {a, b};
    reel_tensor *out = NULL;
    int at = 0;
    memset(&e, 0, sizeof e);
    for (int i = 0; i < ra; i++) e.label[at++] = (uint8_t)(i + 1);
    for (int i = 0; i < rb; i++) e.label[at++] = (uint8_t)(i + 1 + ra);
    for (int i = 0; i < n; i++) e.label[ra + bx[i]] = e.label[ax[i]];
    for (int i = 0; i < ra + rb && e.n_out <= REEL_MAX_RANK; i++) {
        bool summed = false;
        for (int j = 0; j < n; j++) summed = summed || i == ax[j] || i == ra + bx[j];
        if (!summed) e.label[at++] = e.label[i], e.n_out++;
    }
    reel_door_(&reel_rows_[REEL_OP_einsum], &e, in, 2, &out, 1, site);
    return out;
}

/* Broadcasting is einsum's, not NumPy's dot's: sizes must agree. */
static bool agree(const char *site, const char *fn, const reel_type *a, const reel_type *b, int n, const int *ax,
                  const int *bx)
{
    for (int i = 0; i < n; i++) {
        const int64_t x = a->shape.dims[ax[i]], y = b->shape.dims[bx[i]];
        if (x == y || x == REEL_ANY || y == REEL_ANY) continue;
        char ta[REEL_SHAPE_TEXT], tb[REEL_SHAPE_TEXT];
        reel_fail_at_(site, REEL_ESHAPE, "%s: axis %d of a has size %lld, axis %d of b %lld: a %s%s, b %s%s", fn, ax[i],
                      (long long)x, bx[i], (long long)y, reel_dtype_name(a->dtype), reel_shape_text_(&a->shape, ta),
                      reel_dtype_name(b->dtype), reel_shape_text_(&b->shape, tb));
        return false;
    }
    return true;
}

static reel_tensor *product(const char *site, const char *fn, reel_tensor *a, reel_tensor *b, const reel_axes *axes_a,
                            const reel_axes *axes_b)
{
    int ax[REEL_MAX_RANK], bx[REEL_MAX_RANK];
    const reel_rec *ra = reel_live_(site, fn, "a", a), *rb = ra ? reel_live_(site, fn, "b", b) : NULL;
    if (!rb) return NULL;
    const int na = ra->type.shape.rank, nb = rb->type.shape.rank, n = axes_a->n;
    if (n != axes_b->n || n < 0 || n > REEL_MAX_RANK) {
        reel_fail_at_(site, REEL_EARG, "%s: %d axes of a against %d of b", fn, n, axes_b->n);
        return NULL;
    }
    for (int i = 0; i < n; i++) {
        const int x = axes_a->axis[i], y = axes_b->axis[i];
        const bool in_a = x >= -na && x < na;
        ax[i] = x < 0 ? x + na : x, bx[i] = y < 0 ? y + nb : y;
        bool twice = false;
        for (int j = 0; j < i; j++) twice = twice || ax[j] == ax[i] || bx[j] == bx[i];
        if (!in_a || y < -nb || y >= nb || twice) {
            if (twice && in_a && y >= -nb && y < nb)
                reel_fail_at_(site, REEL_EARG, "%s: an axis is given twice: %d of a, %d of b", fn, x, y);
            else
                reel_fail_at_(site, REEL_EARG, "%s: axis %d of %s is out of range for rank %d", fn, in_a ? y : x,
                              in_a ? "b" : "a", in_a ? nb : na);
            return NULL;
        }
    }
    if (!agree(site, fn, &ra->type, &rb->type, n, ax, bx)) return NULL;
    return contract(site, a, b, na, nb, n, ax, bx);
}

reel_tensor *reel_tensordot_at(const char *site, reel_tensor *a, reel_tensor *b, int n)
{
    reel_axes last = {.n = n}, first = {.n = n};
    for (int i = 0; i < n && i < REEL_MAX_RANK; i++) last.axis[i] = i - n, first.axis[i] = i;
    return product(site, "reel_tensordot", a, b, &last, &first);
}

reel_tensor *reel_tensordot_axes_at(const char *site, reel_tensor *a, reel_tensor *b, reel_axes axes_a,
                                    reel_axes axes_b)
{
    return product(site, "reel_tensordot_axes", a, b, &axes_a, &axes_b);
}

/* Either a scalar: a plain product. */
static bool scalars(const char *site, const char *fn, reel_tensor *a, reel_tensor *b, int *rank_b, bool *scalar)
{
    const reel_rec *ra = reel_live_(site, fn, "a", a), *rb = ra ? reel_live_(site, fn, "b", b) : NULL;
    if (!rb) return false;
    *rank_b = rb->type.shape.rank;
    *scalar = ra->type.shape.rank == 0 || rb->type.shape.rank == 0;
    return true;
}

reel_tensor *reel_dot_at(const char *site, reel_tensor *a, reel_tensor *b)
{
    const reel_axes last = {1, {-1}}, rows = {1, {-2}};
    int rank;
    bool scalar;
    if (!scalars(site, "reel_dot", a, b, &rank, &scalar)) return NULL;
    return scalar ? reel_mul_at(site, a, b) : product(site, "reel_dot", a, b, &last, rank == 1 ? &last : &rows);
}

reel_tensor *reel_inner_at(const char *site, reel_tensor *a, reel_tensor *b)
{
    const reel_axes last = {1, {-1}};
    int rank;
    bool scalar;
    if (!scalars(site, "reel_inner", a, b, &rank, &scalar)) return NULL;
    return scalar ? reel_mul_at(site, a, b) : product(site, "reel_inner", a, b, &last, &last);
}

static const reel_shape flat = {1, {-1}};

reel_tensor *reel_vdot_at(const char *site, reel_tensor *a, reel_tensor *b)
{
    const reel_axes all = {1, {0}};
    a = reel_reshape_at(site, a, flat);
    return product(site, "reel_vdot", a, reel_reshape_at(site, b, flat), &all, &all);
}

reel_tensor *reel_outer_at(const char *site, reel_tensor *a, reel_tensor *b)
{
    const reel_shape column = {2, {-1, 1}}, row = {2, {1, -1}};
    a = reel_reshape_at(site, a, column);
    return reel_mul_at(site, a, reel_reshape_at(site, b, row));
}

/* ---- trace, Kronecker's product ---------------------------------------------------------------------------- */
reel_tensor *reel_trace_at(const char *site, reel_tensor *x, int64_t offset, int axis1, int axis2)
{
    const reel_axes last = {1, {-1}};
    reel_tensor *d = reel_diagonal_at(site, x, offset, axis1, axis2);
    return d ? reel_sum_axes_at(site, d, last, false) : NULL;
}

/* Every axis of a beside one of b, the pairs flattened. */
reel_tensor *reel_kron_at(const char *site, reel_tensor *a, reel_tensor *b)
{
    const reel_rec *ra = reel_live_(site, "reel_kron", "a", a), *rb = ra ? reel_live_(site, "reel_kron", "b", b) : NULL;
    if (!rb) return NULL;
    const int na = ra->type.shape.rank, nb = rb->type.shape.rank, n = na > nb ? na : nb;
    if (2 * n > REEL_MAX_RANK) {
        reel_fail_at_(site, REEL_ESHAPE, "reel_kron: rank %d, it takes at most %d", n, REEL_MAX_RANK / 2);
        return NULL;
    }
    if (n == 0) return reel_mul_at(site, a, b);
    reel_axes of_a = {.n = 0}, of_b = {.n = 0};
    for (int i = 0; i < n; i++) { /* positions of the new axes; the shorter operand gets leading ones of size 1, too */
        if (i < n - na) of_a.axis[of_a.n++] = 2 * i;
        of_a.axis[of_a.n++] = 2 * i + 1;
        of_b.axis[of_b.n++] = 2 * i;
        if (i < n - nb) of_b.axis[of_b.n++] = 2 * i + 1;
    }
    reel_tensor *y = reel_mul_at(site, reel_unsqueeze_at(site, a, of_a), reel_unsqueeze_at(site, b, of_b));
    for (int i = 0; y && i < n; i++) y = reel_flatten_at(site, y, i, i + 1);
    return y;
}
