/* linalg.c: emitters of factorizations and what is made of them: a loop over matrices, each in double in the workspace (matrix.c). */
#include <math.h>
#include <string.h>
#include "elements.h"

/* The batch of all operands, by broadcasting, and its loops: $x0, $x1 is where an input's matrix begins, $b0 ... where an output's. */
static int open_batch(reel_emit *e)
{
    int64_t dims[REEL_MAX_RANK], strides[REEL_MAX_RANK];
    char buf[REEL_OFFSET_TEXT], name[16];
    int rank = 0;
    for (int k = 0; k < e->n_in; k++) rank = e->in[k].rank - 2 > rank ? e->in[k].rank - 2 : rank;
    for (int i = 0; i < rank; i++) dims[i] = 1;
    for (int k = 0; k < e->n_in; k++)
        for (int i = 0; i < e->in[k].rank - 2; i++)
            if (e->in[k].dims[i] != 1) dims[rank - (e->in[k].rank - 2) + i] = e->in[k].dims[i];
    for (int k = 0; k < e->n_in; k++) {
        const reel_eoperand *o = &e->in[k];
        memset(strides, 0, sizeof strides);
        for (int i = 0; i < o->rank - 2; i++)
            if (o->dims[i] != 1) strides[rank - (o->rank - 2) + i] = o->strides[i];
        snprintf(name, sizeof name, "x%d", k);
        reel_set_text_(e, name, "%s", reel_offset_(dims, strides, rank, "i", ~0u, buf));
    }
    for (int k = 0; k < e->n_out; k++) { /* which has them in front */
        snprintf(name, sizeof name, "b%d", k);
        reel_set_text_(e, name, "%s", reel_offset_(dims, e->out[k].strides, rank, "i", ~0u, buf));
    }
    const int n = reel_open_all_(e, "i", dims, rank);
    reel_say_(e, "{");
    e->depth++;
    return n + 1;
}

/* Input k into rows of `to`, or into its columns. */
static void load_as(reel_emit *e, int k, const char *to, bool transposed)
{
    const reel_eoperand *o = &e->in[k];
    const int64_t rows = o->dims[o->rank - 2], cols = o->dims[o->rank - 1];
    reel_set_text_(e, "at", transposed ? "c * %lld + r" : "r * %lld + c", (long long)(transposed ? rows : cols));
    reel_sayf_(e,
               "for (long r = 0; r < %lld; r++)\n    for (long c = 0; c < %lld; c++) %s[$at] = (double)LD%d($x%d + r * "
               "%lld + c * %lld);",
               (long long)rows, (long long)cols, to, k, k, (long long)o->strides[o->rank - 2],
               (long long)o->strides[o->rank - 1]);
}

/* Output j, rows by cols, from those elements of an expression in r and c. */
static void store(reel_emit *e, int j, int64_t rows, int64_t cols, const char *from)
{
    reel_sayf_(e, "for (long r = 0; r < %lld; r++)\n    for (long c = 0; c < %lld; c++) ST%d($b%d + r * %lld + c, %s);",
               (long long)rows, (long long)cols, j, j, (long long)cols, from);
}

static const reel_attr_linalg *attr_of(const reel_emit *e)
{
    return e->attr;
}

/* $m by $n, the lesser $k; b has $cols columns. room: doubles of the workspace. */
static int begin(reel_emit *e, int64_t *m, int64_t *n, int64_t *cols)
{
    const reel_eoperand *a = &e->in[0];
    *m = a->dims[a->rank - 2];
    *n = a->dims[a->rank - 1];
    *cols = e->n_in > 1 ? e->in[1].dims[e->in[1].rank - 1] : 0;
    reel_set_(e, "m", *m);
    reel_set_(e, "n", *n);
    reel_set_(e, "k", *m < *n ? *m : *n);
    reel_set_(e, "cols", *cols);
    const int loops = open_batch(e);
    reel_say_(e, "double *f = work;");
    e->work_type = "double";
    return loops;
}

static int end(reel_emit *e, int loops, int64_t doubles)
{
    e->work = (size_t)doubles + 1;
    reel_close_(e, loops);
    return 0;
}

int reel_emit_cholesky_(reel_emit *e)
{
    int64_t m, n, cols;
    const bool upper = attr_of(e)->upper != 0;
    const int loops = begin(e, &m, &n, &cols);
    reel_refuses_(e, "a matrix is not positive definite");
    load_as(e, 0, "f", upper);
    reel_say_(e, "if (matrix_cholesky(f, $n)) return 1;");
    reel_set_text_(e, "from", upper ? "f[c * $n + r]" : "f[r * $n + c]");
    store(e, 0, n, n, "$from");
    return end(e, loops, n * n);
}

