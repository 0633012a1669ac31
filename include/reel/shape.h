/* shape.h: the same elements in another shape, joined or cut. The rules for all ops stand in ops.h. */
#ifndef REEL_SHAPE_H
#define REEL_SHAPE_H
#include "base.h"
REEL_BEGIN_DECLS

/* ---- the same elements: views without a copy wherever NumPy has views --------------------------------- */
reel_tensor *reel_reshape_at(const char *site, reel_tensor *x,
                             reel_shape s); /* the elements in C order in another shape; one dim may be -1: inferred */
/* As ONNX's Reshape: 0 keeps x's size of that axis, -1 is inferred (an empty axis cannot be asked for). */
reel_tensor *reel_reshape_keep_at(const char *site, reel_tensor *x, reel_shape s);
reel_tensor *reel_flatten_at(const char *site, reel_tensor *x, int from,
                             int to); /* axes from..to as one; [] gives [1] */
/* [product of the axes before axis, product of the rest], axis 0..rank: ONNX's Flatten */
reel_tensor *reel_flatten_2d_at(const char *site, reel_tensor *x, int axis);
reel_tensor *reel_unflatten_at(const char *site, reel_tensor *x, int axis, reel_shape s); /* the axis as s; one -1 */
reel_tensor *reel_transpose_at(const char *site, reel_tensor *x,
                               reel_axes perm); /* axis i of y is axis perm[i] of x; perm.n = 0: reversed axes */
reel_tensor *reel_permute_at(const char *site, reel_tensor *x, reel_axes perm); /* transpose with all axes named */
reel_tensor *reel_moveaxis_at(const char *site, reel_tensor *x, reel_axes from,
                              reel_axes to); /* axes from[i] go to to[i], the others keep their order (NumPy) */
reel_tensor *reel_swapaxes_at(const char *site, reel_tensor *x, int a, int b); /* axes a and b exchanged */
reel_tensor *reel_squeeze_at(
    const char *site, reel_tensor *x,
    reel_axes axes); /* without the axes named, each of size 1; axes.n = 0: every axis of size 1 */
reel_tensor *reel_unsqueeze_at(const char *site, reel_tensor *x,
                               reel_axes axes); /* with axes of size 1 at these positions of the result */
reel_tensor *reel_broadcast_to_at(const char *site, reel_tensor *x,
                                  reel_shape s); /* x repeated along new axes and axes of size 1 until it has shape s */
/* x broadcast against s, both ways as ONNX's Expand: -1 and 1 keep x's size. */
reel_tensor *reel_expand_at(const char *site, reel_tensor *x, reel_shape s);

/* ---- parts: views ------------------------------------------------------------------------------------ */
/* NumPy's basic slicing, r[0..n-1] for the first n axes, the rest whole; negative steps too. */
reel_tensor *reel_slice_at(const char *site, reel_tensor *x, int n, const reel_range *r);
/* r[i] for axis axes.axis[i]: ONNX's Slice */
reel_tensor *reel_strided_slice_at(const char *site, reel_tensor *x, reel_axes axes, const reel_range *r);
reel_tensor *reel_select_at(const char *site, reel_tensor *x, int axis,
                            int64_t index);                                  /* x[..., index, ...]: the axis goes */
reel_tensor *reel_flip_at(const char *site, reel_tensor *x, reel_axes axes); /* axes.n = 0: all */
/* x[..., i, i + offset] as last axis; axis1 and axis2 go (NumPy, PyTorch). */
reel_tensor *reel_diagonal_at(const char *site, reel_tensor *x, int64_t offset, int axis1, int axis2);
/* n equal parts along axis (its size a multiple of n); out[] all NULL on failure. */
int reel_split_at(const char *site, reel_tensor *x, int axis, int n, reel_tensor *out[]);
/* n parts of ceil(size / n), the last ones smaller or empty: torch.chunk, ONNX's num_outputs. n <= 63. */
int reel_chunk_at(const char *site, reel_tensor *x, int axis, int n, reel_tensor *out[]);
int reel_split_sizes_at(const char *site, reel_tensor *x, int axis, int n, const int64_t *sizes,
                        reel_tensor *out[]); /* parts of these sizes along axis, which they fill */
int reel_unstack_at(const char *site, reel_tensor *x, int axis, int n,
                    reel_tensor *out[]); /* the n slices along an axis of size n, which goes */
