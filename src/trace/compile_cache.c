/* compile_cache.c: compiled objects on disk, named by the hash of all that went into them. A folder that only its owner may
   enter; an object is built beside its place, written through and renamed, so whoever looks finds a whole one or none. Behind
   the object stands its checksum: what was cut short or changed is not loaded. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "compile.h"
#include "core/alloc.h"

enum { MIB = 1 << 20, LIMIT_MIB = 256, WORKSHOP_AGE = 24 * 3600, NAME_MAX_ = 255 };
static const char MARK[8] = {'r', 'e', 'e', 'l', 's', 'u', 'm', '1'};
typedef struct tail {
    uint8_t sum[REEL_HASH];
    char mark[sizeof MARK];
} tail;

/* ---- the folder --------------------------------------------------------------------------------------------- */

static int cannot(reel_whynot *w, const char *what, const char *path)
{
    return reel_whynot_(w, "%s %.180s: %s", what, path, strerror(errno));
}

/* With those above it that are missing. */
static int make_folder(char *path)
{
    for (char *s = path + 1; *s; s++) {
        if (*s != '/') continue;
        *s = '\0';
        const int rc = mkdir(path, 0700);
        *s = '/';
        if (rc && errno != EEXIST) return -1;
    }
    return mkdir(path, 0700) && errno != EEXIST ? -1 : 0;
}

static int name_folder(reel_cache *c, reel_whynot *w)
{
    const char *own = getenv("REEL_CACHE_DIR"), *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    int n = 0;
    if (own && *own)
        n = snprintf(c->folder, sizeof c->folder, "%s", own);
    else if (xdg && *xdg == '/')
        n = snprintf(c->folder, sizeof c->folder, "%s/reel", xdg);
    else if (home && *home == '/')
        n = snprintf(c->folder, sizeof c->folder, "%s/.cache/reel", home);
    else
        return reel_whynot_(w, "there is no place for compiled plans: neither REEL_CACHE_DIR, XDG_CACHE_HOME nor HOME");
    if (n >= REEL_CACHE_PATH - 128) return reel_whynot_(w, "the path of the cache is too long");
    if (*c->folder == '/') return 0;
    return reel_whynot_(w, "REEL_CACHE_DIR \"%.100s\" is no absolute path", c->folder);
}

int reel_cache_open_(reel_cache *c, reel_whynot *w)
{
    struct stat st;
    if (getauxval(AT_SECURE)) return reel_whynot_(w, "nothing is compiled in a program with privileges (setuid)");
    if (name_folder(c, w)) return -1;
    if (make_folder(c->folder)) return cannot(w, "cannot make the cache", c->folder);
    if (lstat(c->folder, &st)) return cannot(w, "cannot look at the cache", c->folder);
    if (!S_ISDIR(st.st_mode)) return reel_whynot_(w, "the cache %.180s is no folder", c->folder);
    if (st.st_uid != geteuid()) return reel_whynot_(w, "the cache %.180s is somebody else's", c->folder);
    if (st.st_mode & 077)
        return reel_whynot_(w, "the cache %.180s is open to others: its mode must be 0700", c->folder);
    return 0;
}

/* Folders are short enough for all that is put behind them: see name_folder. */
static void place(const reel_cache *c, const char *key, const char *ending, char path[REEL_CACHE_PATH])
{
    if (snprintf(path, REEL_CACHE_PATH, "%s/%s%s", c->folder, key, ending) >= REEL_CACHE_PATH) *path = '\0';
}

/* ---- files ---------------------------------------------------------------------------------------------------- */

static int write_all(int fd, const void *data, size_t n)
{
    const char *s = data;
    while (n > 0) {
        const ssize_t put = write(fd, s, n);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) return -1;
        s += put;
        n -= (size_t)put;
    }
    return 0;
}

int reel_cache_write_(const char *folder, const char *name, const char *text, size_t n, reel_whynot *w)
{
    char path[REEL_CACHE_PATH];
    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path)
        return reel_whynot_(w, "too long a path");
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return cannot(w, "cannot write", path);
    const int bad = write_all(fd, text, n), e = errno;
    if (close(fd) == 0 && !bad) return 0;
    errno = bad ? e : errno;
    return cannot(w, "cannot write", path);
}

/* All of an open file through the hash but its last `less` bytes, which go to `last`. */
static int hash_file(int fd, size_t less, void *last, uint8_t sum[REEL_HASH])
{
    enum { PART = 1 << 16 };
    struct stat st;
    reel_hash h;
    if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_uid != geteuid() || st.st_size < (off_t)less) return -1;
    size_t left = (size_t)st.st_size - less;
    char *part = reel_alloc_(PART);
    if (!part) {
        (void)reel_take_error(NULL);
        return -1;
    }
    reel_hash_begin_(&h);
    int rc = lseek(fd, 0, SEEK_SET) ? -1 : 0;
    while (left > 0 && !rc) {
        const ssize_t got = read(fd, part, left < PART ? left : PART);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) rc = -1;
        if (got > 0) reel_hash_add_(&h, part, (size_t)got);
        if (got > 0) left -= (size_t)got;
    }
    reel_free_(part, PART);
    if (!rc && less && read(fd, last, less) != (ssize_t)less) rc = -1;
    reel_hash_end_(&h, sum);
    return rc;
}

