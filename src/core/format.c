/* format.c: tensors as text, as NumPy 2 prints arrays: the shortest digits that give the number back, at most eight after the
   point; one format for all elements; lines of 75 columns; only corners beyond 1,000 elements. Nothing is allocated: one
   pass over the elements finds the widths, a second writes. */
#include "core/context.h"
#include "core/dtype.h"
#include "core/error.h"
#include "core/listener.h"
#include "core/tensor.h"
#include "reel/tensor.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS = 75, THRESHOLD = 1000, EDGE = 3, PRECISION = 8, CELL = 64 };

/* ---- where the text goes -------------------------------------------------------------------------- */

/* Spaces wait until something follows them: at the end of a line there are none. */
typedef struct sink {
    char *buf; /* of a caller, or of the stream */
    size_t size, used;
    FILE *file; /* NULL: what does not fit is only counted */
    int64_t total;
    int spaces;
    bool failed;
} sink;

static void put_byte(sink *s, char c)
{
    s->total++;
    if (s->file && s->used == s->size) {
        s->failed = fwrite(s->buf, 1, s->used, s->file) != s->used || s->failed;
        s->used = 0;
    }
    if (s->used < s->size) {
        s->buf[s->used++] = c;
    }
}

static void put_char(sink *s, char c)
{
    if (c == ' ') {
        s->spaces++;
        return;
    }
    for (; s->spaces > 0; s->spaces--) {
        if (c != '\n') {
            put_byte(s, ' ');
        }
    }
    put_byte(s, c);
}

static void put(sink *s, const char *text)
{
    for (; *text; text++) {
        put_char(s, *text);
    }
}

/* ---- the digits of one float ------------------------------------------------------------------------ */

/* d[0].d[1]d[2]... times 10^exp; no zeros at the end, and zero has no digits. */
typedef struct digits {
    char d[32];
    int n, exp;
} digits;

/* Reads what printf made of "%.*e", whatever the locale's decimal point is. */
static void parse_digits(const char *text, digits *out)
{
    const char *e = strchr(text, 'e');
    out->n = 0;
    out->exp = atoi(e + 1);
    for (const char *p = text; p < e && out->n < (int)sizeof out->d; p++) {
        if (*p >= '0' && *p <= '9') {
            out->d[out->n++] = *p;
        }
    }
    while (out->n > 0 && out->d[out->n - 1] == '0') {
        out->n--;
    }
    if (out->n == 0) {
        out->exp = 0;
    }
}

/* Does the decimal, rounded to the dtype, give x? */
static bool gives_back(const char *text, double x, reel_dtype d)
{
    const double a = strtod(text, NULL);
    switch (d) {
    case REEL_F64: return a == x;
    case REEL_F32: return (double)(float)a == x;
    case REEL_F16: return (double)reel_f16_to_f32_(reel_f64_to_f16_(a)) == x;
    default: return (double)reel_bf16_to_f32_(reel_f64_to_bf16_(a)) == x;
    }
}

/* The decimal of as many digits that follows text, a positive one. */
static void next_decimal(char *text)
{
    char *p = strchr(text, 'e') - 1;
    for (; p >= text && (*p == '9' || *p < '0' || *p > '9'); p--) {
        if (*p == '9') {
            *p = '0';
        }
    }
    if (p >= text) {
        ++*p;
    }
}

/* The fewest digits that give x > 0 back. Decimals of `sure` digits survive the way through the dtype and back, so a shorter
   one shows as zeros at the end; only subnormals have less to give. Below a power of two numbers lie closer than above it:
   there the decimal just above may do where the nearest one doesn't. */
static void shortest(double x, reel_dtype d, digits *out)
{
    static const int sure[] = {[REEL_F32] = 6, [REEL_F64] = 15, [REEL_F16] = 3, [REEL_BF16] = 2};
    static const double normal[] = {
        [REEL_F32] = 0x1p-126, [REEL_F64] = 0x1p-1022, [REEL_F16] = 0x1p-14, [REEL_BF16] = 0x1p-126};
    char text[CELL];
    int ignored;
    const bool power = frexp(x, &ignored) == 0.5;
    for (int n = x < normal[d] ? 1 : sure[d]; n <= 17; n++) {
        snprintf(text, sizeof text, "%.*e", n - 1, x);
        if (gives_back(text, x, d)) {
            break;
        }
        if (power) {
            next_decimal(text);
            if (gives_back(text, x, d)) {
                break;
            }
        }
    }
    parse_digits(text, out);
}

/* The same, rounded to at most PRECISION digits after the point: of 1.234 (scientific) or of the number itself, which is then
   at least 0.0001. */
