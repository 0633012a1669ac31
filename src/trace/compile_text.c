/* compile_text.c: text that grows. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "compile.h"
#include "core/alloc.h"

void reel_source_add_(reel_source *t, const char *s, size_t n)
{
    if (t->failed || reel_grow_((void **)&t->s, &t->cap, t->n + n + 1, 1)) {
        t->failed = true;
        return;
    }
    memcpy(t->s + t->n, s, n);
    for (size_t i = 0; i < n; i++) t->lines += s[i] == '\n';
    t->n += n;
    t->s[t->n] = '\0';
}

void reel_source_say_(reel_source *t, const char *fmt, ...)
{
    char some[512];
    va_list ap;
    va_start(ap, fmt);
    const int n = vsnprintf(some, sizeof some, fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= sizeof some) /* what is printed is cut to size before */
        t->failed = true;
    else
        reel_source_add_(t, some, (size_t)n);
}

void reel_source_free_(reel_source *t)
{
    reel_free_(t->s, t->cap);
    *t = (reel_source){0};
}

/* No %a and no %g: their point is the locale's. */
void reel_source_number_(reel_source *t, const char *type, double v)
{
    const char *const sign = signbit(v) ? "-" : "";
    if (isnan(v)) {
        reel_source_say_(t, "((%s)NAN)", type);
    } else if (isinf(v)) {
        reel_source_say_(t, "((%s)%sINFINITY)", type, sign);
    } else if (fabs(v) < 1e6 && v == trunc(v)) {
        reel_source_say_(t, "((%s)%s%d.0)", type, sign, (int)fabs(v));
    } else {
        int e;
        uint64_t m = (uint64_t)ldexp(frexp(fabs(v), &e), 53);
        for (e -= 53; !(m & 1); e++) m >>= 1;
        reel_source_say_(t, "((%s)%s0x%llxp%d)", type, sign, (unsigned long long)m, e);
    }
}
