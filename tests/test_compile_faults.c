/* test_compile_faults.c: compiling plans where something is wrong: no compiler, one that fails, hangs, writes rubbish or dies; no place
   for the result, a cache that was harmed, no memory at each point, sessions that close meanwhile, processes that compile the
   same at once. Runs are right all the same, explain says what was wrong, nothing leaks. */
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "reel/reel.h"
#include "trace/compile.h"
#include "trace/session.h"
#include "trace_help.h"

extern char **environ;
static char folder[] = "/tmp/reel-faults-XXXXXX", self[512];
static char cache[128], tools[128];

/* ---- one session, and what it must give ------------------------------------------------------------------- */

enum { N = 700 };
static float want[N];

static bool by_rows; /* a group by rows; else a plain one */
static reel_tensor *body(reel_tensor *x)
{
    reel_tensor *y = reel_mul(reel_add(reel_mul(x, reel_num(2)), reel_num(1)), reel_tanh(x));
    if (by_rows) return reel_sub(reel_abs(y), reel_max_axes(y, REEL_AXES(-1), true));
    return reel_where(reel_greater(y, reel_num(0.5)), y, reel_sub(x, y));
}

static reel_tensor *input(void)
{
    float v[N];
    for (int i = 0; i < N; i++) v[i] = (float)(i % 200 - 100) / 32;
    return reel_from_f32(REEL_SHAPE(N), v, N);
}

static reel_session *new_session(reel_compile how, int after, reel_graph **g)
{
    *g = reel_graph_begin();
    if (*g) {
        REEL_SCOPED;
        reel_output("y", body(reel_placeholder(REEL_F32, REEL_SHAPE(REEL_ANY), "x")));
    }
    if (!*g || reel_graph_end(*g)) {
        *g = NULL;
        return NULL;
    }
    return reel_session_new(*g, REEL_OPTS(session, .compile = how, .compile_after = after));
}

static bool right(reel_session *s)
{
    REEL_SCOPED;
    float got[N];
    reel_tensor *y[1];
    reel_tensor *x = input();
    if (!x || reel_session_run(s, REEL_FEEDS({"x", x}), REEL_FETCHES("y"), y)) return false;
    return !reel_read(y[0], got, sizeof got) && !memcmp(got, want, sizeof got);
}

static int compiled_steps(reel_session *s)
{
    reel_plan_info info = {0};
    return reel_session_info(s, &info) ? -1 : info.compiled_steps;
}

/* What explain says of compiling. */
static void explain(reel_session *s, char *out, size_t size)
{
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    *out = '\0';
    if (f && !reel_session_explain(f, s)) {
        fflush(f);
        const char *line = strstr(text, "compiled: ");
        if (line) snprintf(out, size, "%.*s", (int)strcspn(line, "\n"), line);
    }
    if (f) fclose(f);
    free(text);
}

/* A session that is compiled before its first run; says why not, or NULL: it is compiled. */
static rlim_t file_limit; /* while they run; 0: none */
static void limit_files(bool on)
{
    struct rlimit l;
    getrlimit(RLIMIT_FSIZE, &l);
    l.rlim_cur = on && file_limit ? file_limit : l.rlim_max;
    setrlimit(RLIMIT_FSIZE, &l);
}
static void expect(const char *what, const char *why)
{
    reel_graph *g;
    reel_session *s = new_session(REEL_COMPILE_ON, 0, &g);
    limit_files(true);
    const bool ok = right(s) && right(s);
    limit_files(false);
    char line[700];
    explain(s, line, sizeof line);
    const int steps = compiled_steps(s);
    if (!TAP_OK(ok && (why ? steps == 0 && strstr(line, why) : steps > 0), "%s: %s", what,
                why ? "the interpreter goes on" : "compiled"))
        TAP_NOTE("right %d, steps %d, %s", ok, steps, line);
    if (why) {
        limit_files(true);
        const int again = reel_session_compile(s);
        limit_files(false);
        TAP_OK(again == REEL_EIO, "%s: asked for again it is an error", what);
        expect_error(REEL_EIO, why, "the interpreter goes on", what);
    }
    reel_session_free(s);
    reel_graph_free(g);
    expect_none(what);
}

static int entries(const char *ending)
{
    int n = 0;
    DIR *d = opendir(cache);
    for (struct dirent *e; d && (e = readdir(d));) {
        const size_t k = strlen(e->d_name), m = strlen(ending);
        n += e->d_name[0] != '.' && k >= m && !strcmp(e->d_name + k - m, ending);
    }
    if (d) closedir(d);
    return n;
}

