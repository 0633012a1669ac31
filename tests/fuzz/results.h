/* results.h: what modes.c (the same bits in every mode) and exported.c (nearly the same numbers) share. */
#ifndef REEL_TESTS_FUZZ_RESULTS_H
#define REEL_TESTS_FUZZ_RESULTS_H
#include "fuzz.h"

/* Of one run: an error, or results and then variables, in C order. */
typedef struct {
    int code, n;
    reel_type type[FUZZ_ALL_RESULTS + FUZZ_VARS];
    unsigned char *data[FUZZ_ALL_RESULTS + FUZZ_VARS];
    size_t bytes[FUZZ_ALL_RESULTS + FUZZ_VARS];
    char text[504];
} results;
void fuzz_eager(fuzz_program *p, results *r);
void fuzz_collect(const fuzz_program *p, reel_tensor *const out[], results *r);
void fuzz_add_result(results *r, reel_tensor *t, bool zeros);
void fuzz_note_error(results *r); /* the one that is pending */
void fuzz_drop_results(results *r);
double fuzz_number(reel_dtype d, const void *p); /* of a float */

/* ---- what a comparison is at ----------------------------------------------------------------------------- */
typedef struct {
    fuzz_program *p;
    const fuzz_difference *only;
    fuzz_difference now, *found;
    fuzz_stats *stats;
    bool ok;
} compare;
/* What runs now: a crash is this one's. */
void fuzz_begins(compare *c, fuzz_mode mode, int which, int64_t batch, const char *passes);
bool fuzz_wanted(compare *c, fuzz_mode mode, int which, int64_t batch, const char *passes);
void fuzz_note_codes(compare *c, int code, int eager, const char *text);
void fuzz_differ(compare *c, const char *fmt, ...) REEL_PRINTF_(2, 3);

/* Of every n batches of FUZZ_TOGETHER programs one is due; and what is wanted alone always is. */
bool fuzz_batch_due(const compare *c, int n);

/* ---- modes.c --------------------------------------------------------------------------------------------- */
reel_graph *fuzz_build(fuzz_program *p, bool unknown, results *r);
void fuzz_session(fuzz_program *p, reel_session *s, results *r); /* one run, from the program's variables */
void fuzz_same(compare *c, const results *want, const results *got);

/* ---- compiled.c ------------------------------------------------------------------------------------------ */
/* Notes the program, if it is its turn; its plans are compiled with those of other programs, or at once, if only it is wanted. */
void fuzz_compile(compare *c, bool unknown);
bool fuzz_finish_compiled(fuzz_stats *stats, fuzz_difference *d);

/* ---- exported.c ------------------------------------------------------------------------------------------ */
/* Writes the graph as C, if it is this program's turn; it is built with those of other programs, or at once, if only it is wanted. */
void fuzz_export(compare *c, reel_graph *graph, bool unknown, const results *want);
bool fuzz_finish_exported(fuzz_stats *stats, fuzz_difference *d);
#endif
