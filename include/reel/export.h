/* export.h: a graph as one C99 file with a header, for machines without Reel: weights inside or in a side file, one static arena, no
   malloc, no dependency but libm. Inference and whole training steps. docs/export.md says which ops have an exported form. */
#ifndef REEL_EXPORT_H
#define REEL_EXPORT_H
#include "graph.h"
REEL_BEGIN_DECLS
typedef struct {
    size_t size;
    const char *name; /* the files are NAME.c and NAME.h, and begin all names in them: a C identifier; NULL: "model" */
    const char *folder; /* where they go; it must exist; NULL: "." */
    bool side_file;     /* variables and large constants go to NAME.weights, which NAME_load takes */
    bool effects;       /* every run also makes all assignments of the graph: a training step */
    /* The feeds' shapes, one for each in their order, where dimensions are unknown; NULL: all are known, or `any` says it. */
    const reel_shape *shapes;
    int64_t any;                /* what unknown dimensions are, all of them; 0: nobody has said it, which is an error */
    const char *passes;         /* as for a session */
    reel_names inputs, outputs; /* of a function: what its inputs and outputs are called; none: in0 ..., out0 ... */
} reel_export_opts;
typedef struct {
    size_t arena_bytes; /* what a run works in, static */
    size_t vars_bytes, const_bytes;
    size_t peak_bytes; /* arena and variables: NAME_PEAK_BYTES of the header */
    int functions;     /* in the file, without helpers */
    int calls;         /* of them in a run */
} reel_export_info;

/* Writes g, specialised for its feeds, as C. feeds: names of placeholders or outputs; none: all placeholders that the fetches need. A
   fetched variable is assigned, as by a session. out may be NULL. The values of variables and the states of random generators
   are those of this moment. A fetch whose size depends on data has an array of the most there can be, and a member NAME_count.
   Errors: an op without an exported form, or that reads such a size (REEL_ETRACE, with its name and line), an unknown
   dimension, a file that cannot be written (REEL_EIO). Files come whole or not at all. */
int reel_export_c_at(const char *site, reel_graph *g, reel_names feeds, reel_names fetches, const reel_export_opts *o,
                     reel_export_info *out);
/* The trace of f's most recent call (reel_function_graph), with all its assignments. */
int reel_export_function_c_at(const char *site, reel_function *f, const reel_export_opts *o, reel_export_info *out);
REEL_END_DECLS
#endif
