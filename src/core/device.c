/* device.c: which devices there are. */
#include "device.h"
#include "printing.h"

#include <stdatomic.h>

enum { MAX_DEVICES = 16 };
static const reel_device *_Atomic devices[MAX_DEVICES];
static const reel_printing *_Atomic printing;

const reel_device *reel_device_(int number)
{
    return number >= 0 && number < MAX_DEVICES ? atomic_load_explicit(&devices[number], memory_order_acquire) : NULL;
}

void reel_device_install_(int number, const reel_device *d)
{
    if (number >= 0 && number < MAX_DEVICES) atomic_store_explicit(&devices[number], d, memory_order_release);
}

const reel_printing *reel_printing_(void)
{
    return atomic_load_explicit(&printing, memory_order_acquire);
}

void reel_printing_install_(const reel_printing *p)
{
    atomic_store_explicit(&printing, p, memory_order_release);
}
