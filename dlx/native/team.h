// Threads that compute one run together, and wait for one another.

#ifndef DLX_TEAM_H
#define DLX_TEAM_H

#include <stdatomic.h>
#if !defined(_WIN32)
#include <sched.h>
#endif

typedef struct { atomic_int waiting, round; } team;

// Wait until all threads of the team have come here.
static void meet(team *t, int size) {
    const int round = atomic_load_explicit(&t->round, memory_order_acquire);
    if (atomic_fetch_add_explicit(&t->waiting, 1, memory_order_acq_rel) == size - 1) {
        atomic_store_explicit(&t->waiting, 0, memory_order_relaxed);
        atomic_store_explicit(&t->round, round + 1, memory_order_release);
        return;
    }
    for (int tries = 0; atomic_load_explicit(&t->round, memory_order_acquire) == round; tries++) {
#if !defined(_WIN32)
        if (tries > 2000) sched_yield();  // another program may have the core
#endif
    }
}

#endif
