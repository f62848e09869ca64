// Faults at calls on files below a folder, in every process that was started with this library
// preloaded (LD_PRELOAD). Calls are counted from 0 in memory that copies of the process share.

#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum { WRITE = 1, SYNC = 2, OPEN = 4, NAME = 8, REMOVE = 16, READ = 32, CLOSE = 64 };
enum { KILL = -1, SHORT = -2, TORN = -3 }; // other values of `how` are those of errno

struct faults {
    long count; // of calls of these kinds
    long counts[7]; // of calls of each kind
    long at;    // the call that meets the fault; below 0: none
    int how;
    int kinds;   // which calls count, as bits
    int lasting; // whether all later calls meet it too
    int met;     // how many calls met it
    char root[PATH_MAX];
};

struct faults *faults;

__attribute__((constructor)) static void begin(void) {
    faults = mmap(0, sizeof *faults, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    faults->at = -1;
}

// False too before `begin`, in what libraries do as they are loaded.
static int is_on(void) { return faults && faults->root[0]; }

// What the call meets: 0, SHORT, TORN or an errno. A process that is killed does not return.
static int fate(int kind) {
    __atomic_fetch_add(&faults->counts[__builtin_ctz(kind)], 1, __ATOMIC_SEQ_CST);
    if (!(faults->kinds & kind)) return 0;
    long number = __atomic_fetch_add(&faults->count, 1, __ATOMIC_SEQ_CST);
    if (faults->at < 0 || number < faults->at || (!faults->lasting && number > faults->at)) return 0;
    __atomic_fetch_add(&faults->met, 1, __ATOMIC_SEQ_CST);
    if (faults->how == KILL || (faults->how == TORN && kind != WRITE)) kill(getpid(), SIGKILL);
    return faults->how;
}

static int is_below(const char *path) {
    size_t length = strlen(faults->root);
    return length > 0 && strncmp(path, faults->root, length) == 0;
}

static int of_descriptor(int descriptor) {
    char link[64], path[PATH_MAX + 1];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, PATH_MAX);
    if (length < 0) return 0;
    path[length] = 0;
    return is_below(path);
}

static int of_path(int folder, const char *path) {
    char whole[2 * PATH_MAX + 2];
    if (path[0] == '/') return is_below(path);
    if (folder != AT_FDCWD) return of_descriptor(folder);
    if (getcwd(whole, PATH_MAX) == NULL) return 0;
    snprintf(whole + strlen(whole), PATH_MAX, "/%s", path);
    return is_below(whole);
}

