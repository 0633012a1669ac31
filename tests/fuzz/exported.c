/* exported.c: programs as stand-alone C. Those of a batch are written out one by one and built as one translation unit and one shared
   object, which a process of its own loads and runs, each program twice. Results are held against eager's: libm's functions and sums in
   another order give nearly the same numbers, not the same bits. Where a program makes much of a small difference (a comparison on the
   edge, a sum that cancels), eager itself says how much: see sensitive(). */
#include <dlfcn.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "results.h"

enum { PATH = 160, JITTERS = 24, SECONDS = 60, ALL = FUZZ_ALL_RESULTS + FUZZ_VARS };
#define FLAGS "-std=c99 -Wall -Wextra -Werror -O1"

/* One program that is written out. */
typedef struct {
    fuzz_program *p; /* a copy */
    fuzz_difference at;
    results want;
    unsigned char *in[FUZZ_INPUTS], *init[FUZZ_VARS];
} written;

struct fuzz_batch {
    char folder[FUZZ_FOLDER];
    int n;
    written w[FUZZ_TOGETHER];
};

/* What the process that runs them says: of each program whether it has been run, what its run gave, and whether the second run gave the
   same. Then the bytes of all results. */
typedef struct {
    int done[FUZZ_TOGETHER], code[FUZZ_TOGETHER], again[FUZZ_TOGETHER];
    char text[FUZZ_TOGETHER][200];
    _Alignas(64) unsigned char bytes[];
} said;

/* ---- the folder --------------------------------------------------------------------------------------------- */

static void path_of(const struct fuzz_batch *b, const char *name, char path[PATH])
{
    snprintf(path, PATH, "%s/%.80s", b->folder, name);
}

static bool begin_batch(struct fuzz_batch *b)
{
    *b = (struct fuzz_batch){.n = 0};
    return fuzz_folder(b->folder);
}

static void end_batch(struct fuzz_batch *b)
{
    fuzz_remove(b->folder);
    for (int i = 0; i < b->n; i++) {
        written *w = &b->w[i];
        for (int k = 0; k < FUZZ_INPUTS; k++) free(w->in[k]);
        for (int k = 0; k < FUZZ_VARS; k++) free(w->init[k]);
        fuzz_drop_results(&w->want);
        fuzz_free(w->p);
    }
}

/* ---- writing ------------------------------------------------------------------------------------------------ */

static unsigned char *bytes_of(reel_tensor *t, size_t *n)
{
    *n = (size_t)reel_shape_count(reel_shape_of(t)) * reel_dtype_size(reel_dtype_of(t));
    unsigned char *bytes = malloc(*n + 1);
    if (!bytes) abort();
    (void)reel_read(t, bytes, *n);
    return bytes;
}

static void copy_results(results *to, const results *from)
{
    *to = *from;
    for (int i = 0; i < from->n; i++) {
        to->data[i] = malloc(from->bytes[i] + 1);
        if (!to->data[i]) abort();
        memcpy(to->data[i], from->data[i], from->bytes[i]);
    }
}

static void note_program(const compare *c, written *w, const results *want)
{
    size_t n;
    *w = (written){.p = fuzz_copy(c->p), .at = c->now};
    copy_results(&w->want, want);
    for (int i = 0; i < c->p->n_in; i++) w->in[i] = bytes_of(c->p->in[i], &n);
    for (int i = 0; i < FUZZ_VARS; i++) w->init[i] = bytes_of(c->p->init[i], &n);
}

/* "reel_sum has no exported form here: it reads a value whose size depends on data, by reel_nonzero", without where they stand. */
static void count_refusal(fuzz_stats *stats, const char *text)
{
    const char *from = strstr(text, "reel_export_c: ");
    from = from ? from + strlen("reel_export_c: ") : text;
    const int most = (int)(sizeof stats->refused / sizeof *stats->refused);
    const char *place = strstr(from, " at ");
    size_t n = place ? (size_t)(place - from) : strcspn(from, "(\n");
    while (n && from[n - 1] == ' ') n--;
    if (n >= sizeof stats->refused->why) n = sizeof stats->refused->why - 1;
    int k = 0;
    while (k < most && stats->refused[k].n &&
           (strlen(stats->refused[k].why) != n || memcmp(stats->refused[k].why, from, n) != 0))
        k++;
    if (k == most) return;
    snprintf(stats->refused[k].why, sizeof stats->refused[k].why, "%.*s", (int)n, from);
    stats->refused[k].n++;
}

