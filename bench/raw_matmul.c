/* raw_matmul.c: what OpenBLAS and oneDNN do by themselves, each with its own threads, in a process of its own.
   raw_matmul [n ...]: square f32 products (default 32 to 2048), then a line of JSON each: median of rounds, ns a
   product. Built with the same macros as the library: REEL_HAVE_OPENBLAS, REEL_HAVE_ONEDNN. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#ifdef REEL_HAVE_OPENBLAS
#include <cblas.h>
#endif
#ifdef REEL_HAVE_ONEDNN
#include <oneapi/dnnl/dnnl.h>
#endif

enum { ROUNDS = 15, MAX_SIZES = 32 };
static const double round_ns = 4e6; /* a round repeats the product for about so long */

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

typedef struct job {
    long n;
    float *a, *b, *c;
    void *state;
} job;

static void measure(const char *lib, void (*product)(const job *), const job *j)
{
    double times[ROUNDS];
    product(j);
    double t = now();
    product(j);
    t = now() - t;
    const long repeats = t < round_ns ? (long)(round_ns / (t + 1)) + 1 : 1;
    for (int r = 0; r < ROUNDS; r++) {
        t = now();
        for (long i = 0; i < repeats; i++)
            product(j);
        times[r] = (now() - t) / (double)repeats;
    }
    qsort(times, ROUNDS, sizeof *times, by_value);
    const double n = (double)j->n;
    printf("{\"lib\": \"%s\", \"n\": %ld, \"ns\": %.1f, \"gflops\": %.1f}\n", lib, j->n, times[ROUNDS / 2],
           2 * n * n * n / times[ROUNDS / 2]);
    fflush(stdout);
}

#ifdef REEL_HAVE_OPENBLAS
static void openblas(const job *j)
{
    const int n = (int)j->n;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, n, n, n, 1, j->a, n, j->b, n, 0, j->c, n);
}
#endif

#ifdef REEL_HAVE_ONEDNN
typedef struct dnn {
    dnnl_stream_t stream;
    dnnl_primitive_t primitive;
    dnnl_exec_arg_t args[3];
} dnn;

static void onednn(const job *j)
{
    const dnn *d = j->state;
    dnnl_primitive_execute(d->primitive, d->stream, 3, d->args);
    dnnl_stream_wait(d->stream);
}

static int onednn_start(dnn *d, dnnl_engine_t engine, const job *j)
{
    const dnnl_dims_t dims = {j->n, j->n}, strides = {j->n, 1};
    dnnl_primitive_desc_t pd;
    dnnl_memory_t mem[3];
    float *const data[3] = {j->a, j->b, j->c};
#if DNNL_VERSION_MAJOR >= 3
    dnnl_memory_desc_t md;
    if (dnnl_memory_desc_create_with_strides(&md, 2, dims, dnnl_f32, strides) ||
        dnnl_matmul_primitive_desc_create(&pd, engine, md, md, NULL, md, NULL))
        return 1;
#define MD md
#else
    dnnl_memory_desc_t md;
    dnnl_matmul_desc_t desc;
    if (dnnl_memory_desc_init_by_strides(&md, 2, dims, dnnl_f32, strides) ||
        dnnl_matmul_desc_init(&desc, &md, &md, NULL, &md) || dnnl_primitive_desc_create(&pd, &desc, NULL, engine, NULL))
        return 1;
#define MD &md
#endif
    for (int i = 0; i < 3; i++)
        if (dnnl_memory_create(&mem[i], MD, engine, data[i]))
            return 1;
    d->args[0] = (dnnl_exec_arg_t){DNNL_ARG_SRC, mem[0]};
    d->args[1] = (dnnl_exec_arg_t){DNNL_ARG_WEIGHTS, mem[1]};
    d->args[2] = (dnnl_exec_arg_t){DNNL_ARG_DST, mem[2]};
    return dnnl_primitive_create(&d->primitive, pd) ||
           dnnl_stream_create(&d->stream, engine, dnnl_stream_default_flags);
}
#endif

int main(int argc, char **argv)
{
    long sizes[MAX_SIZES] = {32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 2048};
    int count = 12;
    if (argc > 1) {
        count = argc - 1 < MAX_SIZES ? argc - 1 : MAX_SIZES;
        for (int i = 0; i < count; i++)
            sizes[i] = strtol(argv[i + 1], NULL, 10);
    }
    for (int i = 0; i < count; i++) {
        const long n = sizes[i];
        if (n < 1 || n > 16384)
            return fprintf(stderr, "raw_matmul: n must be 1 to 16384\n"), 2;
        const size_t bytes = ((size_t)(n * n) * sizeof(float) + 63) / 64 * 64;
        job j = {.n = n, .a = aligned_alloc(64, bytes), .b = aligned_alloc(64, bytes), .c = aligned_alloc(64, bytes)};
        if (!j.a || !j.b || !j.c)
            return 1;
        for (long e = 0; e < n * n; e++) {
            j.a[e] = (float)(e * 37 % 101) / 50 - 1;
            j.b[e] = (float)(e * 13 % 97) / 48 - 1;
        }
#ifdef REEL_HAVE_OPENBLAS
        measure("openblas", openblas, &j);
#endif
#ifdef REEL_HAVE_ONEDNN
        dnnl_engine_t engine;
        dnn d;
        j.state = &d;
        if (dnnl_engine_create(&engine, dnnl_cpu, 0) || onednn_start(&d, engine, &j))
            return fprintf(stderr, "raw_matmul: oneDNN failed\n"), 1;
        measure("onednn", onednn, &j);
#endif
        free(j.a), free(j.b), free(j.c);
    }
    return 0;
}
