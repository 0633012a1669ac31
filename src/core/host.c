/* host.c: tensors from host memory and back. */
#include <math.h>
#include <string.h>
#include "alloc.h"
#include "context.h"
#include "op.h"
#include "reel/tensor.h"

/* ---- creation ------------------------------------------------------------------------------------ */

static bool shape_ok(const char *site, const char *fn, reel_dtype d, const reel_shape *s)
{
    if (!reel_is_dtype_(d)) {
        reel_fail_at_(site, REEL_EDTYPE, "%s: %d is not a dtype", fn, (int)d);
        return false;
    }
    reel_ctx *c = reel_ctx_();
    const char *old_site = c->site, *old_op = c->op;
    c->site = site;
    c->op = fn + 5; /* without "reel_" */
    const int rc = reel_shape_check_(*s, false);
    c->site = old_site;
    c->op = old_op;
    return rc == 0;
}

static void clean_type(reel_type *out, reel_dtype d, const reel_shape *s)
{
    memset(out, 0, sizeof *out);
    out->dtype = d;
    out->shape.rank = s->rank;
    memcpy(out->shape.dims, s->dims, sizeof s->dims[0] * (size_t)s->rank);
}

static reel_tensor *from_host(const char *site, const char *fn, reel_dtype d, const reel_shape *s, const void *x,
                              size_t n)
{
    if (!shape_ok(site, fn, d, s)) return NULL;
    char text[REEL_SHAPE_TEXT];
    const size_t want = (size_t)reel_count_(s);
    if (n != want) {
        reel_fail_at_(site, REEL_EARG, "%s: shape %s needs %zu elements, the host buffer has %zu", fn,
                      reel_shape_text_(s, text), want, n);
        return NULL;
    }
    if (!x && n) {
        reel_fail_at_(site, REEL_EARG, "%s: x is NULL", fn);
        return NULL;
    }
    reel_type type;
    clean_type(&type, reel_widened_(d), s);
    reel_rec *r = reel_make_(site, &type);
    if (!r) return NULL;
    if (type.dtype == d)
        memcpy(r->data, x ? x : "", n * reel_size_(d));
    else
        reel_convert_(r->data, type.dtype, 1, x, d, 1, (int64_t)n);
    if (d == REEL_BOOL)
        for (size_t i = 0; i < n; i++) r->data[i] = r->data[i] != 0;
    return reel_listeners_host_(r, true, site, fn) ? NULL : reel_handle_(r);
}

reel_tensor *reel_from_f32_at(const char *site, reel_shape s, const float *x, size_t n)
{
    return from_host(site, "reel_from_f32", REEL_F32, &s, x, n);
}
reel_tensor *reel_from_f64_at(const char *site, reel_shape s, const double *x, size_t n)
{
    return from_host(site, "reel_from_f64", REEL_F64, &s, x, n);
}
reel_tensor *reel_from_i32_at(const char *site, reel_shape s, const int32_t *x, size_t n)
{
    return from_host(site, "reel_from_i32", REEL_I32, &s, x, n);
}
reel_tensor *reel_from_i64_at(const char *site, reel_shape s, const int64_t *x, size_t n)
{
    return from_host(site, "reel_from_i64", REEL_I64, &s, x, n);
}
reel_tensor *reel_from_u8_at(const char *site, reel_shape s, const uint8_t *x, size_t n)
{
    return from_host(site, "reel_from_u8", REEL_U8, &s, x, n);
}

static bool bytes_ok(const char *site, const char *fn, const reel_type *t, size_t bytes)
{
    if (!shape_ok(site, fn, t->dtype, &t->shape)) return false;
    char text[REEL_SHAPE_TEXT];
    const size_t want = reel_type_bytes_(t);
    if (bytes == want) return true;
    reel_fail_at_(site, REEL_EARG, "%s: %s%s needs %zu bytes, the host buffer has %zu", fn, reel_dtype_name(t->dtype),
                  reel_shape_text_(&t->shape, text), want, bytes);
    return false;
}

