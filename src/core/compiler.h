/* compiler.h: the only place for compiler extensions. */
#ifndef REEL_CORE_COMPILER_H
#define REEL_CORE_COMPILER_H
#define REEL_LIKELY(x) __builtin_expect(!!(x), 1)
#define REEL_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define REEL_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define REEL_NOINLINE __attribute__((noinline))
#define REEL_ALWAYS_INLINE static inline __attribute__((always_inline))
#define REEL_COLD __attribute__((cold, noinline))
#define REEL_HOT __attribute__((hot))
#define REEL_UNUSED __attribute__((unused))
/* one pointer a thread, found without a call even in a shared library */
#define REEL_TLS _Thread_local __attribute__((tls_model("initial-exec")))
#define REEL_RESTRICT restrict
#define REEL_VECTOR(T, bytes) __attribute__((vector_size(bytes))) T
/* Before a loop whose iterations are independent of each other: an output that IS an input is fine, a shifted one is not. */
#ifdef __clang__
#pragma clang diagnostic ignored "-Wpass-failed" /* a loop that gains nothing from vectors is no mistake */
#define REEL_IVDEP _Pragma("clang loop vectorize(assume_safety)")
#else
#define REEL_IVDEP _Pragma("GCC ivdep")
#endif
/* What this x86 CPU can do, operating system included. */
#if defined(__x86_64__)
#define REEL_CPU_X86_64_V3                                                                               \
    (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") && \
     __builtin_cpu_supports("bmi2"))
#define REEL_CPU_X86_64_V4                                                                            \
    (REEL_CPU_X86_64_V3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && \
     __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
#else
#define REEL_CPU_X86_64_V3 0
#define REEL_CPU_X86_64_V4 0
#endif
#if defined(__x86_64__) || defined(__i386__)
#define REEL_SPIN_PAUSE() __builtin_ia32_pause()
#else
#define REEL_SPIN_PAUSE() ((void)0)
#endif
#define REEL_CLZ64(x) __builtin_clzll(x) /* x not 0 */
#if defined(__SANITIZE_ADDRESS__)
#define REEL_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define REEL_ASAN 1
#endif
#endif
#define REEL_ADD_OVERFLOW(a, b, r) __builtin_add_overflow(a, b, r)
#define REEL_SUB_OVERFLOW(a, b, r) __builtin_sub_overflow(a, b, r)
#define REEL_MUL_OVERFLOW(a, b, r) __builtin_mul_overflow(a, b, r)
#define REEL_PREFETCH(p) __builtin_prefetch(p) /* what will be read soon; any address will do */
/* At the head of a file, behind this header: gcc 12 makes fused multiply-adds of a x + b, c x - d side by side even with
   -ffp-contract=off (vfmaddsub), which has other bits. */
#if defined(__GNUC__) && !defined(__clang__)
#define REEL_NO_ADDSUB _Pragma("GCC optimize(\"no-tree-slp-vectorize\")")
#else
#define REEL_NO_ADDSUB
#endif
/* At the head of a file, behind this header: loops over a handful of things stay loops. gcc makes calls of memset and "rep movs" of them, and
   vectors that the loads behind have to wait for. */
#if defined(__GNUC__) && !defined(__clang__)
#define REEL_SMALL_LOOPS _Pragma("GCC optimize(\"no-tree-vectorize,no-tree-loop-distribute-patterns\")")
#else
#define REEL_SMALL_LOOPS
#endif
#endif
