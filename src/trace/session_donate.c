/* session_donate.c: feeds that the caller gives away (.donate): which those are, and that nobody uses them afterwards. Results that lie in
   their memory are for plan_given.c and player.c. */
#include <string.h>
#include "core/alloc.h"
#include "core/error.h"
#include "reel/reel.h"
#include "session.h"

/* ---- the option ------------------------------------------------------------------------------------- */

/* The value of the name that `text` begins with, up to a comma or its end; names may have commas themselves. -1: there is none. */
static int32_t longest_name(const reel_graph *g, char *text, size_t *length)
{
    for (size_t n = strlen(text); n > 0; n--) {
        const char end = text[n];
        if (end && end != ',') continue;
        text[n] = '\0';
        int32_t value = reel_graph_find_(g, text);
        if (value < 0) value = reel_graph_find_cell_(g, text, NULL);
        text[n] = end;
        *length = n;
        if (value >= 0) return value;
    }
    return -1;
}

static int add_all(reel_session *s, const reel_graph *g, char *text)
{
    for (char *at = text; *at;) {
        size_t length = 0;
        const int32_t value = longest_name(g, at, &length);
        if (value < 0)
            return reel_fail_at_("", REEL_ETRACE, "reel_session_new: .donate: \"%.*s\" is not in the graph",
                                 (int)strcspn(at, ","), at);
        if (reel_grow_((void **)&s->donate, &s->cap_donate, s->n_donate + 1, sizeof *s->donate)) return REEL_ENOMEM;
        s->donate[s->n_donate++] = value;
        at += length + (at[length] == ',');
    }
    return 0;
}

int reel_session_donate_(reel_session *s, const reel_graph *g, const char *names)
{
    if (!names) return 0;
    char *text = reel_strdup_(names);
    if (!text) return REEL_ENOMEM;
    const int rc = add_all(s, g, text);
    reel_strfree_(text);
    return rc;
}

/* ---- one run ---------------------------------------------------------------------------------------- */

static bool is_donated(const reel_session *s, int32_t value)
{
    for (size_t k = 0; k < s->n_donate; k++)
        if (s->donate[k] == value) return true;
    return false;
}

/* The caller's scope has the one reference then: a result may only take what nobody else has. */
const bool *reel_wants_gifts_(const reel_session *s, reel_wants *w)
{
    bool any = false;
    for (int i = 0; i < w->n_feeds && s->n_donate; i++) {
        const reel_rec *r = w->given[i];
        if (!is_donated(s, w->feed[i]) || reel_rec_of_(w->handle[i])->flags & REEL_R_CELL) continue;
        if (!r->scope || r->owner != reel_ctx_()->thread)
            continue; /* retained, or another thread's: reel_give_away_ leaves it, too */
        reel_release_rec_(w->given[i]);
        w->gives[i] = any = true;
    }
    return any ? w->gives : NULL;
}

int reel_wants_give_away_(const reel_wants *w, const char *site, reel_tensor **out)
{
    int rc = 0;
    for (int i = 0; i < w->n_feeds; i++)
        if (w->gives[i] && !rc) rc = reel_take_over_(site, w->passed[i], out ? w->n_fetches : 0, out);
    return rc;
}

/* ---- any handle -------------------------------------------------------------------------------------- */

reel_tensor *reel_handle_again_(const char *site, reel_rec *r)
{
    if (r->flags & REEL_R_NUM) return reel_num_at(site, reel_load_number_(r->data, REEL_F64));
    reel_rec *alias = reel_make_alias_(site, r);
    return alias ? reel_handle_(alias) : NULL;
}

int reel_take_over_(const char *site, reel_tensor *t, int n_out, reel_tensor **out)
{
    if (!reel_is_live_(t)) return 0; /* it was given twice */
    for (int j = 0; j < n_out; j++)
        if (out[j] == t && !(out[j] = reel_handle_again_(site, reel_rec_of_(t)))) return reel_status();
    reel_give_away_(reel_rec_of_(t), site);
    return 0;
}
