/* index.h: elements picked and put by index. The rules for all ops stand in ops.h.
   Indices are i8, u8, i32 or i64; negative ones count from the end. All of an op's indices are checked before anything is
   written: one out of range is an error with its value, place, axis and size. Gradients go to the data, not to the indices. */
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

/* ---- picked ---------------------------------------------------------------------------------------- */
/* np.take, ONNX Gather: y[a.., i.., b..] = x[a.., indices[i..], b..]; the axis becomes the indices' axes. */
reel_tensor *reel_gather_at(const char *site, reel_tensor *x, reel_tensor *indices, int axis);
reel_tensor *reel_index_select_at(const char *site, reel_tensor *x, int axis,
                                  reel_tensor *indices); /* slices along axis, by 1-d indices */
/* y[i, j, k] = x[indices[i, j, k], j, k] for axis 0, with x and indices broadcast along the other axes (NumPy). */
reel_tensor *reel_take_along_axis_at(const char *site, reel_tensor *x, reel_tensor *indices, int axis);
/* The same, but along the other axes the indices may be shorter than x (ONNX GatherElements, torch.gather). */
reel_tensor *reel_gather_elements_at(const char *site, reel_tensor *x, reel_tensor *indices, int axis);
/* y[b.., i.., ..] = x[b.., indices[b.., i.., :], ..]: the last axis of indices holds a place in the axes of x after the first
   batch_dims, which are common to both (ONNX, TensorFlow). */
reel_tensor *reel_gather_nd_at(const char *site, reel_tensor *x, reel_tensor *indices, int batch_dims);
reel_tensor *reel_pick_at(const char *site, reel_tensor *x, reel_tensor *labels); /* y[...] = x[..., labels[...]] */

/* ---- put: x with elements replaced or joined with updates ------------------------------------------- */
/* Where several updates meet one element: set takes the last one in C order; the others combine them all with x, in C order.
   Derivatives: set to the update that stays; mul exact where factors are 0; max and min share equally among ties. */
typedef enum {
    REEL_SCATTER_SET,
    REEL_SCATTER_ADD,
    REEL_SCATTER_MUL,
    REEL_SCATTER_MAX,
    REEL_SCATTER_MIN
} reel_scatter_mode;
/* y[indices[i, j, k], j, k] from updates[i, j, k] for axis 0; updates has the indices' shape (ONNX ScatterElements). */
reel_tensor *reel_scatter_at(const char *site, reel_tensor *x, reel_tensor *indices, reel_tensor *updates, int axis,
                             reel_scatter_mode mode);
/* y[indices[i.., :], ..] from updates[i.., ..] (ONNX ScatterND). */
reel_tensor *reel_scatter_nd_at(const char *site, reel_tensor *x, reel_tensor *indices, reel_tensor *updates,
                                reel_scatter_mode mode);
/* x with updates[a.., i.., b..] added to x[a.., indices[i..], b..], for indices of any shape (torch.index_add). */
reel_tensor *reel_index_add_at(const char *site, reel_tensor *x, int axis, reel_tensor *indices, reel_tensor *updates);
reel_tensor *reel_index_copy_at(const char *site, reel_tensor *x, int axis, reel_tensor *indices,
                                reel_tensor *updates); /* the same, set instead of added (torch.index_copy) */
/* value where mask, else x. mask is bool; both broadcast. */
reel_tensor *reel_masked_fill_at(const char *site, reel_tensor *x, reel_tensor *mask, double value);
/* y[b, t] = x[b, lengths[b] - 1 - t] for t < lengths[b], else x[b, t]; b and t along the given axes (ONNX). */
reel_tensor *reel_reverse_sequence_at(const char *site, reel_tensor *x, reel_tensor *lengths, int batch_axis,
                                      int time_axis);

REEL_END_DECLS
#endif