bool reel_cache_find_(const reel_cache *c, const char *key, char path[REEL_CACHE_PATH])
{
    tail t;
    uint8_t sum[REEL_HASH];
    place(c, key, ".so", path);
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return false;
    const bool good =
        hash_file(fd, sizeof t, &t, sum) == 0 && !memcmp(t.mark, MARK, sizeof MARK) && !memcmp(t.sum, sum, sizeof sum);
    if (good) (void)futimens(fd, NULL); /* used just now: not among the oldest */
    close(fd);
    if (!good) (void)unlink(path);
    return good;
}

void reel_cache_forget_(const reel_cache *c, const char *key)
{
    char path[REEL_CACHE_PATH];
    place(c, key, ".so", path);
    (void)unlink(path);
}

/* ---- building ----------------------------------------------------------------------------------------------------- */

int reel_cache_workshop_(const reel_cache *c, char folder[REEL_CACHE_PATH], reel_whynot *w)
{
    place(c, "work-XXXXXX", "", folder);
    return mkdtemp(folder) ? 0 : cannot(w, "cannot make a folder in", c->folder);
}

/* A workshop has files only. */
void reel_cache_clear_(const char *folder)
{
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));)
        if (e->d_name[0] != '.' || strlen(e->d_name) > 2) (void)unlinkat(dirfd(d), e->d_name, 0);
    if (d) closedir(d);
    (void)rmdir(folder);
}

static int sign(const char *path)
{
    tail t;
    const int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return -1;
    memcpy(t.mark, MARK, sizeof MARK);
    int rc = hash_file(fd, 0, NULL, t.sum);
    if (!rc && lseek(fd, 0, SEEK_END) < 0) rc = -1;
    if (!rc) rc = write_all(fd, &t, sizeof t);
    if (!rc) rc = fchmod(fd, 0600);
    if (!rc) rc = fsync(fd);
    const int e = errno;
    if (close(fd) && !rc) return -1;
    errno = e;
    return rc;
}

/* ---- not too many --------------------------------------------------------------------------------------------------- */

typedef struct entry {
    char name[NAME_MAX_ + 1];
    int64_t when, bytes;
} entry;

static int older_first(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    return (x->when > y->when) - (x->when < y->when);
}

static int64_t limit_bytes(void)
{
    const char *s = getenv("REEL_CACHE_MB");
    char *end = NULL;
    const long n = s ? strtol(s, &end, 10) : -1;
    return (int64_t)(s && end != s && *end == '\0' && n >= 0 && n < (1 << 20) ? n : LIMIT_MIB) * MIB;
}

static void clear_within(const char *folder, const char *name)
{
    char path[REEL_CACHE_PATH];
    if (snprintf(path, sizeof path, "%s/%s", folder, name) < (int)sizeof path) reel_cache_clear_(path);
}

/* A key, and .so or .c: whatever else lies in the folder is not ours to remove. */
static bool is_ours(const char *name)
{
    const size_t n = strspn(name, "0123456789abcdef");
    return n == 2 * (size_t)REEL_HASH && (!strcmp(name + n, ".so") || !strcmp(name + n, ".c"));
}

/* The oldest are removed until the rest is within the limit, and workshops that somebody left a day ago. */
static void tidy(const reel_cache *c, const char *keep)
{
    DIR *d = opendir(c->folder);
    entry *all = NULL;
    size_t n = 0, cap = 0;
    int64_t bytes = 0;
    for (struct dirent *e; d && (e = readdir(d));) {
        struct stat st;
        const size_t length = strlen(e->d_name);
        if (length > NAME_MAX_ || fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW)) continue;
        if (S_ISDIR(st.st_mode) && !strncmp(e->d_name, "work-", 5) && st.st_mtim.tv_sec + WORKSHOP_AGE < time(NULL))
            clear_within(c->folder, e->d_name);
        if (!S_ISREG(st.st_mode) || !is_ours(e->d_name)) continue;
        if (reel_grow_((void **)&all, &cap, n + 1, sizeof *all)) {
            (void)reel_take_error(NULL);
            break;
        }
        memcpy(all[n].name, e->d_name, length + 1);
        all[n].when = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
        bytes += all[n++].bytes = (int64_t)st.st_size;
    }
    const int64_t limit = limit_bytes();
    if (n && bytes > limit) qsort(all, n, sizeof *all, older_first);
    for (size_t i = 0; i < n && bytes > limit; i++) {
        if (!strncmp(all[i].name, keep, strlen(keep))) continue; /* what was made just now */
        if (unlinkat(dirfd(d), all[i].name, 0) == 0) bytes -= all[i].bytes;
    }
    reel_free_(all, cap * sizeof *all);
    if (d) closedir(d);
}

int reel_cache_keep_(const reel_cache *c, const char *workshop, const char *key, char path[REEL_CACHE_PATH],
                     reel_whynot *w)
{
    char from[REEL_CACHE_PATH], source[REEL_CACHE_PATH];
    if (snprintf(from, sizeof from, "%s/plan.so", workshop) >= (int)sizeof from)
        return reel_whynot_(w, "too long a path");
    if (sign(from)) return cannot(w, "cannot write", from);
    place(c, key, ".so", path);
    if (rename(from, path)) return cannot(w, "cannot write", path);
    if (snprintf(from, sizeof from, "%s/plan.c", workshop) < (int)sizeof from) { /* for people to read */
        place(c, key, ".c", source);
        (void)rename(from, source);
    }
    const int fd = open(c->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) (void)fsync(fd);
    if (fd >= 0) close(fd);
    tidy(c, key);
    return 0;
}
