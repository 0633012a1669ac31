/* expect.h: a call that must fail, with which code, with which words, at which line of this file. */
#ifndef REEL_TESTS_EXPECT_H
#define REEL_TESTS_EXPECT_H
#include <reel/reel.h>
#include "tap.h"

/* Takes the pending error; passes if it is code, its text has all words (separated by |) and its site is "<this file>:<line>"
   (line 0: not checked). */
TAP_UNUSED static bool expect_error(const char *file, int line, int code, const char *words, const char *what,
                                    bool site)
{
    reel_error e;
    const int got = reel_take_error(&e);
    char want[256], part[256];
    snprintf(want, sizeof want, "%s:%d", file, line);
    bool ok = got == code;
    for (const char *w = words; ok && *w;) {
        const size_t n = strcspn(w, "|");
        snprintf(part, sizeof part, "%.*s", (int)n, w);
        ok = strstr(e.text, part) != NULL;
        w += n + (w[n] == '|');
    }
    if (site && ok) ok = tap_is_place(e.site, e.text, file, line);
    tap_result(ok, file, line, what, "%s", what);
    if (!ok)
        tap_note("got %s at \"%s\": %s\nexpected %s with \"%s\"%s%s", reel_code_name(got), got ? e.site : "",
                 got ? e.text : "no error", reel_code_name(code), words, site ? " at " : "", site ? want : "");
    return ok;
}

/* A call on one line that must give NULL (or non-zero) and raise. */
#define FAILS(call, code, words)                                                 \
    (tap_result(!(call), __FILE__, __LINE__, #call, "gives nothing: %s", #call), \
     expect_error(__FILE__, __LINE__, code, words, #call, true))
#define REFUSES(call, code, words)                                                           \
    (tap_result((call) == (code), __FILE__, __LINE__, #call, "returns the code: %s", #call), \
     expect_error(__FILE__, __LINE__, code, words, #call, true))
/* The same for calls that know no site. */
#define FAILS_ANYWHERE(call, code, words)                                        \
    (tap_result(!(call), __FILE__, __LINE__, #call, "gives nothing: %s", #call), \
     expect_error(__FILE__, __LINE__, code, words, #call, false))
#define CLEAN(what) tap_result(reel_take_error(NULL) == 0, __FILE__, __LINE__, what, "no error: %s", what)
#endif
