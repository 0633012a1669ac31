/* proto.h: reading protobuf's wire format (https://protobuf.dev/programming-guides/encoding/) from memory. Nothing is copied or
   allocated, and no length in the message is trusted. */
#ifndef REEL_IO_PROTO_H
#define REEL_IO_PROTO_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct reel_proto {
    const unsigned char *at, *end;
    bool bad; /* truncated or malformed: nothing more is read */
} reel_proto;

typedef enum { REEL_WIRE_VARINT = 0, REEL_WIRE_64 = 1, REEL_WIRE_BYTES = 2, REEL_WIRE_32 = 5 } reel_wire;

typedef struct reel_proto_field {
    uint32_t number;
    reel_wire wire;
    uint64_t value; /* a varint, or the bits of a fixed field */
    const unsigned char *bytes;
    size_t size; /* of bytes, for REEL_WIRE_BYTES */
} reel_proto_field;

reel_proto reel_proto_open_(const void *bytes, size_t size);
/* The next field; false at the end, and when the message is bad. */
bool reel_proto_next_(reel_proto *m, reel_proto_field *f);
reel_proto reel_proto_sub_(const reel_proto_field *f); /* a field that is a message */
/* Repeated numbers, packed or one a field: each call gives the next number of f, from a cursor that starts at 0. */
bool reel_proto_number_(const reel_proto_field *f, size_t *cursor, reel_wire element, uint64_t *value);

float reel_proto_f32_(uint64_t bits);
double reel_proto_f64_(uint64_t bits);
#endif
