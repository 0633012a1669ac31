/* table.c: which op has an exported form, and who writes it. A row without an entry has none: exporting it is an error. */
#include "emit.h"

#define SCALAR(name) [REEL_OP_##name] = reel_emit_scalar_,
#define UNARY(name, ...) SCALAR(name)
#define BINARY(name, ...) SCALAR(name)
#define TERNARY(name, ...) SCALAR(name)
#define TEST(name, ...) SCALAR(name)
#define COMPARE(name, ...) SCALAR(name)
int reel_emit_scalar_(reel_emit *e);
#define EMIT(name, emitter) int reel_emit_##emitter##_(reel_emit *e);
#include "table.def"
#undef EMIT

static reel_emitter *const emitters[REEL_N_OPS] = {
#include "ops/elementwise.def"
#define EMIT(name, emitter) [REEL_OP_##name] = reel_emit_##emitter##_,
#include "table.def"
#undef EMIT
};

reel_emitter *reel_emitter_of_(const reel_op *op, const void *attr)
{
    if (op->id >= 0 && op->id < REEL_N_OPS) return emitters[op->id];
    return reel_control_emitter_(op, attr);
}
