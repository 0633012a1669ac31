/* map_shape.c */
#include "onnx.h"

const onnx_map onnx_shape[] = {{0}};
