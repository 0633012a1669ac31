#ifndef REEL_KERNELS_CPU_TABLE_H
#define REEL_KERNELS_CPU_TABLE_H
#include "core/device.h"
extern const reel_device reel_cpu_device_;
#endif
