/* random.h: the inner loops of uniform and normal draws. Element i of a draw is a function of key, counter and i only. */
#ifndef REEL_KERNELS_RANDOM_H
#define REEL_KERNELS_RANDOM_H
#include "kernels/isa.h"
#include "core/dtype.h"

typedef struct reel_draw {
    uint64_t key, counter;
    double a, b; /* low, high or mean, standard deviation */
    double top;  /* uniform: the largest number of the dtype below high */
} reel_draw;
/* Elements [begin, end) of a draw into out + begin; begin is a multiple of 4. */
typedef void reel_draw_fn(void *out, int64_t begin, int64_t end, const reel_draw *d);
typedef struct reel_random_table {
    reel_draw_fn *uniform[REEL_N_DTYPES], *normal[REEL_N_DTYPES]; /* f32, f64, f16, bf16 */
    /* Words begin to end, of counters from `counter` on, four each; begin is a multiple of 4. high is the upper half of the counter:
       a draw that needs more words than four a counter takes them from the next high. */
    void (*words)(uint32_t *out, int64_t begin, int64_t end, uint64_t key, uint64_t counter, uint64_t high);
} reel_random_table;
REEL_DECLARE_LEVELS(reel_random_table, reel_random_table);
#endif
