/* Reel: tensors, gradients and traces in C. This header is the umbrella. */
#ifndef REEL_H
#define REEL_H
#include "base.h"
#include "macros.h"
#include "tensor.h"
#include "ops.h"
#include "var.h"
#include "tape.h"
#include "graph.h"
#include "pass.h"
#include "control.h"
#include "debug.h"
#include "export.h"
#include "nn.h"
#include "custom.h"
#include "reel/sites.h" /* generated: one site macro for each reel_..._at */
#endif
