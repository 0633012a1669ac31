/* model.c: ONNX models and tensors (onnx.proto3) from bytes. */
#include <stdlib.h>
#include <string.h>

#include "core/dtype.h"
#include "io/proto.h"
#include "onnx.h"

/* ---- memory: everything of a case is freed at once ------------------------------------------------------ */
typedef struct chunk {
    struct chunk *next;
    max_align_t data[];
} chunk;
static chunk *chunks;

static void *take(size_t n)
{
    chunk *c = calloc(1, sizeof *c + n + 1);
    if (!c) abort();
    c->next = chunks;
    chunks = c;
    return c->data;
}

void onnx_forget(void)
{
    while (chunks) {
        chunk *next = chunks->next;
        free(chunks);
        chunks = next;
    }
}

static const char *text(const reel_proto_field *f)
{
    char *s = take(f->size + 1);
    memcpy(s, f->bytes, f->size);
    return s;
}

static const char *const no_text = "";

/* Room for one more at the end of a list. */
static void *more(void *list, int n, size_t size)
{
    if (n & (n - 1)) return list; /* full at 0, 1, 2, 4 ... */
    void *bigger = take((size_t)(n ? 2 * n : 1) * size);
    if (n) memcpy(bigger, list, (size_t)n * size);
    return bigger;
}
#define PUSH(list, n) (list = more(list, n, sizeof *(list)), &(list)[(n)++])

/* ---- data types ------------------------------------------------------------------------------------------- */
static const struct {
    const char *name;
    reel_dtype dtype;
} codes[] = {{"undefined", 0},
             {"float", REEL_F32},
             {"uint8", REEL_U8},
             {"int8", REEL_I8},
             {"uint16", 0},
             {"int16", 0},
             {"int32", REEL_I32},
             {"int64", REEL_I64},
             {"string", 0},
             {"bool", REEL_BOOL},
             {"float16", REEL_F16},
             {"double", REEL_F64},
             {"uint32", 0},
             {"uint64", 0},
             {"complex64", 0},
             {"complex128", 0},
             {"bfloat16", REEL_BF16},
             {"float8e4m3fn", 0},
             {"float8e4m3fnuz", 0},
             {"float8e5m2", 0},
             {"float8e5m2fnuz", 0},
             {"uint4", 0},
             {"int4", 0},
             {"float4e2m1", 0},
             {"float8e8m0", 0},
             {"uint2", 0},
             {"int2", 0}};
enum { N_CODES = sizeof codes / sizeof *codes };

reel_dtype onnx_dtype(int code)
{
    return code >= 0 && code < N_CODES ? codes[code].dtype : 0;
}

const char *onnx_code_name(int code)
{
    return code >= 0 && code < N_CODES ? codes[code].name : "no tensor";
}

/* ---- tensors ------------------------------------------------------------------------------------------------ */
/* One element from a typed field: the bits of a float or double, or a varint that holds an integer or a half's bits. */
static void put(onnx_tensor *t, size_t i, uint64_t v)
{
    unsigned char *p = (unsigned char *)t->data + i * reel_dtype_size(t->type.dtype);
    const uint8_t byte = t->type.dtype == REEL_BOOL ? v != 0 : (uint8_t)v;
    const uint16_t half = (uint16_t)v;
    const uint32_t word = (uint32_t)v;
    switch (reel_dtype_size(t->type.dtype)) {
    case 1: memcpy(p, &byte, 1); break;
    case 2: memcpy(p, &half, 2); break;
    case 4: memcpy(p, &word, 4); break;
    default: memcpy(p, &v, 8); break;
    }
}

static reel_wire element_of(uint32_t field)
{
    return field == 4 ? REEL_WIRE_32 : field == 10 ? REEL_WIRE_64 : REEL_WIRE_VARINT;
}

static bool tensor(reel_proto m, onnx_tensor *t)
{
    const reel_proto all = m;
    reel_proto_field f;
    uint64_t v;
    *t = (onnx_tensor){.name = no_text};
    while (reel_proto_next_(&m, &f)) {
        size_t cursor = 0;
        if (f.number == 1)
            while (reel_proto_number_(&f, &cursor, REEL_WIRE_VARINT, &v))
                if (t->type.shape.rank < REEL_MAX_RANK) t->type.shape.dims[t->type.shape.rank++] = (int64_t)v;
        if (f.number == 2) t->code = (int)f.value;
        if (f.number == 8) t->name = text(&f);
    }
    t->type.dtype = onnx_dtype(t->code);
    if (m.bad) return false;
    if (!t->type.dtype) return true;
    const int64_t count = reel_shape_count(t->type.shape);
    if (count < 0 || count > 1 << 28) return false;
    t->bytes = (size_t)count * reel_dtype_size(t->type.dtype);
    t->data = take(t->bytes + 8);
    for (m = all; reel_proto_next_(&m, &f);) {
        size_t cursor = 0, i = 0;
        if (f.number == 9 && f.size == t->bytes) memcpy(t->data, f.bytes, f.size);
        if (f.number == 4 || f.number == 5 || f.number == 7 || f.number == 10)
            while (i < (size_t)count && reel_proto_number_(&f, &cursor, element_of(f.number), &v)) put(t, i++, v);
    }
    return !m.bad;
}

