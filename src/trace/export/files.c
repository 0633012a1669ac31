/* files.c: the texts of the header, the C file and the side file, and putting them on disk: under other names first. */
#include <errno.h>
#include <string.h>
#include "core/alloc.h"
#include "emit.h"
#include "trace/debug.h"

/* ---- the header ------------------------------------------------------------------------------------------------------ */

static void upper(const char *name, char buf[128])
{
    size_t n = 0;
    for (; name[n] && n < 127; n++) buf[n] = (char)(name[n] >= 'a' && name[n] <= 'z' ? name[n] - 'a' + 'A' : name[n]);
    buf[n] = '\0';
}

static void put_member(reel_text *t, const char *constant, const reel_type *type, const char *name)
{
    char text[REEL_SHAPE_TEXT];
    reel_text_fmt_(t, "    %s%s *%s; /* %s%s: %lld */\n", constant, reel_ctype_(type->dtype), name,
                   reel_dtype_name(type->dtype), reel_shape_text_(&type->shape, text),
                   (long long)reel_count_(&type->shape));
}

/* A fetch whose size depends on data has a member more. */
static void put_fetch(const reel_eplan *q, const planner *p, int i)
{
    const char *name = q->x->fetch_name[i];
    const reel_type *type = &p->results[i].type;
    const reel_sized *s = q->fetched ? &q->fetched[i] : NULL;
    put_member(&q->x->header, "", type, name);
    if (s && s->name)
        reel_text_fmt_(&q->x->header,
                       "    int64_t *%s; /* how many there are along axis %d of %s, at most %lld; may be NULL */\n",
                       s->name, s->axis, name, (long long)type->shape.dims[s->axis]);
}

static void put_structs(const reel_eplan *q, const planner *p)
{
    reel_exporter *x = q->x;
    reel_text *t = &x->header;
    reel_text_fmt_(t,
                   "/* What a run reads: dense arrays in C order, the last index fastest. */\n"
                   "typedef struct %s_inputs {\n",
                   x->name);
    for (int i = 0; i < p->rq->n_feeds; i++) put_member(t, "const ", &p->rq->given[i]->type, x->feed_name[i]);
    if (!p->rq->n_feeds) reel_text_add_(t, "    char nothing;\n");
    reel_text_fmt_(t,
                   "} %s_inputs;\n/* What it writes: the caller's arrays, which overlap nothing else. */\n"
                   "typedef struct %s_outputs {\n",
                   x->name, x->name);
    for (int i = 0; i < p->rq->n_fetches; i++) put_fetch(q, p, i);
    if (!p->rq->n_fetches) reel_text_add_(t, "    char nothing;\n");
    reel_text_fmt_(t, "} %s_outputs;\n\n", x->name);
}

static void put_header(const reel_eplan *q, const planner *p, const reel_text *structs)
{
    reel_exporter *x = q->x;
    char up[128];
    upper(x->name, up);
    reel_text *t = &x->header;
    const size_t ram = x->arena_bytes + (x->trains || x->side ? x->vars_bytes : 0) + (x->side ? x->consts_bytes : 0);
    reel_text_fmt_(t,
                   "/* %s.h: written by reel_export_c. Needs C99 and libm; allocates nothing.\n\n"
                   "   Memory: %zu bytes in all: %zu that a run works in, %zu of variables, %zu of constants. */\n"
                   "#ifndef %s_EXPORT_H\n#define %s_EXPORT_H\n#include <stddef.h>\n#include <stdint.h>\n"
                   "#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n"
                   "#define %s_ARENA_BYTES %zu\n#define %s_VARS_BYTES %zu\n#define %s_CONST_BYTES %zu\n"
                   "#define %s_PEAK_BYTES %zu /* the arena and the variables */\n"
                   "#define %s_RAM_BYTES %zu /* without what is const */\n\n",
                   x->name, x->arena_bytes + x->vars_bytes + x->consts_bytes, x->arena_bytes, x->vars_bytes,
                   x->consts_bytes, up, up, up, x->arena_bytes, up, x->vars_bytes, up, x->consts_bytes, up,
                   x->arena_bytes + x->vars_bytes, up, ram);
    reel_text_put_(t, reel_text_of_(structs), structs->n);
    put_structs(q, p);
    if (x->side)
        reel_text_fmt_(
            t,
            "/* Before the first run: the bytes of %s.weights. 0, or -1: they are not those that were written. */\n"
            "#define %s_WEIGHTS_BYTES %zu\n"
            "int %s_load(const void *bytes, size_t n);\n",
            x->name, up, x->weights.n, x->name);
    reel_text_fmt_(
        t,
        "/* One run%s. 0, or a number that %s_error explains: a run that refuses its data changes no variable.\n"
        "   Not for several threads at once: the memory it works in is one static array. */\n"
        "int %s_run(const %s_inputs *in, const %s_outputs *out);\n"
        "const char *%s_error(int code);\n\n"
        "#ifdef __cplusplus\n}\n#endif\n#endif\n",
        x->trains ? ", which gives the variables their new values" : "", x->name, x->name, x->name, x->name, x->name);
}

