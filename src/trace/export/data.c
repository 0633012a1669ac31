/* data.c: constants and variables of an exported file: arrays in its text, or a side file that it loads. */
#include <string.h>
#include "core/alloc.h"
#include "core/random.h"
#include "emit.h"

int64_t reel_const_low_(const reel_rec *r)
{
    int64_t low = 0;
    for (int i = 0; i < r->type.shape.rank; i++)
        if (r->strides[i] < 0 && r->type.shape.dims[i] > 0) low -= r->strides[i] * (r->type.shape.dims[i] - 1);
    return low;
}

int64_t reel_const_span_(const reel_rec *r)
{
    int64_t n = 1;
    for (int i = 0; i < r->type.shape.rank; i++) {
        const int64_t s = r->strides[i] < 0 ? -r->strides[i] : r->strides[i];
        if (r->type.shape.dims[i] == 0) return 0;
        n += s * (r->type.shape.dims[i] - 1);
    }
    return n;
}

void reel_export_values_(reel_text *out, reel_dtype d, const char *data, int64_t n)
{
    char buf[REEL_NUMBER_TEXT];
    const int64_t across = reel_is_float_(d) && reel_size_(d) >= 4 ? 6 : 12;
    reel_text_add_(out, "{");
    if (n == 0) reel_text_add_(out, "0");
    for (int64_t i = 0; i < n; i++) {
        if (i) reel_text_add_(out, i % across ? ", " : ",\n    ");
        reel_text_add_(out, reel_literal_(d, data + (size_t)i * reel_size_(d), buf));
    }
    reel_text_add_(out, "}");
}

/* ---- the side file: the arrays one after another, little-endian, each from a multiple of 8 bytes on ----------------- */
static void put_bytes(reel_text *out, reel_dtype d, const char *data, int64_t n)
{
    const size_t size = reel_size_(d);
    const uint16_t one = 1;
    unsigned char first;
    memcpy(&first, &one, 1);
    for (int64_t i = 0; i < n && !first; i++)
        for (size_t k = 0; k < size; k++) reel_text_put_(out, data + (size_t)i * size + (size - 1 - k), 1);
    if (first) reel_text_put_(out, data, (size_t)n * size);
    while (out->n % 8 && !reel_status()) reel_text_put_(out, "", 1);
}

static void put_load(reel_exporter *x, reel_dtype d, const char *to, int64_t n)
{
    reel_text_fmt_(&x->loads, "    p = %s_take(%s, p, %lld, %d);\n", x->name, to, (long long)n, (int)reel_size_(d));
}

/* ---- constants -------------------------------------------------------------------------------------------------------- */
static int put_constant(reel_exporter *x, size_t i)
{
    const reel_rec *r = x->consts[i];
    const reel_dtype d = r->type.dtype;
    const int64_t n = reel_const_span_(r);
    const char *data = r->data - reel_const_low_(r) * (int64_t)reel_size_(d);
    char name[160], text[REEL_SHAPE_TEXT];
    snprintf(name, sizeof name, "%s_const_%d", x->name, (int)i);
    const bool aside = x->side && n > 64;
    x->consts_bytes += (size_t)n * reel_size_(d);
    reel_text_fmt_(&x->constants, "static %s%s %s[%lld]", aside ? "" : "const ", reel_ctype_(d), name,
                   (long long)(n ? n : 1));
    if (aside) {
        put_bytes(&x->weights, d, data, n);
        put_load(x, d, name, n);
    } else {
        reel_text_add_(&x->constants, " = ");
        reel_export_values_(&x->constants, d, data, n);
    }
    reel_text_fmt_(&x->constants, "; /* %s%s%s%s */\n", reel_dtype_name(d), reel_shape_text_(&r->type.shape, text),
                   r->made && *r->made ? ", made at " : "", r->made ? r->made : "");
    return reel_status();
}

