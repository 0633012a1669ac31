/* chain_first.h: the chains of one first op; LONG: those of three, too. */
#define UNARY(name, ...) PAIR(name)
#define BINARY(name, ...) PAIR(name) FROM_##name(PAIR(from_##name))
#include "ops/elementwise.def"
#undef UNARY
#undef BINARY
#ifdef LONG
#define UNARY(name, ...) LAST_##name(TRIPLE(name))
#define BINARY(name, ...) LAST_##name(TRIPLE(name)) FROM_##name(LAST_from_##name(TRIPLE(from_##name)))
#define SECOND add
#include "ops/elementwise.def"
#undef SECOND
#define SECOND sub
#include "ops/elementwise.def"
#undef SECOND
#define SECOND mul
#include "ops/elementwise.def"
#undef SECOND
#define SECOND square
#include "ops/elementwise.def"
#undef SECOND
#define SECOND from_sub
#include "ops/elementwise.def"
#undef SECOND
#undef UNARY
#undef BINARY
#endif
