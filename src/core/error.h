/* error.h: raising errors. The first of a thread stays until it is taken; every function returns the code.
   Inside an op call (shape rules, kernels, vjps) use the public reel_fail(): the door has set site and op
   name, and appends the operands' shapes. Elsewhere use reel_fail_at_ with the user's site. */
#ifndef REEL_CORE_ERROR_H
#define REEL_CORE_ERROR_H
#include <stdarg.h>
#include "compiler.h"
#include "reel/base.h"
/* text becomes "<site>: <message>" and, in a name scope, ` (in "hidden")` at its end. site may be NULL or "". */
REEL_COLD int reel_fail_at_(const char *site, int code, const char *fmt, ...) REEL_PRINTF(3, 4);
REEL_COLD int reel_vfail_at_(const char *site, int code, const char *fmt, va_list ap);
REEL_COLD void reel_error_append_(const char *fmt, ...) REEL_PRINTF(1, 2); /* adds to the pending error's text */
REEL_COLD int reel_no_memory_(size_t bytes);                               /* raises REEL_ENOMEM */
#endif
