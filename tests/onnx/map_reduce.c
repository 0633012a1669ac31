/* map_reduce.c */
#include "onnx.h"

const onnx_map onnx_reduce[] = {{0}};