/* A compiler that is a script. */
static const char *script(const char *name, const char *text)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", tools, name);
    FILE *f = fopen(path, "w");
    if (f) {
        fprintf(f, "#!/bin/sh\ncase \"$*\" in *--version*) echo %s 1; exit 0;; esac\n%s\n", name, text);
        fclose(f);
        chmod(path, 0755);
    }
    setenv("REEL_CC", path, 1);
    return path;
}

static void usual(void)
{
    unsetenv("REEL_CC");
    unsetenv("REEL_COMPILE");
    unsetenv("REEL_CC_SECONDS");
    unsetenv("REEL_CACHE_MB");
    setenv("REEL_CACHE_DIR", cache, 1);
}

/* ---- the compiler ---------------------------------------------------------------------------------------------- */

static bool learn(void)
{
    REEL_SCOPED;
    return reel_read(body(input()), want, sizeof want) == 0;
}

static void test_begin(void)
{
    const ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    TAP_OK(n > 0 && mkdtemp(folder) != NULL, "a folder of its own");
    snprintf(cache, sizeof cache, "%s/a/cache", folder);
    snprintf(tools, sizeof tools, "%s/tools", folder);
    mkdir(tools, 0700);
    usual();
    TAP_OK(learn(), "what is right");
}

static void test_works(void)
{
    expect("with cc", NULL);
    TAP_OK(entries(".so") == 1 && entries(".c") == 1, "the object and its text are in the cache");
    TAP_OK(entries("") == 2, "and nothing else");
    struct stat st;
    TAP_OK(stat(cache, &st) == 0 && (st.st_mode & 0777) == 0700, "which is its owner's alone");
    reel_graph *g;
    reel_session *s = new_session(REEL_COMPILE_ON, 0, &g);
    TAP_OK(right(s) && s->player.plans->compiled->found, "the second one is found there");
    REEL_SCOPED;
    reel_tensor *y[1];
    reel_session_run(s, REEL_FEEDS({"x", reel_ones(REEL_F32, REEL_SHAPE(3))}), REEL_FETCHES("y"), y);
    TAP_OK(s->player.plans->compiled->found && s->n_buckets == 0, "and serves another size");
    reel_session_free(s);
    reel_graph_free(g);
}

static void test_compilers(void)
{
    setenv("REEL_CC", "/nowhere/cc", 1);
    expect("no such compiler", "there is no compiler \"/nowhere/cc\"");
    unsetenv("REEL_CC");
    char *path = strdup(getenv("PATH"));
    setenv("PATH", ".:relative", 1);
    expect("nothing in PATH", "there is no compiler \"cc\" in PATH");
    setenv("PATH", path, 1);
    free(path);
    script("fails", "echo 'In file included' >&2; echo 'plan.c:7:3: error: odd weather' >&2; exit 1");
    expect("a failing one", "plan.c:7:3: error: odd weather");
    script("silent", "exit 3");
    expect("one that fails without a word", "it says nothing");
    script("loud", "while :; do echo error: again and again and again; i=$((i+1)); [ $i -gt 3000 ] && exit 1; done");
    expect("one that says much", "error: again");
    script("dies", "kill -9 $$");
    expect("one that dies", "was ended by signal 9");
    script("rubbish", "while [ \"$1\" != -o ]; do shift; done; echo rubbish > $2");
    expect("one that writes rubbish", "it cannot be loaded");
    script("nothing", "exit 0");
    expect("one that writes nothing", "cannot write");
    script("empty", "while [ \"$1\" != -o ]; do shift; done; echo 'int x;' > e.c; cc -shared -fPIC -o $2 e.c");
    expect("an object without the functions", "reel_group_0");
    setenv("REEL_CC_SECONDS", "1", 1);
    script("hangs", "sleep 100");
    expect("one that hangs", "did not finish in time");
    usual();
    setenv("REEL_CC", "cc -DREEL_SOMETHING=1", 1);
    expect("a command with arguments", NULL);
    usual();
    TAP_OK(entries("") == entries(".so") + entries(".c"), "no workshop is left over");
}

/* ---- places ------------------------------------------------------------------------------------------------------ */

