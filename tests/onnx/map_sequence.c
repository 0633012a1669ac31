/* map_sequence.c */
#include "onnx.h"

const onnx_map onnx_sequence[] = {{0}};
