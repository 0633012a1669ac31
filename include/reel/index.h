/* index.h: elements picked and put by index. The rules for all ops stand in ops.h. */
#ifndef REEL_INDEX_H
#define REEL_INDEX_H
#include "base.h"
REEL_BEGIN_DECLS

REEL_END_DECLS
#endif