reel_tensor *reel_from_at(const char *site, reel_type t, const void *x, size_t bytes)
{
    if (!bytes_ok(site, "reel_from", &t, bytes)) return NULL;
    return from_host(site, "reel_from", t.dtype, &t.shape, x, bytes / reel_size_(t.dtype));
}

#ifndef NDEBUG
/* FNV-1a over wrapped memory: a changed buffer is told from an unchanged one at the next use. */
static uint64_t checksum(const void *p, size_t bytes)
{
    const unsigned char *b = p;
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < bytes; i++) h = (h ^ b[i]) * 1099511628211u;
    return h;
}
enum { CHECKSUM_BYTES = 1 << 16 };

int reel_wrap_check_(const char *site, const reel_rec *r)
{
    const reel_storage *s = r->storage;
    if (!s || s->kind != REEL_STORE_WRAP || s->bytes > CHECKSUM_BYTES || s->checksum == checksum(s->data, s->bytes))
        return 0;
    return reel_fail_at_(site, REEL_EARG, "the memory wrapped at %s was changed while a tensor uses it", r->made);
}
#endif

reel_tensor *reel_wrap_at(const char *site, reel_type t, void *x, size_t bytes, void (*free_fn)(void *arg), void *arg)
{
    if (!bytes_ok(site, "reel_wrap", &t, bytes)) return NULL;
    if (!x && bytes) {
        reel_fail_at_(site, REEL_EARG, "reel_wrap: x is NULL");
        return NULL;
    }
    if ((uintptr_t)x % reel_size_(t.dtype)) {
        reel_fail_at_(site, REEL_EARG, "reel_wrap: x is not aligned to the %zu bytes of its %s elements",
                      reel_size_(t.dtype), reel_dtype_name(t.dtype));
        return NULL;
    }
    reel_type type;
    clean_type(&type, t.dtype, &t.shape);
    reel_rec *r = reel_make_around_(site, &type, x, bytes, REEL_STORE_WRAP, free_fn, arg);
    if (!r) return NULL;
#ifndef NDEBUG
    if (bytes <= CHECKSUM_BYTES) r->own.checksum = checksum(x, bytes);
#endif
    return reel_listeners_host_(r, true, site, "reel_wrap") ? NULL : reel_handle_(r);
}

/* ---- reading ------------------------------------------------------------------------------------- */

/* A record whose data may be read, with a reference taken if it is a variable's value (*cell set). */
static reel_rec *readable(const char *site, const char *fn, reel_tensor *t, bool *release)
{
    *release = false;
    reel_rec *r = reel_live_(site, fn, "t", t);
    if (r && r->flags & REEL_R_SPARSE) r = reel_dense_of_(site, r);
    if (!r || reel_listeners_host_(r, false, site, fn)) return NULL;
    if (r->flags & REEL_R_SYMBOLIC) {
        reel_fail_at_(site, REEL_ETRACE,
                      "%s: the tensor made at %s is part of a graph: it has no value before a session runs", fn,
                      r->made);
        return NULL;
    }
    if (r->flags & REEL_R_CELL) {
        reel_rec *v = reel_cell_get_(r);
        if (!v) reel_fail_at_(site, REEL_EARG, "%s: variable \"%s\" is read before it has a value", fn, r->name);
        *release = v != NULL;
        return v;
    }
    return r;
}