static void limited(double x, reel_dtype d, bool scientific, digits *out)
{
    char text[CELL];
    out->n = 0;
    out->exp = 0;
    if (x == 0) {
        return;
    }
    shortest(x, d, out);
    const int digits_wanted = scientific ? PRECISION + 1 : out->exp + 1 + PRECISION;
    if (out->n <= digits_wanted) {
        return;
    }
    snprintf(text, sizeof text, "%.*e", digits_wanted - 1, x);
    parse_digits(text, out);
}

/* ---- the format of a tensor ------------------------------------------------------------------------- */

typedef struct format {
    reel_dtype dtype;
    bool scientific;
    double largest, smallest;        /* magnitudes of the finite ones but zero */
    bool finite, special, minus_inf; /* is there any? */
    int left, right;                 /* columns before and after the point; integers: left only */
    int exponent;                    /* digits of the exponent */
} format;

/* The digit at 10^place. */
static char digit_at(const digits *g, int place)
{
    const int i = g->exp - place;
    return i >= 0 && i < g->n ? g->d[i] : '0';
}

/* Columns before the point, sign included, and after it, without zeros at the end. */
static void measure(const digits *g, bool negative, bool scientific, int *left, int *right)
{
    const int exp = scientific ? 0 : g->exp;
    *left = negative + (exp > 0 ? exp + 1 : 1);
    *right = g->n - 1 - exp > 0 && g->n > 0 ? g->n - 1 - exp : 0;
}

/* x with `right` digits after the point, or as few as there are and spaces up to there. */
static void write_float(char *out, double x, const digits *g, const format *f, bool zeros)
{
    const bool negative = signbit(x) != 0;
    const int point = f->scientific ? g->exp : 0; /* place of the digit before the point */
    int left, right;
    measure(g, negative, f->scientific, &left, &right);
    for (int i = left; i < f->left; i++) {
        *out++ = ' ';
    }
    if (negative) {
        *out++ = '-';
    }
    for (int i = left - negative - 1; i >= 0; i--) {
        *out++ = digit_at(g, point + i);
    }
    *out++ = '.';
    for (int i = 1; i <= f->right; i++) {
        *out++ = i <= right ? digit_at(g, point - i) : zeros ? '0' : ' ';
    }
    if (f->scientific) {
        *out++ = 'e';
        *out++ = g->exp < 0 ? '-' : '+';
        out += sprintf(out, "%0*d", f->exponent, g->exp < 0 ? -g->exp : g->exp);
    }
    *out = 0;
}

static double load_float(const char *p, reel_dtype d)
{
    double x;
    reel_convert_(&x, REEL_F64, 1, p, d, 1, 1);
    return x;
}

static void look_at_range(format *f, const char *p)
{
    const double x = load_float(p, f->dtype);
    if (!isfinite(x)) {
        f->special = true;
        f->minus_inf = f->minus_inf || (isinf(x) && x < 0);
        return;
    }
    f->finite = true;
    if (x != 0) {
        f->largest = fmax(f->largest, fabs(x));
        f->smallest = fmin(f->smallest, fabs(x));
    }
}

static void look_at_widths(format *f, const char *p)
{
    char text[CELL];
    int left = 0, right = 0;
    if (reel_is_float_(f->dtype)) {
        const double x = load_float(p, f->dtype);
        digits g;
        if (!isfinite(x)) {
            return;
        }
        limited(fabs(x), f->dtype, f->scientific, &g);
        measure(&g, signbit(x) != 0, f->scientific, &left, &right);
        const int exponent = abs(g.exp) > 99 ? 3 : 2;
        f->exponent = exponent > f->exponent ? exponent : f->exponent;
    } else {
        int64_t i;
        reel_convert_(&i, REEL_I64, 1, p, f->dtype, 1, 1);
        left = snprintf(text, sizeof text, "%" PRId64, i);
    }
    f->left = left > f->left ? left : f->left;
    f->right = right > f->right ? right : f->right;
}

/* From here on numbers of the tensor's own dtype are compared, as NumPy does. */
static double as_dtype(double x, reel_dtype d)
{
    double bits;
    reel_convert_(&bits, d, 1, &x, REEL_F64, 1, 1);
    return load_float((const char *)&bits, d);
}

static double largest_plain(reel_dtype d)
{
    return d == REEL_F64 ? 1e8 : d == REEL_F32 ? 1e6 : 1e3;
}

static void choose_notation(format *f)
{
    if (f->largest == 0) {
        return; /* nothing but zeros */
    }
    const double ratio = as_dtype(f->largest / f->smallest, f->dtype);
    f->scientific = f->largest >= largest_plain(f->dtype) || f->smallest < as_dtype(0.0001, f->dtype) || ratio > 1000;
}

