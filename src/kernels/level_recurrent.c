/* level_recurrent.c: the gates of recurrent layers for one ISA level. */
#include <stdbool.h>
#include "kernels/recurrent.h"
#include "kernels/vmath.h"

#define T float
#define NAME(f) f##_f32
#define SIGMOID(x) reel_sigmoid_f32_(x)
#define TANH(x) reel_tanh_f32_(x)
#include "kernels/recurrent_body.h"

#define T double
#define NAME(f) f##_f64
#define SIGMOID(x) reel_sigmoid_f64_(x)
#define TANH(x) reel_tanh_f64_(x)
#include "kernels/recurrent_body.h"

extern const reel_cell_levels REEL_LEVELED(reel_cell_levels);
#define TABLE(t)                                                                                                      \
    {                                                                                                                 \
        rnn_##t, lstm_##t, gru_##t, gru_rz_##t, gru_n_##t, rnn_back_##t, lstm_back_##t, gru_back_##t, gru_n_back_##t, \
            gru_rz_back_##t, pass_##t                                                                                 \
    }
const reel_cell_levels REEL_LEVELED(reel_cell_levels) = {.f32 = TABLE(f32), .f64 = TABLE(f64)};
