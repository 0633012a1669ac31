/* proto.c: protobuf's wire format, read in place. */
#include "proto.h"

#include <string.h>

reel_proto reel_proto_open_(const void *bytes, size_t size)
{
    reel_proto m = {bytes, bytes, false};
    if (size) m.end = m.at + size;
    return m;
}

reel_proto reel_proto_sub_(const reel_proto_field *f)
{
    reel_proto m = reel_proto_open_(f->bytes, f->wire == REEL_WIRE_BYTES ? f->size : 0);
    m.bad = f->wire != REEL_WIRE_BYTES;
    return m;
}

static bool fail(reel_proto *m)
{
    m->bad = true;
    m->at = m->end;
    return false;
}

/* At most ten bytes; the tenth holds bit 63 only. */
static bool varint(reel_proto *m, uint64_t *value)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        if (m->at == m->end) return fail(m);
        const unsigned char byte = *m->at++;
        if (shift == 63 && byte > 1) return fail(m);
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            *value = v;
            return true;
        }
    }
    return fail(m);
}

/* Little-endian, size bytes. */
static bool fixed(reel_proto *m, size_t size, uint64_t *value)
{
    if ((size_t)(m->end - m->at) < size) return fail(m);
    uint64_t v = 0;
    for (size_t i = 0; i < size; i++) v |= (uint64_t)m->at[i] << (8 * i);
    m->at += size;
    *value = v;
    return true;
}

bool reel_proto_next_(reel_proto *m, reel_proto_field *f)
{
    uint64_t key;
    *f = (reel_proto_field){0};
    if (m->bad || m->at == m->end || !varint(m, &key)) return false;
    if (key >> 3 == 0 || key >> 3 > 0x1fffffff) return fail(m);
    f->number = (uint32_t)(key >> 3);
    switch (key & 7) {
    case REEL_WIRE_VARINT: f->wire = REEL_WIRE_VARINT; return varint(m, &f->value);
    case REEL_WIRE_64: f->wire = REEL_WIRE_64; return fixed(m, 8, &f->value);
    case REEL_WIRE_32: f->wire = REEL_WIRE_32; return fixed(m, 4, &f->value);
    case REEL_WIRE_BYTES: {
        uint64_t size;
        f->wire = REEL_WIRE_BYTES;
        if (!varint(m, &size)) return false;
        if (size > (uint64_t)(m->end - m->at)) return fail(m);
        f->bytes = m->at;
        f->size = (size_t)size;
        m->at += size;
        return true;
    }
    default: return fail(m); /* groups went out of use before ONNX was thought of */
    }
}

bool reel_proto_number_(const reel_proto_field *f, size_t *cursor, reel_wire element, uint64_t *value)
{
    if (f->wire != REEL_WIRE_BYTES) {
        if (f->wire != element || (*cursor)++) return false;
        *value = f->value;
        return true;
    }
    if (*cursor >= f->size) return false;
    reel_proto rest = reel_proto_open_(f->bytes + *cursor, f->size - *cursor);
    const bool ok =
        element == REEL_WIRE_VARINT ? varint(&rest, value) : fixed(&rest, element == REEL_WIRE_64 ? 8 : 4, value);
    *cursor = ok ? (size_t)(rest.at - f->bytes) : f->size;
    return ok;
}

float reel_proto_f32_(uint64_t bits)
{
    const uint32_t u = (uint32_t)bits;
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

double reel_proto_f64_(uint64_t bits)
{
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}
