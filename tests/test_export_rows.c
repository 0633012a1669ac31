/* test_export_rows.c: every row that has an exported form, with the samples of the sweep: exported as C99, compiled, run, and compared
   with eager. Many samples make one graph and one file. REEL_EXPORT_ROW names one row, REEL_EXPORT_KEEP keeps the files.

       test_export_rows K/N          every N-th row from the K-th on
       test_export_rows list         prints which rows have an exported form
       test_export_rows page PATH    is that list the one between the marks of docs/export.md? */
#include "export_help.h"
#include "sweep.h"
#include "trace/export/emit.h"

enum { N_ROWS = REEL_N_OPS, BATCH_NODES = 400, MOST = 4096 };
static const samples *const sets[N_ROWS] = {
#define ROW(name, ...) [REEL_OP_##name] = &samples_##name,
#include "ops/ops.def"
#undef ROW
};
static bool reduced;
static int part = 1, parts = 1;

/* The arrays of one file. */
typedef struct batch {
    reel_tensor *in[MOST], *want[MOST];
    reel_type in_type[MOST], out_type[MOST], file_type[MOST]; /* the file's: of the most there can be */
    int counted[MOST], axis[MOST];                            /* along which it says how many there are */
    char in_name[MOST][24], out_name[MOST][24];
    const char *in_names[MOST], *out_names[MOST];
    const reel_op *op[MOST];
    const sample *sample[MOST];
    double scale[MOST];
    int n_in, n_out, number;
    char rows[2048];
} batch;
static batch b;

void sample_bad(bool failed, const char *file, int line, int code, const char *words, const char *what)
{
    (void)failed, (void)file, (void)line, (void)code, (void)words, (void)what;
}

static void name_sample(const sample *s, char *buf, size_t size)
{
    size_t n = 0;
    buf[0] = 0;
    for (int i = 0; i < SAMPLE_IN && s->in[i] && n < size; i++)
        n += (size_t)snprintf(buf + n, size - n, " %s", s->in[i]);
    for (int i = 0; i < SAMPLE_PARAMS && n < size; i++)
        if (s->p[i] != 0) n += (size_t)snprintf(buf + n, size - n, " p%d=%g", i, s->p[i]);
}

/* ---- one sample into the graph --------------------------------------------------------------------------- */
static reel_tensor *backwards(reel_tensor *x)
{
    reel_axes axes = {.n = reel_shape_of(x).rank};
    for (int i = 0; i < axes.n; i++) axes.axis[i] = axes.n - 1 - i;
    return reel_transpose(x, axes);
}

/* Every second sample is fed the other way round and transposed, so that strides are met. */
static bool add_sample(const reel_op *op, const samples *set, const sample *s, reel_dtype d, bool turned)
{
    run r = {.op = op, .set = set, .s = s, .d = d};
    reel_tensor *x[SAMPLE_IN] = {0}, *y[SAMPLE_OUT] = {0};
    if (b.n_in + SAMPLE_IN > MOST || b.n_out + SAMPLE_OUT > MOST) return true;
    for (int i = 0; i < SAMPLE_IN && s->in[i]; i++) r.n_in++;
    for (int i = 0; i < r.n_in; i++) {
        if (s->in[i][0] == '#') continue;
        r.fed[r.n_fed] = i;
        const int k = b.n_in + r.n_fed;
        x[r.n_fed] = reel_placeholder(b.in_type[k].dtype, b.in_type[k].shape, b.in_name[k]);
        if (turned && b.in_type[k].shape.rank > 1) x[r.n_fed] = backwards(x[r.n_fed]);
        r.n_fed++;
    }
    apply(&r, x, y);
    for (int j = 0; j < set->n_out; j++) reel_output(b.out_name[b.n_out + j], y[j]);
    b.n_in += r.n_fed;
    b.n_out += set->n_out;
    return reel_status() == 0;
}

/* Its inputs and what eager makes of them, noted behind those that are there. */
static bool note_sample(const reel_op *op, const samples *set, const sample *s, reel_dtype d, bool turned)
{
    run r = {.op = op, .set = set, .s = s, .d = d};
    reel_tensor *in[SAMPLE_IN] = {0}, *y[SAMPLE_OUT] = {0}, *fed[SAMPLE_IN] = {0};
    if (!make_inputs(&r, in)) return false;
    for (int i = 0; i < r.n_fed; i++) {
        const int k = b.n_in + i;
        const bool turn = turned && reel_shape_of(in[i]).rank > 1;
        b.in[k] = turn ? backwards(in[i]) : in[i];
        b.in_type[k] = (reel_type){reel_dtype_of(b.in[k]), reel_shape_of(b.in[k])};
        fed[i] = in[i];
        snprintf(b.in_name[k], sizeof b.in_name[k], "x%d", k);
        b.in_names[k] = b.in_name[k];
    }
    apply(&r, fed, y);
    for (int j = 0; j < set->n_out; j++) {
        const int k = b.n_out + j;
        b.want[k] = y[j];
        if (!y[j]) return false;
        b.out_type[k] = (reel_type){reel_dtype_of(y[j]), reel_shape_of(y[j])};
        b.op[k] = op;
        b.sample[k] = s;
        b.scale[k] = set->scale;
        snprintf(b.out_name[k], sizeof b.out_name[k], "y%d", k);
        b.out_names[k] = b.out_name[k];
    }
    return reel_status() == 0;
}