static int total_width(const format *f)
{
    return f->left + 1 + f->right + (f->scientific ? f->exponent + 2 : 0);
}

/* Infinities and NaN may need more columns than the numbers. */
static void make_room(format *f)
{
    if (f->special) {
        const int need = 3 + f->minus_inf, have = total_width(f);
        f->left += need > have ? need - have : 0;
    }
}

static void write_cell(const format *f, const char *p, char out[])
{
    if (f->dtype == REEL_BOOL) {
        strcpy(out, *p ? " True" : "False");
        return;
    }
    if (!reel_is_float_(f->dtype)) {
        int64_t i;
        reel_convert_(&i, REEL_I64, 1, p, f->dtype, 1, 1);
        sprintf(out, "%*" PRId64, f->left, i);
        return;
    }
    const double x = load_float(p, f->dtype);
    if (!isfinite(x)) {
        sprintf(out, "%*s", total_width(f), isnan(x) ? "nan" : x < 0 ? "-inf" : "inf");
        return;
    }
    digits g;
    if (f->scientific) { /* a column of equally many digits: true digits behind the shortest ones, not zeros */
        snprintf(out, CELL, "%.*e", f->right, fabs(x));
        parse_digits(out, &g);
    } else {
        limited(fabs(x), f->dtype, false, &g);
    }
    write_float(out, x, &g, f, f->scientific);
}

/* ---- a lone number: all its digits, 1.0 rather than 1. ------------------------------------------------ */

static void write_scalar(reel_dtype d, const char *p, char out[])
{
    format f = {.dtype = d};
    const double x = reel_is_float_(d) ? load_float(p, d) : 0;
    if (d == REEL_BOOL) {
        strcpy(out, *p ? "True" : "False");
    } else if (!reel_is_float_(d) || !isfinite(x)) {
        f.left = reel_is_float_(d) ? -1 : 0; /* a width of 0 or less: no padding */
        write_cell(&f, p, out);
    } else {
        const double plain = d == REEL_F64 ? 1e16 : largest_plain(d);
        digits g = {.n = 0};
        if (x != 0) {
            shortest(fabs(x), d, &g);
            f.scientific = fabs(x) >= plain || fabs(x) < 1e-4;
        }
        f.exponent = 2;
        int left;
        measure(&g, signbit(x) != 0, f.scientific, &left, &f.right);
        f.right = f.right == 0 && !f.scientific ? 1 : f.right;
        write_float(out, x, &g, &f, true);
        char *point = strstr(out, ".e");
        if (point) {
            memmove(point, point + 1, strlen(point));
        }
    }
}

/* ---- the walk ---------------------------------------------------------------------------------------- */

typedef struct walk {
    const reel_rec *r;
    bool corners;
    format *f;
    sink *out;
} walk;

static bool is_cut(const walk *w, int axis)
{
    return w->corners && w->r->type.shape.dims[axis] > 2 * EDGE;
}

/* The index that follows i among those shown. */
static int64_t next_shown(const walk *w, int axis, int64_t i)
{
    return is_cut(w, axis) && i == EDGE - 1 ? w->r->type.shape.dims[axis] - EDGE : i + 1;
}

static void look(const walk *w, int axis, int64_t offset, void (*at)(format *f, const char *p))
{
    const reel_shape *s = &w->r->type.shape;
    if (axis == s->rank) {
        at(w->f, w->r->data + offset * (int64_t)reel_size_(w->r->type.dtype));
        return;
    }
    for (int64_t i = 0; i < s->dims[axis]; i = next_shown(w, axis, i)) {
        look(w, axis + 1, offset + i * w->r->strides[axis], at);
    }
}

static void new_line(const walk *w, int lines, int indent)
{
    for (int i = 0; i < lines; i++) {
        put_char(w->out, '\n');
    }
    w->out->spaces = indent;
}

/* A word of a row: on this line (which is `column` long), or on the next. Returns the column behind it and its space. */
static int put_word(const walk *w, const char *word, int column)
{
    const int rank = w->r->type.shape.rank, length = (int)strlen(word);
    if (column + length > COLUMNS - rank && column > rank) {
        new_line(w, 1, rank);
        column = rank;
    }
    put(w->out, word);
    return column + length + 1;
}

