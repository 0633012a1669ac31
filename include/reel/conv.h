/* conv.h: convolution, pooling and resampling of images. The rules for all ops stand in ops.h. */
#ifndef REEL_CONV_H
#define REEL_CONV_H
#include "base.h"
REEL_BEGIN_DECLS

REEL_END_DECLS
#endif
