/* What tests/gdb_test.py looks at in gdb: breakpoints stand in stop(). */
#include "reel/reel.h"

__attribute__((noinline)) static void stop(reel_tensor *t)
{
    __asm__ volatile("" : : "r"(t) : "memory");
}

__attribute__((noinline)) static void stepping(reel_stepping *st)
{
    __asm__ volatile("# another body than stop's, or the two would be one" : : "r"(st) : "memory");
}

/* gdb walks through a replay from within stepping(). */
static void walk_through(void)
{
    const float v[2] = {3, 4};
    reel_tensor *out[1];
    reel_graph *g = reel_graph_begin();
    reel_tensor *x = reel_placeholder(REEL_F32, REEL_SHAPE(2), "x");
    reel_output("y", reel_exp(reel_neg(x)));
    reel_graph_end(g);
    reel_session *s = reel_session_new(g, NULL);
    reel_stepping *st =
        reel_session_begin_steps(s, REEL_FEEDS({"x", reel_from_f32(REEL_SHAPE(2), v, 2)}), REEL_FETCHES("y"));
    stepping(st);
    reel_stepping_end(st, out);
    reel_session_free(s);
    reel_graph_free(g);
}

int main(void)
{
    float ramp[100];
    for (int i = 0; i < 100; i++) {
        ramp[i] = (float)i * 0.5f;
    }
    const uint16_t half[3] = {0x3c00, 0x2e66, 0xfc00}, brain[2] = {0x3f80, 0x3dcd};
    const uint8_t truth[2] = {1, 0};
    const int64_t big = INT64_C(-9007199254740993);
    reel_vars *vars = reel_vars_new("net");
    REEL_SCOPED;
    stop(NULL);
    stop(reel_from_f32(REEL_SHAPE(2, 3), ramp, 6));
    stop(reel_transpose(reel_from_f32(REEL_SHAPE(2, 3), ramp, 6), REEL_AXES(1, 0)));
    stop(reel_from_f32(REEL_SHAPE(10, 10), ramp, 100));
    stop(reel_from((reel_type){REEL_F16, REEL_SHAPE(3)}, half, sizeof half));
    stop(reel_from((reel_type){REEL_BF16, REEL_SHAPE(2)}, brain, sizeof brain));
    stop(reel_from((reel_type){REEL_BOOL, REEL_SHAPE(2)}, truth, sizeof truth));
    stop(reel_from_i64(REEL_SCALAR, &big, 1));
    stop(reel_from_f32(REEL_SHAPE(0, 3), ramp, 0));
    stop(reel_num(2.5));
    stop(reel_var(vars, "w", reel_from_f32(REEL_SHAPE(2), ramp + 1, 2)));
    reel_scope *inner = reel_scope_begin("program.c:40", "inner");
    reel_tensor *dead = reel_from_f32(REEL_SHAPE(2), ramp, 2);
    reel_scope_end(inner);
    stop(dead);
    stop((reel_tensor *)(void *)&ramp[0]);
    walk_through();
    reel_vars_free(vars);
    return reel_take_error(NULL);
}
