/* vars.c: variables and the sets they live in. */
#include <stdio.h>
#include <string.h>
#include "alloc.h"
#include "context.h"
#include "op.h"
#include "reel/reel.h"

struct reel_vars {
    char *name; /* full: "gen/hidden" */
    reel_vars *parent;
    reel_vars *children, *next;
    reel_tensor **list; /* its own variables and those of its sub-sets, in order of creation */
    size_t n, capacity;
    size_t n_own; /* how many of them are its own: only those carry its reference */
};

static char *join(const char *a, const char *b)
{
    const size_t n = strlen(a), m = strlen(b);
    char *s = reel_alloc_(n + m + 2);
    if (!s) return NULL;
    memcpy(s, a, n);
    if (n) s[n] = '/';
    memcpy(s + n + (n > 0), b, m + 1);
    char *exact = reel_strdup_(s);
    reel_free_(s, n + m + 2);
    return exact;
}

static reel_vars *new_set(reel_vars *parent, const char *name)
{
    reel_vars *v = reel_zalloc_(sizeof *v);
    if (!v) return NULL;
    v->name = parent ? join(parent->name, name) : reel_strdup_(name);
    if (!v->name) {
        reel_free_(v, sizeof *v);
        return NULL;
    }
    v->parent = parent;
    if (parent) {
        v->next = parent->children;
        parent->children = v;
    }
    return v;
}

reel_vars *reel_vars_new(const char *name)
{
    if (reel_pending_()) return NULL;
    return new_set(NULL, name ? name : "");
}

static const char *last_part(const char *full)
{
    const char *slash = strrchr(full, '/');
    return slash ? slash + 1 : full;
}

reel_vars *reel_vars_sub(reel_vars *parent, const char *name)
{
    if (reel_pending_()) return NULL;
    if (!parent || !name || !*name || strchr(name, '/')) {
        reel_fail_at_("", REEL_EARG, "reel_vars_sub: %s",
                      !parent           ? "parent is NULL"
                      : !name || !*name ? "name is empty"
                                        : "name contains a /");
        return NULL;
    }
    for (const reel_vars *c = parent->children; c; c = c->next) {
        if (strcmp(last_part(c->name), name) != 0) continue;
        reel_fail_at_("", REEL_EARG, "reel_vars_sub: there is a set \"%s\" already", c->name);
        return NULL;
    }
    return new_set(parent, name);
}

static void forget(reel_vars *v, const reel_tensor *t)
{
    size_t n = 0;
    for (size_t i = 0; i < v->n; i++)
        if (v->list[i] != t) v->list[n++] = v->list[i];
    v->n = n;
}

static bool owns(const reel_vars *v, const reel_tensor *t)
{
    const char *name = reel_rec_of_(t)->name;
    const size_t n = strlen(v->name);
    if (n == 0) return !strchr(name, '/');
    return strncmp(name, v->name, n) == 0 && name[n] == '/' && !strchr(name + n + 1, '/');
}

void reel_vars_free(reel_vars *v)
{
    if (!v) return;
    while (v->children) reel_vars_free(v->children);
    for (size_t i = v->n; i-- > 0;) {
        reel_tensor *t = v->list[i];
        for (reel_vars *p = v->parent; p; p = p->parent) forget(p, t);
        reel_release_rec_(reel_rec_of_(t));
    }
    if (v->parent) {
        reel_vars **p = &v->parent->children;
        while (*p != v) p = &(*p)->next;
        *p = v->next;
    }
    reel_free_(v->list, v->capacity * sizeof *v->list);
    reel_strfree_(v->name);
    reel_free_(v, sizeof *v);
}

reel_list reel_vars_list(reel_vars *v)
{
    reel_list none = {0, NULL};
    if (!v) {
        reel_fail_at_("", REEL_EARG, "reel_vars_list: vars is NULL");
        return none;
    }
    reel_list l = {(int)v->n, v->list};
    return l;
}

const char *reel_vars_name(const reel_vars *v)
{
    return v ? v->name : NULL;
}

const char *reel_var_name(reel_tensor *var)
{
    const reel_rec *r = reel_live_("", "reel_var_name", "var", var);
    if (!r) return NULL;
    if (r->flags & REEL_R_CELL) return r->name;
    reel_fail_at_("", REEL_EARG, "reel_var_name: the tensor made at %s is no variable", r->made);
    return NULL;
}

/* ---- making variables ---------------------------------------------------------------------------- */

static reel_tensor *add_var(const char *site, const char *fn, reel_vars *v, const char *name, const reel_type *type)
{
    if (!v || !name || !*name || strchr(name, '/')) {
        reel_fail_at_(site, REEL_EARG, "%s: %s", fn,
                      !v                ? "vars is NULL"
                      : !name || !*name ? "name is empty"
                                        : "name contains a /");
        return NULL;
    }
    if (reel_listeners_host_(NULL, true, site, fn)) return NULL;
    for (size_t i = 0; i < v->n; i++) {
        const reel_rec *r = reel_rec_of_(v->list[i]);
        if (!owns(v, v->list[i]) || strcmp(last_part(r->name), name) != 0) continue;
        reel_fail_at_(site, REEL_EARG, "%s: there is a variable \"%s\" already, made at %s", fn, r->name, r->made);
        return NULL;
    }
    for (reel_vars *p = v; p; p = p->parent)
        if (reel_grow_((void **)&p->list, &p->capacity, p->n + 1, sizeof *p->list)) return NULL;
    char *full = join(v->name, name);
    if (!full) return NULL;
    reel_rec *cell = reel_cell_make_(site, type, full);
    reel_strfree_(full);
    if (!cell) return NULL;
    for (reel_vars *p = v; p; p = p->parent) p->list[p->n++] = reel_handle_(cell);
    return reel_handle_(cell);
}