int reel_emit_triangular_solve_(reel_emit *e)
{
    int64_t m, n, cols;
    const reel_attr_linalg *a = attr_of(e);
    const int loops = begin(e, &m, &n, &cols);
    reel_refuses_(e, "a matrix is singular");
    reel_say_(e, "double *g = f + $n * $n;");
    load_as(e, 0, "f", false);
    load_as(e, 1, "g", false);
    reel_sayf_(e, "if (matrix_trisolve(f, $n, g, $cols, %d, %d, %d)) return 1;", a->upper != 0, a->unit != 0,
               a->transposed != 0);
    store(e, 0, n, cols, "g[r * $cols + c]");
    return end(e, loops, n * n + n * cols);
}

static void factorize(reel_emit *e)
{
    reel_say_(e, "double *perm = f + $m * $n;\nint odd;");
    load_as(e, 0, "f", false);
}

/* P and L U as they lie in one matrix; or apart, with P as a matrix. */
int reel_emit_lu_(reel_emit *e)
{
    int64_t m, n, cols;
    const bool apart = e->op->id == REEL_OP_lu;
    const int loops = begin(e, &m, &n, &cols);
    const int64_t k = m < n ? m : n;
    factorize(e);
    reel_say_(e, "(void)matrix_lu(f, $m, $n, perm, &odd);");
    if (apart) {
        store(e, 0, m, m, "r == (long)perm[c]");
        store(e, 1, m, k, "r > c ? f[r * $n + c] : r == c");
        store(e, 2, k, n, "r > c ? 0 : f[r * $n + c]");
    } else {
        store(e, 0, m, n, "f[r * $n + c]");
        store(e, 1, 1, m, "perm[c]");
    }
    return end(e, loops, m * n + m);
}

/* Of b, or of the identity. */
int reel_emit_solve_(reel_emit *e)
{
    int64_t m, n, cols;
    const bool inverse = e->op->id == REEL_OP_inverse;
    const int loops = begin(e, &m, &n, &cols);
    if (inverse) cols = n;
    reel_set_(e, "cols", cols);
    reel_refuses_(e, "a matrix is singular");
    factorize(e);
    reel_say_(e, "double *g = perm + $n, *x = g + $n * $cols;\nif (matrix_lu(f, $m, $n, perm, &odd)) return 1;");
    if (inverse) {
        reel_say_(e, "for (long i = 0; i < $n * $n; i++) x[i] = i % $n == (long)perm[i / $n];\n(void)g;");
    } else {
        load_as(e, 1, "g", false);
        reel_say_(e, "for (long i = 0; i < $n * $cols; i++) x[i] = g[(long)perm[i / $cols] * $cols + i % $cols];");
    }
    reel_say_(e, "(void)matrix_trisolve(f, $n, x, $cols, 0, 1, 0);\n(void)matrix_trisolve(f, $n, x, $cols, 1, 0, 0);");
    store(e, 0, n, cols, "x[r * $cols + c]");
    return end(e, loops, n * n + n + 2 * n * cols);
}

int reel_emit_det_(reel_emit *e)
{
    int64_t m, n, cols;
    const int loops = begin(e, &m, &n, &cols);
    factorize(e);
    reel_say_(e, "(void)matrix_lu(f, $m, $n, perm, &odd);\nlong exponent;\n"
                 "const double fraction = matrix_det(f, $n, odd, &exponent);");
    if (e->op->id == REEL_OP_det)
        reel_say_(e, "ST0($b0, ldexp(fraction, exponent > 4096 ? 4096 : exponent < -4096 ? -4096 : (int)exponent));");
    else
        reel_say_(e, "ST0($b0, fraction > 0 ? 1.0 : fraction < 0 ? -1.0 : fraction);\n"
                     "ST1($b1, log(fabs(fraction)) + (double)exponent * 0.693147180559945309417);");
    return end(e, loops, n * n + n);
}

int reel_emit_cofactor_(reel_emit *e)
{
    int64_t m, n, cols;
    const int loops = begin(e, &m, &n, &cols);
    load_as(e, 0, "f", false);
    reel_say_(e, "double *to = f + $n * $n;\nmatrix_cofactor(f, $n, to, to + $n * $n);");
    store(e, 0, n, n, "to[r * $n + c]");
    return end(e, loops, 3 * n * n + 2 * n);
}

int reel_emit_qr_(reel_emit *e)
{
    int64_t m, n, cols;
    const int loops = begin(e, &m, &n, &cols);
    const int64_t k = m < n ? m : n, c = attr_of(e)->full ? m : k;
    reel_set_(e, "c", c);
    load_as(e, 0, "f", false);
    reel_say_(e, "double *q = f + $m * $n;\nmatrix_qr(f, $m, $n, q, $c, q + $m * $c);");
    store(e, 0, m, c, "q[r * $c + c]");
    store(e, 1, c, n, "f[r * $n + c]");
    return end(e, loops, m * n + m * c + k);
}

/* ---- eigenvalues, singular values ------------------------------------------------------------------------------ */