/* ---- the side file ----------------------------------------------------------------------------------------------------- */

static uint64_t checksum(const reel_text *t)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 16; i < t->n; i++) h = (h ^ (unsigned char)t->s[i]) * UINT64_C(0x100000001b3);
    return h;
}

/* "REELEXP1", the checksum (FNV-1a, 64 bits) of what follows, the arrays. */
static void finish_weights(reel_exporter *x)
{
    const uint64_t h = checksum(&x->weights);
    for (int i = 0; i < 8 && x->weights.n >= 16; i++) x->weights.s[8 + i] = (char)(unsigned char)(h >> (8 * i));
}

static void put_loader(const reel_exporter *x, reel_text *t)
{
    char up[128];
    upper(x->name, up);
    reel_text_fmt_(
        t,
        "/* n elements of `size` bytes, little-endian; returns what comes behind, a multiple of 8 bytes further. */\n"
        "static const unsigned char *%s_take(void *to, const unsigned char *p, size_t n, size_t size)\n{\n"
        "    const uint16_t one = 1;\n    unsigned char *q = (unsigned char *)to;\n"
        "    if (*(const unsigned char *)&one)\n        memcpy(q, p, n * size);\n    else\n"
        "        for (size_t i = 0; i < n; i++)\n"
        "            for (size_t k = 0; k < size; k++) q[i * size + k] = p[i * size + size - 1 - k];\n"
        "    return p + (n * size + 7) / 8 * 8;\n}\n\n"
        "int %s_load(const void *bytes, size_t n)\n{\n"
        "    const unsigned char *p = (const unsigned char *)bytes;\n"
        "    uint64_t h = UINT64_C(0xcbf29ce484222325), want = 0;\n"
        "    if (!p || n != %s_WEIGHTS_BYTES || memcmp(p, \"REELEXP1\", 8) != 0) return -1;\n"
        "    for (size_t i = 16; i < n; i++) h = (h ^ p[i]) * UINT64_C(0x100000001b3);\n"
        "    for (int i = 0; i < 8; i++) want |= (uint64_t)p[8 + i] << (8 * i);\n"
        "    if (h != want) return -1;\n    p += 16;\n",
        x->name, x->name, up);
    reel_text_put_(t, reel_text_of_(&x->loads), x->loads.n);
    reel_text_fmt_(t, "    (void)p;\n    %s_loaded = 1;\n    return 0;\n}\n\n", x->name);
}

/* ---- the C file ---------------------------------------------------------------------------------------------------------- */

static void put_functions(const reel_exporter *x, reel_text *t)
{
    /* of all exported files alike, so that several may be included in one translation unit */
    for (size_t i = 0; i < x->n_helpers; i++)
        reel_text_fmt_(t, "#ifndef REEL_HAS_%s\n#define REEL_HAS_%s\n%s#endif\n\n", x->helpers[i].name,
                       x->helpers[i].name, reel_text_of_(&x->helpers[i].text));
    for (size_t i = 0; i < x->n_functions; i++) {
        const reel_cfunction *f = &x->functions[i];
        reel_text_fmt_(t, "/* %s */\nstatic %s %s(%s)\n{\n", reel_text_of_(&f->said), f->fails ? "int" : "void",
                       f->name, f->params.n ? f->params.s : "void");
        reel_text_put_(t, reel_text_of_(&f->body), f->body.n);
        reel_text_add_(t, f->fails ? "    return 0;\n}\n\n" : "}\n\n");
    }
}

static void put_errors(const reel_exporter *x, reel_text *t)
{
    reel_text_fmt_(t, "const char *%s_error(int code)\n{\n", x->name);
    if (x->n_errors) {
        reel_text_add_(t, "    static const char *const text[] = {\n        \"no error\",\n");
        for (size_t i = 0; i < x->n_errors; i++) reel_text_fmt_(t, "        \"%s\",\n", x->errors[i]);
        reel_text_fmt_(t, "    };\n    if (code >= 0 && code <= %d) return text[code];\n", (int)x->n_errors);
    }
    reel_text_add_(t, x->side ? "    if (code == -1) return \"the weights have not been loaded\";\n" : "");
    reel_text_add_(t, "    return code == 0 ? \"no error\" : \"no such error\";\n}\n\n");
}