/* ---- variables -------------------------------------------------------------------------------------------------------- */
static int put_variable(reel_exporter *x, const reel_cvariable *v)
{
    const reel_type *t = &v->cell->type;
    const int64_t n = reel_count_(&t->shape);
    char text[REEL_SHAPE_TEXT], name[256];
    reel_text_fmt_(&x->header, "    %s %s[%lld]; /* %s%s%s%s */\n", reel_ctype_(t->dtype), v->name,
                   (long long)(n ? n : 1), v->cell->name ? v->cell->name : "", v->cell->name ? ", " : "",
                   reel_dtype_name(t->dtype), reel_shape_text_(&t->shape, text));
    x->vars_bytes += (size_t)(n ? n : 1) * reel_size_(t->dtype);
    reel_rec *r = reel_cell_get_((reel_rec *)(uintptr_t)v->cell);
    if (x->side) {
        snprintf(name, sizeof name, "%s_vars.%s", x->name, v->name);
        char *zeros = r ? NULL : reel_zalloc_(reel_type_bytes_(t) + 1);
        put_bytes(&x->weights, t->dtype, r ? r->data : zeros, r || zeros ? n : 0);
        put_load(x, t->dtype, name, n);
        reel_free_(zeros, reel_type_bytes_(t) + 1);
    } else {
        reel_text_add_(&x->variables, "    ");
        if (r)
            reel_export_values_(&x->variables, t->dtype, r->data, n);
        else
            reel_text_add_(&x->variables, "{0}"); /* it gets its first value from a run */
        reel_text_fmt_(&x->variables, ", /* %s */\n", v->name);
    }
    if (r) reel_release_rec_(r);
    return reel_status();
}

static void put_generators(reel_exporter *x)
{
    if (!x->n_generators) return;
    reel_text_fmt_(&x->header, "    uint64_t random[%d][2]; /* of each generator: key, counter */\n",
                   (int)x->n_generators);
    x->vars_bytes += x->n_generators * 16;
    reel_text_add_(&x->variables, "    {");
    for (size_t i = 0; i < x->n_generators; i++) {
        const reel_random_state s = reel_random_get_(x->generators[i]);
        reel_text_fmt_(&x->variables, "%s{UINT64_C(%llu), UINT64_C(%llu)}", i ? ", " : "", (unsigned long long)s.key,
                       (unsigned long long)s.counter);
        if (!x->side) continue;
        char name[160];
        snprintf(name, sizeof name, "%s_vars.random[%d]", x->name, (int)i);
        const int64_t both[2] = {(int64_t)s.key, (int64_t)s.counter};
        put_bytes(&x->weights, REEL_I64, (const char *)both, 2);
        put_load(x, REEL_I64, name, 2);
    }
    reel_text_add_(&x->variables, "},\n");
}

int reel_export_data_(reel_exporter *x)
{
    int rc = 0;
    for (size_t i = 0; i < x->n_vars; i++) x->trains |= x->vars[i].assigned;
    x->trains |= x->n_generators > 0;
    for (size_t i = 0; i < x->n_consts && !rc; i++) rc = put_constant(x, i);
    if (x->n_vars + x->n_generators == 0 || rc) return rc;
    reel_text_fmt_(&x->header, "/* The variables%s. */\ntypedef struct %s_variables {\n",
                   x->trains ? ", which a run changes" : "", x->name);
    /* the widest first: no gaps */
    for (int size = 8; size >= 1 && !rc; size /= 2) {
        if (size == 8) put_generators(x);
        for (size_t i = 0; i < x->n_vars && !rc; i++)
            if ((int)reel_size_(x->vars[i].cell->type.dtype) == size) rc = put_variable(x, &x->vars[i]);
    }
    reel_text_fmt_(&x->header, "} %s_variables;\nextern %s%s_variables %s_vars;\n\n", x->name,
                   x->trains || x->side ? "" : "const ", x->name, x->name);
    return rc;
}
