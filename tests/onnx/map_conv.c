/* map_conv.c */
#include "onnx.h"

const onnx_map onnx_conv[] = {{0}};
