/* gemm_vec.h: the few vector operations that the portable product needs, for the ISA level being compiled: AVX-512,
   AVX2 with FMA, or plain C. fma is fused everywhere (fmaf without the hardware), so all give the same bits. */
#ifndef REEL_KERNELS_GEMM_VEC_H
#define REEL_KERNELS_GEMM_VEC_H
#include "core/compiler.h"
#include <math.h>
#include <stdint.h>

#if defined(__AVX2__)
#include <immintrin.h>
/* lanes i and i + half are added until one is left, at every level */
REEL_ALWAYS_INLINE float reel_tree32_(__m128 v)
{
    const __m128 pair = _mm_add_ps(v, _mm_movehl_ps(v, v));
    return _mm_cvtss_f32(_mm_add_ss(pair, _mm_shuffle_ps(pair, pair, 1)));
}
REEL_ALWAYS_INLINE double reel_tree64_(__m128d v)
{
    return _mm_cvtsd_f64(_mm_add_sd(v, _mm_unpackhi_pd(v, v)));
}
REEL_ALWAYS_INLINE __m128 reel_half32_(__m256 v)
{
    return _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
}
REEL_ALWAYS_INLINE __m128d reel_half64_(__m256d v)
{
    return _mm_add_pd(_mm256_castpd256_pd128(v), _mm256_extractf128_pd(v, 1));
}
/* Square blocks of from, rows ldf apart, transposed into to. */
enum { REEL_SQUARE32 = 8, REEL_SQUARE64 = 4 };
REEL_ALWAYS_INLINE void reel_transpose32_(float *to, int64_t ldt, const float *from, int64_t ldf)
{
    __m256 r[8], t[8];
    for (int i = 0; i < 8; i++) r[i] = _mm256_loadu_ps(from + i * ldf);
    for (int i = 0; i < 4; i++) {
        t[2 * i] = _mm256_unpacklo_ps(r[2 * i], r[2 * i + 1]);
        t[2 * i + 1] = _mm256_unpackhi_ps(r[2 * i], r[2 * i + 1]);
    }
    for (int i = 0; i < 2; i++) {
        r[4 * i] = _mm256_shuffle_ps(t[4 * i], t[4 * i + 2], 0x44);
        r[4 * i + 1] = _mm256_shuffle_ps(t[4 * i], t[4 * i + 2], 0xee);
        r[4 * i + 2] = _mm256_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0x44);
        r[4 * i + 3] = _mm256_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0xee);
    }
    for (int i = 0; i < 4; i++) {
        _mm256_storeu_ps(to + i * ldt, _mm256_permute2f128_ps(r[i], r[i + 4], 0x20));
        _mm256_storeu_ps(to + (i + 4) * ldt, _mm256_permute2f128_ps(r[i], r[i + 4], 0x31));
    }
}
REEL_ALWAYS_INLINE void reel_transpose64_(double *to, int64_t ldt, const double *from, int64_t ldf)
{
    const __m256d a = _mm256_loadu_pd(from), b = _mm256_loadu_pd(from + ldf), c = _mm256_loadu_pd(from + 2 * ldf),
                  d = _mm256_loadu_pd(from + 3 * ldf);
    const __m256d ab0 = _mm256_unpacklo_pd(a, b), ab1 = _mm256_unpackhi_pd(a, b), cd0 = _mm256_unpacklo_pd(c, d),
                  cd1 = _mm256_unpackhi_pd(c, d);
    _mm256_storeu_pd(to, _mm256_permute2f128_pd(ab0, cd0, 0x20));
    _mm256_storeu_pd(to + ldt, _mm256_permute2f128_pd(ab1, cd1, 0x20));
    _mm256_storeu_pd(to + 2 * ldt, _mm256_permute2f128_pd(ab0, cd0, 0x31));
    _mm256_storeu_pd(to + 3 * ldt, _mm256_permute2f128_pd(ab1, cd1, 0x31));
}
#endif

