/* map_neural.c */
#include "onnx.h"

const onnx_map onnx_neural[] = {{0}};
