/* sweep_modes.c: one sample in every mode: all the same bits. */
#include "core/listener.h"
#include "sweep.h"

#include <stdarg.h>
#include <stdio.h>

bool wrong(run *r, const char *fmt, ...)
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

bool has(const sample *s, char flag)
{
    for (int i = 0; i < SAMPLE_IN && s->in[i]; i++)
        if (strchr(s->in[i], flag)) return true;
    return false;
}

int apply(const run *r, reel_tensor *const fed[], reel_tensor *out[])
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
        if (loss && reel_dtype_of(part) != reel_dtype_of(loss)) part = reel_cast(part, reel_dtype_of(loss));
        loss = loss ? reel_add(loss, part) : part;
    }
    return loss;
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

int n_float_inputs(const run *r, reel_tensor *const in[])
{
    int n = 0;
    for (int i = 0; i < r->n_fed; i++) n += reel_is_float_(reel_dtype_of(in[i]));
    return n;
}

bool make_inputs(run *r, reel_tensor *in[])
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

int64_t elements(const run *r, reel_tensor *const in[])
{
    int64_t n = 0;
    for (int i = 0; i < r->n_fed; i++) n += reel_shape_count(reel_shape_of(in[i]));
    return n;
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

/* The element that this byte is of, most significant digit first. */
static const char *hex_of(const bits *b, size_t byte, char text[17])
{
    const size_t size = reel_dtype_size(b->type.dtype), at = byte / size * size;
    for (size_t k = 0; k < size; k++)
        (void)snprintf(text + 2 * k, 3, "%02x", ((const unsigned char *)b->data)[at + size - 1 - k]);
    return text;
}
static bool same_bits(run *r, const char *mode, reel_tensor *const out[], const bits want[], int n)
{
    char in_hex[2][17];
    for (int j = 0; j < n; j++) {
        bits b = {0};
        bool ok = bits_of(r, mode, out[j], &b);
        if (ok && (b.type.dtype != want[j].type.dtype || !reel_shape_same_(&b.type.shape, &want[j].type.shape)))
            ok = wrong(r, "%s: result %d has another dtype or shape than eager's", mode, j);
        for (size_t i = 0; ok && i < b.n; i++)
            if (b.data[i] != want[j].data[i])
                ok = wrong(r, "%s: result %d has other bits than eager's from element %zu on: %s, not %s", mode, j,
                           i / reel_dtype_size(b.type.dtype), hex_of(&b, i, in_hex[0]), hex_of(&want[j], i, in_hex[1]));
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
bool begin(run *r)
{
    reel_seed(7);
    return !r->set->begin || r->set->begin(r->s, r->d) == 0 || wrong(r, "begin failed");
}

void end(const run *r)
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

static bool has_gradients(const run *r, reel_tensor *const in[])
{
    return r->op->grad == REEL_VJP && reel_is_float_(r->d) && n_float_inputs(r, in) > 0 && !(r->s->flags & NO_GRAD);
}

/* Eagerly on one thread and on two. */
static bool on_threads(run *r, reel_body *body, reel_tensor *const in[], const bits want[], int n)
{
    const int before = reel_threads();
    bool ok = true;
    for (int threads = 1; ok && threads <= 2; threads++) {
        REEL_SCOPED;
        reel_tensor *out[MAX_RESULTS] = {0};
        ok = begin(r) && reel_set_threads(threads) == 0;
        ok = ok && (reel_invoke((reel_fn){body, r, r->n_fed, n, "threads"}, (reel_list){r->n_fed, in}, out) == 0 ||
                    wrong(r, "on %d threads", threads));
        ok = ok && same_bits(r, threads == 1 ? "on one thread" : "on two threads", out, want, n);
        end(r);
    }
    reel_set_threads(before);
    return ok;
}

typedef struct product_watch {
    reel_listener listener;
    bool heard;
} product_watch;

static int hear_product(reel_listener *self, const reel_call *call)
{
    ((product_watch *)self)->heard |= (call->op->flags & REEL_OPF_PRODUCT) != 0;
    return 0;
}

/* All NaNs as one: sign and payload of a NaN are the instruction's, and nobody is promised them. */
static void without_nan_bits(bits *b)
{
    const size_t size = reel_dtype_size(b->type.dtype);
    for (size_t i = 0; reel_is_float_(b->type.dtype) && i + size <= b->n; i += size) {
        double x;
        reel_convert_(&x, REEL_F64, 1, b->data + i, b->type.dtype, 1, 1);
        if (x != x) memset(b->data + i, 0xff, size);
    }
}

uint64_t digest(run *r, reel_tensor *const in[], bool *product)
{
    product_watch watch = {.listener = {.hear = hear_product, .site = REEL_HERE}};
    const bool gradients = has_gradients(r, in);
    const int n = r->set->n_out + (gradients ? n_float_inputs(r, in) : 0);
    reel_tensor *out[MAX_RESULTS] = {0};
    uint64_t sum = 0xcbf29ce484222325u; /* FNV-1a */
    reel_listener_push_(&watch.listener);
    bool ok = begin(r) && reel_invoke((reel_fn){gradients ? grad_body : plain_body, r, r->n_fed, n, "digest"},
                                      (reel_list){r->n_fed, in}, out) == 0;
    reel_listener_remove_(&watch.listener);
    *product = watch.heard;
    for (int j = 0; ok && j < n; j++) {
        bits b = {0};
        ok = bits_of(r, "digest", out[j], &b);
        if (ok) without_nan_bits(&b);
        for (size_t i = 0; ok && i < b.n; i++) sum = (sum ^ b.data[i]) * 0x100000001b3u;
        free(b.data);
    }
    end(r);
    reel_take_error(NULL);
    return ok ? sum : 0;
}

bool all_modes(run *r, reel_tensor *const in[])
{
    const bool gradients = has_gradients(r, in);
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
    if (ok && elements(r, in) >= LARGE)
        ok = on_threads(r, gradients ? grad_body : plain_body, in, want, gradients ? n_all : n);
    for (int j = 0; j < MAX_RESULTS; j++) free(want[j].data);
    return ok;
}
