/* Scopes, handles, counts, errors: what owns a tensor, and what a dead handle says. */
#include <pthread.h>
#include "expect.h"

static uint64_t alive(void)
{
    reel_memory_stats s;
    reel_memory(&s);
    return s.tensors;
}

static reel_tensor *number(double x)
{
    return reel_full(REEL_F64, REEL_SCALAR, x);
}

static void scopes_own(void)
{
    const uint64_t before = alive();
    reel_tensor *kept = NULL, *lost = NULL;
    {
        REEL_SCOPED;
        {
            REEL_SCOPED;
            lost = number(1);
            kept = reel_keep(number(2));
            TAP_OK(alive() == before + 2, "two tensors are alive");
        }
        TAP_OK(alive() == before + 1, "the inner scope let go of one");
        TAP_OK(reel_item(kept) == 2, "the kept one lives in the outer scope");
    }
    TAP_OK(alive() == before, "nothing is left");
    FAILS(reel_neg(lost), REEL_EARG, "reel_neg: x is dead|test_tensor.c:14|scope scopes_own|has ended");
    FAILS(reel_neg(kept), REEL_EARG, "is dead");
    TAP_OK(isnan(reel_item(lost)), "reading a dead handle gives NaN");
    expect_error(__FILE__, 0, REEL_EARG, "reel_item: t is dead", "and an error", false);
}

static reel_tensor *leaves_early(int how)
{
    REEL_SCOPED;
    for (int i = 0; i < 3; i++) {
        REEL_SCOPED;
        reel_tensor *x = number(i);
        if (how == 0 && i == 1) break;
        if (how == 1) continue;
        if (how == 2) return NULL;
        if (how == 3 && i == 2) reel_keep(reel_keep(x)); /* the second finds it in another scope than the innermost */
    }
    return NULL;
}

static void every_exit_heals(void)
{
    const uint64_t before = alive();
    for (int how = 0; how < 4; how++) {
        leaves_early(how);
        TAP_OK(alive() == before, "exit %d leaves nothing", how);
    }
    REEL_SCOPED;
    reel_scope *outer = reel_scope_begin(REEL_HERE, "outer");
    reel_scope *inner = reel_scope_begin(REEL_HERE, "inner");
    number(1);
    reel_scope_end(outer);
    TAP_OK(alive() == before, "ending an outer scope ends the inner one");
    reel_scope *fresh = reel_scope_begin(REEL_HERE, "fresh");
    reel_tensor *y = number(3);
    reel_scope_end(inner);
    TAP_OK(reel_item(y) == 3, "ending an ended scope does not end the one that took its place");
    reel_scope_end(fresh);
    reel_scope_end(NULL);
    CLEAN("every exit heals");
}

static void slots_hold(void)
{
    const uint64_t before = alive();
    reel_tensor *slot = NULL;
    for (int i = 0; i < 1000; i++) {
        REEL_SCOPED;
        reel_set(&slot, reel_add(number(i), i ? slot : number(0)));
    }
    TAP_OK(reel_item(slot) == 999.0 * 1000 / 2, "a slot carries a value over scopes");
    TAP_OK(alive() == before + 1, "and only that one");
    reel_set(&slot, NULL);
    TAP_OK(slot != NULL, "setting NULL leaves the slot");
    reel_unset(&slot);
    TAP_OK(!slot && alive() == before, "unset lets go");
    reel_unset(&slot);
    reel_tensor *x = NULL;
    {
        REEL_SCOPED;
        x = reel_retain(number(7));
    }
    TAP_OK(reel_item(x) == 7, "retained");
    reel_release(x);
    TAP_OK(alive() == before, "released");
    reel_release(x);
    expect_error(__FILE__, 0, REEL_EARG, "reel_release: t is dead", "releasing a dead handle is an error", false);
    REEL_SCOPED;
    reel_release(number(1));
    expect_error(__FILE__, 0, REEL_EARG, "released more often than retained", "so is releasing what the scope owns",
                 false);
}

