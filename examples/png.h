/* png.h: writes an RGB picture as PNG without any library: one deflate block with the fixed codes of RFC 1951, runs of
   equal bytes as matches of distance 1. Rows are stored as differences to the row above, which makes such runs. */
#ifndef EXAMPLES_PNG_H
#define EXAMPLES_PNG_H
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct png_bits {
    uint8_t *out;
    size_t n;
    uint32_t hold;
    int held;
};

static void png_put(struct png_bits *b, uint32_t bits, int count) /* lowest bit first */
{
    b->hold |= bits << b->held;
    for (b->held += count; b->held >= 8; b->held -= 8, b->hold >>= 8) {
        b->out[b->n++] = (uint8_t)b->hold;
    }
}

static void png_code(struct png_bits *b, uint32_t code, int count) /* highest bit first, as Huffman codes are */
{
    while (count-- > 0) {
        png_put(b, code >> count & 1, 1);
    }
}

static void png_symbol(struct png_bits *b, uint32_t s)
{
    if (s < 144) {
        png_code(b, 0x30 + s, 8);
    } else if (s < 256) {
        png_code(b, 0x190 + s - 144, 9);
    } else if (s < 280) {
        png_code(b, s - 256, 7);
    } else {
        png_code(b, 0xC0 + s - 280, 8);
    }
}

/* zlib stream of x; out holds at least 2 n + 16 bytes */
static size_t png_deflate(const uint8_t *x, size_t n, uint8_t *out)
{
    struct png_bits b = {.out = out};
    uint32_t s1 = 1, s2 = 0;
    for (size_t i = 0; i < n; i++) {
        s1 = (s1 + x[i]) % 65521;
        s2 = (s2 + s1) % 65521;
    }
    png_put(&b, 0x78, 8);
    png_put(&b, 0x01, 8);
    png_put(&b, 1, 1); /* the last block */
    png_put(&b, 1, 2); /* fixed codes */
    for (size_t i = 0; i < n;) {
        size_t run = 0;
        while (i > 0 && run < 258 && i + run < n && x[i + run] == x[i - 1]) {
            run++;
        }
        if (run == 258) {
            png_symbol(&b, 285);
            png_code(&b, 0, 5);
            i += run;
        } else if (run >= 3 && run <= 10) {
            png_symbol(&b, (uint32_t)(254 + run));
            png_code(&b, 0, 5);
            i += run;
        } else if (run > 10) { /* codes 265 to 284: four for each count of extra bits */
            const uint32_t r = (uint32_t)run - 3;
            int extra = 1;
            while (r >> (extra + 3)) {
                extra++;
            }
            png_symbol(&b, (uint32_t)(261 + 4 * extra) + ((r >> extra) & 3));
            png_put(&b, r & ((1u << extra) - 1), extra);
            png_code(&b, 0, 5);
            i += run;
        } else {
            png_symbol(&b, x[i++]);
        }
    }
    png_symbol(&b, 256);
    png_put(&b, 0, 7); /* to the next byte */
    for (int shift = 8; shift >= 0; shift -= 8) {
        b.out[b.n++] = (uint8_t)(s2 >> shift);
    }
    for (int shift = 8; shift >= 0; shift -= 8) {
        b.out[b.n++] = (uint8_t)(s1 >> shift);
    }
    return b.n;
}

static void png_be32(uint8_t *p, size_t v)
{
    for (int i = 0; i < 4; i++) {
        p[i] = (uint8_t)(v >> (24 - 8 * i));
    }
}

static int png_chunk(FILE *f, const char *kind, const uint8_t *data, size_t n)
{
    uint8_t word[4];
    uint32_t crc = 0xFFFFFFFFu;
    for (size_t i = 0; i < n + 4; i++) {
        crc ^= i < 4 ? (uint8_t)kind[i] : data[i - 4];
        for (int k = 0; k < 8; k++) {
            crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
        }
    }
    png_be32(word, n);
    int ok = fwrite(word, 4, 1, f) == 1 && fwrite(kind, 4, 1, f) == 1 && (n == 0 || fwrite(data, n, 1, f) == 1);
    png_be32(word, ~crc);
    ok = ok && fwrite(word, 4, 1, f) == 1;
    return ok ? 0 : -1;
}

/* rgb: height rows of width * 3 bytes. Returns 0, or -1 with errno set. */
static int png_write(const char *path, int width, int height, const uint8_t *rgb)
{
    const size_t row = (size_t)width * 3, n = (row + 1) * (size_t)height;
    uint8_t *raw = malloc(n), *packed = malloc(2 * n + 16), head[13] = {0};
    FILE *f = raw && packed ? fopen(path, "wb") : NULL;
    int rc = -1;
    if (f) {
        for (size_t y = 0; y < (size_t)height; y++) {
            uint8_t *to = raw + y * (row + 1);
            *to++ = 2; /* filter "up" */
            for (size_t i = 0; i < row; i++) {
                to[i] = (uint8_t)(rgb[y * row + i] - (y ? rgb[(y - 1) * row + i] : 0));
            }
        }
        png_be32(head, (size_t)width);
        png_be32(head + 4, (size_t)height);
        head[8] = 8; /* bits a channel */
        head[9] = 2; /* RGB */
        rc = fwrite("\x89PNG\r\n\x1a\n", 8, 1, f) == 1 ? 0 : -1;
        rc = rc ? rc : png_chunk(f, "IHDR", head, sizeof head);
        rc = rc ? rc : png_chunk(f, "IDAT", packed, png_deflate(raw, n, packed));
        rc = rc ? rc : png_chunk(f, "IEND", NULL, 0);
        rc = fclose(f) ? -1 : rc;
    }
    free(raw);
    free(packed);
    return rc;
}
#endif
