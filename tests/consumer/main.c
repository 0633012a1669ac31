/* What a project that uses Reel looks like from outside: one tensor, one gradient. */
#include <reel/reel.h>

int main(void)
{
    REEL_SCOPED;
    reel_tensor *x = reel_arange(REEL_F32, 0, 4, 1);
    reel_tape *tape = reel_tape_begin(NULL);
    reel_watch(tape, REEL_LIST(x));
    reel_tensor *y = reel_sum(reel_square(reel_matmul(reel_reshape(x, REEL_SHAPE(2, 2)), reel_eye(REEL_F32, 2, 2))));
    const double slope = reel_item(reel_max(reel_grad1(tape, y, x), 0));
    reel_error e;
    if (reel_take_error(&e)) {
        fprintf(stderr, "%s\n", e.text);
        return 1;
    }
    printf("reel %s: %g %g\n", reel_version(), reel_item(y), slope);
    return reel_item(y) != 14 || slope != 6;
}
