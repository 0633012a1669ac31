/* test_sweep.c: walks ops.def. Each row's good samples run in every dtype it claims: against a plain reference; with a
   tape; with gradients of first and second order; traced and replayed; as a graph of unknown dimensions: all the
   same bits. Each bad sample gives the right error at the right line, and leaves everything usable and nothing behind. */
#include "samples.h"
#include "tap.h"

enum { GRADCHECK_MAX = 64, MAX_RESULTS = SAMPLE_OUT + SAMPLE_IN };

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
       INTS = REEL_INTS,
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

/* One sample in one dtype. */
typedef struct run {
    const reel_op *op;
    const samples *set;
    const sample *s;
    reel_dtype d;
    int n_in, n_fed;    /* operands; those that are no numbers */
    int fed[SAMPLE_IN]; /* which */
    char why[1024];     /* the first thing that went wrong */
} run;

static bool wrong(run *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static bool wrong(run *r, const char *fmt, ...)
{
    reel_error e = {0};
    va_list ap;
    const bool failed = reel_take_error(&e) != 0;
    if (r->why[0]) return false;
    va_start(ap, fmt);
    int n = snprintf(r->why, sizeof r->why, "%s: ", reel_dtype_name(r->d));
    n += vsnprintf(r->why + n, sizeof r->why - (size_t)n, fmt, ap);
    va_end(ap);
    if (failed && n < (int)sizeof r->why) snprintf(r->why + n, sizeof r->why - (size_t)n, "\n%s", e.text);
    return false;
}

/* ---- running ----------------------------------------------------------------------------------------- */
static bool is_number(const char *spec)
{
    return spec[0] == '#';
}

static bool has(const sample *s, char flag)
{
    for (int i = 0; i < SAMPLE_IN && s->in[i]; i++)
        if (strchr(s->in[i], flag)) return true;
    return false;
}

/* apply with the weak numbers put in their places: they are made inside, as a user would. */
static int apply(const run *r, reel_tensor *const fed[], reel_tensor *out[])
{
    reel_tensor *in[SAMPLE_IN] = {0};
    for (int i = 0, k = 0; i < r->n_in; i++)
        in[i] = is_number(r->s->in[i]) ? reel_num(strtod(r->s->in[i] + 1, NULL)) : fed[k++];
    return r->set->apply(r->s, r->d, in, out);
}

static int plain_body(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    const run *r = self;
    apply(r, in, out);
    return reel_status();
}

/* A loss whose gradient differs from element to element, and whose second derivative is not zero. */
static reel_tensor *loss_of(const run *r, reel_tensor *const out[])
{
    reel_tensor *loss = NULL;
    for (int j = 0; j < r->set->n_out; j++) {
        if (!out[j] || !reel_is_float_(reel_dtype_of(out[j]))) continue;
        reel_tensor *part = reel_sum(reel_square(reel_add(out[j], reel_num(0.3 + 0.1 * j))));
        loss = loss ? reel_add(loss, part) : part;
    }
    return loss;
}

static int loss_body(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    const run *r = self;
    reel_tensor *y[SAMPLE_OUT] = {0};
    apply(r, in, y);
    out[0] = loss_of(r, y);
    return reel_status();
}

/* Outputs, then the gradients of the float inputs. */
static int grad_body(void *self, reel_tensor *const in[], reel_tensor *out[])
{
    const run *r = self;
    reel_tensor *xs[SAMPLE_IN], **dxs = out + r->set->n_out;
    int n = 0;
    for (int i = 0; i < r->n_fed; i++)
        if (reel_is_float_(reel_dtype_of(in[i]))) xs[n++] = in[i];
    reel_tape *tape = reel_tape_begin(NULL);
    reel_watch(tape, (reel_list){n, xs});
    apply(r, in, out);
    reel_tensor *loss = loss_of(r, out);
    if (reel_status()) return reel_status();
    return reel_grad(tape, loss, (reel_list){n, xs}, dxs);
}

static int n_float_inputs(const run *r, reel_tensor *const in[])
{
    int n = 0;
    for (int i = 0; i < r->n_fed; i++) n += reel_is_float_(reel_dtype_of(in[i]));
    return n;
}

static bool make_inputs(run *r, reel_tensor *in[])
{
    r->n_in = r->n_fed = 0;
    for (; r->n_in < SAMPLE_IN && r->s->in[r->n_in]; r->n_in++) {
        if (is_number(r->s->in[r->n_in])) continue;
        r->fed[r->n_fed] = r->n_in;
        in[r->n_fed] = operand(r->s->in[r->n_in], r->d, r->n_in);
        if (!in[r->n_fed++]) return wrong(r, "operand %d cannot be made", r->n_in);
    }
    return true;
}

/* ---- bits -------------------------------------------------------------------------------------------- */
typedef struct bits {
    reel_type type;
    size_t n;
    unsigned char *data;
} bits;

static bool bits_of(run *r, const char *mode, reel_tensor *t, bits *b)
{
    if (!t) return wrong(r, "%s gave NULL", mode);
    b->type = (reel_type){reel_dtype_of(t), reel_shape_of(t)};
    b->n = (size_t)reel_shape_count(b->type.shape) * reel_dtype_size(b->type.dtype);
    b->data = malloc(b->n + 1);
    return reel_read(t, b->data, b->n) == 0 || wrong(r, "%s: result cannot be read", mode);
}

static bool same_bits(run *r, const char *mode, reel_tensor *const out[], const bits want[], int n)
{
    for (int j = 0; j < n; j++) {
        bits b = {0};
        bool ok = bits_of(r, mode, out[j], &b);
        if (ok && (b.type.dtype != want[j].type.dtype || !reel_shape_same_(&b.type.shape, &want[j].type.shape)))
            ok = wrong(r, "%s: result %d has another dtype or shape than eager's", mode, j);
        for (size_t i = 0; ok && i < b.n; i++)
            if (b.data[i] != want[j].data[i])
                ok = wrong(r, "%s: result %d has other bits than eager's from element %zu on", mode, j,
                           i / reel_dtype_size(b.type.dtype));
        free(b.data);
        if (!ok) return false;
    }
    return true;
}

/* ---- the reference ----------------------------------------------------------------------------------- */
static double unit(reel_dtype d)
{
    return d == REEL_F64 ? 0x1p-52 : d == REEL_F32 ? 0x1p-23 : d == REEL_F16 ? 0x1p-10 : d == REEL_BF16 ? 0x1p-7 : 0;
}

static bool close_enough(double got, double want, reel_dtype d, double scale)
{
    const double rounded = round_to(want, d);
    if (got == rounded || (isnan(got) && isnan(rounded))) return true;
    const double slack = 4 * unit(d) * scale * fmax(1, fabs(want));
    return isfinite(got) && isfinite(rounded) && fabs(got - want) <= slack;
}

static bool read_nd(reel_tensor *t, nd *a)
{
    nd_make(a, reel_dtype_of(t), reel_shape_of(t));
    return reel_read_f64(t, a->data, (size_t)a->count) == 0;
}

static bool matches(run *r, reel_tensor *const fed[], reel_tensor *const out[])
{
    const double scale = r->set->scale > 0 ? r->set->scale : 1;
    nd in[SAMPLE_IN] = {0}, want[SAMPLE_OUT] = {0}, got = {0};
    bool ok = true;
    for (int i = 0, k = 0; i < r->n_in; i++) {
        if (is_number(r->s->in[i])) {
            nd_make(&in[i], r->d, REEL_SCALAR);
            in[i].data[0] = round_to(strtod(r->s->in[i] + 1, NULL), r->d);
        } else if (!read_nd(fed[k++], &in[i])) {
            ok = wrong(r, "operand %d cannot be read", i);
        }
    }
    for (int j = 0; j < r->set->n_out; j++) want[j].dtype = r->d;
    if (ok && r->set->reference) r->set->reference(r->s, r->d, in, want);
    for (int j = 0; ok && j < r->set->n_out; j++) {
        if (!read_nd(out[j], &got)) ok = wrong(r, "output %d cannot be read", j);
        if (ok && !r->set->reference && !r->set->accept(r->s, r->d, &got))
            ok = wrong(r, "output %d is not accepted", j);
        if (ok && r->set->reference && got.dtype != want[j].dtype)
            ok =
                wrong(r, "output %d is %s, expected %s", j, reel_dtype_name(got.dtype), reel_dtype_name(want[j].dtype));
        if (ok && r->set->reference && !reel_shape_same_(&got.shape, &want[j].shape)) {
            char a[REEL_SHAPE_TEXT], b[REEL_SHAPE_TEXT];
            ok = wrong(r, "output %d is %s, expected %s", j, reel_shape_text_(&got.shape, a),
                       reel_shape_text_(&want[j].shape, b));
        }
        for (int64_t i = 0; ok && r->set->reference && i < got.count; i++)
            if (!close_enough(got.data[i], want[j].data[i], got.dtype, scale))
                ok = wrong(r, "output %d element %lld is %.17g, expected %.17g", j, (long long)i, got.data[i],
                           want[j].data[i]);
        nd_free(&got);
    }
    for (int i = 0; i < SAMPLE_IN; i++) nd_free(&in[i]);
    for (int j = 0; j < SAMPLE_OUT; j++) nd_free(&want[j]);
    return ok;
}

/* ---- modes ------------------------------------------------------------------------------------------- */
static bool begin(run *r)
{
    reel_seed(7);
    return !r->set->begin || r->set->begin(r->s, r->d) == 0 || wrong(r, "begin failed");
}

static void end(const run *r)
{
    if (r->set->end) r->set->end();
}

static bool replayed(run *r, const char *what, reel_body *body, reel_tensor *const in[], const bits want[], int n)
{
    reel_tensor *out[MAX_RESULTS];
    reel_function *f = reel_function_new((reel_fn){body, r, r->n_fed, n, what}, NULL);
    bool ok = f != NULL || wrong(r, "no function");
    for (int i = 0; ok && i < 3; i++) {
        static const char *const call[] = {"traced", "replayed", "replayed again"};
        char mode[64];
        REEL_SCOPED;
        snprintf(mode, sizeof mode, "%s %s", what, call[i]);
        if (!begin(r)) return false;
        ok = reel_function_call(f, (reel_list){r->n_fed, in}, out) == 0 || wrong(r, "%s", mode);
        ok = ok && same_bits(r, mode, out, want, n);
        end(r);
    }
    if (ok && reel_function_traces(f) != 1) ok = wrong(r, "%s: %d traces", what, reel_function_traces(f));
    reel_function_free(f);
    return ok;
}

/* The op as a graph of placeholders, all dimensions unknown. */
static bool as_graph(run *r, reel_tensor *const in[], const bits want[])
{
    static const char *const in_names[SAMPLE_IN] = {"x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7"};
    static const char *const out_names[SAMPLE_OUT] = {"y0", "y1", "y2", "y3", "y4"};
    reel_tensor *x[SAMPLE_IN] = {0}, *y[SAMPLE_OUT] = {0};
    reel_feed feed[SAMPLE_IN];
    if (!begin(r)) return false;
    reel_graph *g = reel_graph_begin();
    for (int i = 0; i < r->n_fed; i++) {
        reel_shape s = reel_shape_of(in[i]);
        for (int k = 0; k < s.rank; k++) s.dims[k] = REEL_ANY;
        x[i] = reel_placeholder(reel_dtype_of(in[i]), s, in_names[i]);
        feed[i] = (reel_feed){in_names[i], in[i]};
    }
    apply(r, x, y);
    for (int j = 0; j < r->set->n_out; j++) reel_output(out_names[j], y[j]);
    const int failed = reel_graph_end(g);
    if (failed || reel_status()) {
        reel_graph_free(g);
        end(r);
        return wrong(r, "graph of unknown dimensions");
    }
    reel_session *s = reel_session_new(g, NULL);
    bool ok = s != NULL || wrong(r, "no session");
    for (int i = 0; ok && i < 2; i++) {
        reel_tensor *out[SAMPLE_OUT];
        reel_seed(7);
        ok = reel_session_run(s, (reel_feeds){r->n_fed, feed}, (reel_names){r->set->n_out, out_names}, out) == 0 ||
             wrong(r, "session");
        ok = ok && same_bits(r, "session", out, want, r->set->n_out);
    }
    reel_session_free(s);
    reel_graph_free(g);
    end(r);
    return ok;
}

static bool all_modes(run *r, reel_tensor *const in[])
{
    const bool gradients =
        r->op->grad == REEL_VJP && reel_is_float_(r->d) && n_float_inputs(r, in) > 0 && !(r->s->flags & NO_GRAD);
    const int n = r->set->n_out, n_all = n + n_float_inputs(r, in);
    reel_tensor *out[MAX_RESULTS] = {0};
    bits want[MAX_RESULTS] = {{{0}, 0, NULL}};
    bool ok = begin(r);
    ok = ok && (reel_invoke((reel_fn){plain_body, r, r->n_fed, n, "eager"}, (reel_list){r->n_fed, in}, out) == 0 ||
                wrong(r, "eager"));
    ok = ok && matches(r, in, out);
    for (int j = 0; ok && j < n; j++) ok = bits_of(r, "eager", out[j], &want[j]);
    end(r);
    ok = ok && replayed(r, "op", plain_body, in, want, n);
    if (!(r->s->flags & FIXED)) ok = ok && as_graph(r, in, want);
    if (ok && gradients) {
        reel_tensor *with[MAX_RESULTS] = {0};
        ok = begin(r);
        ok = ok &&
             (reel_invoke((reel_fn){grad_body, r, r->n_fed, n_all, "taped"}, (reel_list){r->n_fed, in}, with) == 0 ||
              wrong(r, "taped"));
        ok = ok && same_bits(r, "taped", with, want, n);
        for (int j = n, i = 0; ok && j < n_all; i++) {
            if (!reel_is_float_(reel_dtype_of(in[i]))) continue;
            const reel_shape a = reel_shape_of(with[j]), b = reel_shape_of(in[i]);
            if (reel_dtype_of(with[j]) != reel_dtype_of(in[i]) || !reel_shape_same_(&a, &b))
                ok = wrong(r, "the gradient of operand %d has another dtype or shape", i);
            ok = ok && bits_of(r, "gradient", with[j], &want[j]);
            j++;
        }
        end(r);
        ok = ok && replayed(r, "op with gradients", grad_body, in, want, n_all);
    }
    for (int j = 0; j < MAX_RESULTS; j++) free(want[j].data);
    return ok;
}

/* ---- one sample -------------------------------------------------------------------------------------- */
static int64_t elements(const run *r, reel_tensor *const in[])
{
    int64_t n = 0;
    for (int i = 0; i < r->n_fed; i++) n += reel_shape_count(reel_shape_of(in[i]));
    return n;
}

static bool gradients_hold(run *r, reel_tensor *const in[])
{
    reel_gradcheck_report report = {0};
    if (!begin(r)) return false;
    const int code = reel_gradcheck((reel_fn){loss_body, r, r->n_fed, 1, r->op->name}, (reel_list){r->n_fed, in},
                                    REEL_OPTS(gradcheck, .order = 2, .tol = 1e-5), &report);
    end(r);
    return code == 0 || wrong(r, "gradient: %s", report.text);
}

static uint64_t alive(void)
{
    reel_memory_stats m;
    reel_memory(&m);
    return m.tensors;
}

static bool sample_holds(run *r)
{
    const uint64_t before = alive();
    bool ok;
    {
        REEL_SCOPED;
        reel_tensor *in[SAMPLE_IN] = {0};
        ok = make_inputs(r, in) && all_modes(r, in);
        if (ok && r->d == REEL_F64 && r->op->grad == REEL_VJP && !(r->s->flags & NO_GRAD) && !has(r->s, '!') &&
            n_float_inputs(r, in) > 0 && elements(r, in) <= GRADCHECK_MAX)
            ok = gradients_hold(r, in);
    }
    if (ok && alive() != before) ok = wrong(r, "%lld tensors left behind", (long long)(alive() - before));
    return ok;
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
    const unsigned dtypes = set->dtypes ? set->dtypes : op->dtypes;
    for (int k = 0; k < set->n_good; k++) {
        char text[160];
        bool ok = true;
        run r = {.op = op, .set = set, .s = &set->good[k]};
        for (int d = 1; ok && d < REEL_N_DTYPES; d++) {
            if (!(dtypes & REEL_BIT(d)) || (has(r.s, '!') && !reel_is_float_((reel_dtype)d))) continue;
            r.d = (reel_dtype)d;
            ok = sample_holds(&r);
        }
        name_of(r.s, text, sizeof text);
        if (!TAP_OK(ok, "%s%s", op->name, text)) TAP_NOTE("%s", r.why);
    }
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

static void bad_samples(const samples *set)
{
    const uint64_t before = alive();
    n_bad = 0;
    {
        REEL_SCOPED;
        strangers_begin();
        if (set->bad) set->bad();
        strangers_end();
    }
    TAP_OK(alive() == before, "bad samples leave nothing behind");
}

static void sweep(void)
{
    const char *only = getenv("REEL_SWEEP"); /* one row, for finding a fault */
    for (int id = 0; id < N_SWEPT; id++) {
        const reel_op *op = id < N_ROWS ? &reel_rows_[id] : &composed[id - N_ROWS + 1];
        const samples *set = sets[id];
        if (only && strcmp(only, op->name) != 0) continue;
        TAP_OK(set->n_good >= 8, "%s has %d good samples", op->name, set->n_good);
        TAP_OK(set->n_out == op->n_out || op->n_out <= 0, "%s: the samples have its outputs", op->name);
        TAP_OK(set->reference || set->accept, "%s has a reference", op->name);
        good_samples(op, set);
        bad_samples(set);
        TAP_OK(n_bad >= 5, "%s has %d bad samples", op->name, n_bad);
    }
}

TAP_MAIN(sweep)
