/* linalg.h: products and linear algebra. The rules for all ops stand in ops.h. */
#ifndef REEL_LINALG_H
#define REEL_LINALG_H
#include "base.h"
REEL_BEGIN_DECLS

/* NumPy's matmul: [..., m, k] x [..., k, n], leading axes broadcast; a vector operand counts as a row or column that goes. Float only. */
reel_tensor *reel_matmul_at(const char *site, reel_tensor *a, reel_tensor *b);

REEL_END_DECLS
#endif