static void test_places(void)
{
    char path[256];
    setenv("REEL_CACHE_DIR", "/proc/reel", 1);
    expect("a place where nothing can be made", "cannot make the cache");
    setenv("REEL_CACHE_DIR", "some/folder", 1);
    expect("a relative place", "no absolute path");
    snprintf(path, sizeof path, "%s/open", folder);
    mkdir(path, 0700);
    chmod(path, 0755);
    setenv("REEL_CACHE_DIR", path, 1);
    expect("a folder that others may enter", "0700");
    rmdir(path);
    symlink(cache, path);
    expect("a link", "is no folder");
    unlink(path);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    expect("a file", "");
    unlink(path);
    unsetenv("REEL_CACHE_DIR");
    setenv("XDG_CACHE_HOME", folder, 1);
    expect("XDG_CACHE_HOME", NULL);
    snprintf(path, sizeof path, "%s/reel", folder);
    reel_cache_clear_(path);
    unsetenv("XDG_CACHE_HOME");
    usual();
}

static void test_full_disk(void)
{
    setenv("REEL_CC", "cc -DREEL_FULL=1", 1); /* another key */
    file_limit = 2000;
    expect("a disk that is full at once", "cannot write");
    file_limit = 120000; /* the head goes in, what the compiler writes does not */
    script("bulky", "while [ \"$1\" != -o ]; do shift; done; head -c 300000 /dev/zero > $2 || exit 1");
    expect("a disk that is full later", "");
    file_limit = 0;
    usual();
    TAP_OK(entries("") == entries(".so") + entries(".c"), "no workshop is left over");
}

/* ---- the cache ------------------------------------------------------------------------------------------------------ */

static bool only_object(char path[512])
{
    DIR *d = opendir(cache);
    bool found = false;
    for (struct dirent *e; d && (e = readdir(d));) {
        if (!strstr(e->d_name, ".so")) continue;
        snprintf(path, 512, "%s/%s", cache, e->d_name);
        found = true;
    }
    if (d) closedir(d);
    return found;
}

static void harm(const char *what, off_t at, off_t length)
{
    char path[512], byte = 0x55;
    struct stat st;
    reel_cache_clear_(cache);
    expect("anew", NULL);
    if (!TAP_OK(only_object(path) && stat(path, &st) == 0, "%s: an object to harm", what)) return;
    if (length >= 0) {
        TAP_OK(truncate(path, length ? st.st_size - length : 0) == 0, "%s: cut", what);
    } else {
        const int fd = open(path, O_WRONLY);
        TAP_OK(pwrite(fd, &byte, 1, at < 0 ? st.st_size + at : at) == 1, "%s: changed", what);
        close(fd);
    }
    reel_graph *g;
    reel_session *s = new_session(REEL_COMPILE_ON, 0, &g);
    TAP_OK(right(s) && compiled_steps(s) > 0 && !s->player.plans->compiled->found, "%s: compiled anew", what);
    reel_session_free(s);
    reel_graph_free(g);
    expect_none(what);
}

static void test_harm(void)
{
    harm("a byte in the code", 5000, -1);
    harm("a byte of the checksum", -20, -1);
    harm("a byte of the mark", -1, -1);
    harm("a shorter one", 0, 100);
    harm("an empty one", 0, 0);
}

static void test_bound(void)
{
    char path[600];
    snprintf(path, sizeof path, "%s/letter.so", cache);
    FILE *f = fopen(path, "w");
    if (f) fclose(f);
    for (int i = 0; i < 3; i++) {
        char cc[64];
        snprintf(cc, sizeof cc, "cc -DREEL_NUMBER=%d", i);
        setenv("REEL_CC", cc, 1);
        setenv("REEL_CACHE_MB", "0", 1);
        expect("a cache for nothing", NULL);
    }
    TAP_OK(entries(".so") == 2 && entries(".c") == 1, "only what was made last is kept, and what is somebody else's");
    TAP_OK(remove(path) == 0, "a file of the user's is left alone");
    usual();
}

/* ---- processes --------------------------------------------------------------------------------------------------------- */

/* What a child does: the session, compiled. */
static int child(void)
{
    reel_graph *g;
    reel_session *s = new_session(REEL_COMPILE_ON, 0, &g);
    REEL_SCOPED;
    reel_tensor *y = body(input());
    const bool ok = !reel_read(y, want, sizeof want) && right(s) && compiled_steps(s) > 0;
    reel_session_free(s);
    reel_graph_free(g);
    return ok ? 0 : 1;
}

