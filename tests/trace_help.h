/* trace_help.h: what the tests of trace share. */
#ifndef REEL_TESTS_TRACE_HELP_H
#define REEL_TESTS_TRACE_HELP_H
#include <stdlib.h>
#include "bits.h"

/* Takes the pending error and checks its code and that its text holds both pieces. */
TAP_UNUSED static void expect_error(int code, const char *one, const char *two, const char *what)
{
    reel_error e;
    const int got = reel_take_error(&e);
    const bool ok = TAP_OK(got == code && strstr(e.text, one) && strstr(e.text, two), "%s: error", what);
    if (!ok)
        TAP_NOTE("got %s: %s\nexpected %s with \"%s\" and \"%s\"", reel_code_name(got), e.text, reel_code_name(code),
                 one, two);
}
TAP_UNUSED static void expect_none(const char *what)
{
    reel_error e;
    if (!TAP_OK(reel_take_error(&e) == 0, "%s: no error", what)) TAP_NOTE("%s", e.text);
}

/* A graph's listing as a string to be freed. */
TAP_UNUSED static char *listing(reel_graph *g)
{
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    if (!f) return NULL;
    reel_graph_print(f, g);
    fclose(f);
    return text;
}

/* An allocator that fails the n-th request (from 1) and counts what is out. */
typedef struct failing {
    long countdown; /* 0: never fails */
    long count, live;
} failing;
TAP_UNUSED static void *failing_alloc(void *self, size_t bytes)
{
    failing *f = self;
    f->count++;
    if (f->countdown && --f->countdown == 0) return NULL;
    void *p = aligned_alloc(64, (bytes + 63) & ~(size_t)63);
    if (p) f->live++;
    return p;
}
TAP_UNUSED static void failing_free(void *self, void *p, size_t bytes)
{
    (void)bytes;
    if (p) ((failing *)self)->live--;
    free(p);
}
#endif