/* ---- comparing ---------------------------------------------------------------------------------------------- */
/* The 1e-5 for floats; four units in the last place of the 16-bit ones, which eager rounds at other places; what the sweep
   allows a row against its reference, where that is more. */
static double tolerance(reel_dtype d, double scale)
{
    static const double least[REEL_N_DTYPES] = {
        [REEL_F32] = 1e-5, [REEL_F64] = 1e-9, [REEL_F16] = 4e-3, [REEL_BF16] = 3e-2};
    const double row = d == REEL_F32   ? 0x1p-21 * scale
                       : d == REEL_F64 ? 0x1p-50 * scale
                                       : 0; /* what the sweep allows */
    return row > least[d] ? row : least[d];
}

static bool close_to(double got, double want, reel_dtype d, double scale)
{
    if (got == want || (isnan(got) && isnan(want))) return true;
    if (!reel_is_float_(d)) return false;
    return isfinite(got) && isfinite(want) && fabs(got - want) <= tolerance(d, scale) * fmax(1, fabs(want));
}

/* Where element i of a result lies in the file's array. */
static int64_t place_of(int k, int64_t i)
{
    const reel_shape *have = &b.out_type[k].shape, *room = &b.file_type[k].shape;
    int64_t at = 0, by = 1;
    for (int d = have->rank - 1; d >= 0; i /= have->dims[d], by *= room->dims[d--]) at += i % have->dims[d] * by;
    return at;
}

/* The array; then, where the size depends on data, how many there are: zeros behind them. */
static bool same(FILE *f, int k)
{
    const reel_type *t = &b.out_type[k];
    const int64_t n = reel_shape_count(t->shape), room = reel_shape_count(b.file_type[k].shape);
    const size_t size = reel_dtype_size(t->dtype);
    char *got = malloc((size_t)room * size + 1);
    double *want = malloc(((size_t)n + 1) * sizeof *want);
    int64_t count = 0;
    bool ok = fread(got, size, (size_t)room, f) == (size_t)room && reel_read_f64(b.want[k], want, (size_t)n) == 0;
    if (b.counted[k]) {
        const int axis = b.axis[k];
        ok = ok && fread(&count, 8, 1, f) == 1 && count == t->shape.dims[axis];
        int64_t inner = 1;
        for (int d = axis + 1; d < t->shape.rank; d++) inner *= t->shape.dims[d];
        for (int64_t i = 0; ok && i < room * (int64_t)size; i++)
            if (i / (int64_t)size / inner % b.file_type[k].shape.dims[axis] >= count) ok = got[i] == 0;
        if (!ok)
            tap_note("%s: %s: %lld of them, eager has %lld; or no zeros behind", b.op[k]->name, b.out_name[k],
                     (long long)count, (long long)t->shape.dims[axis]);
    }
    for (int64_t i = 0; ok && i < n; i++) {
        double x;
        reel_convert_(&x, REEL_F64, 1, got + (size_t)place_of(k, i) * size, t->dtype, 1, 1);
        ok = close_to(x, want[i], t->dtype, b.scale[k]);
        if (!ok) {
            char text[200];
            name_sample(b.sample[k], text, sizeof text);
            tap_note("%s %s%s: %s element %lld is %.9g, eager has %.9g", b.op[k]->name, reel_dtype_name(t->dtype), text,
                     b.out_name[k], (long long)i, x, want[i]);
        }
    }
    free(got);
    free(want);
    return ok;
}

/* What the header says of the outputs: their sizes, and which have a count. */
static bool read_header(const char *name)
{
    static char text[1 << 20];
    FILE *f = export_open(name, ".h", "r");
    const size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    if (f) fclose(f);
    text[n] = '\0';
    for (int k = 0; k < b.n_out; k++) {
        char member[64];
        snprintf(member, sizeof member, " *%s; /* %s[", b.out_name[k], reel_dtype_name(b.out_type[k].dtype));
        const char *at = strstr(text, member);
        if (!at) return false;
        at += strlen(member);
        b.file_type[k] = b.out_type[k];
        for (int d = 0; d < b.out_type[k].shape.rank; d++) {
            char *end;
            b.file_type[k].shape.dims[d] = strtoll(at, &end, 10);
            at = end + 1;
        }
        snprintf(member, sizeof member, " *%s_count; /* how many there are along axis ", b.out_name[k]);
        at = strstr(text, member);
        b.counted[k] = at != NULL;
        if (at) b.axis[k] = (int)strtol(at + strlen(member), NULL, 10);
    }
    return true;
}

