/* fault.c: a pass that is wrong, for the fuzzer to find: max(x, y) taken for x where y has x's type; or one that crashes there. */
#include <stdlib.h>
#include "fuzz.h"

bool fuzz_faulty, fuzz_crashes;

static int wrong(void *self, const reel_pass_node *n, reel_tensor *out[])
{
    const reel_shape a = reel_shape_of(n->in[0]), b = reel_shape_of(n->in[1]);
    (void)self;
    bool same = a.rank == b.rank;
    for (int i = 0; same && i < a.rank; i++) same = a.dims[i] == b.dims[i];
    if (same && fuzz_crashes) abort();
    if (same) out[0] = n->in[0];
    return reel_status();
}

int fuzz_fault(void)
{
    return reel_pass_register(&(reel_pass_def){
        .size = sizeof(reel_pass_def), .name = "wrong", .law = "none", .op = "maximum", .rule = wrong});
}

const char fuzz_fault_text[] = "/* The fault: max(x, y) taken for x. */\n"
                               "static int wrong(void *self, const reel_pass_node *n, reel_tensor *out[])\n"
                               "{\n"
                               "    const reel_shape a = reel_shape_of(n->in[0]), b = reel_shape_of(n->in[1]);\n"
                               "    (void)self;\n"
                               "    bool same = a.rank == b.rank;\n"
                               "    for (int i = 0; same && i < a.rank; i++) same = a.dims[i] == b.dims[i];\n"
                               "    if (same && CRASHES) abort();\n"
                               "    if (same) out[0] = n->in[0];\n"
                               "    return reel_status();\n"
                               "}\n";
