/* map_linalg.c: products and determinants. */
#include "onnx.h"

static int matmul(onnx_call *c)
{
    c->out[0] = reel_matmul(c->in[0], c->in[1]);
    return reel_status();
}

static int gemm(onnx_call *c)
{
    const double alpha = attr_float(c, "alpha", 1), beta = attr_float(c, "beta", 1);
    c->out[0] =
        reel_gemm(c->in[0], c->in[1], c->in[2],
                  REEL_OPTS(gemm, .alpha = alpha == 0 ? REEL_ZERO : alpha, .beta = beta == 0 ? REEL_ZERO : beta,
                            .trans_a = attr_int(c, "transA", 0) != 0, .trans_b = attr_int(c, "transB", 0) != 0));
    return reel_status();
}

static int einsum(onnx_call *c)
{
    const reel_list in = {c->n_in, c->in};
    c->out[0] = reel_einsum(attr_string(c, "equation", ""), in);
    return reel_status();
}

static int det(onnx_call *c)
{
    c->out[0] = reel_det(c->in[0]);
    return reel_status();
}

/* i32 less its zero point, which may be one a row of a (or a column of b). */
static reel_tensor *centred(reel_tensor *x, reel_tensor *zero, bool rows)
{
    x = reel_cast(x, REEL_I32);
    if (!zero) return x;
    zero = reel_cast(zero, REEL_I32);
    if (rows && reel_shape_of(zero).rank == 1) zero = reel_unsqueeze(zero, REEL_AXES(-1));
    return reel_sub(x, zero);
}

static int matmul_integer(onnx_call *c)
{
    c->out[0] = reel_matmul(centred(c->in[0], c->in[2], true), centred(c->in[1], c->in[3], false));
    return reel_status();
}

static reel_tensor *scale_of(reel_tensor *scale, bool rows)
{
    scale = reel_cast(scale, REEL_F32);
    return rows && reel_shape_of(scale).rank == 1 ? reel_unsqueeze(scale, REEL_AXES(-1)) : scale;
}

/* round(a b (sa sb / sy)) + zy, halves to even, saturated */
static int qlinear_matmul(onnx_call *c)
{
    reel_tensor *ab = reel_matmul(centred(c->in[0], c->in[2], true), centred(c->in[3], c->in[5], false));
    reel_tensor *s = reel_div(reel_mul(scale_of(c->in[1], true), scale_of(c->in[4], false)), scale_of(c->in[6], true));
    reel_tensor *y = reel_mul(reel_cast(ab, REEL_F32), s),
                *big = reel_num(12582912); /* 1.5 2^23: the sum has no fraction */
    y = reel_sub(reel_add(reel_maximum(reel_minimum(y, reel_num(1e6)), reel_num(-1e6)), big), big);
    c->out[0] = reel_cast(reel_add(y, reel_cast(c->in[7], REEL_F32)), reel_dtype_of(c->in[7]));
    return reel_status();
}

const onnx_map onnx_linalg[] = {{"MatMul", matmul},
                                {"Gemm", gemm},
                                {"Einsum", einsum},
                                {"Det", det},
                                {"MatMulInteger", matmul_integer},
                                {"QLinearMatMul", qlinear_matmul},
                                {0}};