static void many_reuses(void)
{
    reel_tensor *stale[600];
    int told = 0;
    for (int i = 0; i < 600; i++) {
        REEL_SCOPED;
        stale[i] = number(i);
    }
    for (int i = 0; i < 600; i++) {
        reel_neg(stale[i]);
        told += reel_take_error(NULL) == REEL_EARG;
    }
    TAP_OK(told == 600, "600 stale handles, all told from live ones");
}

static void errors_stay(void)
{
    REEL_SCOPED;
    reel_tensor *x = number(1), *v = reel_full(REEL_F32, REEL_SHAPE(2, 3), 0);
    reel_tensor *bad = reel_add(x, v);
    TAP_OK(!bad && reel_status() == REEL_EDTYPE, "mixed dtypes");
    TAP_OK(!reel_neg(bad) && !reel_add(bad, x) && reel_status() == REEL_EDTYPE, "NULL goes through silently");
    TAP_OK(reel_item(reel_neg(x)) == -1, "pure ops still run");
    reel_matmul(v, v);
    reel_error e;
    TAP_OK(reel_take_error(&e) == REEL_EDTYPE && strstr(e.text, "reel_add"), "the first one stays: %s", e.text);
    TAP_OK(reel_take_error(&e) == 0 && e.code == 0, "and is gone once taken");
    reel_fail(REEL_EUSER, "mine %d", 42);
    TAP_OK(reel_take_error(&e) == REEL_EUSER && strcmp(e.text, "mine 42") == 0, "reel_fail");
    reel_name_scope_begin("gen");
    reel_name_scope_begin("hidden");
    reel_matmul(v, v);
    reel_take_error(&e);
    TAP_OK(strstr(e.text, "(in \"gen/hidden\")") && strstr(e.text, "a f32[2,3], b f32[2,3]"), "names and operands: %s",
           e.text);
    reel_name_scope_end();
    reel_name_scope_end();
    TAP_EQ_STR(reel_code_name(REEL_ESHAPE), "REEL_ESHAPE");
    TAP_EQ_STR(reel_code_name(99), "?");
    reel_vars *vars = reel_vars_new("v");
    reel_tensor *w = reel_var(vars, "w", x);
    reel_fail(REEL_EUSER, "pending");
    TAP_OK(reel_assign(w, number(5)) == REEL_EUSER && !reel_var(vars, "u", x),
           "state does not change while an error is pending");
    reel_take_error(NULL);
    TAP_OK(reel_item(w) == 1, "w kept its value");
    reel_vars_free(vars);
}

static void *other_thread(void *arg)
{
    reel_tensor **slot = arg;
    REEL_SCOPED;
    reel_tensor *mine = reel_mul(*slot, reel_num(2));
    const double x = reel_item(mine);
    reel_set(slot, mine); /* releases what the other thread made, hands over what this one made */
    return x == 10 && reel_status() == 0 ? slot : NULL;
}

static void threads_share(void)
{
    const uint64_t before = alive();
    reel_tensor *slot = NULL;
    {
        REEL_SCOPED;
        reel_set(&slot, number(5));
        pthread_t t;
        void *ok = NULL;
        TAP_OK(pthread_create(&t, NULL, other_thread, &slot) == 0 && pthread_join(t, &ok) == 0 && ok,
               "another thread reads and replaces");
    }
    TAP_OK(reel_item(slot) == 10, "its tensor lives on after it");
    reel_unset(&slot);
    TAP_OK(alive() == before, "all gone");
}

static void *hammer(void *arg)
{
    reel_tensor *shared = arg;
    for (int i = 0; i < 20000; i++) {
        reel_retain(shared);
        reel_release(shared);
    }
    return NULL;
}

static void counts_from_many_threads(void)
{
    const uint64_t before = alive();
    {
        REEL_SCOPED;
        reel_tensor *x = number(1);
        pthread_t t[4];
        for (int i = 0; i < 4; i++) pthread_create(&t[i], NULL, hammer, x);
        hammer(x);
        for (int i = 0; i < 4; i++) pthread_join(t[i], NULL);
        TAP_OK(reel_item(x) == 1, "alive after 100,000 retains and releases");
    }
    TAP_OK(alive() == before, "and gone with its scope");
}

static int freed;
static void free_once(void *arg)
{
    freed += *(int *)arg;
}

