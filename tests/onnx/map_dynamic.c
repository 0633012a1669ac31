/* map_dynamic.c */
#include "onnx.h"

const onnx_map onnx_dynamic[] = {{0}};
