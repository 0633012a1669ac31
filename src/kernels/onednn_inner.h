/* onednn_inner.h: what the files that call oneDNN share: the engine, and how its versions 2 and 3 name descriptors. */
#ifndef REEL_KERNELS_ONEDNN_INNER_H
#define REEL_KERNELS_ONEDNN_INNER_H
#include "onednn.h"
#include <oneapi/dnnl/dnnl.h>

#if DNNL_VERSION_MAJOR >= 3 /* descriptors are objects */
#define DESC(d) (d)
typedef const_dnnl_memory_desc_t desc_ref;
#else /* and plain structs */
#define DESC(d) (&(d))
typedef const dnnl_memory_desc_t *desc_ref;
#endif

/* The process's CPU engine; NULL where it cannot be held to one thread. */
dnnl_engine_t reel_onednn_engine_(void);
#endif