#if defined(__AVX512F__) && defined(__AVX512VL__)
#define REEL_GEMM_ROWS 8
typedef __m512 reel_v32;
typedef __mmask16 reel_m32;
enum { REEL_W32 = 16, REEL_W64 = 8 };
REEL_ALWAYS_INLINE reel_m32 reel_mask32_(int n)
{
    return (reel_m32)((1u << n) - 1u);
}
REEL_ALWAYS_INLINE reel_v32 reel_zero32_(void)
{
    return _mm512_setzero_ps();
}
REEL_ALWAYS_INLINE reel_v32 reel_set32_(float x)
{
    return _mm512_set1_ps(x);
}
REEL_ALWAYS_INLINE reel_v32 reel_load32_(const float *p)
{
    return _mm512_loadu_ps(p);
}
REEL_ALWAYS_INLINE void reel_store32_(float *p, reel_v32 v)
{
    _mm512_storeu_ps(p, v);
}
REEL_ALWAYS_INLINE reel_v32 reel_loadm32_(const float *p, reel_m32 m)
{
    return _mm512_maskz_loadu_ps(m, p);
}
REEL_ALWAYS_INLINE void reel_storem32_(float *p, reel_v32 v, reel_m32 m)
{
    _mm512_mask_storeu_ps(p, m, v);
}
REEL_ALWAYS_INLINE reel_v32 reel_fma32_(reel_v32 a, reel_v32 b, reel_v32 c)
{
    return _mm512_fmadd_ps(a, b, c);
}
typedef __m512d reel_v64;
typedef __mmask8 reel_m64;
REEL_ALWAYS_INLINE reel_m64 reel_mask64_(int n)
{
    return (reel_m64)((1u << n) - 1u);
}
REEL_ALWAYS_INLINE reel_v64 reel_zero64_(void)
{
    return _mm512_setzero_pd();
}
REEL_ALWAYS_INLINE reel_v64 reel_set64_(double x)
{
    return _mm512_set1_pd(x);
}
REEL_ALWAYS_INLINE reel_v64 reel_load64_(const double *p)
{
    return _mm512_loadu_pd(p);
}
REEL_ALWAYS_INLINE void reel_store64_(double *p, reel_v64 v)
{
    _mm512_storeu_pd(p, v);
}
REEL_ALWAYS_INLINE reel_v64 reel_loadm64_(const double *p, reel_m64 m)
{
    return _mm512_maskz_loadu_pd(m, p);
}
REEL_ALWAYS_INLINE void reel_storem64_(double *p, reel_v64 v, reel_m64 m)
{
    _mm512_mask_storeu_pd(p, m, v);
}
REEL_ALWAYS_INLINE reel_v64 reel_fma64_(reel_v64 a, reel_v64 b, reel_v64 c)
{
    return _mm512_fmadd_pd(a, b, c);
}
REEL_ALWAYS_INLINE float reel_sum32_(const reel_v32 v[1])
{
    const __m256 high = _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(v[0]), 1));
    return reel_tree32_(reel_half32_(_mm256_add_ps(_mm512_castps512_ps256(v[0]), high)));
}
REEL_ALWAYS_INLINE double reel_sum64_(const reel_v64 v[1])
{
    return reel_tree64_(reel_half64_(_mm256_add_pd(_mm512_castpd512_pd256(v[0]), _mm512_extractf64x4_pd(v[0], 1))));
}

#elif defined(__AVX2__) && defined(__FMA__)
#define REEL_GEMM_ROWS 6
typedef __m256 reel_v32;
typedef __m256i reel_m32;
enum { REEL_W32 = 8, REEL_W64 = 4 };
REEL_ALWAYS_INLINE reel_m32 reel_mask32_(int n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
REEL_ALWAYS_INLINE reel_v32 reel_zero32_(void)
{
    return _mm256_setzero_ps();
}
REEL_ALWAYS_INLINE reel_v32 reel_set32_(float x)
{
    return _mm256_set1_ps(x);
}
REEL_ALWAYS_INLINE reel_v32 reel_load32_(const float *p)
{
    return _mm256_loadu_ps(p);
}
REEL_ALWAYS_INLINE void reel_store32_(float *p, reel_v32 v)
{
    _mm256_storeu_ps(p, v);
}
REEL_ALWAYS_INLINE reel_v32 reel_loadm32_(const float *p, reel_m32 m)
{
    return _mm256_maskload_ps(p, m);
}
REEL_ALWAYS_INLINE void reel_storem32_(float *p, reel_v32 v, reel_m32 m)
{
    _mm256_maskstore_ps(p, m, v);
}
REEL_ALWAYS_INLINE reel_v32 reel_fma32_(reel_v32 a, reel_v32 b, reel_v32 c)
{
    return _mm256_fmadd_ps(a, b, c);
}
typedef __m256d reel_v64;
typedef __m256i reel_m64;
REEL_ALWAYS_INLINE reel_m64 reel_mask64_(int n)
{
    return _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3));
}
REEL_ALWAYS_INLINE reel_v64 reel_zero64_(void)
{
    return _mm256_setzero_pd();
}
REEL_ALWAYS_INLINE reel_v64 reel_set64_(double x)
{
    return _mm256_set1_pd(x);
}
REEL_ALWAYS_INLINE reel_v64 reel_load64_(const double *p)
{
    return _mm256_loadu_pd(p);
}
REEL_ALWAYS_INLINE void reel_store64_(double *p, reel_v64 v)
{
    _mm256_storeu_pd(p, v);
}
REEL_ALWAYS_INLINE reel_v64 reel_loadm64_(const double *p, reel_m64 m)
{
    return _mm256_maskload_pd(p, m);
}
REEL_ALWAYS_INLINE void reel_storem64_(double *p, reel_v64 v, reel_m64 m)
{
    _mm256_maskstore_pd(p, m, v);
}
REEL_ALWAYS_INLINE reel_v64 reel_fma64_(reel_v64 a, reel_v64 b, reel_v64 c)
{
    return _mm256_fmadd_pd(a, b, c);
}
REEL_ALWAYS_INLINE float reel_sum32_(const reel_v32 v[2])
{
    return reel_tree32_(reel_half32_(_mm256_add_ps(v[0], v[1])));
}
REEL_ALWAYS_INLINE double reel_sum64_(const reel_v64 v[2])
{
    return reel_tree64_(reel_half64_(_mm256_add_pd(v[0], v[1])));
}

