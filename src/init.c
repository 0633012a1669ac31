/* init.c: the one file that knows every room. It fills the registries, once, before the first context is used. */
#include "core/context.h"
#include "core/device.h"
#include "kernels/cpu_table.h"
#include "kernels/printing.h"
#include "ops/ids.h"

void reel_init_(void)
{
    reel_ops_install_(reel_rows_, REEL_N_OPS);
    reel_device_install_(0, &reel_cpu_device_);
    reel_printing_install_(&reel_cpu_printing_);
}
