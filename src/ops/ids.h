/* ids.h: the op numbers and the descriptors of the rows. */
#ifndef REEL_OPS_IDS_H
#define REEL_OPS_IDS_H
#include "core/op.h"
enum {
#define ROW(name, ...) REEL_OP_##name,
#include "ops.def"
#undef ROW
    REEL_N_OPS
};
extern const reel_op reel_rows_[REEL_N_OPS]; /* table.c */
#endif