/* ---- one file -------------------------------------------------------------------------------------------------- */
static void flush(reel_graph *g)
{
    char name[32];
    reel_error e;
    snprintf(name, sizeof name, "rows_%d", b.number++);
    bool ok = reel_export_c(g, (reel_names){b.n_in, b.in_names}, (reel_names){b.n_out, b.out_names},
                            REEL_OPTS(export, .name = name, .folder = export_folder, .passes = "none"), NULL) == 0;
    if (!TAP_OK(ok, "exported:%s", b.rows) && reel_take_error(&e)) tap_note("%s", e.text);
    if (!ok) return;
    if (!TAP_OK(read_header(name), "its header names the results")) return;
    const export_side in = {b.n_in, b.in_names, b.in_type, NULL};
    const export_side out = {b.n_out, b.out_names, b.file_type, b.counted};
    export_main(name, &in, &out, 1, false, false);
    FILE *f = export_open(name, ".in", "wb");
    for (int i = 0; i < b.n_in; i++) ok = ok && export_put(f, b.in[i]);
    fclose(f);
    /* -O1 sees more, and takes four times as long */
    if (!TAP_OK(export_compile(name, b.number % 4 ? "-O0" : "-O1"), "compiled")) return;
    if (!TAP_OK(export_run(name, false) == 0, "run")) return;
    f = export_open(name, ".out", "rb");
    int n_bad = 0;
    for (int k = 0; f && k < b.n_out; k++) {
        const long before = ftell(f);
        const size_t bytes = (size_t)reel_shape_count(b.file_type[k].shape) * reel_dtype_size(b.out_type[k].dtype) +
                             (b.counted[k] ? 8 : 0);
        n_bad += !same(f, k);
        fseek(f, before + (long)bytes, SEEK_SET);
    }
    TAP_OK(f && n_bad == 0, "%d results as eager has them:%s", b.n_out, b.rows);
    if (f) fclose(f);
}

static bool runs_in(const reel_op *op, const samples *set, const sample *s, int d)
{
    const unsigned dtypes = set->dtypes ? set->dtypes : op->dtypes;
    return (dtypes & REEL_BIT(d)) && (!has(s, '!') || reel_is_float_((reel_dtype)d));
}

static int n_samples(const samples *set)
{
    return set->begin ? 0 : set->n_good + (set->exported != NULL);
}

static const sample *sample_of(const samples *set, int k)
{
    return k < set->n_good ? &set->good[k] : set->exported;
}

/* f32, where there is one, and one more in turn. */
static int dtypes_of(const reel_op *op, const samples *set, int k, int d[2])
{
    int n = 0, able[REEL_N_DTYPES], n_able = 0;
    const sample *s = sample_of(set, k);
    for (int i = 1; i < REEL_N_DTYPES; i++)
        if (runs_in(op, set, s, i)) able[n_able++] = i;
    if (!n_able) return 0;
    d[n++] = runs_in(op, set, s, REEL_F32) ? REEL_F32 : able[0];
    if (able[k % n_able] != d[0] && !reduced) d[n++] = able[k % n_able];
    return n;
}

/* The rows from *id on, as many as one file shall hold. */
static void one_file(int *id, const char *only)
{
    REEL_SCOPED;
    int n = 0;
    const int first = *id;
    b.n_in = b.n_out = 0;
    b.rows[0] = '\0';
    for (int pass = 0; pass < 2; pass++) { /* first eagerly, then as a graph */
        reel_graph *g = NULL;
        const int end = *id;
        if (pass == 1) {
            g = reel_graph_begin();
            b.n_in = b.n_out = 0;
        }
        reel_seed(7);
        for (int i = first; pass ? i < end : i < N_ROWS && n < BATCH_NODES; i++) {
            const reel_op *op = &reel_rows_[i];
            if (pass == 0) *id = i + 1;
            if ((only && strcmp(only, op->name) != 0) || i % parts != part - 1 || !reel_emitter_of_(op, NULL)) continue;
            if (pass == 0 && strlen(b.rows) + strlen(op->name) + 2 < sizeof b.rows) {
                strcat(b.rows, " ");
                strcat(b.rows, op->name);
            }
            for (int k = 0; k < n_samples(sets[i]); k++) {
                const sample *s = sample_of(sets[i], k);
                int d[2];
                const int n_d = dtypes_of(op, sets[i], k, d);
                for (int j = 0; j < n_d; j++) {
                    const int in = b.n_in, out = b.n_out;
                    n++;
                    bool ok = true;
                    if (pass == 0) {
                        ok = note_sample(op, sets[i], s, (reel_dtype)d[j], k % 2 == 1);
                        for (int m = 0; m < SAMPLE_IN && s->in[m]; m++) b.n_in += s->in[m][0] != '#';
                        b.n_out += sets[i]->n_out;
                    } else {
                        ok = add_sample(op, sets[i], s, (reel_dtype)d[j], k % 2 == 1);
                    }
                    reel_error e;
                    if (!ok) TAP_OK(false, "%s sample %d", op->name, k);
                    if (reel_take_error(&e)) tap_note("%s", e.text);
                    if (!ok) b.n_in = in, b.n_out = out;
                }
            }
        }
        if (pass == 1) {
            if (TAP_OK(reel_graph_end(g) == 0, "a graph of%s", b.rows)) flush(g);
            reel_graph_free(g);
        }
    }
}

