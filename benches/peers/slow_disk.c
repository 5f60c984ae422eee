// Preloaded into a server: each fsync takes SLOWER_US microseconds more, as on a slower disk. Nothing else is changed.
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static int held_up(long number, int file) {
    const char *us = getenv("SLOWER_US");
    usleep(us ? (useconds_t)atol(us) : 0);
    return (int)syscall(number, file);
}

int fsync(int file) { return held_up(SYS_fsync, file); }
int fdatasync(int file) { return held_up(SYS_fdatasync, file); }