static void wrapped(void)
{
    float data[6] = {1, 2, 3, 4, 5, 6};
    int one = 1;
    const reel_type type = {REEL_F32, REEL_SHAPE(2, 3)};
    reel_tensor *row = NULL;
    {
        REEL_SCOPED;
        reel_tensor *x = reel_wrap(type, data, sizeof data, free_once, &one);
        TAP_OK(reel_item(reel_sum(x)) == 21, "the caller's memory");
        reel_set(&row, reel_select(x, 0, 1));
    }
    TAP_OK(freed == 0 && reel_item(reel_sum(row)) == 15, "a view keeps it");
    reel_unset(&row);
    TAP_OK(freed == 1, "freed once");
#ifndef NDEBUG
    REEL_SCOPED;
    reel_tensor *x = reel_wrap(type, data, sizeof data, NULL, NULL);
    data[0] = 7;
    FAILS(reel_neg(x), REEL_EARG, "wrapped at|was changed");
#endif
}

static void variables(void)
{
    const uint64_t before = alive();
    {
        REEL_SCOPED;
        reel_vars *gen = reel_vars_new("gen"), *hidden = reel_vars_sub(gen, "hidden");
        reel_tensor *w = reel_var(hidden, "w", number(2)), *b = reel_var(gen, "b", reel_num(3));
        TAP_EQ_STR(reel_var_name(w), "gen/hidden/w");
        TAP_EQ_STR(reel_var_name(b), "gen/b");
        TAP_OK(reel_dtype_of(b) == REEL_F32, "a weak number makes an f32 variable");
        TAP_OK(reel_vars_list(gen).n == 2 && reel_vars_list(gen).t[0] == w && reel_vars_list(hidden).n == 1,
               "lists in order of creation");
        reel_tensor *old = reel_value(w), *view = reel_add(w, number(0));
        TAP_OK(reel_assign(w, number(9)) == 0 && reel_item(w) == 9 && reel_item(old) == 2 && reel_item(view) == 2,
               "a snapshot stays");
        FAILS(reel_var(gen, "b", number(1)), REEL_EARG, "reel_var|gen/b");
        REFUSES(reel_assign(w, reel_full(REEL_F64, REEL_SHAPE(2), 1)), REEL_ESHAPE, "reel_assign");
        REFUSES(reel_assign(w, reel_full(REEL_F32, REEL_SCALAR, 1)), REEL_EDTYPE, "reel_assign");
        reel_tensor *e = reel_var_empty(gen, "e", REEL_F32, REEL_SHAPE(2));
        FAILS(reel_neg(e), REEL_EARG, "variable \"gen/e\" is read before it has a value");
        TAP_OK(reel_assign(e, reel_full(REEL_F32, REEL_SHAPE(2), 4)) == 0 && reel_item(reel_sum(e)) == 8,
               "until it has one");
        reel_tensor *m = reel_full(REEL_F32, REEL_SHAPE(2, 3), 1);
        reel_tensor *t = reel_var_empty(gen, "t", REEL_F32, REEL_SHAPE(3, 2));
        TAP_OK(reel_assign(t, reel_transpose(m, REEL_ALL_AXES)) == 0 && reel_item(reel_sum(t)) == 6,
               "a strided value is settled");
        reel_vars *other = reel_vars_new("other");
        reel_tensor *ow = reel_var(other, "w", number(1));
        reel_vars_blend(hidden, other, 0.5);
        TAP_OK(reel_item(w) == 5, "blend: 9 + 0.5 (1 - 9)");
        reel_vars_blend(hidden, other, 1);
        TAP_OK(reel_item(w) == 1, "tau 1 copies");
        REFUSES(reel_vars_blend(gen, other, 1), REEL_EARG, "reel_vars_blend|\"gen\"|\"other\"");
        (void)ow;
        reel_vars_free(other);
        reel_vars_free(gen);
        FAILS(reel_neg(w), REEL_EARG, "is dead");
    }
    TAP_OK(alive() == before, "sets leave nothing");
}

TAP_MAIN(scopes_own, every_exit_heals, slots_hold, many_reuses, errors_stay, threads_share, counts_from_many_threads,
         wrapped, variables)