#else
#define REEL_GEMM_ROWS 4
enum { REEL_W32 = 8, REEL_W64 = 4, REEL_SQUARE32 = 4, REEL_SQUARE64 = 4 };
#define REEL_PLAIN_(bits, T, W, FMA)                                                                  \
    typedef struct {                                                                                  \
        T x[W];                                                                                       \
    } reel_v##bits;                                                                                   \
    typedef int reel_m##bits;                                                                         \
    REEL_ALWAYS_INLINE reel_m##bits reel_mask##bits##_(int n)                                         \
    {                                                                                                 \
        return n;                                                                                     \
    }                                                                                                 \
    REEL_ALWAYS_INLINE reel_v##bits reel_set##bits##_(T s)                                            \
    {                                                                                                 \
        reel_v##bits v;                                                                               \
        for (int i = 0; i < W; i++) v.x[i] = s;                                                       \
        return v;                                                                                     \
    }                                                                                                 \
    REEL_ALWAYS_INLINE reel_v##bits reel_zero##bits##_(void)                                          \
    {                                                                                                 \
        return reel_set##bits##_(0);                                                                  \
    }                                                                                                 \
    REEL_ALWAYS_INLINE reel_v##bits reel_loadm##bits##_(const T *p, int n)                            \
    {                                                                                                 \
        reel_v##bits v = reel_zero##bits##_();                                                        \
        for (int i = 0; i < n; i++) v.x[i] = p[i];                                                    \
        return v;                                                                                     \
    }                                                                                                 \
    REEL_ALWAYS_INLINE void reel_storem##bits##_(T *p, reel_v##bits v, int n)                         \
    {                                                                                                 \
        for (int i = 0; i < n; i++) p[i] = v.x[i];                                                    \
    }                                                                                                 \
    REEL_ALWAYS_INLINE reel_v##bits reel_load##bits##_(const T *p)                                    \
    {                                                                                                 \
        return reel_loadm##bits##_(p, W);                                                             \
    }                                                                                                 \
    REEL_ALWAYS_INLINE void reel_store##bits##_(T *p, reel_v##bits v)                                 \
    {                                                                                                 \
        reel_storem##bits##_(p, v, W);                                                                \
    }                                                                                                 \
    REEL_ALWAYS_INLINE reel_v##bits reel_fma##bits##_(reel_v##bits a, reel_v##bits b, reel_v##bits c) \
    {                                                                                                 \
        for (int i = 0; i < W; i++) c.x[i] = FMA(a.x[i], b.x[i], c.x[i]);                             \
        return c;                                                                                     \
    }                                                                                                 \
    REEL_ALWAYS_INLINE T reel_sum##bits##_(const reel_v##bits v[2])                                   \
    {                                                                                                 \
        T s[W];                                                                                       \
        for (int i = 0; i < W; i++) s[i] = v[0].x[i] + v[1].x[i];                                     \
        for (int h = W / 2; h > 0; h /= 2)                                                            \
            for (int i = 0; i < h; i++) s[i] += s[i + h];                                             \
        return s[0];                                                                                  \
    }                                                                                                 \
    REEL_ALWAYS_INLINE void reel_transpose##bits##_(T *to, int64_t ldt, const T *from, int64_t ldf)   \
    {                                                                                                 \
        for (int i = 0; i < 4; i++)                                                                   \
            for (int j = 0; j < 4; j++) to[i * ldt + j] = from[j * ldf + i];                          \
    }
REEL_PLAIN_(32, float, 8, fmaf)
REEL_PLAIN_(64, double, 4, fma)
#endif
#endif