static void put_source(const reel_eplan *q)
{
    reel_exporter *x = q->x;
    reel_text *t = &x->source;
    reel_text_fmt_(t,
                   "/* %s.c: written by reel_export_c; see %s.h. C99, libm, no other dependency. */\n"
                   "#include \"%s.h\"\n#include <math.h>\n#include <string.h>\n\n",
                   x->name, x->name, x->name);
    reel_text_fmt_(t,
                   "/* What a run works in; each value has its place there while it lives. */\n"
                   "static union {\n    float f32[%zu];\n    double f64[%zu];\n    int64_t i64[%zu];\n    int32_t "
                   "i32[%zu];\n    uint16_t u16[%zu];\n    int8_t i8[%zu];\n    uint8_t u8[%zu];\n} %s_arena;\n\n",
                   x->arena_bytes / 4 + 1, x->arena_bytes / 8 + 1, x->arena_bytes / 8 + 1, x->arena_bytes / 4 + 1,
                   x->arena_bytes / 2 + 1, x->arena_bytes + 1, x->arena_bytes + 1, x->name);
    if (x->side) reel_text_fmt_(t, "static int %s_loaded;\n", x->name);
    reel_text_put_(t, reel_text_of_(&x->constants), x->constants.n);
    if (x->n_vars + x->n_generators) {
        reel_text_fmt_(t, "\n%s%s_variables %s_vars", x->trains || x->side ? "" : "const ", x->name, x->name);
        if (!x->side) {
            reel_text_add_(t, " = {\n");
            reel_text_put_(t, reel_text_of_(&x->variables), x->variables.n);
            reel_text_add_(t, "}");
        }
        reel_text_add_(t, ";\n");
    }
    reel_text_add_(t, "\n");
    put_functions(x, t);
    if (x->side) put_loader(x, t);
    put_errors(x, t);
    const char *run = reel_text_of_(&x->run);
    reel_text_fmt_(t,
                   "int %s_run(const %s_inputs *in, const %s_outputs *out)\n{\n%s%s    (void)in;\n    (void)out;\n"
                   "    (void)%s_arena;\n",
                   x->name, x->name, x->name, reel_mentions_(run, "counter") ? "    uint64_t counter;\n" : "",
                   reel_mentions_(run, "rc") ? "    int rc;\n" : "", x->name);
    if (q->n_counts) reel_text_fmt_(t, "    int64_t count[%d] = {0};\n    (void)count;\n", q->n_counts);
    if (x->side) reel_text_fmt_(t, "    if (!%s_loaded) return -1;\n", x->name);
    reel_text_put_(t, run, x->run.n);
    reel_text_add_(t, "    return 0;\n}\n");
}

/* ---- on disk ---------------------------------------------------------------------------------------------------------------- */

enum { N_FILES = 3, PATH = 1024 };
static const char *const ends[N_FILES] = {".weights", ".h", ".c"};

static int write_file(const char *path, const reel_text *t)
{
    FILE *f = fopen(path, "wb");
    if (!f) return reel_fail_at_("", REEL_EIO, "reel_export_c: %s cannot be written: %s", path, strerror(errno));
    const bool whole = fwrite(reel_text_of_(t), 1, t->n, f) == t->n;
    const int why = errno;
    if (fclose(f) == 0 && whole) return 0;
    return reel_fail_at_("", REEL_EIO, "reel_export_c: %s cannot be written: %s", path, strerror(why ? why : errno));
}

static int write_all(const reel_exporter *x)
{
    const reel_text *const text[N_FILES] = {&x->weights, &x->header, &x->source};
    char path[PATH], temporary[PATH];
    int rc = 0, n = 0;
    for (; n < N_FILES && !rc; n++) {
        const int length = snprintf(temporary, sizeof temporary, "%s/.%s%s.part", x->folder, x->name, ends[n]);
        if (length < 0 || length >= PATH)
            return reel_fail_at_("", REEL_EARG, "reel_export_c: the folder's name is too long");
        if (n > 0 || x->side) rc = write_file(temporary, text[n]);
    }
    for (int i = 0; i < n; i++) {
        if (i == 0 && !x->side) continue;
        snprintf(temporary, sizeof temporary, "%s/.%s%s.part", x->folder, x->name, ends[i]);
        snprintf(path, sizeof path, "%s/%s%s", x->folder, x->name, ends[i]);
        if (rc) {
            remove(temporary);
        } else if (rename(temporary, path) != 0) {
            rc = reel_fail_at_("", REEL_EIO, "reel_export_c: %s cannot be written: %s", path, strerror(errno));
            remove(temporary);
        }
    }
    return rc;
}

int reel_export_files_(reel_eplan *q, const planner *p)
{
    reel_exporter *x = q->x;
    reel_text structs = {0};
    if (x->side) reel_text_put_(&x->weights, "REELEXP1\0\0\0\0\0\0\0\0", 16);
    int rc = reel_export_data_(x); /* the struct of variables goes to the header */
    structs = x->header;
    x->header = (reel_text){0};
    if (!rc) {
        finish_weights(x);
        put_header(q, p, &structs);
        put_source(q);
        rc = reel_status();
    }
    reel_text_free_(&structs);
    return rc ? rc : write_all(x);
}
