/* error.c: the pending error of a thread. */
#include "error.h"
#include <stdio.h>
#include <string.h>
#include "context.h"

static const char *const names[REEL_N_CODES] = {"REEL_OK",     "REEL_ENOMEM", "REEL_EARG",       "REEL_ESHAPE",
                                                "REEL_EDTYPE", "REEL_ETRACE", "REEL_EGRADCHECK", "REEL_EDEVICE",
                                                "REEL_EIO",    "REEL_EUSER",  "REEL_ENUMERICS"};

const char *reel_code_name(int code)
{
    return code >= 0 && code < REEL_N_CODES ? names[code] : "?";
}

const char *reel_version(void)
{
    return REEL_VERSION;
}

int reel_status(void)
{
    return reel_ctx_()->error.code;
}

int reel_take_error(reel_error *e)
{
    reel_ctx *c = reel_ctx_();
    const int code = c->error.code;
    if (e) {
        if (code) {
            *e = c->error;
        } else {
            memset(e, 0, sizeof *e);
            e->site = "";
        }
    }
    c->error.code = REEL_OK;
    return code;
}

/* Appends to the text, cutting off at its end. */
static int put(reel_error *e, int at, const char *fmt, va_list ap)
{
    const int room = (int)sizeof e->text - at;
    if (room <= 1) return at;
    const int n = vsnprintf(e->text + at, (size_t)room, fmt ? fmt : "(no text)", ap);
    return n < 0 ? at : n < room ? at + n : (int)sizeof e->text - 1;
}

static int putf(reel_error *e, int at, const char *fmt, ...) REEL_PRINTF(3, 4);
static int putf(reel_error *e, int at, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    at = put(e, at, fmt, ap);
    va_end(ap);
    return at;
}

static void finish(reel_ctx *c)
{
    if (c->name_len > 0) putf(&c->error, c->error_end, " (in \"%.*s\")", c->name_len, c->names);
}

static int raise_error(reel_ctx *c, const char *site, const char *op, int code, const char *fmt, va_list ap)
{
    if (code <= 0) code = REEL_EUSER;
    if (c->error.code) return code; /* the first one stays */
    int at = 0;
    c->error.text[0] = '\0';
    if (site && *site) at = putf(&c->error, at, "%s: ", site);
    if (op) at = putf(&c->error, at, "reel_%s: ", op);
    c->error_end = put(&c->error, at, fmt, ap);
    c->error.site = site ? site : "";
    c->error.code = code;
    finish(c);
    return code;
}

int reel_vfail_at_(const char *site, int code, const char *fmt, va_list ap)
{
    return raise_error(reel_ctx_(), site, NULL, code, fmt, ap);
}

int reel_fail_at_(const char *site, int code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    raise_error(reel_ctx_(), site, NULL, code, fmt, ap);
    va_end(ap);
    return code;
}

int reel_fail(int code, const char *fmt, ...)
{
    reel_ctx *c = reel_ctx_();
    va_list ap;
    va_start(ap, fmt);
    code = raise_error(c, c->site, c->op, code, fmt, ap);
    va_end(ap);
    return code;
}

void reel_error_append_(const char *fmt, ...)
{
    reel_ctx *c = reel_ctx_();
    if (!c->error.code) return;
    va_list ap;
    va_start(ap, fmt);
    c->error_end = put(&c->error, c->error_end, fmt, ap);
    va_end(ap);
    finish(c);
}

int reel_no_memory_(size_t bytes)
{
    return reel_fail(REEL_ENOMEM, "out of memory: %zu bytes", bytes);
}
