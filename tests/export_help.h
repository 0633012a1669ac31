/* export_help.h: an exported file built with cc behind a main that reads inputs from a file, runs, and writes outputs to another. */
#ifndef REEL_TESTS_EXPORT_HELP_H
#define REEL_TESTS_EXPORT_HELP_H
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/dtype.h"
#include "reel/reel.h"
#include "tap.h"

#define EXPORT_FLAGS "-std=c99 -Wall -Wextra -Wconversion -Werror"

static char export_folder[64];

/* NULL: there is no C compiler. */
static const char *export_cc(void)
{
    static int state;
    if (!state) state = system("cc --version > /dev/null 2>&1") == 0 ? 1 : 2;
    return state == 1 ? "cc" : NULL;
}

static bool export_begin(void)
{
    snprintf(export_folder, sizeof export_folder, "%s/reel-export-XXXXXX",
             getenv("TMPDIR") && strlen(getenv("TMPDIR")) < 40 ? getenv("TMPDIR") : "/tmp");
    return mkdtemp(export_folder) != NULL;
}

static void export_end(void)
{
    DIR *d = opendir(export_folder);
    char path[400];
    for (struct dirent *e; d && (e = readdir(d));) {
        snprintf(path, sizeof path, "%s/%.200s", export_folder, e->d_name);
        if (e->d_name[0] != '.' || strlen(e->d_name) > 2) remove(path);
    }
    if (d) closedir(d);
    rmdir(export_folder);
}

static const char *export_ctype(reel_dtype d)
{
    static const char *const names[REEL_N_DTYPES] = {
        [REEL_F32] = "float",     [REEL_F64] = "double",  [REEL_F16] = "uint16_t",
        [REEL_BF16] = "uint16_t", [REEL_I8] = "int8_t",   [REEL_U8] = "uint8_t",
        [REEL_I32] = "int32_t",   [REEL_I64] = "int64_t", [REEL_BOOL] = "uint8_t"};
    return names[d];
}

/* Arrays of one side: names, types. */
typedef struct export_side {
    int n;
    const char *const *name;
    const reel_type *type;
    const int
        *counted; /* NULL: none; of each output whether it has a count, which follows it in the file as an int64_t */
} export_side;

static void export_arrays(FILE *f, const char *prefix, const export_side *s)
{
    for (int i = 0; i < s->n; i++)
        fprintf(f, "static %s %s%d[%lld];\n", export_ctype(s->type[i].dtype), prefix, i,
                (long long)reel_shape_count(s->type[i].shape) + 1);
}

static void export_transfer(FILE *f, const char *how, const char *prefix, const export_side *s)
{
    for (int i = 0; i < s->n; i++) {
        fprintf(f, "        if (%s(%s%d, sizeof *%s%d, %lld, f) != %lld) return 3;\n", how, prefix, i, prefix, i,
                (long long)reel_shape_count(s->type[i].shape), (long long)reel_shape_count(s->type[i].shape));
        if (s->counted && s->counted[i]) fprintf(f, "        if (%s(&n%d, 8, 1, f) != 1) return 3;\n", how, i);
    }
}

