/* test_proto.c: the protobuf reader on good messages, and on every kind of damage. */
#include "io/proto.h"
#include "tap.h"

/* The examples of protobuf's encoding guide. */
static void published(void)
{
    static const unsigned char one[] = {0x08, 0x96, 0x01}, text[] = {0x12, 7, 't', 'e', 's', 't', 'i', 'n', 'g'};
    static const unsigned char packed[] = {0x32, 6, 0x03, 0x8e, 0x02, 0x9e, 0xa7, 0x05};
    static const unsigned char fixed[] = {0x0d, 0, 0, 0x80, 0x3f, 0x11, 0, 0, 0, 0, 0, 0, 0, 0xc0};
    reel_proto_field f;
    reel_proto m = reel_proto_open_(one, sizeof one);
    TAP_OK(reel_proto_next_(&m, &f) && f.number == 1 && f.value == 150, "150 as a varint");
    TAP_OK(!reel_proto_next_(&m, &f) && !m.bad, "the end is no fault");
    m = reel_proto_open_(text, sizeof text);
    TAP_OK(reel_proto_next_(&m, &f) && f.number == 2 && f.size == 7 && memcmp(f.bytes, "testing", 7) == 0, "a string");
    m = reel_proto_open_(packed, sizeof packed);
    uint64_t v, want[] = {3, 270, 86942};
    size_t cursor = 0;
    TAP_OK(reel_proto_next_(&m, &f) && f.number == 6, "a packed field");
    for (int i = 0; i < 3; i++)
        TAP_OK(reel_proto_number_(&f, &cursor, REEL_WIRE_VARINT, &v) && v == want[i], "packed element %d", i);
    TAP_OK(!reel_proto_number_(&f, &cursor, REEL_WIRE_VARINT, &v), "and no more");
    m = reel_proto_open_(fixed, sizeof fixed);
    TAP_OK(reel_proto_next_(&m, &f) && f.number == 1 && reel_proto_f32_(f.value) == 1, "a float");
    TAP_OK(reel_proto_next_(&m, &f) && f.number == 2 && reel_proto_f64_(f.value) == -2, "a double");
}

static bool all_read(const void *bytes, size_t size)
{
    reel_proto m = reel_proto_open_(bytes, size);
    reel_proto_field f;
    while (reel_proto_next_(&m, &f)) {
        uint64_t v;
        size_t cursor = 0;
        while (reel_proto_number_(&f, &cursor, REEL_WIRE_VARINT, &v)) continue;
        reel_proto sub = reel_proto_sub_(&f);
        while (reel_proto_next_(&sub, &f)) continue;
    }
    return !m.bad;
}

static void damaged(void)
{
    static const unsigned char endless[] = {0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1};
    static const unsigned char beyond[] = {0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1};
    static const unsigned char cut[] = {0x12, 7, 't', 'e'}, group[] = {0x0b, 0x0c}, zero[] = {0x00, 0x01};
    static const unsigned char half[] = {0x0d, 0, 0};
    TAP_OK(!all_read(endless, sizeof endless), "a varint of eleven bytes");
    TAP_OK(!all_read(beyond, sizeof beyond), "a length of 2^64 - 1");
    TAP_OK(!all_read(cut, sizeof cut), "a string cut short");
    TAP_OK(!all_read(group, sizeof group), "a group");
    TAP_OK(!all_read(zero, sizeof zero), "field number 0");
    TAP_OK(!all_read(half, sizeof half), "a float cut short");
    TAP_OK(all_read(NULL, 0), "an empty message");
    uint32_t x = 1;
    int n = 0;
    for (int round = 0; round < 20000; round++) { /* whatever it is, reading it ends and stays inside */
        unsigned char bytes[40];
        const size_t size = (size_t)round % sizeof bytes;
        for (size_t i = 0; i < size; i++) bytes[i] = (unsigned char)((x = x * 1664525u + 1013904223u) >> 24);
        n += all_read(bytes, size);
    }
    TAP_OK(n > 0 && n < 20000, "20,000 random messages, %d of them whole", n);
}

TAP_MAIN(published, damaged)