/* out[i] = xs[i] (1-d or []) broadcast along axis i of all n; xy: the first two axes swapped, as NumPy's default. */
int reel_meshgrid_at(const char *site, reel_list xs, bool xy, reel_tensor *out[]);

/* ---- joined, repeated, moved --------------------------------------------------------------------------- */
reel_tensor *reel_concat_at(const char *site, reel_list xs, int axis); /* the tensors one behind the other along axis */
reel_tensor *reel_stack_at(const char *site, reel_list xs, int axis);  /* the tensors along a new axis of size xs.n */
/* The whole repeated s.dims[i] times along axis i; fewer or more axes than x's as NumPy: ones in front. */
reel_tensor *reel_tile_at(const char *site, reel_tensor *x, reel_shape times);
reel_tensor *reel_repeat_at(const char *site, reel_tensor *x, int64_t times,
                            int axis); /* each element several times: np.repeat */
/* Elements move up by shifts[i] along axes.axis[i] and come in again below; axes.n = 0: all as one, shifts[0]. */
reel_tensor *reel_roll_at(const char *site, reel_tensor *x, reel_axes axes, const int64_t *shifts);

typedef enum {
    REEL_PAD_CONSTANT,
    REEL_PAD_REFLECT,   /* c b | a b c | b a: as often as it takes */
    REEL_PAD_SYMMETRIC, /* b a | a b c | c b */
    REEL_PAD_EDGE,      /* a a | a b c | c c */
    REEL_PAD_WRAP       /* b c | a b c | a b */
} reel_pad_mode;
typedef struct {
    size_t size;
    reel_pad_mode mode; /* constant */
    double value;       /* of constant; 0. Must be a value of x's dtype */
} reel_pad_opts;
/* low[i] elements before and high[i] after the first n axes; negative ones crop. y[j] = x extended without end at
   j - low. An empty axis is padded by constants only. */
reel_tensor *reel_pad_at(const char *site, reel_tensor *x, int n, const int64_t *low, const int64_t *high,
                         const reel_pad_opts *o);

/* ---- matrices: the last two axes ------------------------------------------------------------------------- */
reel_tensor *reel_tril_at(const char *site, reel_tensor *x, int64_t k); /* x[i, j] where j <= i + k, else 0 */
reel_tensor *reel_triu_at(const char *site, reel_tensor *x, int64_t k); /* x[i, j] where j >= i + k, else 0 */
/* [n] becomes [n + |k|, n + |k|] with x on diagonal k; a matrix gives its diagonal k (NumPy). */
reel_tensor *reel_diag_at(const char *site, reel_tensor *x, int64_t k);
reel_tensor *reel_diag_embed_at(const char *site, reel_tensor *x, int64_t k); /* for the last axis of any x (PyTorch) */

/* ---- images: [n, c, ...] ----------------------------------------------------------------------------------- */
typedef enum { REEL_DCR, REEL_CRD } reel_depth_mode; /* ONNX: which of block and depth is outermost in c */
/* [n, b b c, h, w] -> [n, c, b h, b w] and back */
reel_tensor *reel_depth_to_space_at(const char *site, reel_tensor *x, int64_t block, reel_depth_mode mode);
reel_tensor *reel_space_to_depth_at(const char *site, reel_tensor *x, int64_t block);
typedef struct {
    size_t size;
    int64_t stride[6], dilation[6]; /* 0: 1 */
    int64_t low[6], high[6];        /* zeros around the image */
} reel_unfold_opts;
/* im2col: [n, c, d1, ..] -> [n, c k1 .., l], column l the window at position l (torch.nn.Unfold, any number of axes). */
reel_tensor *reel_unfold_at(const char *site, reel_tensor *x, reel_shape kernel, const reel_unfold_opts *o);
/* Its adjoint, col2im: overlapping windows are added into [n, c, image]. */
reel_tensor *reel_fold_at(const char *site, reel_tensor *x, reel_shape image, reel_shape kernel,
                          const reel_unfold_opts *o);

/* ---- shapes taken from another tensor when they run, so they work where dimensions are unknown ---------- */
/* Of `like` only the shape counts. */
reel_tensor *reel_sum_like_at(const char *site, reel_tensor *x,
                              reel_tensor *like); /* sums what broadcasting added: the gradient of broadcasting */
reel_tensor *reel_broadcast_like_at(const char *site, reel_tensor *x, reel_tensor *like);
reel_tensor *reel_reshape_like_at(const char *site, reel_tensor *x, reel_tensor *like);

REEL_END_DECLS
#endif
