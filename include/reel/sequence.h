/* sequence.h: embedding, attention and recurrent layers. The rules for all ops stand in ops.h. */
#ifndef REEL_SEQUENCE_H
#define REEL_SEQUENCE_H
#include "base.h"
REEL_BEGIN_DECLS

/* ---- embedding ------------------------------------------------------------------------------------------ */
typedef struct {
    size_t size;
    bool has_padding;
    int64_t padding;     /* this row's gradient is zero */
    bool dense_gradient; /* the gradient of table is an ordinary tensor, not a row-sparse one */
} reel_embedding_opts;
/* table[ids]: table [m, ...], ids integers of any shape in [0, m): [ids' shape, ...]. PyTorch's embedding. */
reel_tensor *reel_embedding_at(const char *site, reel_tensor *table, reel_tensor *ids, const reel_embedding_opts *o);
/* A row-sparse tensor stands for zeros of like's shape and dtype to whose row ids[k] values[k] is added, for each k: what the
   gradient of an embedding is. Gradients that meet are joined; optimizers move only the rows it names. Any other op, reading and
   printing take it as the dense tensor it stands for, which is made once. values [n, ...], ids [n]. */
reel_tensor *reel_row_sparse_at(const char *site, reel_tensor *values, reel_tensor *ids, reel_tensor *like);
bool reel_is_row_sparse(reel_tensor *t);
reel_tensor *reel_rows_values_at(const char *site, reel_tensor *t);
reel_tensor *reel_rows_ids_at(const char *site, reel_tensor *t); /* may hold a row several times */
reel_tensor *reel_densify_at(const char *site, reel_tensor *t);  /* an ordinary tensor as it is */
/* Raises unless a step of w with t would go through: one dtype, rows of w's shape, ids that w has (in a graph its replay looks). For
   steps over several tables: ask for all before the first moves. */
int reel_rows_check_at(const char *site, reel_tensor *t, reel_tensor *w);

/* ---- attention ------------------------------------------------------------------------------------ */
enum {
    REEL_CAUSAL = 1,    /* query t sees keys 0 .. past + t */
    REEL_CAUSAL_END = 2 /* the last query sees all keys: past = S - T */
};
typedef struct {
    size_t size;
    double scale;   /* of q k; 0: 1 / sqrt(d). REEL_ZERO: 0 */
    double softcap; /* c > 0: scores become c tanh(score / c) before the mask is added (Gemma 2); 0: none */
    int causal;     /* 0, REEL_CAUSAL or REEL_CAUSAL_END */
    int64_t past;   /* REEL_CAUSAL: keys before the first query, >= 0 */
} reel_attention_opts;
/* Scaled dot-product attention (Vaswani et al. 2017): y = softmax(cap(scale q k^T) + mask) v.
   q [..., H, T, d], k [..., K, S, d], v [..., K, S, dv] of one rank >= 2 and the same leading axes; y [..., H, T, dv]. H is a multiple of
   K: query head h reads key head h / (H / K). mask (may be NULL) broadcasts to [..., H, T, S]: bool, true = attend, or numbers of q's
   dtype that are added. A row that may attend to nothing gives 0 and no gradient. Memory grows with T + S, not T S: blocks of keys
   with a running maximum (Dao et al. 2022), fixed by the shapes. A gradient of the mask itself takes T S. */
reel_tensor *reel_attention_at(const char *site, reel_tensor *q, reel_tensor *k, reel_tensor *v, reel_tensor *mask,
                               const reel_attention_opts *o);
/* With a cache: present = concat(past, new) along axis -2, then attention over it with REEL_CAUSAL_END, unless o says otherwise.
   past_k, past_v may be NULL together (nothing yet). out: y, present_k, present_v; all NULL on failure. */
int reel_attention_cached_at(const char *site, reel_tensor *q, reel_tensor *k, reel_tensor *v, reel_tensor *past_k,
                             reel_tensor *past_v, reel_tensor *mask, const reel_attention_opts *o, reel_tensor *out[3]);

/* ---- rotary position embedding (Su et al. 2021) ----------------------------------------------------
   Of the last axis of x [..., T, d] the first 2 h numbers, in pairs (a, b), become (a cos - b sin, a sin + b cos); the rest stays.
   cos, sin [..., T, h] broadcast to x without its last axis. Pair i is x[i], x[h + i], or with interleaved x[2 i], x[2 i + 1]. */
