/* tap.h: a tiny TAP writer. A file's tests are functions of no arguments; TAP_MAIN(a, b) runs them in order.
   Checks may be made on several threads at once: each is one locked line. Header-only: include it once a program. */
#ifndef REEL_TESTS_TAP_H
#define REEL_TESTS_TAP_H
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TAP_UNUSED __attribute__((unused))
static int tap_done, tap_failed;
TAP_UNUSED static bool tap_reduced; /* argument `reduced`: a part of the longest loops will do */

/* flockfile is recursive, so the counters share stdout's own lock. */
TAP_UNUSED static bool tap_vresult(bool ok, const char *file, int line, const char *expr, const char *fmt, va_list ap)
{
    char name[512];
    vsnprintf(name, sizeof name, fmt, ap);
    for (char *p = name; *p; p++) { /* a newline ends a TAP line, '#' begins a directive */
        if (*p == '\n' || *p == '\r') {
            *p = ' ';
        } else if (*p == '#') {
            *p = '%';
        }
    }
    flockfile(stdout);
    tap_done++;
    if (!ok) {
        tap_failed++;
    }
    printf("%s %d - %s\n", ok ? "ok" : "not ok", tap_done, name);
    if (!ok) {
        printf("#   at %s:%d: %s\n", file, line, expr);
    }
    fflush(stdout);
    funlockfile(stdout);
    return ok;
}

TAP_UNUSED __attribute__((format(printf, 5, 6))) static bool tap_result(bool ok, const char *file, int line,
                                                                        const char *expr, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    tap_vresult(ok, file, line, expr, fmt, ap);
    va_end(ap);
    return ok;
}

/* By REEL_COMPILE: what a compiler lacks then fails no run. */
TAP_UNUSED static bool plans_are_compiled(void)
{
    const char *how = getenv("REEL_COMPILE");
    return how && *how && strcmp(how, "off") != 0;
}

/* A diagnostic line; may hold newlines. */
TAP_UNUSED __attribute__((format(printf, 1, 2))) static void tap_note(const char *fmt, ...)
{
    va_list ap;
    char text[4096];
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    flockfile(stdout);
    for (const char *p = text; *p;) {
        const size_t n = strcspn(p, "\n");
        printf("#   %.*s\n", (int)n, p);
        p += n + (p[n] == '\n');
    }
    fflush(stdout);
    funlockfile(stdout);
}

TAP_UNUSED static bool tap_is_close(double a, double b, double rtol, double atol)
{
    if (a == b || (isnan(a) && isnan(b))) {
        return true;
    }
    return isfinite(a) && isfinite(b) && fabs(a - b) <= atol + rtol * fabs(b);
}

/* Is site "<file>:<line>", and does text begin with it? A call may be spread over four lines: gcc and clang then differ. */
TAP_UNUSED static bool tap_is_place(const char *site, const char *text, const char *file, int line)
{
    char want[256];
    for (int i = line - 3; i <= line + 3; i++) {
        snprintf(want, sizeof want, "%s:%d", file, i);
        if (site && strcmp(site, want) == 0) {
            return strncmp(text, want, strlen(want)) == 0;
        }
    }
    return false;
}

TAP_UNUSED static void tap_skip(const char *reason)
{
    flockfile(stdout);
    tap_done++;
    printf("ok %d # SKIP %s\n", tap_done, reason);
    fflush(stdout);
    funlockfile(stdout);
}

TAP_UNUSED static int tap_finish(void)
{
    printf("1..%d\n", tap_done);
    if (tap_failed) {
        printf("# %d of %d failed\n", tap_failed, tap_done);
    }
    fflush(stdout);
    return tap_failed != 0;
}

/* Each evaluates its arguments once and is an expression: did it pass? The name may be left out nowhere but in EQ and SKIP. */
#define TAP_OK(cond, ...) tap_result((cond), __FILE__, __LINE__, #cond, __VA_ARGS__)
#define TAP_EQ_INT(a, b) tap_eq_int((int64_t)(a), (int64_t)(b), __FILE__, __LINE__, #a, #b)
#define TAP_EQ_STR(a, b) tap_eq_str((a), (b), __FILE__, __LINE__, #a)
#define TAP_CLOSE(a, b, rtol, atol, ...) \
    tap_close((a), (b), (rtol), (atol), __FILE__, __LINE__, #a " near " #b, __VA_ARGS__)
#define TAP_NOTE(...) tap_note(__VA_ARGS__)
#define TAP_SKIP(reason) tap_skip(reason)

TAP_UNUSED static bool tap_eq_int(int64_t a, int64_t b, const char *file, int line, const char *ea, const char *eb)
{
    const bool ok = tap_result(a == b, file, line, ea, "%s == %s", ea, eb);
    if (!ok) {
        tap_note("got %lld, expected %lld", (long long)a, (long long)b);
    }
    return ok;
}

TAP_UNUSED static bool tap_eq_str(const char *a, const char *b, const char *file, int line, const char *ea)
{
    const bool ok = tap_result(a && b && strcmp(a, b) == 0, file, line, ea, "%s is as expected", ea);
    if (!ok) {
        tap_note("got      \"%s\"\nexpected \"%s\"", a ? a : "(null)", b ? b : "(null)");
    }
    return ok;
}

TAP_UNUSED __attribute__((format(printf, 8, 9))) static bool tap_close(double a, double b, double rtol, double atol,
                                                                       const char *file, int line, const char *expr,
                                                                       const char *fmt, ...)
{
    const bool ok = tap_is_close(a, b, rtol, atol);
    va_list ap;
    va_start(ap, fmt);
    tap_vresult(ok, file, line, expr, fmt, ap);
    va_end(ap);
    if (!ok) {
        tap_note("got %.17g, expected %.17g (rtol %g, atol %g)", a, b, rtol, atol);
    }
    return ok;
}

typedef void tap_test(void);
#define TAP_MAIN(...)                                                  \
    int main(int argc, char **argv)                                    \
    {                                                                  \
        setenv("REEL_CHECK_PLANS", "1", 0); /* all plans are proved */ \
        tap_reduced = argc > 1 && !strcmp(argv[1], "reduced");         \
        tap_test *const tests[] = {__VA_ARGS__};                       \
        for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {    \
            tests[i]();                                                \
        }                                                              \
        return tap_finish();                                           \
    }
#endif
