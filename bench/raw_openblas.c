/* raw_openblas.c: OpenBLAS called directly, with its own threading, in a process of its own: a peer for bench/run.py. */
#include <cblas.h>
#include "bench.h"

static float *a, *b, *c;
static int size;

static int begin(int n)
{
    const size_t count = (size_t)n * (size_t)n;
    size = n;
    a = aligned_alloc(64, count * sizeof *a);
    b = aligned_alloc(64, count * sizeof *b);
    c = aligned_alloc(64, count * sizeof *c);
    for (size_t i = 0; a && b && i < count; i++) a[i] = b[i] = (float)(i % 13) / 13;
    return a && b && c;
}

static void run(int64_t times)
{
    for (int64_t i = 0; i < times; i++)
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, size, size, size, 1, a, size, b, size, 0, c, size);
}

static void end(void)
{
    free(a);
    free(b);
    free(c);
}

#define ROW(n)                              \
    {                                       \
        "matmul_" #n, begin, run, end, n, 1 \
    }
static const bench_row rows[] = {ROW(32), ROW(64), ROW(128), ROW(256), ROW(512), ROW(1024), ROW(2048)};

int main(void)
{
    return bench_serve(rows, sizeof rows / sizeof *rows);
}