/* 1: it is written, 0: it is refused, -1: it is an error. */
static int write_program(compare *c, const struct fuzz_batch *b, reel_graph *graph)
{
    const fuzz_program *p = c->p;
    char in[FUZZ_INPUTS][4], out[FUZZ_ALL_RESULTS][4], name[16];
    const char *feed[FUZZ_INPUTS], *fetch[FUZZ_ALL_RESULTS];
    reel_shape shape[FUZZ_INPUTS];
    reel_error e = {0};
    for (int i = 0; i < p->n_in; i++) {
        memcpy(in[i], (char[]){'i', (char)('0' + i), 0}, 3);
        feed[i] = in[i];
        shape[i] = reel_shape_of(p->in[i]);
    }
    const int n = fuzz_n_results(p);
    for (int i = 0; i < n; i++) {
        memcpy(out[i], (char[]){'o', (char)('0' + i / 10), (char)('0' + i % 10), 0}, 4);
        fetch[i] = out[i];
    }
    snprintf(name, sizeof name, "p%d", b->n);
    fuzz_reset(c->p);
    (void)reel_export_c(
        graph, (reel_names){p->n_in, feed}, (reel_names){n, fetch},
        REEL_OPTS(export, .name = name, .folder = b->folder, .effects = true, .shapes = shape, .passes = c->now.passes),
        NULL);
    const int code = reel_take_error(&e);
    if (!code) return 1;
    if (code == REEL_ETRACE && strstr(e.text, "has no exported form")) {
        count_refusal(c->stats, e.text);
        return 0;
    }
    c->now.result = -1;
    fuzz_differ(c, "it cannot be exported: %s", e.text);
    return -1;
}

/* ---- building ----------------------------------------------------------------------------------------------- */

static bool header_has(const struct fuzz_batch *b, int k, const char *what)
{
    static char text[1 << 16];
    char path[PATH], name[16];
    snprintf(name, sizeof name, "p%d.h", k);
    path_of(b, name, path);
    FILE *f = fopen(path, "r");
    const size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    if (f) (void)fclose(f);
    text[n] = '\0';
    return strstr(text, what) != NULL;
}

/* A function that runs program k: its variables are as they were written out, however often it is called. */
static void put_case(FILE *f, const struct fuzz_batch *b, int k)
{
    const fuzz_program *p = b->w[k].p;
    char line[64];
    snprintf(line, sizeof line, "extern p%d_variables p%d_vars;", k, k);
    const bool changes = header_has(b, k, line);
    fprintf(f,
            "#include \"p%d.c\"\nint case_%d(const void *const *in, void *const *out, const void **vars, const char "
            "**text);\n"
            "int case_%d(const void *const *in, void *const *out, const void **vars, const char **text)\n{\n"
            "    p%d_inputs i;\n    p%d_outputs o;\n    int rc;\n",
            k, k, k, k, k);
    if (changes)
        fprintf(f,
                "    static p%d_variables before;\n    static int again;\n    if (again) p%d_vars = before;\n"
                "    before = p%d_vars;\n    again = 1;\n",
                k, k, k);
    for (int i = 0; i < p->n_in; i++) fprintf(f, "    i.i%d = in[%d];\n", i, i);
    for (int i = 0; i < fuzz_n_results(p); i++) fprintf(f, "    o.o%02d = out[%d];\n", i, i);
    for (int i = 0; i < FUZZ_VARS; i++) {
        snprintf(line, sizeof line, " v_%c[", 'a' + i);
        if (header_has(b, k, line))
            fprintf(f, "    vars[%d] = p%d_vars.v_%c;\n", i, k, 'a' + i);
        else
            fprintf(f, "    vars[%d] = NULL;\n", i);
    }
    fprintf(f, "    rc = p%d_run(&i, &o);\n    *text = p%d_error(rc);\n    return rc;\n}\n", k, k);
}

