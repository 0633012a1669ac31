/* sequence.h: embedding, attention and recurrent layers. The rules for all ops stand in ops.h. */
#ifndef REEL_SEQUENCE_H
#define REEL_SEQUENCE_H
#include "base.h"
REEL_BEGIN_DECLS

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

REEL_END_DECLS
#endif