typedef struct {
    size_t size;
    bool interleaved;
} reel_rotary_opts;
reel_tensor *reel_rotary_at(const char *site, reel_tensor *x, reel_tensor *cosine, reel_tensor *sine,
                            const reel_rotary_opts *o);

/* ---- recurrent layers -----------------------------------------------------------------------------
   x [T, B, I] (batch_first: [B, T, I]) is scanned over time by h' = f(x w^T + b, h r^T + rb): w [G H, I], r [G H, H], b and rb [G H], in
   PyTorch's layout and order of gates: LSTM i f g o, GRU r z n. (ONNX has i o f c and z r h: split along axis 0, concat in the other
   order.) REEL_BOTH: all weights have a leading axis of 2, forward and reverse.
     rnn:  h' = tanh(a), or relu                                  (Elman 1990), a = x w^T + b + h r^T + rb
     gru:  h' = (1 - z) n + z h, n = tanh(x w_n^T + b_n + r (h r_n^T + rb_n))  (PyTorch, cuDNN), or with reset_before
           n = tanh(x w_n^T + b_n + (r h) r_n^T + rb_n)                         (Cho et al. 2014)
     lstm: c' = f c + i g, h' = o tanh(c')                        (Hochreiter & Schmidhuber 1997, Gers et al. 2000)
   y [T, B, H] (REEL_BOTH: [T, B, 2 H]; batch_first: [B, T, ...]) has every h'; h [B, H], c [B, H] (REEL_BOTH: [2, B, H]) the last states.
   With lengths, row k has lengths[k] steps (an error beyond T): y is 0 after them, the last states are those of its last step,
   and reverse begins at it. Second derivatives need a known T. */
enum { REEL_REVERSE = 1, REEL_BOTH = 2 };
typedef struct {
    size_t size;
    reel_tensor *h0, *c0; /* states to begin with, like h and c; NULL: 0 */
    reel_tensor *rb;      /* NULL: 0 */
    reel_tensor *lengths; /* integers [B]; NULL: T */
    reel_tensor *
        peephole; /* lstm: [3 H] (REEL_BOTH: [2, 3 H]): i and f see p_i c and p_f c, o sees p_o c' (Gers & Schmidhuber 2000).
                               Runs step by step, so T must be known, and at most 1000 */
    int direction; /* 0: forward, REEL_REVERSE, REEL_BOTH */
    bool batch_first, relu, reset_before;
} reel_rnn_opts;
/* b may be NULL. out: y, h; y, h, c. All NULL on failure. */
int reel_rnn_at(const char *site, reel_tensor *x, reel_tensor *w, reel_tensor *r, reel_tensor *b,
                const reel_rnn_opts *o,
                reel_tensor *out[2]); /* Elman's: h = tanh(W x + b + R h), or relu; b may be NULL */
int reel_gru_at(const char *site, reel_tensor *x, reel_tensor *w, reel_tensor *r, reel_tensor *b,
                const reel_rnn_opts *o,
                reel_tensor *out[2]); /* gated recurrent units (Cho et al. 2014); b may be NULL */
int reel_lstm_at(
    const char *site, reel_tensor *x, reel_tensor *w, reel_tensor *r, reel_tensor *b, const reel_rnn_opts *o,
    reel_tensor *out[3]); /* long short-term memory (Hochreiter and Schmidhuber 1997); b may be NULL; out: y, h, c */
/* One step, from primitive ops: x [B, I], h and c [B, H]. Of the options rb, peephole, relu and reset_before count. */
reel_tensor *reel_rnn_cell_at(const char *site, reel_tensor *x, reel_tensor *h, reel_tensor *w, reel_tensor *r,
                              reel_tensor *b, const reel_rnn_opts *o);
reel_tensor *reel_gru_cell_at(const char *site, reel_tensor *x, reel_tensor *h, reel_tensor *w, reel_tensor *r,
                              reel_tensor *b, const reel_rnn_opts *o);
int reel_lstm_cell_at(const char *site, reel_tensor *x, reel_tensor *h, reel_tensor *c, reel_tensor *w, reel_tensor *r,
                      reel_tensor *b, const reel_rnn_opts *o, reel_tensor *out[2]);

REEL_END_DECLS
#endif