/* Programs [from, to) as one translation unit and one shared object; false: cc does not take it, text says why. */
static bool build(const struct fuzz_batch *b, int from, int to, const char *flags, char *text, size_t size)
{
    char path[PATH], command[3 * PATH];
    path_of(b, "all.c", path);
    FILE *f = fopen(path, "w");
    for (int k = from; f && k < to; k++) put_case(f, b, k);
    if (f) (void)fclose(f);
    snprintf(command, sizeof command, "cd %s && cc %s -o all.so all.c -lm > all.log 2>&1", b->folder, flags);
    if (system(command) == 0) return true;
    path_of(b, "all.log", path);
    f = fopen(path, "r");
    size_t n = 0;
    for (char line[300]; f && n + 1 < size && fgets(line, sizeof line, f);)
        if (strstr(line, "error") || strstr(line, "warning")) n += (size_t)snprintf(text + n, size - n, "%s", line);
    if (f) (void)fclose(f);
    return false;
}

static bool has_cc(void)
{
    static int state; /* asked once a process */
    if (!state) state = system("cc --version > /dev/null 2>&1") == 0 ? 1 : 2;
    return state == 1;
}

/* ---- running ------------------------------------------------------------------------------------------------ */

typedef int run_case(const void *const *in, void *const *out, const void **vars, const char **text);

/* Results and variables of one run into r, which has room for them. */
static int run_one(run_case *f, const written *w, unsigned char *const *r, char text[200])
{
    const void *vars[FUZZ_VARS], *in[FUZZ_INPUTS];
    void *out[FUZZ_ALL_RESULTS];
    const char *why = "";
    const int n = fuzz_n_results(w->p);
    for (int i = 0; i < w->p->n_in; i++) in[i] = w->in[i];
    for (int i = 0; i < n; i++) out[i] = r[i];
    const int rc = f(in, out, vars, &why);
    snprintf(text, 200, "%s", why);
    for (int i = 0; i < FUZZ_VARS; i++) memcpy(r[n + i], vars[i] ? vars[i] : w->init[i], w->want.bytes[n + i]);
    return rc;
}

static size_t room_of(const results *r)
{
    size_t n = 0;
    for (int i = 0; i < r->n; i++) n += (r->bytes[i] + 63) & ~(size_t)63;
    return n;
}

static void find_room(const results *r, unsigned char *from, unsigned char **at)
{
    for (int i = 0; i < r->n; i++) {
        at[i] = from;
        from += (r->bytes[i] + 63) & ~(size_t)63;
    }
}

/* In a process of its own. */
static void run_all(const struct fuzz_batch *b, said *s)
{
    char path[PATH], name[24];
    path_of(b, "all.so", path);
    void *so = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    unsigned char *from = s->bytes;
    for (int k = 0; so && k < b->n; k++) {
        const written *w = &b->w[k];
        const size_t room = room_of(&w->want);
        unsigned char *at[2][ALL];
        run_case *f;
        snprintf(name, sizeof name, "case_%d", k);
        void *symbol = dlsym(so, name);
        memcpy(&f, &symbol, sizeof f);
        find_room(&w->want, from, at[0]);
        find_room(&w->want, from + room, at[1]);
        if (!symbol) _exit(1);
        s->code[k] = run_one(f, w, at[0], s->text[k]);
        s->again[k] = run_one(f, w, at[1], s->text[k]) == s->code[k] && memcmp(from, from + room, room) == 0;
        s->done[k] = 1;
        from += 2 * room;
    }
    _exit(so ? 0 : 1);
}

/* ---- near enough? --------------------------------------------------------------------------------------------- */

/* Relative to the number, or to the largest of its tensor if that is below 1. An exported file calls libm and adds in plain order, which
   rounds otherwise than our loops: 1e-5 is what reel_export_c promises; a 16-bit float that is rounded the other way is off by a unit in
   its last place, 1e-3 or 8e-3, and 4e-3 and 3e-2 are four of them. close: gradients of gradients through loops, whose additions come in
   another order in any trace and may cancel: what modes.c allows those. */