#define REAL(name, result, ...)                                                                    \
    static result (*real)(__VA_ARGS__);                                                            \
    if (!real) real = (result(*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)

#define FAIL_WHERE(condition, kind)                                                                \
    if (is_on() && (condition)) {                                                                  \
        int what = fate(kind);                                                                     \
        if (what > 0) {                                                                            \
            errno = what;                                                                          \
            return -1;                                                                             \
        }                                                                                          \
    }

#define OPENS(name, parameters, folder, types, call)                                               \
    int name parameters {                                                                          \
        REAL(name, int, types);                                                                    \
        mode_t mode = 0;                                                                           \
        if (flags & O_CREAT) {                                                                     \
            va_list more;                                                                          \
            va_start(more, flags);                                                                 \
            mode = va_arg(more, mode_t);                                                           \
            va_end(more);                                                                          \
        }                                                                                          \
        FAIL_WHERE(of_path(folder, path), flags & (O_WRONLY | O_RDWR | O_CREAT) ? OPEN : READ)     \
        return real call;                                                                          \
    }
#define TYPES_OF_OPEN const char *, int, ...
#define TYPES_OF_OPENAT int, const char *, int, ...
OPENS(open, (const char *path, int flags, ...), AT_FDCWD, TYPES_OF_OPEN, (path, flags, mode))
OPENS(open64, (const char *path, int flags, ...), AT_FDCWD, TYPES_OF_OPEN, (path, flags, mode))
OPENS(openat, (int at, const char *path, int flags, ...), at, TYPES_OF_OPENAT, (at, path, flags, mode))
OPENS(openat64, (int at, const char *path, int flags, ...), at, TYPES_OF_OPENAT, (at, path, flags, mode))

ssize_t write(int descriptor, const void *content, size_t size) {
    REAL(write, ssize_t, int, const void *, size_t);
    if (is_on() && size > 0 && of_descriptor(descriptor)) {
        int what = fate(WRITE);
        if (what > 0) {
            errno = what;
            return -1;
        }
        if (what < 0) size = size > 1 ? size / 2 : size;
        if (what == TORN) {
            real(descriptor, content, size);
            kill(getpid(), SIGKILL);
        }
    }
    return real(descriptor, content, size);
}

#define CALL(name, kind, condition, parameters, arguments, ...)                                    \
    int name parameters {                                                                          \
        REAL(name, int, __VA_ARGS__);                                                              \
        FAIL_WHERE(condition, kind)                                                                \
        return real arguments;                                                                     \
    }
CALL(fsync, SYNC, of_descriptor(d), (int d), (d), int)
CALL(fdatasync, SYNC, of_descriptor(d), (int d), (d), int)
CALL(ftruncate, REMOVE, of_descriptor(d), (int d, off_t size), (d, size), int, off_t)
CALL(ftruncate64, REMOVE, of_descriptor(d), (int d, off64_t size), (d, size), int, off64_t)
CALL(rename, NAME, of_path(AT_FDCWD, p), (const char *p, const char *q), (p, q), const char *, const char *)
CALL(renameat, NAME, of_path(a, p), (int a, const char *p, int b, const char *q), (a, p, b, q), int, const char *, int, const char *)
CALL(link, NAME, of_path(AT_FDCWD, q), (const char *p, const char *q), (p, q), const char *, const char *)
CALL(symlink, NAME, of_path(AT_FDCWD, q), (const char *p, const char *q), (p, q), const char *, const char *)
CALL(mkdir, NAME, of_path(AT_FDCWD, p), (const char *p, mode_t mode), (p, mode), const char *, mode_t)
CALL(mkdirat, NAME, of_path(a, p), (int a, const char *p, mode_t mode), (a, p, mode), int, const char *, mode_t)
CALL(unlink, REMOVE, of_path(AT_FDCWD, p), (const char *p), (p), const char *)
CALL(unlinkat, REMOVE, of_path(a, p), (int a, const char *p, int flags), (a, p, flags), int, const char *, int)
CALL(rmdir, REMOVE, of_path(AT_FDCWD, p), (const char *p), (p), const char *)
CALL(stat, READ, of_path(AT_FDCWD, p), (const char *p, struct stat *s), (p, s), const char *, struct stat *)
CALL(lstat, READ, of_path(AT_FDCWD, p), (const char *p, struct stat *s), (p, s), const char *, struct stat *)
CALL(fstatat, READ, of_path(a, p), (int a, const char *p, struct stat *s, int flags), (a, p, s, flags), int, const char *, struct stat *, int)

#define READS(name, parameters, arguments, ...)                                                    \
    ssize_t name parameters {                                                                      \
        REAL(name, ssize_t, __VA_ARGS__);                                                          \
        FAIL_WHERE(of_descriptor(d), READ)                                                         \
        return real arguments;                                                                     \
    }
READS(read, (int d, void *p, size_t size), (d, p, size), int, void *, size_t)
READS(pread, (int d, void *p, size_t size, off_t at), (d, p, size, at), int, void *, size_t, off_t)
READS(pread64, (int d, void *p, size_t size, off64_t at), (d, p, size, at), int, void *, size_t, off64_t)

// Closes it all the same, as the system does.
int close(int descriptor) {
    REAL(close, int, int);
    int is_meant = is_on() && of_descriptor(descriptor);
    int result = real(descriptor);
    FAIL_WHERE(is_meant, CLOSE)
    return result;
}

#define FOLDERS(name, type, condition, parameter, argument)                                        \
    type *name(parameter) {                                                                        \
        static type *(*real)(parameter);                                                           \
        if (!real) real = (type * (*)(parameter)) dlsym(RTLD_NEXT, #name);                         \
        int what = is_on() && (condition) ? fate(READ) : 0;                                        \
        if (what > 0) {                                                                            \
            errno = what;                                                                          \
            return NULL;                                                                           \
        }                                                                                          \
        return real(argument);                                                                     \
    }
FOLDERS(opendir, DIR, of_path(AT_FDCWD, p), const char *p, p)
FOLDERS(readdir, struct dirent, of_descriptor(dirfd(p)), DIR *p, p)
FOLDERS(readdir64, struct dirent64, of_descriptor(dirfd(p)), DIR *p, p)
