/* listener.h: where eager and trace meet. The door tells every listener of its thread, innermost first,
   what was called; tapes and captures differ only by what they note down. */
#ifndef REEL_CORE_LISTENER_H
#define REEL_CORE_LISTENER_H
#include "op.h"
#include "tensor.h"

typedef struct reel_call {
    const reel_op *op;
    const void *attr; /* op->attr_size bytes, borrowed */
    const char *site;
    int n_in, n_out;
    reel_rec *const *arg; /* as given: a variable is its cell. May be dead (a ghost) where op reads only the shape */
    reel_rec *const *
        in; /* a variable's value instead of its cell (the cell itself if op takes cells, or if it has no value in a graph) */
    reel_rec *const *out; /* live; no storage if symbolic */
} reel_call;

typedef struct reel_listener {
    struct reel_listener *next; /* the one begun before */
    struct reel_scope *scope;   /* whose end ends it */
    const char *site;           /* where it was begun */
    bool paused;                /* hears nothing */
    bool symbolic; /* while it is the innermost unpaused such, the door runs nothing: outputs have no storage */
    /* After the op. Non-zero: raised; the door drops the outputs and fails. */
    int (*hear)(struct reel_listener *self, const reel_call *call);
    /* Host data is about to be read from r (NULL for symbolic state in general) or has been made into r. what: "reel_item". May be NULL. */
    int (*host)(struct reel_listener *self, reel_rec *r, bool made, const char *site, const char *what);
    /* Symbolic ones: the record of the value that variable has at this point of the graph, or NULL: as it is today. May be NULL */
    reel_rec *(*read)(struct reel_listener *self, const reel_rec *cell);
    /* What reel_value gives of the variable, whose value that is today: value itself or a record of it under another id. NULL: raised. May
       be NULL: value itself */
    reel_rec *(*value)(struct reel_listener *self, reel_rec *cell, reel_rec *value, const char *site);
    /* Does it want to hear of ops that are given r, a tensor or a variable? May be NULL: of any */
    bool (*follows)(struct reel_listener *self, const reel_rec *r);
    /* r is another record of old's value, under an id of its own: for those who follow values wherever they go. May be NULL */
    int (*known_as)(struct reel_listener *self, const reel_rec *r, const reel_rec *old);
    /* r is the value of old under an id of its own, made by no op. May be NULL */
    int (*same)(struct reel_listener *self, const reel_rec *r, const reel_rec *old);
    /* The type of r as far as it does not depend on data, NULL: it is what the record says. May be NULL */
    const reel_type *(*type)(struct reel_listener *self, const reel_rec *r);
    /* What follows until the matching false is the inside of one call, which is told as such at its end (unless it fails). May be
       NULL. Raises. */
    int (*region)(struct reel_listener *self, bool begins);
    /* Takes f, which is called with in, as one op of its own, of which only the inputs are kept; fn: the public function. -1: it cannot, so
       f is to be run like any other; otherwise 0 or the code of what was raised. May be NULL. */
    int (*take)(struct reel_listener *self, const char *site, const char *fn, reel_fn f, reel_list in,
                reel_tensor **out);
    /* A size that is unknown was asked for by the user's code. May be NULL */
    void (*asked)(struct reel_listener *self, const char *site);
    /* Its scope ends with it still open: unlink is done already; free everything. */
    void (*drop)(struct reel_listener *self);
} reel_listener;

void reel_listener_push_(reel_listener *l);      /* scope and next are filled in */
void reel_listener_remove_(reel_listener *l);    /* wherever it stands in the thread's list; not there: nothing */
int reel_listeners_hear_(const reel_call *call); /* every unpaused one, innermost first; the first failure ends it */
/* What vjps and users see of a tensor's type: inside a trace that is to be replayed with other data, dimensions that
   depend on data are REEL_ANY, as in a graph of placeholders. */
const reel_type *reel_counted_type_(const reel_rec *r);
static inline const reel_type *reel_traced_type_(const reel_rec *r)
{
    return REEL_UNLIKELY((r->flags & REEL_R_COUNTED) != 0) ? reel_counted_type_(r) : &r->type;
}
/* Tells every listener; first failure wins. */
void reel_listeners_asked_(const char *site);
int reel_listeners_region_(bool begins);
/* What reel_value gives: borrowed; NULL: raised. */
reel_rec *reel_listeners_value_(reel_rec *cell, reel_rec *value, const char *site);
int reel_listeners_host_(reel_rec *r, bool made, const char *site, const char *what);
#endif
