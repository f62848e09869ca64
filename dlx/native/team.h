// Threads that compute one run together, and wait for one another.

#ifndef DLX_TEAM_H
#define DLX_TEAM_H

#include <stdatomic.h>
#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#elif !defined(_WIN32)
#include <sched.h>
#endif

typedef struct { atomic_int waiting, round, asleep; } team;

// Sleep until the round is another one. A thread that yields in place of sleeping loses its core for
// milliseconds where another program computes on it.
static void sleep_through(team *t, int round) {
#if defined(__linux__)
    atomic_fetch_add(&t->asleep, 1);
    while (atomic_load(&t->round) == round) syscall(SYS_futex, &t->round, FUTEX_WAIT_PRIVATE, round, 0, 0, 0);
    atomic_fetch_sub(&t->asleep, 1);
#else
    while (atomic_load(&t->round) == round) {
#if !defined(_WIN32)
        sched_yield();
#endif
    }
#endif
}

// Begin the next round, and wake those that sleep.
static void begin_round(team *t, int round) {
    atomic_store(&t->round, round);
#if defined(__linux__)
    if (atomic_load(&t->asleep)) syscall(SYS_futex, &t->round, FUTEX_WAKE_PRIVATE, 1 << 30, 0, 0, 0);
#endif
}

// Wait until all threads of the team have come here.
static void meet(team *t, int size) {
    const int round = atomic_load_explicit(&t->round, memory_order_acquire);
    if (atomic_fetch_add_explicit(&t->waiting, 1, memory_order_acq_rel) == size - 1) {
        atomic_store_explicit(&t->waiting, 0, memory_order_relaxed);
        begin_round(t, round + 1);
        return;
    }
    for (int tries = 0; tries < 100000; tries++) {  // 20 µs or more: a core that sleeps wakes no sooner
        if (atomic_load_explicit(&t->round, memory_order_acquire) != round) return;
    }
    sleep_through(t, round);
}

#endif