/* The lower triangle counts, or the upper one. */
int reel_emit_eigh_(reel_emit *e)
{
    int64_t m, n, cols;
    const bool vectors = e->n_out == 2;
    const int loops = begin(e, &m, &n, &cols);
    reel_refuses_(e, "a matrix is not finite, or its iteration does not converge");
    load_as(e, 0, "f", attr_of(e)->upper != 0);
    reel_set_(e, "vectors", vectors);
    reel_say_(e,
              "double *values = f + $n * $n, *vt = values + $n;\nfor (long i = 0; i < $n; i++)\n"
              "    for (long j = i + 1; j < $n; j++) f[i * $n + j] = f[j * $n + i];\n"
              "if (!matrix_finite(f, $n * $n) || !matrix_eigh(f, $n, values, vt, $vectors, vt + $n * $n)) return 1;");
    store(e, 0, 1, n, "values[c]");
    if (vectors) store(e, 1, n, n, "vt[c * $n + r]");
    return end(e, loops, 2 * n * n + 4 * n + 4);
}

/* f, or its transpose if it has more rows than columns, as z^T diag(s) g: $k rows of $side; `rows` of g are orthonormal. */
static int64_t decompose(reel_emit *e, int64_t m, int64_t n, bool vectors, int64_t rows)
{
    const int64_t k = m < n ? m : n, side = m > n ? m : n, room = side * (rows > k ? rows : k);
    reel_set_(e, "side", side);
    reel_set_(e, "room", room);
    reel_set_(e, "vectors", vectors);
    reel_set_(e, "rows", rows);
    reel_refuses_(e, "a matrix is not finite, or its iteration does not converge");
    load_as(e, 0, "f", m > n);
    reel_say_(e, "double *values = f + $room, *z = values + $k, *rest = z + $k * $k;\nlong rank;\n"
                 "if (!matrix_finite(f, $k * $side)) return 1;\nrank = matrix_svd(f, $k, $side, values, z, $vectors);\n"
                 "if (rank < 0) return 1;");
    reel_say_(e, vectors ? "matrix_complete(f, rank, $rows, $side, rest);" : "(void)rest;");
    return room + k + k * k + 2 * side * (side + 1);
}

int reel_emit_svd_(reel_emit *e)
{
    int64_t m, n, cols;
    const bool vectors = e->op->id == REEL_OP_svd;
    const int loops = begin(e, &m, &n, &cols);
    const int64_t k = m < n ? m : n, rows = vectors && attr_of(e)->full ? (m > n ? m : n) : k;
    const int64_t room = decompose(e, m, n, vectors, rows);
    store(e, vectors ? 1 : 0, 1, k, "values[c]");
    if (vectors && m > n) {
        store(e, 0, m, rows, "f[c * $side + r]");
        store(e, 2, n, n, "z[r * $n + c]");
    } else if (vectors) {
        store(e, 0, m, m, "z[c * $m + r]");
        store(e, 2, rows, n, "f[r * $n + c]");
    }
    return end(e, loops, room);
}

/* Singular values up to $least count as zero. */
static void set_least(reel_emit *e, int64_t m, int64_t n)
{
    const double unit = e->in[0].dtype == REEL_F64 ? 0x1p-52 : 0x1p-23, tol = attr_of(e)->tol;
    char buf[REEL_NUMBER_TEXT];
    reel_set_text_(e, "tol", "%s", reel_double_(tol == 0 && !signbit(tol) ? unit * (double)(m > n ? m : n) : tol, buf));
    reel_say_(e, "const double least = $k ? $tol * values[0] : 0;");
}

int reel_emit_pinv_(reel_emit *e)
{
    int64_t m, n, cols;
    const int loops = begin(e, &m, &n, &cols);
    const int64_t room = decompose(e, m, n, true, m < n ? m : n);
    set_least(e, m, n);
    reel_sayf_(
        e,
        "const double *left = %s, *right = %s;\nfor (long i = 0; i < $n * $m; i++) rest[i] = 0;\n"
        "for (long i = 0; i < $k && values[i] > least; i++)\n    for (long r = 0; r < $n; r++)\n"
        "        for (long c = 0; c < $m; c++) rest[r * $m + c] += left[i * $n + r] / values[i] * right[i * $m + c];",
        m > n ? "z" : "f", m > n ? "f" : "z");
    store(e, 0, n, m, "rest[r * $m + c]");
    return end(e, loops, room + n * m);
}

int reel_emit_matrix_rank_(reel_emit *e)
{
    int64_t m, n, cols;
    const int loops = begin(e, &m, &n, &cols);
    const int64_t room = decompose(e, m, n, false, 0);
    set_least(e, m, n);
    reel_say_(e, "for (rank = 0; rank < $k && values[rank] > least;) rank++;\nST0($b0, rank);");
    return end(e, loops, room);
}
