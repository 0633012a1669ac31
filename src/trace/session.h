/* session.h: a session, and what one run of it was asked for. */
#ifndef REEL_TRACE_SESSION_H
#define REEL_TRACE_SESSION_H
#include "trace.h"

struct reel_session {
    reel_player player;
    int64_t *buckets;
    int n_buckets;
    bool effects, check_numerics;
    int32_t *donate; /* values: what is fed there is given away */
    size_t n_donate, cap_donate;
};

/* Resolved to values of the graph. */
typedef struct reel_wants {
    const char *fn; /* for errors */
    int n_feeds, n_fetches;
    int32_t *feed, *fetch, *effect;
    reel_rec **given;
    reel_tensor **handle; /* of the feeds */
    reel_tensor **passed; /* the same as the caller has them */
    bool *gives;          /* by feed: it is given away; there is no reference to it then */
    char *block;          /* all of these */
    size_t bytes;
} reel_wants;
int reel_wants_init_(reel_wants *w, const char *fn, int n_feeds, int n_fetches);
int reel_wants_by_name_(const reel_graph *g, reel_wants *w, const char *site, reel_feeds in, reel_names fetch);
void reel_wants_drop_(reel_wants *w);
/* session_donate.c. names: as in the options. Raises. */
int reel_session_donate_(reel_session *s, const reel_graph *g, const char *names);
const bool *reel_wants_gifts_(const reel_session *s, reel_wants *w); /* decides what is given away; NULL: nothing */
int reel_wants_give_away_(const reel_wants *w, const char *site,
                          reel_tensor **out); /* and takes it from the caller's scope; out NULL: failed */
int reel_session_check_(const char *site, const char *fn, const reel_session *s, int n_feeds, const void *feeds,
                        int n_fetches, const void *fetches, reel_tensor **out);
#endif