/* The list of docs/export.md. */
static void write_list(char *to, size_t size)
{
    size_t n = 0;
    int count = 0, line = 0;
    for (int i = 0; i < N_ROWS; i++) count += reel_emitter_of_(&reel_rows_[i], NULL) != NULL;
    n += (size_t)snprintf(to + n, size - n, "%d of %d rows of ops.def have an exported form:", count, (int)N_ROWS);
    for (int i = 0; i < N_ROWS && n < size; i++) {
        if (!reel_emitter_of_(&reel_rows_[i], NULL)) continue;
        const int length = (int)strlen(reel_rows_[i].name) + 3;
        const bool turns = line == 0 || line + length > 140;
        line = turns ? length : line + length;
        n += (size_t)snprintf(to + n, size - n, "%s`%s`", turns ? "\n" : " ", reel_rows_[i].name);
    }
    if (n < size) n += (size_t)snprintf(to + n, size - n, "\n\nThese have none:");
    line = 0;
    for (int i = 0; i < N_ROWS && n < size; i++) {
        if (reel_emitter_of_(&reel_rows_[i], NULL) || reel_rows_[i].flags & REEL_OPF_CELL0) continue;
        const int length = (int)strlen(reel_rows_[i].name) + 3;
        const bool turns = line == 0 || line + length > 140;
        line = turns ? length : line + length;
        n += (size_t)snprintf(to + n, size - n, "%s`%s`", turns ? "\n" : " ", reel_rows_[i].name);
    }
    if (n < size) snprintf(to + n, size - n, "\n");
}

/* Is the page's list true? */
static int check_page(const char *path)
{
    static char list[1 << 14], page[1 << 16];
    static const char begin_mark[] = "<!-- rows: begin -->\n", end_mark[] = "<!-- rows: end -->";
    FILE *f = fopen(path, "r");
    const size_t n = f ? fread(page, 1, sizeof page - 1, f) : 0;
    if (f) fclose(f);
    page[n] = '\0';
    write_list(list, sizeof list);
    const char *from = strstr(page, begin_mark), *to = strstr(page, end_mark);
    const bool ok = from && to && (size_t)(to - from) - strlen(begin_mark) == strlen(list) &&
                    memcmp(from + strlen(begin_mark), list, strlen(list)) == 0;
    if (!TAP_OK(ok, "the page lists the rows that have an exported form"))
        tap_note("test_export_rows list prints what it should say");
    return tap_finish();
}

int main(int argc, char **argv)
{
    const char *only = getenv("REEL_EXPORT_ROW");
    if (argc > 1 && strcmp(argv[1], "list") == 0) {
        static char list[1 << 14];
        write_list(list, sizeof list);
        fputs(list, stdout);
        return 0;
    }
    if (argc > 2 && strcmp(argv[1], "page") == 0) return check_page(argv[2]);
    for (int i = 1; i < argc; i++) {
        char *end;
        const long k = strtol(argv[i], &end, 10);
        if (*end == '/') part = (int)k, parts = (int)strtol(end + 1, NULL, 10);
        reduced |= strcmp(argv[i], "reduced") == 0;
    }
    if (!export_cc()) {
        printf("1..0 # SKIP no cc\n");
        return 0;
    }
    if (!TAP_OK(export_begin(), "a folder")) return tap_finish();
    for (int id = 0; id < N_ROWS;) one_file(&id, only);
    int n = 0;
    for (int i = 0; i < N_ROWS; i++) n += reel_emitter_of_(&reel_rows_[i], NULL) != NULL;
    tap_note("%d of %d rows have an exported form", n, (int)N_ROWS);
    if (getenv("REEL_EXPORT_KEEP"))
        tap_note("kept: %s", export_folder);
    else
        export_end();
    return tap_finish();
}
