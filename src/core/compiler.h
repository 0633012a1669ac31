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
#endif
