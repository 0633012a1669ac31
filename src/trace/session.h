/* session.h: a session, and what one run of it was asked for. */
#ifndef REEL_TRACE_SESSION_H
#define REEL_TRACE_SESSION_H
#include "trace.h"

struct reel_session {
    reel_player player;
    int64_t *buckets;
    int n_buckets;
    bool effects, check_numerics;
};

/* Resolved to values of the graph. */
typedef struct reel_wants {
    const char *fn; /* for errors */
    int n_feeds, n_fetches;
    int32_t *feed, *fetch, *effect;
    reel_rec **given;
    reel_tensor **handle; /* of the feeds */
    char *block;          /* all of these */
    size_t bytes;
} reel_wants;
int reel_wants_init_(reel_wants *w, const char *fn, int n_feeds, int n_fetches);
int reel_wants_by_name_(const reel_graph *g, reel_wants *w, const char *site, reel_feeds in, reel_names fetch);
void reel_wants_drop_(reel_wants *w);
int reel_session_check_(const char *site, const char *fn, const reel_session *s, int n_feeds, const void *feeds,
                        int n_fetches, const void *fetches, reel_tensor **out);
#endif