/* main: runs the exported file `runs` times; with after, also gives out the bytes of its variables at the end. */
static void export_main(const char *name, const export_side *in, const export_side *out, int runs, bool variables,
                        bool load)
{
    char path[256];
    snprintf(path, sizeof path, "%s/main_%s.c", export_folder, name);
    FILE *f = fopen(path, "w");
    if (!f) return;
    fprintf(f, "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n#include \"%s.h\"\n", name);
    export_arrays(f, "x", in);
    export_arrays(f, "y", out);
    for (int i = 0; i < out->n && out->counted; i++)
        if (out->counted[i]) fprintf(f, "static int64_t n%d;\n", i);
    fprintf(f,
            "int main(int argc, char **argv)\n{\n    %s_inputs in;\n    %s_outputs out;\n    FILE *f, *from, *to;\n"
            "    if (argc < 3) return 2;\n    from = fopen(argv[1], \"rb\");\n    to = fopen(argv[2], \"wb\");\n"
            "    if (!from || !to) return 2;\n",
            name, name);
    if (load)
        fprintf(
            f,
            "    {\n        static unsigned char bytes[1 << 22];\n        size_t n;\n        f = fopen(argv[3], "
            "\"rb\");\n"
            "        n = f ? fread(bytes, 1, sizeof bytes, f) : 0;\n"
            "        if (%s_run(&in, &out) == 0) return 5;\n        if (%s_load(bytes, n - 1) == 0) return 6;\n"
            "        bytes[n / 2] ^= 1;\n        if (%s_load(bytes, n) == 0) return 7;\n        bytes[n / 2] ^= 1;\n"
            "        if (%s_load(bytes, n)) return 8;\n    }\n",
            name, name, name, name);
    for (int i = 0; i < out->n; i++) fprintf(f, "    memset(y%d, 165, sizeof y%d); /* all of it is written */\n", i, i);
    for (int i = 0; i < in->n; i++) fprintf(f, "    in.%s = x%d;\n", in->name[i], i);
    for (int i = 0; i < out->n; i++) fprintf(f, "    out.%s = y%d;\n", out->name[i], i);
    for (int i = 0; i < out->n && out->counted; i++)
        if (out->counted[i]) fprintf(f, "    out.%s_count = &n%d;\n", out->name[i], i);
    fprintf(f,
            "    (void)in;\n    (void)out;\n    f = NULL;\n    (void)f;\n    for (int r = 0; r < %d; r++) {\n        f "
            "= from;\n",
            runs);
    export_transfer(f, "fread", "x", in);
    fprintf(
        f,
        "        {\n            const int rc = %s_run(&in, &out);\n"
        "            if (rc) {\n                fprintf(stderr, \"%%s\\n\", %s_error(rc));\n                return 4;\n"
        "            }\n        }\n        f = to;\n",
        name, name);
    export_transfer(f, "fwrite", "y", out);
    fprintf(f, "    }\n");
    if (variables) fprintf(f, "    fwrite(&%s_vars, sizeof %s_vars, 1, to);\n", name, name);
    fprintf(f, "    return fclose(to);\n}\n");
    fclose(f);
}

static bool export_compile(const char *name, const char *flags)
{
    char command[1024];
    snprintf(command, sizeof command, "cd %s && %s %s %s -o %s %s.c main_%s.c -lm > %s.log 2>&1", export_folder,
             export_cc(), EXPORT_FLAGS, flags, name, name, name, name);
    if (system(command) == 0) return true;
    snprintf(command, sizeof command, "%s/%s.log", export_folder, name);
    FILE *f = fopen(command, "r");
    char line[512];
    for (int i = 0; f && i < 25 && fgets(line, sizeof line, f); i++) tap_note("%s", line);
    if (f) fclose(f);
    return false;
}

/* The program's exit status. */
static int export_run(const char *name, bool load)
{
    char command[512];
    snprintf(command, sizeof command, "cd %s && ./%s %s.in %s.out %s%s 2> %s.err", export_folder, name, name, name,
             load ? name : "", load ? ".weights" : "", name);
    const int rc = system(command);
    return rc > 255 ? rc >> 8 : rc;
}

static FILE *export_open(const char *name, const char *end, const char *mode)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s%s", export_folder, name, end);
    return fopen(path, mode);
}

static bool export_put(FILE *f, reel_tensor *t)
{
    const size_t n = (size_t)reel_shape_count(reel_shape_of(t)) * reel_dtype_size(reel_dtype_of(t));
    void *bytes = malloc(n + 1);
    const bool ok = reel_read(t, bytes, n) == 0 && fwrite(bytes, 1, n, f) == n;
    free(bytes);
    return ok;
}
#endif
