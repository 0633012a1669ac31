/* start.c: from process start to a first result; bench/run.py times the whole process. */
#include <reel/reel.h>
int main(void)
{
    REEL_SCOPED;
    reel_tensor *x = reel_ones(REEL_F32, REEL_SHAPE(4, 4));
    return reel_item(reel_sum(reel_matmul(x, x))) != 64;
}
