/* loss.h: what the losses' files share. */
#ifndef REEL_OPS_LOSS_H
#define REEL_OPS_LOSS_H
#include "internal.h"

/* Are a and b alive, a float and of one dtype (numbers fit any)? Raises in the name of fn. */
bool reel_loss_pair_(const char *site, const char *fn, const char *na, reel_tensor *a, const char *nb, reel_tensor *b);
bool reel_loss_reduction_(const char *site, const char *fn, reel_reduction r);
reel_tensor *reel_loss_reduce_(const char *site, reel_tensor *loss, reel_reduction r);
/* 16-bit floats in f32, and back to like's dtype: what squares, exponentials and long sums leave their range */
reel_tensor *reel_loss_wide_(const char *site, reel_tensor *x);
reel_tensor *reel_loss_narrow_(const char *site, reel_tensor *y, reel_tensor *like);
double reel_loss_option_(double value, double otherwise); /* 0 means otherwise, -0.0 means 0 */
#endif