static double tolerance(reel_dtype d, bool close)
{
    if (!fuzz_is_float(d)) return 0;
    if (close && d != REEL_F64) return d == REEL_F32 ? 1e-3 : 0.1;
    return d == REEL_F16 ? 4e-3 : d == REEL_BF16 ? 3e-2 : 1e-5;
}

static double element(const results *r, int i, size_t at)
{
    const unsigned char *p = r->data[i] + at;
    const reel_dtype d = r->type[i].dtype;
    int64_t x = 0;
    if (fuzz_is_float(d)) return fuzz_number(d, p);
    switch (d) {
    case REEL_I8: return *(const int8_t *)p;
    case REEL_I32: {
        int32_t y;
        memcpy(&y, p, sizeof y);
        return y;
    }
    case REEL_I64: memcpy(&x, p, sizeof x); return (double)x;
    default: return *p;
    }
}

static double size_of(const results *r, int i, size_t step)
{
    double most = 0;
    for (size_t at = 0; at < r->bytes[i]; at += step) {
        const double x = fabs(element(r, i, at));
        if (x > most && isfinite(x)) most = x;
    }
    return most;
}

/* What eager gives where every float that a step makes is moved by a few units in its last place, JITTERS times. */
typedef struct {
    results r[JITTERS];
    int n;
} shaken;

static void shake(written *w, shaken *s)
{
    REEL_SCOPED;
    s->n = 0;
    if (!fuzz_open(w->p)) {
        (void)reel_take_error(NULL);
        return;
    }
    for (int i = 0; i < JITTERS; i++) {
        w->p->jitter = i + 1;
        fuzz_eager(w->p, &s->r[s->n]);
        if (s->r[s->n].code)
            fuzz_drop_results(&s->r[s->n]);
        else
            s->n++;
    }
    w->p->jitter = 0;
    fuzz_close(w->p);
    (void)reel_take_error(NULL);
}

/* Do those runs reach that far from eager's number, or turn it into none? A difference that is no larger than what the program itself
   makes of the last places is none of the exporter's. */
static bool sensitive(const shaken *s, const results *want, int i, size_t at, double got, double allowed)
{
    const double x = element(want, i, at);
    double low = x, high = x;
    int none = 0;
    for (int k = 0; k < s->n; k++) {
        const double y = element(&s->r[k], i, at);
        none += isnan(y);
        low = y < low ? y : low;
        high = y > high ? y : high;
    }
    if (isnan(x)) return none < s->n;
    if (none || isnan(got)) return none > 0;
    const double span = high - low;
    return span > 0 && got >= low - span - allowed && got <= high + span + allowed;
}

/* Result i against eager's. */
static bool near(compare *c, written *w, unsigned char *const *got, int i, shaken *s, bool *shook)
{
    const results *want = &w->want;
    const reel_dtype d = want->type[i].dtype;
    const size_t step = reel_dtype_size(d);
    results r = {.n = want->n};
    r.data[i] = got[i];
    r.type[i] = want->type[i];
    if (memcmp(got[i], want->data[i], want->bytes[i]) == 0) return true;
    const double least = fmin(1, size_of(want, i, step)), tol = tolerance(d, w->p->close);
    const bool zeros = w->p->zeros && fuzz_is_float(d); /* of a trace: 0 times infinity, see modes.c */
    for (size_t at = 0; at < want->bytes[i]; at += step) {
        const double x = element(want, i, at), y = element(&r, i, at), allowed = tol * fmax(least, fabs(x));
        if (x == y || (isnan(x) && isnan(y)) || fabs(x - y) <= allowed) continue;
        if (zeros && (isnan(x) || isnan(y) || (isinf(x) && isinf(y)))) continue;
        if (!*shook) shake(w, s);
        *shook = true;
        if (sensitive(s, want, i, at, y, allowed)) {
            c->stats->edges++;
            continue;
        }
        c->now.result = i;
        fuzz_differ(c, "result %d (%s), element %zu is %.9g as exported C, %.9g eagerly", i, reel_dtype_name(d),
                    at / step, y, x);
        return false;
    }
    return true;
}

