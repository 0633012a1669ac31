#ifndef REEL_KERNELS_CPU_TABLE_H
#define REEL_KERNELS_CPU_TABLE_H
#include "core/fusion.h"
extern const reel_fusing_device reel_cpu_;
#define reel_cpu_device_ reel_cpu_.device
#endif
