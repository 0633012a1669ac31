/* isa.c: which ISA level this process uses: what the CPU has, lowered by REEL_ISA. Read once. */
#include "kernels/isa.h"
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include "core/compiler.h"
#include "reel/tensor.h"

static const char *const names[] = {"baseline", "x86-64-v3", "x86-64-v4"};

static int detect(void)
{
    int level = 0;
#ifdef REEL_HAVE_LEVELS
    if (REEL_CPU_X86_64_V4) {
        level = 2;
    } else if (REEL_CPU_X86_64_V3) {
        level = 1;
    }
    const char *wanted = getenv("REEL_ISA");
    for (int i = 0; wanted && i < level; i++) {
        if (strcmp(wanted, names[i]) == 0) {
            level = i;
        }
    }
#endif
    return level;
}

int reel_level_(void)
{
    static _Atomic int known = -1; /* every thread that finds it unset computes the same value */
    int level = atomic_load_explicit(&known, memory_order_relaxed);
    if (REEL_UNLIKELY(level < 0)) {
        level = detect();
        atomic_store_explicit(&known, level, memory_order_relaxed);
    }
    return level;
}

const char *reel_isa(void)
{
    return names[reel_level_()];
}
