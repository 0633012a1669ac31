/* decode: a decoder's attention, token by token. The keys and values of what has been read stay in a cache, so a new token
   costs its own row and not the whole square; what comes out is what attention over everything gives. */
#include <math.h>
#include <reel/reel.h>

enum { HEADS = 8, SHARED = 2, DIM = 32, WIDTH = HEADS * DIM, PROMPT = 24, TOKENS = 40 };

struct layer {
    reel_tensor *q, *k, *v, *o; /* weights */
    reel_tensor *cosine, *sine; /* [TOKENS, DIM / 2]: rotations by position */
};

static reel_tensor *weight(int64_t in, int64_t out)
{
    return reel_normal(REEL_F32, REEL_SHAPE(in, out), 0, 1 / sqrt((double)in), NULL);
}

static struct layer layer_new(void)
{
    /* position p turns pair i by p / 10000^(2 i / DIM) */
    reel_tensor *i = reel_arange(REEL_F32, 0, DIM / 2.0, 1), *p = reel_arange(REEL_F32, 0, TOKENS, 1);
    reel_tensor *rate = reel_exp(reel_mul(i, reel_num(-2 * log(10000) / DIM))), *angle = reel_outer(p, rate);
    return (struct layer){weight(WIDTH, WIDTH),
                          weight(WIDTH, SHARED * DIM),
                          weight(WIDTH, SHARED * DIM),
                          weight(WIDTH, WIDTH),
                          reel_cos(angle),
                          reel_sin(angle)};
}

/* x [T, WIDTH] w as heads [heads, T, DIM] */
static reel_tensor *heads(reel_tensor *x, reel_tensor *w, int64_t n)
{
    reel_tensor *y = reel_reshape(reel_matmul(x, w), REEL_SHAPE(-1, n, DIM));
    return reel_transpose(y, REEL_AXES(1, 0, 2));
}

/* x: the tokens from position `from` on; cache[0], cache[1]: keys and values before them (or NULL), and then with them. */
static reel_tensor *attend(const struct layer *l, reel_tensor *x, int64_t from, reel_tensor *cache[2])
{
    const int64_t to = from + reel_dim(x, 0);
    reel_tensor *c = reel_slice(l->cosine, 1, REEL_RANGES({from, to, 1}));
    reel_tensor *s = reel_slice(l->sine, 1, REEL_RANGES({from, to, 1})), *out[3];
    reel_tensor *q = reel_rotary(heads(x, l->q, HEADS), c, s, NULL);
    reel_tensor *k = reel_rotary(heads(x, l->k, SHARED), c, s, NULL), *v = heads(x, l->v, SHARED);
    if (reel_attention_cached(q, k, v, cache[0], cache[1], NULL, NULL, out)) return NULL;
    for (int i = 0; i < 2; i++) reel_set(&cache[i], out[1 + i]);
    reel_tensor *y = reel_transpose(out[0], REEL_AXES(1, 0, 2));
    return reel_matmul(reel_reshape(y, REEL_SHAPE(-1, WIDTH)), l->o);
}

int main(void)
{
    REEL_SCOPED;
    reel_seed(5);
    const struct layer l = layer_new();
    reel_tensor *x = reel_randn(REEL_F32, REEL_SHAPE(TOKENS, WIDTH));
    reel_tensor *cache[2] = {NULL, NULL}, *whole[2] = {NULL, NULL};
    reel_tensor *all = attend(&l, x, 0, whole); /* everything at once: causal */
    double worst = 0;
    for (int64_t at = 0; at < TOKENS && !reel_status();) { /* the prompt, then one token at a time */
        REEL_SCOPED;
        const int64_t to = at ? at + 1 : PROMPT;
        reel_tensor *y = attend(&l, reel_slice(x, 1, REEL_RANGES({at, to, 1})), at, cache);
        reel_tensor *want = reel_slice(all, 1, REEL_RANGES({at, to, 1}));
        worst = fmax(worst, reel_item(reel_max_axes(reel_abs(reel_sub(y, want)), REEL_ALL_AXES, false)));
        if (to == PROMPT || to == TOKENS)
            printf("after %2d tokens: cache %lld x %lld x %d\n", (int)to, (long long)reel_dim(cache[0], 0),
                   (long long)reel_dim(cache[0], 1), DIM);
        at = to;
    }
    printf("decode: %d tokens one by one, off by %.1e from all at once\n", TOKENS - PROMPT, worst);
    for (int i = 0; i < 2; i++) reel_unset(&cache[i]), reel_unset(&whole[i]);
    reel_error e;
    if (!reel_take_error(&e)) return !(worst < 1e-5);
    fprintf(stderr, "%s\n", e.text);
    return 1;
}
