/* index.h: elements picked and put by index. The rules for all ops stand in ops.h. */
#ifndef REEL_INDEX_H
#define REEL_INDEX_H
#include "base.h"
REEL_BEGIN_DECLS

/* ---- sizes that depend on data -------------------------------------------------------------------------
   In a graph, and inside a trace, such a dimension is REEL_ANY: a replay has its own. */
/* NumPy's argwhere, PyTorch's nonzero: i64 [n, rank], where x is not 0 (NaN is not), in C order. ONNX's is the transpose. */
reel_tensor *reel_nonzero_at(const char *site, reel_tensor *x);
/* The slices of x along axis where cond, a bool vector no longer than that axis, holds. NumPy and ONNX compress. */
reel_tensor *reel_compress_at(const char *site, reel_tensor *x, reel_tensor *cond, int axis);
/* x where mask (bool) holds, as a vector; both broadcast against each other. PyTorch. */
reel_tensor *reel_masked_select_at(const char *site, reel_tensor *x, reel_tensor *mask);
typedef struct {
    size_t size;
    bool by_axis; /* distinct slices along axis; otherwise distinct elements of x as a vector */
    int axis;
    bool unsorted; /* in the order of their first appearance; otherwise ascending (slices: lexicographic), NaN last */
} reel_unique_opts;
/* NumPy's unique; NaNs are one value, so are -0 and 0. out: values; i64 index of the first of each in x; i64 inverse, where
   each element of x is among the values (of x's shape, or one for each slice); i64 counts. The gradient of the values goes to
   the first of each. */
int reel_unique_all_at(const char *site, reel_tensor *x, const reel_unique_opts *o, reel_tensor *out[4]);
reel_tensor *reel_unique_at(const char *site, reel_tensor *x); /* its values, ascending */

REEL_END_DECLS
#endif
