/* results.c: what a run of a program gives, as bytes; and what a comparison is at. */
#include "results.h"
#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void fuzz_drop_results(results *r)
{
    for (int i = 0; i < r->n; i++) free(r->data[i]);
    *r = (results){0};
}

/* Every NaN as one: their signs and payloads are nobody's promise; with zeros, zeros too. bits: of an element; frac: of those the
   fraction's. */
static void one_nan(void *data, size_t bytes, int bits, int frac, bool zeros)
{
    const size_t size = (size_t)bits / 8;
    const uint64_t fraction = ((uint64_t)1 << frac) - 1, inf = (((uint64_t)1 << (bits - 1)) - 1) & ~fraction;
    for (size_t at = 0; at < bytes; at += size) {
        uint64_t x = 0;
        memcpy(&x, (char *)data + at, size);
        if ((x & inf) == inf && (x & fraction) != 0)
            x = inf | fraction;
        else if (zeros && (x & (inf | fraction)) == 0)
            x = 0;
        else
            continue;
        memcpy((char *)data + at, &x, size);
    }
}

void fuzz_add_result(results *r, reel_tensor *t, bool zeros)
{
    const int i = r->n++;
    r->type[i] = (reel_type){reel_dtype_of(t), reel_shape_of(t)};
    const int64_t count = t ? reel_shape_count(r->type[i].shape) : 0;
    r->bytes[i] = (size_t)(count > 0 ? count : 0) * reel_dtype_size(r->type[i].dtype);
    r->data[i] = malloc(r->bytes[i] + 1);
    if (!r->data[i]) abort();
    if (reel_read(t, r->data[i], r->bytes[i])) return;
    switch (r->type[i].dtype) {
    case REEL_F32: one_nan(r->data[i], r->bytes[i], 32, 23, zeros); break;
    case REEL_F64: one_nan(r->data[i], r->bytes[i], 64, 52, zeros); break;
    case REEL_F16: one_nan(r->data[i], r->bytes[i], 16, 10, zeros); break;
    case REEL_BF16: one_nan(r->data[i], r->bytes[i], 16, 7, zeros); break;
    default: break;
    }
}

void fuzz_note_error(results *r)
{
    reel_error e = {0};
    r->code = reel_take_error(&e);
    memcpy(r->text, e.text, sizeof r->text);
}

void fuzz_collect(const fuzz_program *p, reel_tensor *const out[], results *r)
{
    *r = (results){0};
    fuzz_note_error(r);
    if (r->code) return;
    for (int i = 0; i < fuzz_n_results(p); i++) fuzz_add_result(r, out[i], p->zeros);
    for (int i = 0; i < FUZZ_VARS; i++) fuzz_add_result(r, p->var[i], p->zeros);
    fuzz_note_error(r);
}

double fuzz_number(reel_dtype d, const void *p)
{
    double f64 = 0;
    float f32 = 0;
    uint16_t h = 0;
    memcpy(&f64, p, d == REEL_F64 ? 8 : 0);
    memcpy(&f32, p, d == REEL_F32 ? 4 : 0);
    memcpy(&h, p, d >= REEL_F16 ? 2 : 0);
    if (d == REEL_F64) return f64;
    if (d == REEL_F32) return (double)f32;
    if (d == REEL_BF16) {
        const uint32_t bits = (uint32_t)h << 16;
        memcpy(&f32, &bits, sizeof f32);
        return (double)f32;
    }
    const int e = h >> 10 & 31, m = h & 1023;
    const double x = e == 31 ? (m ? NAN : INFINITY) : e ? ldexp(1024 + m, e - 25) : ldexp(m, -24);
    return h >> 15 ? -x : x;
}

void fuzz_eager(fuzz_program *p, results *r)
{
    REEL_SCOPED;
    reel_tensor *out[FUZZ_ALL_RESULTS] = {NULL};
    fuzz_reset(p);
    (void)reel_invoke(fuzz_fn(p), (reel_list){p->n_in, p->in}, out);
    fuzz_collect(p, out, r);
}

/* ---- what a comparison is at ------------------------------------------------------------------------------ */

void fuzz_begins(compare *c, fuzz_mode mode, int which, int64_t batch, const char *passes)
{
    fuzz_difference now = {.mode = mode, .which = which, .batch = batch}; /* passes may lie in c->now */
    snprintf(now.passes, sizeof now.passes, "%s", passes ? passes : "");
    fuzz_at()->at = c->now = now;
}

bool fuzz_wanted(compare *c, fuzz_mode mode, int which, int64_t batch, const char *passes)
{
    fuzz_begins(c, mode, which, batch, passes);
    if (!c->ok) return false;
    const fuzz_difference *d = c->only;
    if (d && (d->mode != mode || d->which != which || d->batch != batch || strcmp(d->passes, c->now.passes) != 0))
        return false;
    c->stats->runs++;
    return true;
}

/* The codes of an error that is another than eagerly, and what raises it: "reel_gather". */
void fuzz_note_codes(compare *c, int code, int eager, const char *text)
{
    const char *op = strstr(text, "reel_");
    size_t n = 0;
    c->now.code = code;
    c->now.eager = eager;
    for (; op && n + 1 < sizeof c->now.op && (isalnum((unsigned char)op[n]) || op[n] == '_'); n++) c->now.op[n] = op[n];
    c->now.op[n] = '\0';
}

void fuzz_differ(compare *c, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    if (c->ok) {
        *c->found = c->now;
        vsnprintf(c->found->text, sizeof c->found->text, fmt, ap);
    }
    c->ok = false;
    va_end(ap);
}

bool fuzz_batch_due(const compare *c, int n)
{
    return c->only || (n && (c->p->seed - 1) / FUZZ_TOGETHER % (uint64_t)n == 0);
}

bool fuzz_finish(fuzz_stats *stats, fuzz_difference *d)
{
    const bool compiled = fuzz_finish_compiled(stats, d);
    fuzz_difference other = {0};
    const bool exported = fuzz_finish_exported(stats, compiled ? d : &other);
    return compiled && exported;
}
