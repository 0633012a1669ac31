/* macros.h: call sites and argument makers, for C17 and C++17. */
#ifndef REEL_MACROS_H
#define REEL_MACROS_H
#include "base.h"
#define REEL_STR2_(x) #x
#define REEL_STR_(x) REEL_STR2_(x)
#define REEL_CAT2_(a, b) a##b
#define REEL_CAT_(a, b) REEL_CAT2_(a, b)
/* A literal passed as the FIRST argument of every reel_..._at: never stale, never copied. */
#define REEL_HERE __FILE__ ":" REEL_STR_(__LINE__)

#define REEL_ALL              \
    {                         \
        REEL_END, REEL_END, 1 \
    }
#ifndef __cplusplus
#define REEL_N_(T, ...) ((int)(sizeof((T[]){__VA_ARGS__}) / sizeof(T)))
#define REEL_SHAPE(...) ((reel_shape){REEL_N_(int64_t, __VA_ARGS__), {__VA_ARGS__}})
#define REEL_SCALAR ((reel_shape){.rank = 0})
#define REEL_AXES(...) ((reel_axes){REEL_N_(int, __VA_ARGS__), {__VA_ARGS__}})
#define REEL_ALL_AXES ((reel_axes){.n = 0})
#define REEL_LIST(...) ((reel_list){REEL_N_(reel_tensor *, __VA_ARGS__), (reel_tensor *const[]){__VA_ARGS__}})
#define REEL_FEEDS(...) ((reel_feeds){REEL_N_(reel_feed, __VA_ARGS__), (const reel_feed[]){__VA_ARGS__}})
#define REEL_FETCHES(...) ((reel_names){REEL_N_(const char *, __VA_ARGS__), (const char *const[]){__VA_ARGS__}})
/* Ranges of a slice: reel_slice(x, 2, REEL_RANGES(REEL_ALL, {0, 10, 2})). */
#define REEL_RANGES(...) ((const reel_range[]){__VA_ARGS__})
/* Options are always a pointer, NULL = defaults: reel_adam(vars, REEL_OPTS(adam, .lr = 1e-3)). */
#define REEL_OPTS(kind, ...) (&(const reel_##kind##_opts){.size = sizeof(reel_##kind##_opts), __VA_ARGS__})
#define REEL_FN(body, self, n_in, n_out) ((reel_fn){body, self, n_in, n_out, #body})
#else
#include <initializer_list>
template <class... D> constexpr reel_shape reel_shape_of_(D... d)
{
    return reel_shape{int(sizeof...(d)), {static_cast<int64_t>(d)...}};
}
template <class... D> constexpr reel_axes reel_axes_of_(D... d)
{
    return reel_axes{int(sizeof...(d)), {static_cast<int>(d)...}};
}
inline reel_list reel_list_of_(std::initializer_list<reel_tensor *> l)
{
    return reel_list{int(l.size()), l.begin()};
}
inline reel_feeds reel_feeds_of_(std::initializer_list<reel_feed> l)
{
    return reel_feeds{int(l.size()), l.begin()};
}
inline reel_names reel_names_of_(std::initializer_list<const char *> l)
{
    return reel_names{int(l.size()), l.begin()};
}
inline const reel_range *reel_ranges_of_(std::initializer_list<reel_range> l)
{
    return l.begin();
}
template <class T> const T *reel_opts_of_(T &&x)
{
    x.size = sizeof(T);
    return &x;
}
#define REEL_SHAPE(...) reel_shape_of_(__VA_ARGS__)
#define REEL_SCALAR reel_shape_of_()
#define REEL_AXES(...) reel_axes_of_(__VA_ARGS__)
#define REEL_ALL_AXES reel_axes_of_()
#define REEL_LIST(...) reel_list_of_({__VA_ARGS__})
#define REEL_FEEDS(...) reel_feeds_of_({__VA_ARGS__})
#define REEL_FETCHES(...) reel_names_of_({__VA_ARGS__})
#define REEL_RANGES(...) reel_ranges_of_({__VA_ARGS__})
/* In a lambda, so that g++ -Wextra does not warn of every option left out. C++17 has no designated initializers, but gcc
   and clang take them. */
#define REEL_OPTS(kind, ...)                                                                              \
    (__extension__ reel_opts_of_([&] {                                                                    \
        _Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Wmissing-field-initializers\"") \
            reel_##kind##_opts opts_{.size = 0, __VA_ARGS__};                                             \
        _Pragma("GCC diagnostic pop") return opts_;                                                       \
    }()))
#define REEL_FN(body, self, n_in, n_out) (reel_fn{body, self, n_in, n_out, #body})
#endif
/* A list from an array variable, and a function given with its name. */
#define REEL_ARRAY(a) (reel_list_of_array_((int)(sizeof(a) / sizeof *(a)), a))
static inline reel_list reel_list_of_array_(int n, reel_tensor *const *t)
{
    reel_list l;
    l.n = n;
    l.t = t;
    return l;
}
#endif