static bool check_one(compare *c, written *w, const said *s, int k, unsigned char *from)
{
    unsigned char *got[ALL];
    shaken shakes = {.n = 0};
    bool shook = false, ok = true;
    c->now = w->at;
    c->now.result = -1;
    if (!s->done[k]) fuzz_differ(c, "exported C crashes or does not end");
    if (s->done[k] && s->code[k]) fuzz_differ(c, "exported C refuses: %s", s->text[k]);
    if (!c->ok) return false;
    find_room(&w->want, from, got);
    for (int i = 0; i < w->want.n && ok; i++) ok = near(c, w, got, i, &shakes, &shook);
    if (ok && !s->again[k]) fuzz_differ(c, "exported C gives something else the second time");
    for (int i = 0; i < shakes.n; i++) fuzz_drop_results(&shakes.r[i]);
    c->stats->exported += c->ok;
    return c->ok;
}

/* Which program is it that cc does not take? */
static void find_bad(compare *c, const struct fuzz_batch *b, const char *text)
{
    char own[600] = "";
    int k = 0;
    while (k + 1 < b->n && build(b, k, k + 1, FLAGS " -fsyntax-only", own, sizeof own)) k++;
    c->now = b->w[k].at;
    c->now.result = -1;
    fuzz_differ(c, "cc does not take the exported C:\n%s", *own ? own : text);
}

/* Builds, runs and compares all of it. Returns which program differs, -1: none. */
static int finish_batch(compare *c, struct fuzz_batch *b)
{
    char text[600] = "";
    size_t room = sizeof(said);
    int status = 0, bad = -1;
    if (!build(b, 0, b->n, FLAGS " -fPIC -shared", text, sizeof text)) {
        find_bad(c, b, text);
        for (bad = 0; bad + 1 < b->n && b->w[bad].p->seed != c->found->seed;) bad++;
        return bad;
    }
    for (int k = 0; k < b->n; k++) room += 2 * room_of(&b->w[k].want);
    said *s = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (s == MAP_FAILED) abort();
    const pid_t child = fork();
    if (child == 0) {
        (void)alarm(SECONDS);
        run_all(b, s);
    }
    (void)waitpid(child, &status, 0);
    unsigned char *from = s->bytes;
    for (int k = 0; k < b->n && bad < 0; k++) {
        if (!check_one(c, &b->w[k], s, k, from)) bad = k;
        from += 2 * room_of(&b->w[k].want);
    }
    (void)munmap(s, room);
    return bad;
}

/* ---- from outside ----------------------------------------------------------------------------------------------- */

void fuzz_export(compare *c, reel_graph *graph, bool unknown, const results *want)
{
    struct fuzz_batch one, *b = c->only ? &one : c->stats->batch;
    const char *passes = c->only ? c->only->passes : c->p->seed % 4 ? "default" : "none";
    if (!fuzz_batch_due(c, c->stats->export) || !fuzz_wanted(c, FUZZ_EXPORTED, unknown, -1, passes) || !has_cc())
        return;
    if (!b) {
        b = c->stats->batch = calloc(1, sizeof *b);
        if (!b) abort();
    }
    if ((c->only || !b->folder[0]) && !begin_batch(b)) return;
    c->now.seed = c->p->seed;
    if (write_program(c, b, graph) == 1) note_program(c, &b->w[b->n++], want);
    if (!c->only) return;
    if (b->n) (void)finish_batch(c, b);
    end_batch(b);
}

bool fuzz_finish_exported(fuzz_stats *stats, fuzz_difference *d)
{
    struct fuzz_batch *b = stats->batch;
    compare c = {.found = d, .stats = stats, .ok = true};
    if (!b) return true;
    if (b->n) (void)finish_batch(&c, b);
    end_batch(b);
    free(b);
    stats->batch = NULL;
    return c.ok;
}
