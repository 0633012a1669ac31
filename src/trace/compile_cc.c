/* compile_cc.c: the system's C compiler: found, asked what it is, run. No shell; its errors are read through a pipe. It is
   stopped when the session closes or when it takes too long. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "compile.h"

extern char **environ;
enum { OUTPUT = 2048, SECONDS = 120, LOOK_MS = 20 };

int reel_whynot_(reel_whynot *w, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(w->text, sizeof w->text, fmt, ap);
    va_end(ap);
    return -1;
}

/* ---- finding it ------------------------------------------------------------------------------------------ */

static bool is_program(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* Through PATH, whose entries must be absolute: what lies in the current folder is nobody's compiler. */
static bool find_program(const char *name, char *out, size_t size)
{
    if (strchr(name, '/')) return snprintf(out, size, "%s", name) < (int)size && is_program(out);
    const char *path = getenv("PATH");
    while (path && *path) {
        const size_t n = strcspn(path, ":");
        if (*path == '/' && snprintf(out, size, "%.*s/%s", (int)n, path, name) < (int)size && is_program(out))
            return true;
        path += n + (path[n] == ':');
    }
    return false;
}

/* ---- running it ------------------------------------------------------------------------------------------- */

typedef struct running {
    pid_t pid;
    int fd; /* what it says */
    char said[OUTPUT];
    size_t n;
} running;

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int start(running *r, char *const *words, const char *folder)
{
    int fd[2];
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t none, usual;
    sigemptyset(&none);
    sigfillset(&usual);
    if (pipe2(fd, O_CLOEXEC)) return errno;
    if (posix_spawn_file_actions_init(&files)) {
        close(fd[0]);
        close(fd[1]);
        return ENOMEM;
    }
    int rc = posix_spawnattr_init(&attr);
    if (!rc) {
        rc = posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
        if (!rc) rc = posix_spawnattr_setpgroup(&attr, 0);
        if (!rc) rc = posix_spawnattr_setsigmask(&attr, &none);
        if (!rc) rc = posix_spawnattr_setsigdefault(&attr, &usual);
        if (!rc) rc = posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
        if (!rc) rc = posix_spawn_file_actions_adddup2(&files, fd[1], 1);
        if (!rc) rc = posix_spawn_file_actions_adddup2(&files, fd[1], 2);
        if (!rc && folder) rc = posix_spawn_file_actions_addchdir_np(&files, folder);
        if (!rc) rc = posix_spawn(&r->pid, words[0], &files, &attr, words, environ);
        posix_spawnattr_destroy(&attr);
    }
    posix_spawn_file_actions_destroy(&files);
    close(fd[1]);
    if (rc) close(fd[0]);
    r->fd = fd[0];
    return rc;
}

/* One look at the pipe. false: it is closed. */
static bool listen_to(running *r)
{
    struct pollfd p = {.fd = r->fd, .events = POLLIN};
    char more[512];
    if (poll(&p, 1, LOOK_MS) <= 0) return true;
    const ssize_t got = read(r->fd, more, sizeof more);
    if (got <= 0) return got < 0 && errno == EINTR;
    const size_t room = sizeof r->said - 1 - r->n, take = (size_t)got < room ? (size_t)got : room;
    memcpy(r->said + r->n, more, take); /* the first words are what counts */
    r->n += take;
    return true;
}

static int time_limit(void)
{
    const char *s = getenv("REEL_CC_SECONDS");
    char *end = NULL;
    const long n = s ? strtol(s, &end, 10) : 0;
    return s && end != s && *end == '\0' && n > 0 && n < 100000 ? (int)n : SECONDS;
}

/* Until it is over: its status, -1: unknown, as somebody else has waited for it. */
static int finish(running *r, const _Atomic bool *stop, const char **why)
{
    const int64_t end = now_ms() + (int64_t)time_limit() * 1000;
    int status = -1;
    *why = NULL;
    bool open = true;
    for (;;) {
        if (open)
            open = listen_to(r);
        else
            (void)poll(NULL, 0, 1);
        const pid_t got = waitpid(r->pid, &status, WNOHANG);
        if (got == r->pid || (got < 0 && errno != EINTR)) {
            if (got < 0) status = -1;
            break;
        }
        if (!*why && atomic_load(stop)) *why = "it was stopped, as the session is closed";
        if (!*why && now_ms() > end) *why = "it did not finish in time";
        if (*why) (void)kill(-r->pid, SIGKILL);
    }
    struct pollfd p = {.fd = r->fd, .events = POLLIN};
    while (open && poll(&p, 1, 0) > 0) open = listen_to(r); /* what is left in the pipe */
    close(r->fd);
    r->said[r->n] = '\0';
    return status;
}

/* The first line with an error in it, or the first. */
static const char *first_error(char *said)
{
    char *line = strstr(said, "error");
    while (line && line > said && line[-1] != '\n') line--;
    if (!line) line = said;
    line[strcspn(line, "\n")] = '\0';
    for (char *c = line; *c; c++)
        if ((unsigned char)*c < ' ') *c = ' ';
    return *line ? line : "it says nothing";
}

static int run(running *r, char *const *words, const char *folder, const _Atomic bool *stop, reel_whynot *w)
{
    const char *why;
    *r = (running){0};
    const int rc = start(r, words, folder);
    if (rc) return reel_whynot_(w, "%s cannot be started: %s", words[0], strerror(rc));
    const int status = finish(r, stop, &why);
    if (why) return reel_whynot_(w, "%s: %s", words[0], why);
    if (status == -1 || (WIFEXITED(status) && WEXITSTATUS(status) == 0)) return 0;
    if (WIFSIGNALED(status)) return reel_whynot_(w, "%s was ended by signal %d", words[0], WTERMSIG(status));
    return reel_whynot_(w, "%s failed: %.200s", words[0], first_error(r->said));
}

/* ---- a command ---------------------------------------------------------------------------------------------- */

static int add_word(reel_cc *cc, const char *s, size_t n)
{
    if (cc->n + n + 1 > sizeof cc->text) return -1;
    memcpy(cc->text + cc->n, s, n);
    cc->text[cc->n + n] = '\0';
    cc->n += n + 1;
    return 0;
}

/* Words of a text that are separated by blanks. */
static int add_words(reel_cc *cc, const char *s)
{
    for (;;) {
        s += strspn(s, " \t");
        const size_t n = strcspn(s, " \t");
        if (!n) return 0;
        if (add_word(cc, s, n)) return -1;
        s += n;
    }
}

static int word_list(reel_cc *cc, char **words)
{
    int n = 0;
    for (char *s = cc->text; s < cc->text + cc->n; s += strlen(s) + 1) {
        if (n + 1 >= REEL_CC_ARGS) return -1;
        words[n++] = s;
    }
    words[n] = NULL;
    return 0;
}

/* Where it lies, its file; and PATH, as it may be a wrapper that looks for others. */
static int note_file(reel_cc *cc, reel_whynot *w)
{
    struct stat st;
    reel_hash h;
    const char *path = getenv("PATH");
    if (!path) path = "";
    if (stat(cc->text, &st)) return reel_whynot_(w, "%.200s: %s", cc->text, strerror(errno));
    const int64_t file[] = {(int64_t)st.st_dev, (int64_t)st.st_ino, (int64_t)st.st_size, (int64_t)st.st_mtim.tv_sec,
                            (int64_t)st.st_mtim.tv_nsec};
    reel_hash_begin_(&h);
    reel_hash_add_(&h, cc->text, cc->n);
    reel_hash_add_(&h, file, sizeof file);
    reel_hash_end_(&h, cc->identity);
    reel_hash_begin_(&h);
    reel_hash_add_(&h, cc->identity, sizeof cc->identity);
    reel_hash_add_(&h, path, strlen(path));
    reel_hash_end_(&h, cc->which);
    return 0;
}

int reel_cc_ask_(reel_cc *cc, const _Atomic bool *stop, reel_whynot *w)
{
    reel_cc ask = *cc;
    char *words[REEL_CC_ARGS];
    running r;
    reel_hash h;
    if (add_word(&ask, "--version", 9) || word_list(&ask, words)) return reel_whynot_(w, "REEL_CC is too long");
    if (run(&r, words, NULL, stop, w)) return -1;
    reel_hash_begin_(&h);
    reel_hash_add_(&h, cc->identity, sizeof cc->identity);
    reel_hash_add_(&h, r.said, r.n);
    reel_hash_end_(&h, cc->identity);
    return 0;
}

int reel_cc_find_(reel_cc *cc, reel_whynot *w)
{
    const char *s = getenv("REEL_CC");
    if (s) s += strspn(s, " \t");
    if (!s || !*s) s = "cc";
    const size_t n = strcspn(s, " \t");
    char name[REEL_CACHE_PATH], path[REEL_CACHE_PATH];
    *cc = (reel_cc){0};
    if (snprintf(name, sizeof name, "%.*s", (int)n, s) >= (int)sizeof name || !find_program(name, path, sizeof path))
        return reel_whynot_(w, "there is no compiler \"%.100s\"%s", s, strchr(s, '/') ? "" : " in PATH");
    if (add_word(cc, path, strlen(path)) || add_words(cc, s + n)) return reel_whynot_(w, "REEL_CC is too long");
    return note_file(cc, w);
}

int reel_cc_run_(const reel_cc *cc, const char *flags, const char *folder, const char *source, const char *object,
                 const _Atomic bool *stop, reel_whynot *w)
{
    reel_cc full = *cc;
    char *words[REEL_CC_ARGS];
    running r;
    if (add_words(&full, flags) || add_words(&full, "-w -fPIC -shared -g1 -I. -o") ||
        add_word(&full, object, strlen(object)) || add_word(&full, source, strlen(source)) ||
        add_word(&full, "-lm", 3) || word_list(&full, words))
        return reel_whynot_(w, "the compiler's command is too long");
    return run(&r, words, folder, stop, w);
}