static void test_processes(void)
{
    enum { CHILDREN = 4 };
    pid_t pid[CHILDREN];
    int bad = 0;
    char *const args[] = {self, "child", NULL};
    reel_cache_clear_(cache);
    for (int i = 0; i < CHILDREN; i++) bad += posix_spawn(&pid[i], self, NULL, NULL, args, environ) != 0;
    for (int i = 0; i < CHILDREN; i++) {
        int status = -1;
        waitpid(pid[i], &status, 0);
        bad += !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    TAP_OK(!bad, "%d processes compile the same at once", CHILDREN);
    TAP_OK(entries(".so") == 1 && entries("") == 2, "one object comes of it");
    expect("what they left", NULL);
}

/* ---- threads -------------------------------------------------------------------------------------------------------------- */

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void *many_runs(void *arg)
{
    int bad = 0;
    for (int i = 0; i < 200; i++) bad += !right(arg);
    (void)reel_take_error(NULL);
    return bad ? arg : NULL;
}

static void test_background(void)
{
    enum { THREADS = 4 };
    reel_graph *g;
    reel_cache_clear_(cache);
    reel_session *s = new_session(REEL_COMPILE_AUTO, 3, &g);
    bool ok = right(s) && right(s);
    TAP_OK(ok && !s->player.compiling, "two runs: the interpreter");
    pthread_t t[THREADS];
    int bad = 0;
    for (int i = 0; i < THREADS; i++) pthread_create(&t[i], NULL, many_runs, s);
    for (int i = 0; i < THREADS; i++) {
        void *r;
        pthread_join(t[i], &r);
        bad += r != NULL;
    }
    TAP_OK(!bad, "%d threads run it meanwhile", THREADS);
    reel_compile_wait_(&s->player);
    ok = right(s);
    TAP_OK(ok && compiled_steps(s) > 0, "compiled in the background");
    reel_session_free(s);
    reel_graph_free(g);

    script("slow", "sleep 100");
    s = new_session(REEL_COMPILE_AUTO, 1, &g);
    ok = right(s);
    while (entries("") == entries(".so") + entries(".c")) usleep(1000); /* until it is at work */
    const double begin = seconds();
    ok = ok && reel_session_close(s) == 0;
    reel_session_free(s);
    reel_graph_free(g);
    TAP_OK(ok && seconds() - begin < 5, "a session closes while its plan is compiled");
    TAP_OK(entries("") == entries(".so") + entries(".c"), "and cleans up");
    usual();
}

static int call_body(void *unused, reel_tensor *const in[], reel_tensor *out[])
{
    (void)unused;
    out[0] = body(in[0]);
    return reel_status();
}

static void test_functions(void)
{
    REEL_SCOPED;
    reel_function *f =
        reel_function_new(REEL_FN(call_body, NULL, 1, 1), REEL_OPTS(function, .compile = REEL_COMPILE_ON));
    float got[N];
    bool ok = true;
    reel_tensor *out[1], *x = input();
    for (int i = 0; i < 3; i++)
        ok = ok && !reel_function_call(f, REEL_LIST(x), out) && !reel_read(out[0], got, sizeof got) &&
             !memcmp(got, want, sizeof got);
    TAP_OK(ok && reel_function_compile(f) == 0, "a function");
    char *text = NULL;
    size_t n = 0;
    FILE *file = open_memstream(&text, &n);
    reel_function_explain_plan(file, f);
    fclose(file);
    TAP_OK(text && strstr(text, "compiled: 1 of 1"), "its explain says so");
    free(text);
    reel_function_free(f);
    TAP_OK(reel_function_compile(NULL) == REEL_EARG, "no function");
    expect_error(REEL_EARG, "reel_function_compile", "NULL", "no function");
    TAP_OK(reel_session_compile(NULL) == REEL_EARG, "no session");
    expect_error(REEL_EARG, "reel_session_compile", "NULL", "no session");
    reel_graph *g;
    reel_session *s = new_session(REEL_COMPILE_OFF, 0, &g);
    TAP_OK(reel_session_compile(s) == REEL_EARG, "before the first run");
    expect_error(REEL_EARG, "has not run yet", "", "before the first run");
    TAP_OK(right(s) && compiled_steps(s) == 0, "off");
    TAP_OK(reel_session_compile(s) == 0 && right(s) && compiled_steps(s) == 1, "until it is asked for");
    reel_session_free(s);
    TAP_OK(!reel_session_new(g, REEL_OPTS(session, .compile = (reel_compile)7)), "a mode that is none");
    expect_error(REEL_EARG, ".compile is 7", "", "a mode that is none");
    reel_graph_free(g);
}

static void test_environment(void)
{
    static const struct {
        const char *text;
        reel_compile how;
        int mode;
    } cases[] = {
        {"on", REEL_COMPILE_AS_SET, 0},    {"off", REEL_COMPILE_AS_SET, -1},   {"off", REEL_COMPILE_ON, -1},
        {"auto", REEL_COMPILE_AS_SET, 50}, {"auto:7", REEL_COMPILE_AS_SET, 7}, {"auto:x", REEL_COMPILE_AS_SET, -1},
        {"on", REEL_COMPILE_OFF, -1},      {"on", REEL_COMPILE_AUTO, 50},      {"nonsense", REEL_COMPILE_ON, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int mode = 99;
        setenv("REEL_COMPILE", cases[i].text, 1);
        TAP_OK(!reel_compile_mode_("test", cases[i].how, 0, &mode) && mode == cases[i].mode,
               "REEL_COMPILE=%s and option %d: %d", cases[i].text, (int)cases[i].how, mode);
    }
    usual();
}

static void test_hash(void)
{
    static const uint8_t abc[] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40,
                                  0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17,
                                  0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};
    static const uint8_t million[] = {0xcd, 0xc7, 0x6e, 0x5c, 0x99, 0x14, 0xfb, 0x92, 0x81, 0xa1, 0xc7,
                                      0xe2, 0x84, 0xd7, 0x3e, 0x67, 0xf1, 0x80, 0x9a, 0x48, 0xa4, 0x97,
                                      0x20, 0x0e, 0x04, 0x6d, 0x39, 0xcc, 0xc7, 0x11, 0x2c, 0xd0};
    reel_hash h;
    uint8_t sum[REEL_HASH];
    reel_hash_begin_(&h);
    reel_hash_add_(&h, "abc", 3);
    reel_hash_end_(&h, sum);
    TAP_OK(!memcmp(sum, abc, sizeof sum), "SHA-256 of abc, as FIPS 180 has it");
    reel_hash_begin_(&h);
    for (int i = 0; i < 100000; i++) reel_hash_add_(&h, "aaaaaaaaaa", 10);
    reel_hash_end_(&h, sum);
    TAP_OK(!memcmp(sum, million, sizeof sum), "and of a million of a");
}

/* ---- memory ------------------------------------------------------------------------------------------------------------------ */

/* May be called by the compiling thread too. */
static _Atomic long countdown, live;
static _Atomic bool has_failed;
static void *take(void *unused, size_t bytes)
{
    (void)unused;
    if (atomic_load(&countdown) > 0 && atomic_fetch_sub(&countdown, 1) == 1) {
        atomic_store(&has_failed, true);
        return NULL;
    }
    atomic_fetch_add(&live, 1);
    return aligned_alloc(64, (bytes + 63) & ~(size_t)63);
}
static void give(void *unused, void *p, size_t bytes)
{
    (void)unused;
    (void)bytes;
    if (p) atomic_fetch_sub(&live, 1);
    free(p);
}

static void *attempt(void *arg)
{
    reel_error e;
    reel_graph *g;
    long *fail_at = arg;
    atomic_store(&countdown, *fail_at);
    atomic_store(&has_failed, false);
    reel_session *s = new_session(REEL_COMPILE_ON, 0, &g);
    bool ok = s && right(s);
    atomic_store(&countdown, 0);
    const int code = reel_take_error(&e);
    ok = ok ? code == 0 : code == REEL_ENOMEM;
    if (!ok) TAP_NOTE("allocation %ld: code %d: %s", *fail_at, code, e.text);
    if (s) ok = right(s) && ok; /* once more, with memory */
    reel_session_free(s);
    reel_graph_free(g);
    (void)reel_take_error(NULL);
    *fail_at = ok ? 0 : 1;
    return NULL;
}

static int in_thread(long fail_at)
{
    pthread_t t;
    long arg = fail_at;
    pthread_create(&t, NULL, attempt, &arg);
    pthread_join(t, NULL);
    return (int)arg;
}

static void every_allocation(const char *what)
{
    int bad = 0, leaks = 0;
    long n = 1;
    for (int i = 0; i < 2; i++) bad += in_thread(0);
    const long before = atomic_load(&live);
    for (;; n++) {
        bad += in_thread(n);
        if (!atomic_load(&has_failed)) break;
        if (atomic_load(&live) != before && !leaks++) TAP_NOTE("allocation %ld leaks", n);
    }
    TAP_OK(!bad && n > 30, "%s: no memory at each of %ld points: right, or an error", what, n - 1);
    TAP_OK(!leaks, "%s: nothing leaks", what);
}

static void test_memory(void)
{
    const reel_allocator mine = {.size = sizeof mine, .alloc = take, .free = give};
    TAP_OK(reel_set_allocator(&mine) == 0, "an allocator of the test's own");
    expect("with it", NULL);
    every_allocation("found in the cache");
    char path[512];
    char command[900] = "";
    if (only_object(path)) /* a compiler that is quick: it copies what was built before, without its checksum */
        snprintf(command, sizeof command, "while [ \"$1\" != -o ]; do shift; done; head -c -40 %s > $2", path);
    char copy[600];
    snprintf(copy, sizeof copy, "%s/object", tools);
    rename(path, copy);
    snprintf(command, sizeof command, "while [ \"$1\" != -o ]; do shift; done; head -c -40 %s > $2", copy);
    script("copies", command);
    setenv("REEL_CACHE_MB", "0", 1);
    expect("a compiler that copies", NULL);
    script("fails", "exit 1");
    every_allocation("where the compiler fails");
    usual();
    by_rows = true;
    TAP_OK(learn(), "by rows: what is right");
    expect("by rows", NULL);
    every_allocation("by rows, found in the cache");
    by_rows = false;
    TAP_OK(learn(), "what is right again");
    TAP_OK(entries("") == entries(".so") + entries(".c"), "no workshop is left over");
}

/* ---- what a compiler is ----------------------------------------------------------------------------------------------- */

/* A compiler that notes down who asks for its version. */
static char notes[256];
static const char *asked(const char *version)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/asked", tools);
    snprintf(notes, sizeof notes, "%s/notes", tools);
    FILE *f = fopen(path, "w");
    if (!f) return path;
    fprintf(f, "#!/bin/sh\ncase \"$*\" in *--version*) echo x >> %s; echo %s; exit 0;; esac\nexec cc \"$@\"\n", notes,
            version);
    fclose(f);
    chmod(path, 0755);
    return path;
}

