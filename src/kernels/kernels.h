/* kernels.h: the kernels of the CPU table. Each file owns its own; cpu_table.c puts them in rows. */
#ifndef REEL_KERNELS_KERNELS_H
#define REEL_KERNELS_KERNELS_H
#include "core/device.h"

/* elementwise.c */
extern const reel_kernel reel_k_elementwise_, reel_k_cast_, reel_k_where_, reel_k_update_, reel_k_fused_;
extern const reel_kernel reel_k_fused_rows_;
bool reel_fuses_(const reel_op *op);
reel_reduces reel_reduces_(const reel_op *op);
int reel_fused_rows_fit_(const reel_fused *f);
/* copy.c: any layout to dense: reshape, broadcast_to ... of what cannot be a view */
extern const reel_kernel reel_k_copy_;
/* create.c */
extern const reel_kernel reel_k_num_, reel_k_full_, reel_k_arange_, reel_k_eye_, reel_k_random_, reel_k_one_hot_,
    reel_k_count_, reel_k_linspace_;
/* random.c */
extern const reel_kernel reel_k_truncated_, reel_k_bernoulli_, reel_k_randint_, reel_k_permutation_,
    reel_k_categorical_, reel_k_candidates_;
/* reduce.c */
extern const reel_kernel reel_k_sum_, reel_k_max_, reel_k_sum_like_, reel_k_product_, reel_k_norm_, reel_k_variance_,
    reel_k_logsumexp_, reel_k_count_nonzero_;
/* join.c */
extern const reel_kernel reel_k_concat_, reel_k_unslice_, reel_k_split_;
/* matmul.c */
extern const reel_kernel reel_k_matmul_;
/* softmax.c */
extern const reel_kernel reel_k_softmax_, reel_k_softmax_grad_, reel_k_cross_entropy_;
/* custom.c */
extern const reel_kernel reel_k_custom_;

/* scans, sorting, searching */
extern const reel_counting_kernel reel_k_bincount_grow_;
extern const reel_kernel reel_k_scan_, reel_k_sort_, reel_k_topk_, reel_k_quantile_, reel_k_searchsorted_, reel_k_bins_,
    reel_k_segment_;
/* sizes that depend on data, rows of a table */
extern const reel_counting_kernel reel_k_nonzero_, reel_k_compress_, reel_k_unique_, reel_k_update_rows_;
extern const reel_kernel reel_k_uncompress_, reel_k_embedding_, reel_k_put_rows_;
/* key and perm sorted by key, stable, a byte of bytes at a time; key2 and perm2: room for as many */
void reel_radix_(uint64_t *key, uint64_t *key2, int64_t *perm, int64_t *perm2, int64_t n, int bytes);
/* shape: pad.c, triangle.c, unfold.c, and the diagonals of join.c */
extern const reel_kernel reel_k_pad_, reel_k_pad_grad_, reel_k_triangle_, reel_k_unfold_, reel_k_fold_,
    reel_k_undiagonal_;
/* elements picked and put by index: gather.c, scatter.c */
extern const reel_kernel reel_k_gather_, reel_k_along_, reel_k_reverse_sequence_, reel_k_iota_, reel_k_scatter_;
/* linear algebra */
/* einsum.c */
extern const reel_kernel reel_k_einsum_;
/* linalg.c */
extern const reel_kernel reel_k_linalg_;
/* normalisation, losses */
/* norm.c, dropout.c, quantize.c, softmax.c, ctc.c */
extern const reel_kernel reel_k_normalize_, reel_k_normalize_grad_, reel_k_window_sum_, reel_k_random_state_,
    reel_k_drop_, reel_k_quantize_, reel_k_fake_quantize_, reel_k_block_, reel_k_pick_, reel_k_ctc_;
/* convolution, pooling, resampling */
extern const reel_kernel reel_k_conv_, reel_k_pool_, reel_k_pool_index_;
extern const reel_kernel reel_k_resize_, reel_k_grid_sample_, reel_k_grid_sample_grad_, reel_k_roi_align_,
    reel_k_roi_align_grad_, reel_k_roi_pick_;
/* attention, recurrent layers */
extern const reel_kernel reel_k_attention_, reel_k_attention_grad_, reel_k_recurrent_, reel_k_recurrent_grad_,
    reel_k_rotary_;

/* Gathers a view of any layout into dense memory; exact. Runs in the caller's thread pool. */
void reel_pack_(void *dst, const reel_kview *src);
#endif
