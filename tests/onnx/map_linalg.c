/* map_linalg.c */
#include "onnx.h"

const onnx_map onnx_linalg[] = {{0}};