reel_tensor *reel_var_empty_at(const char *site, reel_vars *v, const char *name, reel_dtype d, reel_shape s)
{
    if (reel_pending_()) return NULL;
    if (!reel_is_dtype_(d)) {
        reel_fail_at_(site, REEL_EDTYPE, "reel_var_empty: %d is not a dtype", (int)d);
        return NULL;
    }
    if (reel_shape_check_(s, false)) return NULL;
    reel_type type;
    memset(&type, 0, sizeof type);
    type.dtype = d;
    type.shape.rank = s.rank;
    memcpy(type.shape.dims, s.dims, sizeof s.dims[0] * (size_t)s.rank);
    return add_var(site, "reel_var_empty", v, name, &type);
}

/* A dense strong record with init's value: init's own, or a copy. Owned by the innermost scope if new. */
static reel_rec *settled(const char *site, reel_rec *r)
{
    if (!(r->flags & REEL_R_NUM) && (r->flags & REEL_R_DENSE)) return r;
    reel_type type = r->type;
    if (r->flags & REEL_R_NUM) type.dtype = reel_widened_(REEL_F32);
    reel_rec *copy = reel_make_(site, &type);
    if (!copy) return NULL;
    if (!(r->flags & REEL_R_NUM)) copy->id = r->id; /* the same value, laid out densely */
    const int rc = r->flags & REEL_R_NUM
                       ? !reel_store_number_(copy->data, type.dtype, reel_load_number_(r->data, REEL_F64))
                       : reel_read_at(site, reel_handle_(r), copy->data, reel_type_bytes_(&type));
    return rc ? NULL : copy;
}

reel_tensor *reel_var_at(const char *site, reel_vars *v, const char *name, reel_tensor *init)
{
    if (reel_pending_()) return NULL;
    reel_rec *r = reel_live_value_(site, "reel_var", "init", init);
    if (!r) return NULL;
    if (r->flags & REEL_R_SYMBOLIC) {
        if (!reel_listeners_host_(NULL, true, site, "reel_var"))
            reel_fail_at_(site, REEL_ETRACE,
                          "reel_var: init is part of a graph: it has no value before a session runs");
        return NULL;
    }
    REEL_SCOPED_AT(site);
    r = settled(site, r);
    if (!r) return NULL;
    reel_tensor *var = add_var(site, "reel_var", v, name, &r->type);
    if (var) reel_cell_set_(reel_rec_of_(var), r);
    return var;
}

reel_tensor *reel_value_at(const char *site, reel_tensor *var)
{
    reel_rec *r = reel_live_(site, "reel_value", "var", var);
    if (!r) return NULL;
    if (!(r->flags & REEL_R_CELL)) {
        reel_fail_at_(site, REEL_EARG, "reel_value: the tensor made at %s is no variable", r->made);
        return NULL;
    }
    reel_rec *v = reel_assigned_in_graph_(reel_ctx_(), r);
    if (v)
        reel_retain_rec_(v);
    else
        v = reel_cell_get_(r);
    if (!v) {
        reel_fail_at_(site, REEL_EARG, "reel_value: variable \"%s\" is read before it has a value", r->name);
        return NULL;
    }
    reel_rec *own = reel_listeners_value_(r, v, site);
    const reel_rec *alias = own ? reel_make_alias_(site, own) : NULL;
    reel_release_rec_(v);
    return reel_handle_(alias);
}

int reel_vars_blend_at(const char *site, reel_vars *dst, reel_vars *src, double tau)
{
    if (reel_pending_()) return reel_pending_();
    if (!dst || !src) return reel_fail_at_(site, REEL_EARG, "reel_vars_blend: %s is NULL", dst ? "src" : "dst");
    if (dst->n != src->n)
        return reel_fail_at_(site, REEL_EARG, "reel_vars_blend: \"%s\" has %zu variables, \"%s\" has %zu", dst->name,
                             dst->n, src->name, src->n);
    REEL_SCOPED_AT(site);
    reel_tensor **next = reel_alloc_array_(dst->n ? dst->n : 1, sizeof *next);
    if (!next) return REEL_ENOMEM;
    for (size_t i = 0; i < dst->n; i++) { /* all new values first: a failure moves no variable */
        reel_tensor *d = dst->list[i], *s = src->list[i];
        next[i] =
            tau == 1 ? s : reel_add_at(site, d, reel_mul_at(site, reel_num_at(site, tau), reel_sub_at(site, s, d)));
    }
    int rc = reel_status();
    for (size_t i = 0; i < dst->n && !rc; i++) rc = reel_assign_at(site, dst->list[i], next[i]);
    reel_free_(next, (dst->n ? dst->n : 1) * sizeof *next);
    return rc;
}