/* Copies all elements in C order as dtype d; strides in elements. */
static void gather(char *dst, reel_dtype d, const reel_rec *r)
{
    const reel_shape *s = &r->type.shape;
    const size_t src_size = reel_size_(r->type.dtype), dst_size = reel_size_(d);
    const int64_t total = reel_count_(s);
    if (total == 0) return;
    if (r->flags & REEL_R_DENSE) {
        const char *src = r->data + (r->flags & REEL_R_NUM ? reel_num_offset_(r->type.dtype) : 0);
        reel_convert_(dst, d, 1, src, r->type.dtype, 1, total);
        return;
    }
    const int last = s->rank - 1;
    const int64_t row = s->dims[last];
    int64_t at[REEL_MAX_RANK] = {0};
    for (int64_t done = 0; done < total; done += row) {
        int64_t offset = 0;
        for (int i = 0; i < last; i++) offset += at[i] * r->strides[i];
        reel_convert_(dst + (size_t)done * dst_size, d, 1, r->data + offset * (int64_t)src_size, r->type.dtype,
                      r->strides[last], row);
        for (int i = last - 1; i >= 0 && ++at[i] == s->dims[i]; i--) at[i] = 0;
    }
}

static int read_as(const char *site, const char *fn, reel_tensor *t, void *dst, reel_dtype d, size_t n)
{
    bool release;
    if (!t && reel_status()) return reel_status();
    reel_rec *r = readable(site, fn, t, &release);
    if (!r) return reel_status();
    int rc = 0;
    const int64_t count = reel_count_(&r->type.shape);
    if (d == 0) d = r->type.dtype, n = n / reel_size_(d) * reel_size_(d) == n ? n / reel_size_(d) : SIZE_MAX;
    char text[REEL_SHAPE_TEXT];
    if ((uint64_t)count != n)
        rc = reel_fail_at_(site, REEL_EARG, "%s: the tensor is %s%s with %lld elements, the host buffer takes %zu", fn,
                           reel_dtype_name(r->type.dtype), reel_shape_text_(&r->type.shape, text), (long long)count, n);
    else if (!dst && n)
        rc = reel_fail_at_(site, REEL_EARG, "%s: dst is NULL", fn);
    else
        gather(dst, d, r);
    if (release) reel_release_rec_(r);
    return rc;
}

int reel_read_f32_at(const char *site, reel_tensor *t, float *dst, size_t n)
{
    return read_as(site, "reel_read_f32", t, dst, REEL_F32, n);
}
int reel_read_f64_at(const char *site, reel_tensor *t, double *dst, size_t n)
{
    return read_as(site, "reel_read_f64", t, dst, REEL_F64, n);
}
int reel_read_i64_at(const char *site, reel_tensor *t, int64_t *dst, size_t n)
{
    return read_as(site, "reel_read_i64", t, dst, REEL_I64, n);
}
int reel_read_at(const char *site, reel_tensor *t, void *dst, size_t bytes)
{
    return read_as(site, "reel_read", t, dst, (reel_dtype)0, bytes);
}

double reel_item_at(const char *site, reel_tensor *t)
{
    double x = NAN;
    return read_as(site, "reel_item", t, &x, REEL_F64, 1) ? (double)NAN : x;
}

int64_t reel_dim_at(const char *site, reel_tensor *t, int axis)
{
    const reel_rec *r = reel_live_(site, "reel_dim", "t", t);
    if (!r) return -2;
    const int rank = r->type.shape.rank, i = axis < 0 ? axis + rank : axis;
    if (i >= 0 && i < rank) {
        const int64_t n = reel_traced_type_(r)->shape.dims[i];
        if (n == REEL_ANY) reel_listeners_asked_(site);
        return n;
    }
    reel_fail_at_(site, REEL_EARG, "reel_dim: axis %d is out of range for rank %d", axis, rank);
    return -2;
}

reel_shape reel_shape_of(reel_tensor *t)
{
    const reel_rec *r = reel_live_("", "reel_shape_of", "t", t);
    if (r) {
        const reel_shape *s = &reel_traced_type_(r)->shape;
        if (!reel_shape_known_(s)) reel_listeners_asked_("");
        return *s;
    }
    reel_shape none = {.rank = -1};
    return none;
}

reel_dtype reel_dtype_of(reel_tensor *t)
{
    const reel_rec *r = reel_live_("", "reel_dtype_of", "t", t);
    return r ? r->type.dtype : (reel_dtype)0;
}