static long times_asked(void)
{
    struct stat st;
    return stat(notes, &st) ? 0 : (long)st.st_size / 2;
}

static void *once_more(void *arg)
{
    reel_graph *g;
    reel_session *s = new_session(REEL_COMPILE_ON, 0, &g);
    *(bool *)arg = right(s) && compiled_steps(s) > 0;
    reel_session_free(s);
    reel_graph_free(g);
    (void)reel_take_error(NULL);
    return NULL;
}

static void test_asked(void)
{
    enum { THREADS = 4 };
    pthread_t t[THREADS];
    bool ok[THREADS];
    setenv("REEL_CC", asked("one"), 1);
    for (int i = 0; i < THREADS; i++) pthread_create(&t[i], NULL, once_more, &ok[i]);
    for (int i = 0; i < THREADS; i++) pthread_join(t[i], NULL);
    TAP_OK(ok[0] && ok[1] && ok[2] && ok[3] && times_asked() == 1,
           "threads that compile at once: asked once, not %ld times", times_asked());
    expect("the same once more", NULL);
    TAP_OK(times_asked() == 1, "and never again");
    char command[300];
    snprintf(command, sizeof command, "%s -DREEL_OTHER", getenv("REEL_CC"));
    setenv("REEL_CC", command, 1);
    expect("with another argument", NULL);
    TAP_OK(times_asked() == 2, "another command is asked");
    setenv("REEL_CC", asked("another version"), 1);
    const int before = entries(".so");
    expect("a file that has changed", NULL);
    TAP_OK(times_asked() == 3 && entries(".so") == before + 1, "is asked, and compiles anew");
    usual();
}

/* A compiler may be a wrapper with a cache of its own, in XDG_CACHE_HOME. */
static int wipe(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}
static void test_end(void)
{
    TAP_OK(nftw(folder, wipe, 16, FTW_DEPTH | FTW_PHYS) == 0, "cleared away");
}

#define main tap_main
TAP_MAIN(test_begin, test_works, test_compilers, test_places, test_full_disk, test_harm, test_bound, test_processes,
         test_background, test_functions, test_environment, test_hash, test_asked, test_memory, test_end)
#undef main
int main(int argc, char **argv)
{
    return argc > 1 && !strcmp(argv[1], "child") ? child() : tap_main(argc, argv);
}
