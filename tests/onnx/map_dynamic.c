/* map_dynamic.c: operators whose output sizes depend on data. */
#include "onnx.h"

static reel_tensor *vector(reel_tensor *x)
{
    return reel_reshape(x, REEL_SHAPE(-1));
}

static int compress(onnx_call *c)
{
    const bool by_axis = attr(c, "axis") != NULL;
    c->out[0] = reel_compress(by_axis ? c->in[0] : vector(c->in[0]), c->in[1], (int)attr_int(c, "axis", 0));
    return reel_status();
}

static int nonzero(onnx_call *c)
{
    c->out[0] = reel_transpose(reel_nonzero(c->in[0]), REEL_ALL_AXES);
    return reel_status();
}

static int unique(onnx_call *c)
{
    const bool by_axis = attr(c, "axis") != NULL;
    reel_tensor *out[4];
    if (reel_unique_all(c->in[0],
                        REEL_OPTS(unique, .by_axis = by_axis, .axis = (int)attr_int(c, "axis", 0),
                                  .unsorted = attr_int(c, "sorted", 1) == 0),
                        out))
        return reel_status();
    out[2] = vector(out[2]);
    for (int i = 0; i < 4 && i < c->n_out; i++) c->out[i] = out[i];
    return reel_status();
}

const onnx_map onnx_dynamic[] = {{"Compress", compress}, {"NonZero", nonzero}, {"Unique", unique}, {0}};
