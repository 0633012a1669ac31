/* level_attention.c: attention's loops on tiles of scores for one ISA level. */
#include <math.h>
#include <stdbool.h>
#include "kernels/attention.h"
#include "kernels/gemm_vec.h"
#include "kernels/vmath.h"

#define CAT_(a, b) a##b
#define CAT(a, b) CAT_(a, b)

#define T float
#define BITS 32
#define V(name) reel_##name##32_
#define NAME(f) f##_f32
#define EXP(x) reel_exp_f32_(x)
#define LOG(x) reel_log_f32_(x)
#define TANH(x) reel_tanh_f32_(x)
#define LOW -87.0f
#include "kernels/attention_body.h"

#define T double
#define BITS 64
#define V(name) reel_##name##64_
#define NAME(f) f##_f64
#define EXP(x) reel_exp_f64_(x)
#define LOG(x) reel_log_f64_(x)
#define TANH(x) reel_tanh_f64_(x)
#define LOW -708.0
#include "kernels/attention_body.h"

extern const reel_att_levels REEL_LEVELED(reel_att_levels);
const reel_att_levels REEL_LEVELED(reel_att_levels) = {
    .f32 = {forward_f32, backward_f32, turn_f32, add_f32, finish_f32},
    .f64 = {forward_f64, backward_f64, turn_f64, add_f64, finish_f64},
};
