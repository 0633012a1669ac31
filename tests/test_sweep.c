/* test_sweep.c: walks ops.def. With arguments:

       test_sweep K/N       every N-th row from the K-th on (1 <= K <= N), so that processes may share the work
       test_sweep reduced   fewer dtypes, no second order: for sanitizers
       test_sweep table     prints of each op its samples, and whether it has first and second derivatives
       test_sweep digest    prints a number for the bits of each sample, to be held against those of other ISA levels

   REEL_SWEEP names one row, for finding a fault.

   Each row's good samples run in every dtype it claims: against a plain reference; with a
   tape; with gradients of first and second order; traced and replayed; as a graph of unknown dimensions: all the
   same bits. Each bad sample gives the right error at the right line, and leaves everything usable and nothing behind. */
#include "sweep.h"
#include "tap.h"

/* What is swept: the rows, then the functions composed of them. */
enum {
    N_ROWS = REEL_N_OPS,
    BEFORE_ALSO = N_ROWS - 1,
#define ROW(...)
#define ALSO(name, ...) ALSO_##name,
#include "ops/ops.def"
#undef ROW
    N_SWEPT
};
static const samples *const sets[N_SWEPT + 1] = {
#define ROW(name, ...) [REEL_OP_##name] = &samples_##name,
#define ALSO(name, ...) [ALSO_##name] = &samples_##name,
#include "ops/ops.def"
#undef ROW
};
enum { /* the words of ALSO */
       ANY = -1,
       FLOATS = REEL_FLOATS,
       REALS = REEL_REALS,
       INTS = REEL_INTS,
       BITS = REEL_INTS | REEL_BIT(REEL_BOOL),
       NUMBERS = REEL_NUMBERS,
       ALL_DTYPES = REEL_ALL_DTYPES,
       VJP = REEL_VJP,
       ZERO = REEL_ZERO_GRAD
};
static const reel_op composed[] = {
    {.name = ""},
#define ROW(...)
#define ALSO(id, in, out, types, derivative) \
    {.name = #id, .n_in = in, .n_out = out, .dtypes = types, .grad = (reel_grad_kind)(derivative)},
#include "ops/ops.def"
#undef ROW
};

/* ---- one sample -------------------------------------------------------------------------------------- */
static uint64_t alive(void)
{
    reel_memory_stats m;
    reel_memory(&m);
    return m.tensors;
}

static int n_first, n_runs, n_refused; /* Jacobians, samples in a dtype, bad samples */
static bool reduced;

static bool sample_holds(run *r)
{
    const uint64_t before = alive();
    bool ok;
    {
        REEL_SCOPED;
        reel_tensor *in[SAMPLE_IN] = {0};
        ok = make_inputs(r, in) && all_modes(r, in);
        n_runs++;
        if (ok && r->d == REEL_F64 && r->op->grad == REEL_VJP && !(r->s->flags & NO_GRAD) && !has(r->s, '!') &&
            n_float_inputs(r, in) > 0) {
            ok = jacobian_holds(r, in);
            n_first++;
        }
    }
    if (ok && alive() != before) ok = wrong(r, "%lld tensors left behind", (long long)(alive() - before));
    return ok;
}

static bool runs_in(const run *r, int d)
{
    const unsigned dtypes = r->set->dtypes ? r->set->dtypes : r->op->dtypes;
    if (!(dtypes & REEL_BIT(d)) || (has(r->s, '!') && !reel_is_float_((reel_dtype)d))) return false;
    return !reduced || d == REEL_F32 || d == REEL_F16 || d == REEL_I32 || d == REEL_BOOL;
}

static void name_of(const sample *s, char *buf, size_t size)
{
    size_t n = 0;
    buf[0] = 0;
    for (int i = 0; i < SAMPLE_IN && s->in[i] && n < size; i++)
        n += (size_t)snprintf(buf + n, size - n, " %s", s->in[i]);
    for (int i = 0; i < SAMPLE_PARAMS && n < size; i++)
        if (s->p[i] != 0) n += (size_t)snprintf(buf + n, size - n, " p%d=%g", i, s->p[i]);
}

static void good_samples(const reel_op *op, const samples *set)
{
    const int n_before = n_first;
    const unsigned dtypes = set->dtypes ? set->dtypes : op->dtypes;
    for (int k = 0; k < set->n_good; k++) {
        char text[160];
        bool ok = true;
        run r = {.op = op, .set = set, .s = &set->good[k]};
        for (int d = 1; ok && d < REEL_N_DTYPES; d++) {
            if (!runs_in(&r, d)) continue;
            r.d = (reel_dtype)d;
            ok = sample_holds(&r);
        }
        name_of(r.s, text, sizeof text);
        if (!TAP_OK(ok, "%s%s", op->name, text)) TAP_NOTE("%s", r.why);
    }
    if (op->grad == REEL_VJP && !reduced) /* exceptions stand in ops.def, with their reason */
        TAP_OK(op->no_grad || (n_first > n_before && dtypes & REEL_BIT(REEL_F64)), "%s has its Jacobians", op->name);
}

/* ---- bad samples ------------------------------------------------------------------------------------- */
static int n_bad;

static bool next_call_works(void)
{
    REEL_SCOPED;
    const float one = 1;
    reel_tensor *x = reel_from_f32(REEL_SCALAR, &one, 1);
    return reel_item(reel_add(x, x)) == 2 && reel_status() == 0;
}

void sample_bad(bool failed, const char *file, int line, int code, const char *words, const char *what)
{
    reel_error e = {0};
    char site[256], word[128];
    const int got = reel_take_error(&e);
    bool ok = failed && got == code;
    n_bad++;
    snprintf(site, sizeof site, "%s:%d", file, line);
    for (const char *w = words; ok && *w;) {
        const size_t n = strcspn(w, "|");
        snprintf(word, sizeof word, "%.*s", (int)n, w);
        ok = strstr(e.text, word) != NULL;
        w += n + (w[n] == '|');
    }
    ok = ok && tap_is_place(e.site, e.text, file, line);
    const bool healed = next_call_works();
    if (!tap_result(ok && healed, file, line, what, "refused: %s", what))
        tap_note("%s, %s at \"%s\": %s\nexpected %s with \"%s\" at %s%s", failed ? "refused" : "accepted",
                 reel_code_name(got), e.site ? e.site : "", got ? e.text : "no error", reel_code_name(code), words,
                 site, healed ? "" : "; the next call fails");
    reel_take_error(NULL);
}

/* One operand of a good sample replaced by what no op takes. The call is the row's own apply, so its line is in a samples file. */
static void refused(run *r, reel_tensor *const in[], int i, reel_tensor *stranger, const char *what)
{
    reel_tensor *given[SAMPLE_IN], *out[SAMPLE_OUT] = {0};
    reel_error e = {0};
    for (int k = 0; k < r->n_fed; k++) given[k] = k == i ? stranger : in[k];
    if (!begin(r)) return;
    const int code = apply(r, given, out);
    const int got = reel_take_error(&e);
    end(r);
    reel_take_error(NULL);
    bool ok = got != 0 && code != 0 && strstr(e.text, "reel_") && e.site && strstr(e.site, "samples_");
    for (int j = 0; j < r->set->n_out && r->op->n_out != 0; j++) ok = ok && !out[j];
    n_bad++;
    const bool healed = next_call_works();
    if (!TAP_OK(ok && healed, "%s refuses operand %d that is %s", r->op->name, i, what))
        tap_note("%s at \"%s\": %s%s", reel_code_name(got), e.site ? e.site : "", got ? e.text : "no error",
                 healed ? "" : "; the next call fails");
}

static bool may_be_unset(const reel_op *op, int i)
{
    return reel_shape_only_(op->flags, i) || (i == 0 && (op->flags & REEL_OPF_CELL0));
}

/* NULL, a dead handle, a variable without a value, a part of another graph, a dtype the op does not have. */
static void strangers(const reel_op *op, const samples *set)
{
    REEL_SCOPED;
    run r = {.op = op, .set = set, .s = &set->good[0]};
    reel_tensor *in[SAMPLE_IN] = {0};
    int d = 1;
    while (d < REEL_N_DTYPES && !runs_in(&r, d)) d++;
    r.d = (reel_dtype)d;
    if (d == REEL_N_DTYPES || !make_inputs(&r, in)) return;
    for (int i = 0; i < r.n_fed; i++) {
        refused(&r, in, i, NULL, "NULL");
        refused(&r, in, i, dead(), "dead");
        if (!set->shape_only && !may_be_unset(op, r.fed[i])) refused(&r, in, i, unset(), "a variable without a value");
        refused(&r, in, i, symbol(), "part of another graph");
    }
    const bool first = r.n_fed > 0 && r.fed[0] == 0 && (op->unify & 1u) && reel_dtype_of(in[0]) == r.d;
    for (int k = 1; first && k < REEL_N_DTYPES; k++)
        if (!(op->dtypes & REEL_BIT(k)))
            refused(&r, in, 0, reel_zeros((reel_dtype)k, reel_shape_of(in[0])), reel_dtype_name((reel_dtype)k));
}

static void bad_samples(const reel_op *op, const samples *set)
{
    const uint64_t before = alive();
    n_bad = 0;
    {
        REEL_SCOPED;
        strangers_begin();
        strangers(op, set);
        if (set->bad) set->bad();
        strangers_end();
    }
    TAP_OK(alive() == before, "bad samples leave nothing behind");
}

/* ---- what the samples of a row must cover ---------------------------------------------------------------- */
enum { MIN_GOOD = 12, MIN_BAD = 10 };

static bool any_operand(const samples *set, bool (*is)(const char *spec))
{
    for (int k = 0; k < set->n_good; k++)
        for (int i = 0; i < SAMPLE_IN && set->good[k].in[i]; i++)
            if (set->good[k].in[i][0] == '[' && is(set->good[k].in[i])) return true;
    return false;
}

static int64_t count_of(const char *spec)
{
    int64_t n = 1;
    for (const char *s = spec + 1; *s && *s != ']';) {
        char *end;
        n *= strtoll(s, &end, 10);
        s = end + (*end == ',');
    }
    return n;
}

static bool is_tensor(const char *spec)
{
    return spec[0] == '[';
}

static bool is_empty(const char *spec)
{
    return count_of(spec) == 0;
}

static bool is_single(const char *spec)
{
    return count_of(spec) == 1;
}

static bool is_large(const char *spec)
{
    return count_of(spec) >= LARGE;
}

static bool is_gapped(const char *spec)
{
    const char *flags = strchr(spec, ']');
    return flags && strpbrk(flags, "tsb") != NULL;
}

static bool is_reversed(const char *spec)
{
    const char *flags = strchr(spec, ']');
    return flags && strchr(flags, 'r') != NULL;
}

static bool is_offset(const char *spec)
{
    const char *flags = strchr(spec, ']');
    return flags && strchr(flags, 'o') != NULL;
}

static void coverage(const reel_op *op, const samples *set)
{
    static const struct {
        const char *name;
        bool (*is)(const char *spec);
    } kinds[] = {{"empty", is_empty},           {"size 1", is_single},     {"large", is_large},
                 {"non-contiguous", is_gapped}, {"reversed", is_reversed}, {"offset view", is_offset}};
    TAP_OK(set->n_good >= MIN_GOOD, "%s has %d good samples", op->name, set->n_good);
    TAP_OK(set->n_out == op->n_out || op->n_out <= 0, "%s: the samples have its outputs", op->name);
    TAP_OK(set->reference || set->accept, "%s has a reference", op->name);
    if (!any_operand(set, is_tensor)) return;
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
        if (kinds[k].is != is_single || (op->n_out >= 0 && !set->never_single)) /* one element cannot be split */
            TAP_OK(any_operand(set, kinds[k].is), "%s has a sample that is %s", op->name, kinds[k].name);
}

/* ---- all of them -------------------------------------------------------------------------------------------- */
static void digests(const reel_op *op, const samples *set)
{
    for (int k = 0; k < set->n_good; k++) {
        run r = {.op = op, .set = set, .s = &set->good[k]};
        for (int d = 1; d < REEL_N_DTYPES; d++) {
            REEL_SCOPED;
            reel_tensor *in[SAMPLE_IN] = {0};
            if (!runs_in(&r, d)) continue;
            r.d = (reel_dtype)d;
            bool product = false;
            const uint64_t sum = make_inputs(&r, in) ? digest(&r, in, &product) : 0;
            printf("%s %d %s %s %016llx\n", op->name, k, reel_dtype_name(r.d), product ? "product" : "exact",
                   (unsigned long long)sum);
        }
    }
}

static void print_row(const reel_op *op, const samples *set)
{
    bool swept = false; /* to the second order */
    for (int k = 0; k < set->n_good && op->grad == REEL_VJP; k++) swept |= !(set->good[k].flags & NO_GRAD);
    printf("%s %d %d %d\n", op->name, set->n_good, swept, swept);
}

int main(int argc, char **argv)
{
    const char *only = getenv("REEL_SWEEP");
    int part = 1, parts = 1;
    bool only_digests = false, table = false;
    for (int i = 1; i < argc; i++) {
        char *end;
        const long k = strtol(argv[i], &end, 10);
        if (*end == '/') part = (int)k, parts = (int)strtol(end + 1, NULL, 10);
        reduced |= strcmp(argv[i], "reduced") == 0;
        only_digests |= strcmp(argv[i], "digest") == 0;
        table |= strcmp(argv[i], "table") == 0;
    }
    int n = 0;
    for (int id = 0; id < N_SWEPT; id++) {
        const reel_op *op = id < N_ROWS ? &reel_rows_[id] : &composed[id - N_ROWS + 1];
        const samples *set = sets[id];
        if ((only && strcmp(only, op->name) != 0) || (parts > 1 && id % parts != part - 1)) continue;
        n++;
        if (only_digests) digests(op, set);
        if (table) print_row(op, set);
        if (only_digests || table) continue;
        coverage(op, set);
        good_samples(op, set);
        bad_samples(op, set);
        n_refused += n_bad;
        TAP_OK(n_bad >= MIN_BAD, "%s has %d bad samples", op->name, n_bad);
    }
    if (only_digests || table) return 0;
    TAP_NOTE("%d ops, %d samples in a dtype, %d Jacobians, %d bad samples", n, n_runs, n_first, n_refused);
    return tap_finish();
}
