/* bench.h: a benchmark process. It answers one question a line: "<row> <seconds>" in, one JSON line out, so that a script
   can ask several such processes (ours and the peers') in turn. */
#ifndef REEL_BENCH_H
#define REEL_BENCH_H
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct bench_row {
    const char *name;
    int (*begin)(int n);        /* makes what the row needs; 0 if it cannot */
    void (*run)(int64_t times); /* the measured loop */
    void (*end)(void);          /* may be NULL */
    int n;                      /* a size, for begin */
    double per;                 /* units in one time: 1000 for a chain of 1,000 nodes */
} bench_row;

static inline double bench_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int bench_compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Median and quartiles of at least 11 samples of at least a millisecond each. */
static inline void bench_measure(const bench_row *row, double seconds)
{
    enum { MOST = 201 };
    double ns[MOST];
    int64_t times = 1;
    row->run(1);
    for (;;) {
        const double t = bench_now();
        row->run(times);
        const double d = bench_now() - t;
        if (d > 1e-3 || d > seconds / 11) break;
        times = d < 1e-5 ? times * 16 : (int64_t)((double)times * 1.2e-3 / d) + 1;
    }
    int n = 0;
    const double start = bench_now();
    while (n < MOST && (n < 11 || bench_now() - start < seconds)) {
        const double t = bench_now();
        row->run(times);
        ns[n++] = (bench_now() - t) * 1e9 / ((double)times * row->per);
    }
    qsort(ns, (size_t)n, sizeof *ns, bench_compare);
    printf("{\"row\": \"%s\", \"ns\": %.6g, \"low\": %.6g, \"high\": %.6g, \"samples\": %d}\n", row->name, ns[n / 2],
           ns[n / 4], ns[3 * n / 4], n);
}

static inline int bench_serve(const bench_row *rows, size_t n_rows)
{
    char line[256], name[128];
    double seconds;
    while (fgets(line, sizeof line, stdin)) {
        const bench_row *row = NULL;
        if (sscanf(line, "%127s %lf", name, &seconds) != 2) return 2;
        for (size_t i = 0; i < n_rows; i++)
            if (strcmp(rows[i].name, name) == 0) row = &rows[i];
        if (!row || !row->begin(row->n))
            printf("{\"row\": \"%s\", \"error\": \"%s\"}\n", name, row ? "cannot run" : "no such row");
        else
            bench_measure(row, seconds);
        if (row && row->end) row->end();
        fflush(stdout);
    }
    return 0;
}
#endif
