/* map_elementwise.c: operators that go element by element. */
#include "onnx.h"

#define BINARY(name)                                 \
    static int name(onnx_call *c)                    \
    {                                                \
        c->out[0] = reel_##name(c->in[0], c->in[1]); \
        return reel_status();                        \
    }
BINARY(add)
BINARY(sub)
BINARY(mul)

const onnx_map onnx_elementwise[] = {{"Add", add}, {"Sub", sub}, {"Mul", mul}, {0}};
