/* apart.c: work in a process of its own, so that a crash or a hang is a result like any other: with a time limit, and a folder of its own for
   what it and its compilers write, which goes with it, however it ends. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "fuzz.h"

enum { LEAST = 40, MOST = 100 }; /* exit statuses that stand for what the work returned: a sanitizer's own are others */

/* ---- what it is at -------------------------------------------------------------------------------------------- */

static fuzz_now here; /* where nothing is shared */
static fuzz_now *shared;

fuzz_now *fuzz_at(void)
{
    if (!shared) {
        shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (shared == MAP_FAILED) shared = &here;
    }
    return shared;
}

/* ---- being told to stop ------------------------------------------------------------------------------------------ */

static volatile sig_atomic_t stopped, at_work;

static void stop(int sig)
{
    stopped = sig;
    if (at_work) (void)kill(-(pid_t)at_work, SIGKILL);
}

static void handle(void (*how)(int))
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    for (int i = 0; i < 3; i++) (void)signal(signals[i], how);
}

bool fuzz_stopped(void)
{
    return stopped != 0;
}

/* ---- the folder --------------------------------------------------------------------------------------------------- */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st, (void)type, (void)where;
    (void)remove(path);
    return 0;
}

static const char *temporary(void)
{
    const char *tmp = getenv("TMPDIR");
    return tmp && *tmp && strlen(tmp) < 40 ? tmp : "/tmp";
}

bool fuzz_folder(char folder[FUZZ_FOLDER])
{
    snprintf(folder, FUZZ_FOLDER, "%s/reel-fuzz-XXXXXX", temporary());
    if (mkdtemp(folder)) return true;
    folder[0] = '\0';
    return false;
}

void fuzz_remove(const char *folder)
{
    if (*folder) (void)nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* ---- the process ---------------------------------------------------------------------------------------------------- */

/* In the child; does not return. */
static void work(int (*f)(void *), void *arg, unsigned seconds, bool quiet, const char *folder)
{
    (void)setpgid(0, 0);
    handle(SIG_DFL);
    if (*folder) (void)setenv("TMPDIR", folder, 1);
    const int null = quiet ? open("/dev/null", O_WRONLY) : -1;
    if (null >= 0) (void)dup2(null, STDOUT_FILENO), (void)dup2(null, STDERR_FILENO);
    (void)alarm(seconds);
    const int rc = f(arg);
    (void)fflush(stdout);
    _exit(LEAST + (rc < MOST ? rc : MOST));
}

int fuzz_apart(int (*f)(void *), void *arg, unsigned seconds, bool quiet, int *why)
{
    char folder[FUZZ_FOLDER];
    int status = 0;
    (void)fuzz_folder(folder);
    (void)fflush(stdout);
    handle(stop);
    const pid_t child = fork();
    if (child == 0) work(f, arg, seconds, quiet, folder);
    if (child > 0) {
        (void)setpgid(child, child); /* whoever is first */
        at_work = (sig_atomic_t)child;
        if (stopped) (void)kill(-child, SIGKILL);
        while (waitpid(child, &status, 0) < 0 && errno == EINTR) {}
        at_work = 0;
        (void)kill(-child, SIGKILL); /* its compilers, if it was killed */
    }
    fuzz_remove(folder);
    if (child < 0) return FUZZ_CRASHED;
    const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    *why = WIFSIGNALED(status) ? WTERMSIG(status) : -code;
    return code >= LEAST && code <= LEAST + MOST ? code - LEAST : FUZZ_CRASHED;
}
