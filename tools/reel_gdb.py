"""Shows reel tensors in gdb:

    (gdb) source tools/reel_gdb.py
    (gdb) print x
    $1 = f32[2,3] [[1. 2. 3.] [4. 5. 6.]]

A reel_tensor * is a block's address with the block's generation in its low 9 bits (src/core/tensor.h). Only memory is read,
nothing is called, so it works in core files and while the library is in the middle of something. Needs the library's debug
information. Beyond MAX_ELEMENTS only the first ones are shown.
"""
import math
import struct

import gdb

BLOCK = 512
MAX_ELEMENTS = 24
STATE_LIVE = 1
FLAG_CELL, FLAG_NUM, FLAG_SYMBOLIC = 1, 2, 4
NUM_OFFSETS = (0, 8, 0, 12, 14, 28, 29, 24, 16, 30)  # reel_num_offset_: a weak number is there in every dtype
# number: name, bytes, struct code; bf16 is read as the upper half of an f32
DTYPES = {
    1: ("f32", 4, "f"), 2: ("f64", 8, "d"), 3: ("f16", 2, "e"), 4: ("bf16", 2, None), 5: ("i8", 1, "b"),
    6: ("u8", 1, "B"), 7: ("i32", 4, "i"), 8: ("i64", 8, "q"), 9: ("bool", 1, "?"),
}


def unpack(data, dtype):
    code = DTYPES[dtype][2]
    return struct.unpack("<f", b"\0\0" + data)[0] if code is None else struct.unpack("=" + code, data)[0]


def shortest(x, dtype):
    """The fewest digits that give the float back, as Reel prints it."""
    if math.isnan(x):
        return "nan"
    if math.isinf(x):
        return "inf" if x > 0 else "-inf"
    for digits in range(1, 18):
        text = "%.*g" % (digits, x)
        try:
            if dtype == 4:
                same = bf16_bits(float(text)) == bf16_bits(x)
            else:
                same = struct.pack(DTYPES[dtype][2], float(text)) == struct.pack(DTYPES[dtype][2], x)
        except OverflowError:
            same = False
        if same:
            break
    text = repr(float(text))
    return text[:-1] if text.endswith(".0") else text


def bf16_bits(x):
    u = struct.unpack("<I", struct.pack("<f", x))[0]
    return (u + 0x7FFF + (u >> 16 & 1)) >> 16


def element_text(x, dtype):
    return shortest(x, dtype) if isinstance(x, float) else str(x)


def text_of(pointer, default="?"):
    return pointer.string(errors="replace") if int(pointer) else default


def shape_text(dims):
    return "[" + ",".join("?" if d < 0 else str(d) for d in dims) + "]"


class Reader:
    """Elements of a record in C order, up to a limit."""

    def __init__(self, rec, dims, dtype):
        self.inferior = gdb.selected_inferior()
        self.base = int(rec["data"]) + (NUM_OFFSETS[dtype] if int(rec["flags"]) & FLAG_NUM else 0)
        self.dims, self.dtype = dims, dtype
        self.strides = [int(rec["strides"][i]) for i in range(len(dims))]
        self.left = MAX_ELEMENTS

    def text(self, axis=0, offset=0):
        if axis == len(self.dims):
            size = DTYPES[self.dtype][1]
            data = self.inferior.read_memory(self.base + offset * size, size).tobytes()
            self.left -= 1
            return element_text(unpack(data, self.dtype), self.dtype)
        parts = []
        for i in range(self.dims[axis]):
            if self.left <= 0:
                parts.append("...")
                break
            parts.append(self.text(axis + 1, offset + i * self.strides[axis]))
        return "[" + " ".join(parts) + "]"


def values_text(rec, dims, dtype):
    if 0 in dims:
        return "[]"
    if int(rec["storage"].dereference()["device"]) != 0:
        return "on a device"
    return Reader(rec, dims, dtype).text()


def record_text(rec):
    dtype = int(rec["type"]["dtype"])
    dims = [int(rec["type"]["shape"]["dims"][i]) for i in range(int(rec["type"]["shape"]["rank"]))]
    kind = DTYPES[dtype][0] + shape_text(dims)
    flags = int(rec["flags"])
    if flags & FLAG_SYMBOLIC:
        return "%s in a graph, made at %s" % (kind, text_of(rec["made"]))
    if flags & FLAG_CELL:
        value = rec["value"]
        shown = values_text(value.dereference(), dims, dtype) if int(value) else "no value yet"
        return 'variable "%s" %s %s' % (text_of(rec["name"]), kind, shown)
    return kind + " " + values_text(rec, dims, dtype)


def tensor_text(handle):
    if handle == 0:
        return "NULL"
    try:
        rec_type = gdb.lookup_type("reel_rec").pointer()
    except gdb.error:
        return "0x%x (no debug information of libreel)" % handle
    try:
        rec = gdb.Value(handle & ~(BLOCK - 1)).cast(rec_type).dereference()
        if int(rec["generation"]) != handle & (BLOCK - 1):
            return "0x%x dead: its memory has been used again" % handle
        if int(rec["state"]) != STATE_LIVE:
            return "0x%x dead: made at %s, its scope %s (begun at %s) has ended" % (
                handle, text_of(rec["made"]), text_of(rec["died_in"]), text_of(rec["died"]))
        return record_text(rec)
    except (gdb.MemoryError, KeyError):
        return "0x%x (not a tensor)" % handle


class TensorPrinter:
    def __init__(self, value):
        self.handle = int(value)

    def to_string(self):
        return tensor_text(self.handle)


def lookup(value):
    kind = value.type.strip_typedefs()
    if kind.code != gdb.TYPE_CODE_PTR:
        return None
    target = kind.target().unqualified()
    return TensorPrinter(value) if "reel_tensor" in (target.name, target.strip_typedefs().tag) else None


lookup.__name__ = "reel"
gdb.pretty_printers.append(lookup)