static void put_row(const walk *w, int64_t offset)
{
    const int axis = w->r->type.shape.rank - 1;
    const int64_t n = w->r->type.shape.dims[axis];
    char cell[CELL];
    int column = axis + 1;
    for (int64_t i = 0; i < n; i = next_shown(w, axis, i)) {
        if (i > 0) {
            put_char(w->out, ' ');
        }
        if (is_cut(w, axis) && i == n - EDGE) {
            column = put_word(w, "...", column);
            put_char(w->out, ' ');
        }
        write_cell(w->f, w->r->data + (offset + i * w->r->strides[axis]) * (int64_t)reel_size_(w->r->type.dtype), cell);
        column = put_word(w, cell, column);
    }
}

static void put_axis(const walk *w, int axis, int64_t offset)
{
    const reel_shape *s = &w->r->type.shape;
    const int lines = s->rank - 1 - axis;
    put_char(w->out, '[');
    if (lines == 0) {
        put_row(w, offset);
    } else {
        for (int64_t i = 0; i < s->dims[axis]; i = next_shown(w, axis, i)) {
            if (i > 0) {
                new_line(w, lines, axis + 1);
            }
            if (is_cut(w, axis) && i == s->dims[axis] - EDGE) {
                put(w->out, "...");
                new_line(w, lines, axis + 1);
            }
            put_axis(w, axis + 1, offset + i * w->r->strides[axis]);
        }
    }
    put_char(w->out, ']');
}

static void put_tensor(const reel_rec *r, sink *out)
{
    const int64_t n = reel_count_(&r->type.shape);
    if (n == 0) {
        put(out, "[]");
        return;
    }
    if (r->type.shape.rank == 0) {
        char cell[CELL];
        write_scalar(r->type.dtype, r->data + (r->flags & REEL_R_NUM ? reel_num_offset_(r->type.dtype) : 0), cell);
        put(out, cell);
        return;
    }
    format f = {.dtype = r->type.dtype, .smallest = INFINITY};
    const walk w = {r, n > THRESHOLD, &f, out};
    if (reel_is_float_(f.dtype)) {
        look(&w, 0, 0, look_at_range);
        choose_notation(&f);
    }
    if (f.dtype != REEL_BOOL) {
        look(&w, 0, 0, look_at_widths);
        make_room(&f);
    }
    put_axis(&w, 0, 0);
}

static void put_symbolic(const reel_rec *r, sink *out)
{
    char text[REEL_SHAPE_TEXT];
    put_char(out, '<');
    put(out, reel_dtype_name(r->type.dtype));
    put(out, reel_shape_text_(&r->type.shape, text));
    put(out, " in a graph>");
}

/* ---- the public calls -------------------------------------------------------------------------------- */

static int show(reel_tensor *t, const char *fn, sink *out)
{
    reel_rec *r = reel_live_(NULL, fn, "t", t);
    if (r && r->flags & REEL_R_SPARSE) r = reel_dense_of_(NULL, r);
    if (!r) {
        return reel_status();
    }
    const int code = reel_listeners_host_(r, false, NULL, fn);
    if (code) {
        return code;
    }
    if (r->flags & REEL_R_SYMBOLIC) {
        put_symbolic(r, out);
        return REEL_OK;
    }
    if (!(r->flags & REEL_R_CELL)) {
        put_tensor(r, out);
        return REEL_OK;
    }
    reel_rec *value = reel_cell_get_(r);
    if (!value) {
        return reel_fail_at_(NULL, REEL_EARG, "%s: variable \"%s\" is read before it has a value", fn, r->name);
    }
    put_tensor(value, out);
    reel_release_rec_(value);
    return REEL_OK;
}

static int show_on(FILE *file, reel_tensor *t, const char *fn)
{
    char buf[1024];
    sink s = {.buf = buf, .size = sizeof buf, .file = file};
    if (!file) {
        return reel_fail_at_(NULL, REEL_EARG, "%s: f is NULL", fn);
    }
    const int code = show(t, fn, &s);
    if (code) {
        return code;
    }
    put_char(&s, '\n');
    if (fwrite(buf, 1, s.used, file) != s.used || s.failed) {
        return reel_fail_at_(NULL, REEL_EIO, "%s: the stream takes no more text", fn);
    }
    return REEL_OK;
}

int reel_print(reel_tensor *t)
{
    return show_on(stdout, t, "reel_print");
}

int reel_fprint(FILE *f, reel_tensor *t)
{
    return show_on(f, t, "reel_fprint");
}

int64_t reel_format(reel_tensor *t, char *buf, size_t size)
{
    sink s = {.buf = buf, .size = buf && size ? size - 1 : 0};
    if (buf && size) {
        buf[0] = 0;
    }
    if (show(t, "reel_format", &s)) {
        return -1;
    }
    if (buf && size) {
        buf[s.used] = 0;
    }
    return s.total;
}
