/* nn.h: the beginnings: initial values, a dense layer, optimizers. All of it uses only the public API. */
#ifndef REEL_NN_H
#define REEL_NN_H
#include "base.h"
REEL_BEGIN_DECLS
/* x w + b with w [in, out] named "<name>/w" and b [out] named "<name>/b" in vars. */
typedef struct {
    reel_tensor *w, *b;
} reel_dense;
/* w uniform in +-sqrt(6 / (n_in + n_out)) (Glorot & Bengio 2010), b zero. */
int reel_dense_init_at(const char *site, reel_dense *d, reel_vars *vars, const char *name, reel_dtype dtype,
                       int64_t n_in, int64_t n_out);
reel_tensor *reel_dense_apply_at(const char *site, const reel_dense *d, reel_tensor *x);

/* Optimizers are bound to the variables a set has at creation. step() takes gradients in
   reel_vars_list order. Learning rate and step count are variables, so replays see changes. */
typedef struct {
    size_t size;
    double lr;           /* 0: 1e-3; sgd 1e-2 */
    double momentum;     /* sgd: v <- momentum v + g; w <- w - lr v */
    double weight_decay; /* added to the gradient: g + weight_decay w */
} reel_sgd_opts;
typedef struct {
    size_t size;
    double lr, beta1, beta2, eps, weight_decay; /* 0: 1e-3, 0.9, 0.999, 1e-8, 0 */
} reel_adam_opts;
reel_optimizer *reel_sgd_at(const char *site, reel_vars *vars, const reel_sgd_opts *o);
/* Kingma & Ba 2015: m <- b1 m + (1-b1) g; v <- b2 v + (1-b2) g^2; w <- w - lr sqrt(1-b2^t)/(1-b1^t) m / (sqrt(v) + eps') */
reel_optimizer *reel_adam_at(const char *site, reel_vars *vars, const reel_adam_opts *o);
void reel_optimizer_free(reel_optimizer *o);
reel_tensor *reel_optimizer_lr(reel_optimizer *o); /* an f32 variable of shape [] */
int reel_optimizer_step_at(const char *site, reel_optimizer *o, reel_tensor *const grads[]);
/* Gradient of loss with respect to o's variables, then a step; no others move. */
int reel_minimize_at(const char *site, reel_optimizer *o, reel_tape *t, reel_tensor *loss);
REEL_END_DECLS
#endif
