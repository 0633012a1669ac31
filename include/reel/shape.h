/* shape.h: the same elements in another shape, joined or cut. The rules for all ops stand in ops.h. */
#ifndef REEL_SHAPE_H
#define REEL_SHAPE_H
#include "base.h"
REEL_BEGIN_DECLS

/* ---- shape: views without a copy wherever NumPy has views ----------------------------------------- */
reel_tensor *reel_reshape_at(const char *site, reel_tensor *x, reel_shape s);     /* one dim may be -1: inferred */
reel_tensor *reel_transpose_at(const char *site, reel_tensor *x, reel_axes perm); /* perm.n = 0: reversed axes */
/* NumPy's basic slicing, r[0..n-1] for the first n axes, the rest whole; negative steps too. */
reel_tensor *reel_slice_at(const char *site, reel_tensor *x, int n, const reel_range *r);
reel_tensor *reel_select_at(const char *site, reel_tensor *x, int axis,
                            int64_t index);                                     /* x[..., index, ...]: the axis goes */
reel_tensor *reel_squeeze_at(const char *site, reel_tensor *x, reel_axes axes); /* axes.n = 0: every axis of size 1 */
reel_tensor *reel_unsqueeze_at(const char *site, reel_tensor *x, reel_axes axes); /* positions in the result */
reel_tensor *reel_broadcast_to_at(const char *site, reel_tensor *x, reel_shape s);
reel_tensor *reel_concat_at(const char *site, reel_list xs, int axis);
/* n equal parts along axis (its size a multiple of n); out[] all NULL on failure. Views. */
int reel_split_at(const char *site, reel_tensor *x, int axis, int n, reel_tensor *out[]);
/* Look at shapes when they run, so they work where dimensions are unknown. Of `like` only the shape counts. */
reel_tensor *reel_sum_like_at(const char *site, reel_tensor *x,
                              reel_tensor *like); /* sums what broadcasting added: the gradient of broadcasting */
reel_tensor *reel_broadcast_like_at(const char *site, reel_tensor *x, reel_tensor *like);
reel_tensor *reel_reshape_like_at(const char *site, reel_tensor *x, reel_tensor *like);

REEL_END_DECLS
#endif
