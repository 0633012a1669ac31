/* level_copy.c: the inner loops of copies that change the order of elements, compiled once for each ISA level. Exact. */
#include "kernels/copy.h"
#include "kernels/gemm_vec.h"
#include "kernels/isa.h"
#include <string.h>

enum { LINE = 64 /* bytes of a cache line */ };

/* A square of whole cache lines: rows are read in full, turned in a buffer, and written in full, so that it does not matter how
   few sets of the cache a stride of a power of 2 leaves. */
#define PLAIN(name, T)                                                   \
    static void name(T *to, const T *from)                               \
    {                                                                    \
        enum { N = LINE / (int)sizeof(T) };                              \
        for (int i = 0; i < N; i++)                                      \
            for (int c = 0; c < N; c++) to[i * N + c] = from[c * N + i]; \
    }
#if defined(__AVX2__)
static void turn32(uint32_t *to, const uint32_t *from)
{
    enum { N = LINE / 4, S = REEL_SQUARE32 };
    for (int i = 0; i < N; i += S)
        for (int c = 0; c < N; c += S)
            reel_transpose32_((float *)(void *)(to + i * N + c), N, (const float *)(const void *)(from + c * N + i), N);
}
static void turn64(uint64_t *to, const uint64_t *from)
{
    enum { N = LINE / 8, S = REEL_SQUARE64 };
    for (int i = 0; i < N; i += S)
        for (int c = 0; c < N; c += S)
            reel_transpose64_((double *)(void *)(to + i * N + c), N, (const double *)(const void *)(from + c * N + i),
                              N);
}
#else
PLAIN(turn32, uint32_t)
PLAIN(turn64, uint64_t)
#endif
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
/* Bytes and halves: 8 bytes of a row in a word; words change places of 8, 16 and 32 bits with each other. Little endian. */
static void swap_bits(uint64_t *a, uint64_t *b, int bits, uint64_t mask)
{
    const uint64_t t = ((*a >> bits) ^ *b) & mask;
    *b ^= t;
    *a ^= t << bits;
}
#define WORDS(name, T, PER, ...)                                                        \
    static void name(T *to, const T *from)                                              \
    {                                                                                   \
        enum { N = LINE / (int)sizeof(T) };                                             \
        for (int i = 0; i < N; i += PER) {                                              \
            for (int c = 0; c < N; c += PER) {                                          \
                uint64_t r[PER];                                                        \
                for (int k = 0; k < PER; k++) memcpy(&r[k], from + (c + k) * N + i, 8); \
                __VA_ARGS__                                                             \
                for (int k = 0; k < PER; k++) memcpy(to + (i + k) * N + c, &r[k], 8);   \
            }                                                                           \
        }                                                                               \
    }
WORDS(turn8, uint8_t, 8, {
    for (int k = 0; k < 8; k += 2) swap_bits(&r[k], &r[k + 1], 8, UINT64_C(0x00ff00ff00ff00ff));
    for (int k = 0; k < 8; k += 4)
        for (int m = k; m < k + 2; m++) swap_bits(&r[m], &r[m + 2], 16, UINT64_C(0x0000ffff0000ffff));
    for (int k = 0; k < 4; k++) swap_bits(&r[k], &r[k + 4], 32, UINT64_C(0x00000000ffffffff));
})
WORDS(turn16, uint16_t, 4, {
    for (int k = 0; k < 4; k += 2) swap_bits(&r[k], &r[k + 1], 16, UINT64_C(0x0000ffff0000ffff));
    for (int k = 0; k < 2; k++) swap_bits(&r[k], &r[k + 2], 32, UINT64_C(0x00000000ffffffff));
})
#else
PLAIN(turn8, uint8_t)
PLAIN(turn16, uint16_t)
#endif

/* to[i][c] = from[c][i]; the elements of from's rows and of to's rows lie side by side. */
#define TILE(T, turn)                                                                                              \
    static void tile_##T(char *to, int64_t to_row, const char *from, int64_t from_row, int64_t rows, int64_t cols) \
    {                                                                                                              \
        enum { N = LINE / (int)sizeof(T) };                                                                        \
        _Alignas(LINE) T in[N * N], out[N * N];                                                                    \
        for (int64_t c = 0; c < cols; c += N) {                                                                    \
            for (int64_t i = 0; i < rows; i += N) {                                                                \
                char *t = to + i * to_row + c * (int64_t)sizeof(T);                                                \
                const char *f = from + c * from_row + i * (int64_t)sizeof(T);                                      \
                if (rows - i >= N && cols - c >= N) {                                                              \
                    for (int k = 0; k < N; k++) memcpy(in + k * N, f + k * from_row, LINE);                        \
                    turn(out, in);                                                                                 \
                    for (int k = 0; k < N; k++) memcpy(t + k * to_row, out + k * N, LINE);                         \
                    continue;                                                                                      \
                }                                                                                                  \
                const int64_t r = rows - i < N ? rows - i : N, n = cols - c < N ? cols - c : N;                    \
                for (int64_t y = 0; y < n; y++)                                                                    \
                    for (int64_t x = 0; x < r; x++)                                                                \
                        memcpy(t + x * to_row + y * (int64_t)sizeof(T), f + y * from_row + x * (int64_t)sizeof(T), \
                               sizeof(T));                                                                         \
            }                                                                                                      \
        }                                                                                                          \
    }

/* n elements step apart (in elements), side by side in to. */
#define ROW(T)                                                                   \
    static void row_##T(void *to, const void *from, int64_t n, int64_t step)     \
    {                                                                            \
        T *REEL_RESTRICT d = to;                                                 \
        const T *REEL_RESTRICT s = from;                                         \
        if (step == 2) {                                                         \
            for (int64_t i = 0; i < n; i++) d[i] = s[2 * i];                     \
        } else if (step == -1) {                                                 \
            for (int64_t i = 0; i < n; i++) d[i] = s[-i];                        \
        } else {                                                                 \
            int64_t i = 0;                                                       \
            for (; i + 4 <= n; i += 4, s += 4 * step) {                          \
                const T a = s[0], b = s[step], c = s[2 * step], e = s[3 * step]; \
                d[i] = a;                                                        \
                d[i + 1] = b;                                                    \
                d[i + 2] = c;                                                    \
                d[i + 3] = e;                                                    \
            }                                                                    \
            for (; i < n; i++, s += step) d[i] = *s;                             \
        }                                                                        \
    }
TILE(uint8_t, turn8)
TILE(uint16_t, turn16)
TILE(uint32_t, turn32)
TILE(uint64_t, turn64)
ROW(uint8_t)
ROW(uint16_t)
ROW(uint32_t)
ROW(uint64_t)

const reel_copy_table REEL_LEVELED(reel_copy_table) = {
    .tile = {[1] = tile_uint8_t, [2] = tile_uint16_t, [4] = tile_uint32_t, [8] = tile_uint64_t},
    .row = {[1] = row_uint8_t, [2] = row_uint16_t, [4] = row_uint32_t, [8] = row_uint64_t},
};