/* ---- nodes and graphs --------------------------------------------------------------------------------------- */
static onnx_graph *graph(reel_proto m);

static bool attribute(reel_proto m, onnx_attr *a)
{
    reel_proto_field f;
    uint64_t v;
    int nf = 0, ni = 0, ns = 0;
    *a = (onnx_attr){.name = no_text, .s = no_text};
    while (reel_proto_next_(&m, &f)) {
        size_t cursor = 0;
        switch (f.number) {
        case 1: a->name = text(&f); break;
        case 2: a->f = (double)reel_proto_f32_(f.value); break;
        case 3: a->i = (int64_t)f.value; break;
        case 4: a->s = text(&f); break;
        case 5:
            if (!tensor(reel_proto_sub_(&f), &a->t)) return false;
            break;
        case 6:
            a->g = graph(reel_proto_sub_(&f));
            if (!a->g) return false;
            break;
        case 7:
            while (reel_proto_number_(&f, &cursor, REEL_WIRE_32, &v)) *PUSH(a->floats, nf) = (double)reel_proto_f32_(v);
            break;
        case 8:
            while (reel_proto_number_(&f, &cursor, REEL_WIRE_VARINT, &v)) *PUSH(a->ints, ni) = (int64_t)v;
            break;
        case 9: *PUSH(a->strings, ns) = text(&f); break;
        case 20: a->type = (int)f.value; break;
        default: break;
        }
    }
    a->n = nf ? nf : ni ? ni : ns;
    return !m.bad;
}

static bool node(reel_proto m, onnx_node *n)
{
    reel_proto_field f;
    *n = (onnx_node){.op = no_text, .domain = no_text, .name = no_text};
    while (reel_proto_next_(&m, &f)) {
        switch (f.number) {
        case 1: *PUSH(n->in, n->n_in) = text(&f); break;
        case 2: *PUSH(n->out, n->n_out) = text(&f); break;
        case 3: n->name = text(&f); break;
        case 4: n->op = text(&f); break;
        case 5:
            if (!attribute(reel_proto_sub_(&f), PUSH(n->attrs, n->n_attrs))) return false;
            break;
        case 7: n->domain = text(&f); break;
        default: break;
        }
    }
    return !m.bad;
}

/* ValueInfoProto: name = 1, type = 2 { tensor_type = 1 { elem_type = 1 } } */
static void value_info(reel_proto m, const char **name, int *code)
{
    reel_proto_field f;
    *name = no_text;
    *code = -1;
    while (reel_proto_next_(&m, &f)) {
        if (f.number == 1) *name = text(&f);
        if (f.number != 2) continue;
        reel_proto type = reel_proto_sub_(&f);
        reel_proto_field g, h;
        while (reel_proto_next_(&type, &g)) {
            if (g.number != 1) continue;
            reel_proto of = reel_proto_sub_(&g);
            while (reel_proto_next_(&of, &h))
                if (h.number == 1) *code = (int)h.value;
        }
    }
}

static onnx_graph *graph(reel_proto m)
{
    onnx_graph *g = take(sizeof *g);
    reel_proto_field f;
    int n_in = 0, n_out = 0;
    while (reel_proto_next_(&m, &f)) {
        const reel_proto sub = reel_proto_sub_(&f);
        switch (f.number) {
        case 1:
            if (!node(sub, PUSH(g->nodes, g->n_nodes))) return NULL;
            break;
        case 5:
            if (!tensor(sub, PUSH(g->inits, g->n_inits))) return NULL;
            break;
        case 11: value_info(sub, PUSH(g->in, g->n_in), PUSH(g->in_code, n_in)); break;
        case 12: value_info(sub, PUSH(g->out, g->n_out), PUSH(g->out_code, n_out)); break;
        default: break;
        }
    }
    return m.bad ? NULL : g;
}

static void opset(reel_proto m, onnx_opset *o)
{
    reel_proto_field f;
    *o = (onnx_opset){.domain = no_text};
    while (reel_proto_next_(&m, &f)) {
        if (f.number == 1) o->domain = text(&f);
        if (f.number == 2) o->version = (int)f.value;
    }
}

onnx_model *onnx_parse_model(const void *bytes, size_t size)
{
    onnx_model *model = take(sizeof *model);
    reel_proto m = reel_proto_open_(bytes, size);
    reel_proto_field f;
    while (reel_proto_next_(&m, &f)) {
        if (f.number == 7) model->graph = graph(reel_proto_sub_(&f));
        if (f.number == 8) opset(reel_proto_sub_(&f), PUSH(model->opsets, model->n_opsets));
    }
    return m.bad || !model->graph ? NULL : model;
}

onnx_tensor *onnx_parse_tensor(const void *bytes, size_t size)
{
    onnx_tensor *t = take(sizeof *t);
    return tensor(reel_proto_open_(bytes, size), t) ? t : NULL;
}
