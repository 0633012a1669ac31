/* raw_onednn.c: oneDNN called directly, with its own threading, in a process of its own: a peer for bench/run.py. Both
   operands are plain row-major, as ours are. */
#include <oneapi/dnnl/dnnl.h>
#include <oneapi/dnnl/dnnl_version.h>
#include "bench.h"

static float *x[3];
static dnnl_engine_t engine;
static dnnl_stream_t stream;
static dnnl_primitive_t primitive;
static dnnl_memory_t memory[3];

static int make_primitive(const dnnl_dims_t dims)
{
#if DNNL_VERSION_MAJOR >= 3
    dnnl_memory_desc_t d = NULL;
    dnnl_primitive_desc_t pd = NULL;
    if (dnnl_memory_desc_create_with_tag(&d, 2, dims, dnnl_f32, dnnl_ab) ||
        dnnl_matmul_primitive_desc_create(&pd, engine, d, d, NULL, d, NULL) || dnnl_primitive_create(&primitive, pd))
        return 0;
    for (int i = 0; i < 3; i++)
        if (dnnl_memory_create(&memory[i], d, engine, x[i])) return 0;
    dnnl_memory_desc_destroy(d);
#else
    dnnl_memory_desc_t d;
    dnnl_matmul_desc_t md;
    dnnl_primitive_desc_t pd = NULL;
    if (dnnl_memory_desc_init_by_tag(&d, 2, dims, dnnl_f32, dnnl_ab) || dnnl_matmul_desc_init(&md, &d, &d, NULL, &d) ||
        dnnl_primitive_desc_create(&pd, &md, NULL, engine, NULL) || dnnl_primitive_create(&primitive, pd))
        return 0;
    for (int i = 0; i < 3; i++)
        if (dnnl_memory_create(&memory[i], &d, engine, x[i])) return 0;
#endif
    dnnl_primitive_desc_destroy(pd);
    return 1;
}

static int begin(int n)
{
    const size_t count = (size_t)n * (size_t)n;
    for (int i = 0; i < 3; i++) {
        x[i] = aligned_alloc(64, count * sizeof *x[i]);
        for (size_t k = 0; x[i] && k < count; k++) x[i][k] = (float)(k % 13) / 13;
    }
    if (!engine &&
        (dnnl_engine_create(&engine, dnnl_cpu, 0) || dnnl_stream_create(&stream, engine, dnnl_stream_default_flags)))
        return 0;
    const dnnl_dims_t dims = {n, n};
    return x[0] && x[1] && x[2] && make_primitive(dims);
}

static void run(int64_t times)
{
    const dnnl_exec_arg_t args[] = {
        {DNNL_ARG_SRC, memory[0]}, {DNNL_ARG_WEIGHTS, memory[1]}, {DNNL_ARG_DST, memory[2]}};
    for (int64_t i = 0; i < times; i++) dnnl_primitive_execute(primitive, stream, 3, args);
    dnnl_stream_wait(stream);
}

static void end(void)
{
    dnnl_primitive_destroy(primitive);
    for (int i = 0; i < 3; i++) {
        dnnl_memory_destroy(memory[i]);
        free(x[i]);
    }
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
