/* our_matmul.c: the same as raw_matmul.c for the prepared kernel (inside headers; for work on the kernels, not for
   users). Also takes sizes as MxNxK with N or T for each operand, as in 32x64x64NT. */
#include "core/device.h"
#include "core/dtype.h"
#include "kernels/kernels.h"
#include "kernels/matmul.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 15 };
static const double round_ns = 4e6;

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

static int measure(const char *text)
{
    long m, n, k;
    char ta = 'N', tb = 'N';
    if (sscanf(text, "%ldx%ldx%ld%c%c", &m, &n, &k, &ta, &tb) < 3)
        m = n = k = strtol(text, NULL, 10);
    if (m < 1 || n < 1 || k < 1)
        return 2;
    const char *type = getenv("DTYPE");
    const reel_dtype dtype = type && !strcmp(type, "f64")    ? REEL_F64
                             : type && !strcmp(type, "bf16") ? REEL_BF16
                             : type && !strcmp(type, "f16")  ? REEL_F16
                                                             : REEL_F32;
    const int64_t ad[2] = {m, k}, bd[2] = {k, n}, cd[2] = {m, n}, cs[2] = {n, 1};
    const int64_t as[2] = {ta == 'T' ? 1 : k, ta == 'T' ? m : 1}, bs[2] = {tb == 'T' ? 1 : n, tb == 'T' ? k : 1};
    const reel_kview in[2] = {{dtype, 2, ad, as, NULL}, {dtype, 2, bd, bs, NULL}}, out = {dtype, 2, cd, cs, NULL};
    const reel_ksig sig = {.n_in = 2, .n_out = 1, .in = in, .out = &out};
    matmul_plan plan;
    size_t workspace = 0;
    if (reel_k_matmul_.prepare(&sig, &plan, &workspace))
        return 1;
    const size_t size = reel_size_(dtype);
    void *ptr[3] = {aligned_alloc(64, (size_t)(m * k) * size / 64 * 64 + 64),
                    aligned_alloc(64, (size_t)(k * n) * size / 64 * 64 + 64),
                    aligned_alloc(64, (size_t)(m * n) * size / 64 * 64 + 64)};
    void *work = aligned_alloc(64, workspace / 64 * 64 + 64);
    if (!ptr[0] || !ptr[1] || !ptr[2] || !work)
        return 1;
    for (long e = 0; e < m * k; e++)
        reel_store_number_((char *)ptr[0] + (size_t)e * size, dtype, (double)(e * 37 % 101) / 50 - 1);
    for (long e = 0; e < k * n; e++)
        reel_store_number_((char *)ptr[1] + (size_t)e * size, dtype, (double)(e * 13 % 97) / 48 - 1);
    double times[ROUNDS];
    reel_k_matmul_.run(&plan, ptr, work);
    double t = now();
    reel_k_matmul_.run(&plan, ptr, work);
    t = now() - t;
    const long repeats = t < round_ns ? (long)(round_ns / (t + 1)) + 1 : 1;
    for (int r = 0; r < ROUNDS; r++) {
        t = now();
        for (long i = 0; i < repeats; i++)
            reel_k_matmul_.run(&plan, ptr, work);
        times[r] = (now() - t) / (double)repeats;
    }
    qsort(times, ROUNDS, sizeof *times, by_value);
    static const char *const routes[] = {"open", "nothing", "vector", "portable", "blas", "onednn"};
    printf("{\"lib\": \"reel\", \"size\": \"%s\", \"ns\": %.1f, \"min\": %.1f, \"gflops\": %.1f, \"route\": \"%s\", "
           "\"blocks\": \"%dx%d\", \"workspace\": %zu}\n",
           text, times[ROUNDS / 2], times[0], 2 * (double)m * (double)n * (double)k / times[0], routes[plan.route],
           (int)plan.mb, (int)plan.nb, workspace);
    fflush(stdout);
    reel_k_matmul_.drop(&plan);
    free(ptr[0]), free(ptr[1]), free(ptr[2]), free(work);
    return 0;
}

int main(int argc, char **argv)
{
    static const char *const sizes[] = {"32",  "48",  "64",  "96",  "128",  "192",
                                        "256", "384", "512", "768", "1024", "2048"};
    for (int i = 1; i < argc; i++)
        if (measure(argv[i]))
            return fprintf(stderr, "our_matmul: %s failed\n", argv[i]), 1;
    for (int i = 0; argc < 2 && i < 12; i++)
        if (measure(sizes[i]))
            return 1;
    return 0;
}
