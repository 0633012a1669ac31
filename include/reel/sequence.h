/* sequence.h: embedding, attention and recurrent layers. The rules for all ops stand in ops.h. */
#ifndef REEL_SEQUENCE_H
#define REEL_SEQUENCE_H
#include "base.h"
REEL_BEGIN_DECLS

REEL_END_DECLS
#endif
