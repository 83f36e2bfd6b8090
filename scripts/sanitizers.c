/* What the standard library's precompiled parts hand over, told to ThreadSanitizer: it sees the quick paths of a lock,
   which are compiled with the crate that takes it, but not what happens when two threads meet. `scripts/sanitizers`
   links each of these in the place of the function it names (`--wrap`). */
#include <stdbool.h>
#include <stdint.h>

extern void __tsan_acquire(void *);
extern void __tsan_release(void *);

#define NAMED(prefix, symbol) __asm__(prefix symbol)
#define REAL(type, name, symbol, ...) extern type name(__VA_ARGS__) NAMED("__real_", symbol);
#define WRAP(type, name, symbol, ...) type name(__VA_ARGS__) NAMED("__wrap_", symbol);

/* Locks that had to be waited for: the unlocking was seen, on the same word. */
#define LOCK(name, symbol)                   \
    REAL(void, real_##name, symbol, void *)  \
    WRAP(void, wrap_##name, symbol, void *)  \
    void wrap_##name(void *lock) {           \
        real_##name(lock);                   \
        __tsan_acquire(lock);                \
    }
LOCK(mutex, MUTEX)
LOCK(rwlock_read, RWLOCK_READ)
LOCK(rwlock_write, RWLOCK_WRITE)

/* A condition unlocks and locks its mutex where nobody looks. */
REAL(void, real_wait, CONDVAR_WAIT, void *, void *)
WRAP(void, wrap_wait, CONDVAR_WAIT, void *, void *)
void wrap_wait(void *condvar, void *mutex) {
    __tsan_release(mutex);
    real_wait(condvar, mutex);
    __tsan_acquire(mutex);
}
REAL(bool, real_wait_timeout, CONDVAR_WAIT_TIMEOUT, void *, void *, uint64_t, uint32_t)
WRAP(bool, wrap_wait_timeout, CONDVAR_WAIT_TIMEOUT, void *, void *, uint64_t, uint32_t)
bool wrap_wait_timeout(void *condvar, void *mutex, uint64_t seconds, uint32_t nanos) {
    __tsan_release(mutex);
    bool woken = real_wait_timeout(condvar, mutex, seconds, nanos);
    __tsan_acquire(mutex);
    return woken;
}

REAL(bool, real_barrier, BARRIER_WAIT, void *)
WRAP(bool, wrap_barrier, BARRIER_WAIT, void *)
bool wrap_barrier(void *barrier) {
    __tsan_release(barrier);
    bool leads = real_barrier(barrier);
    __tsan_acquire(barrier);
    return leads;
}

/* A thread of a scope says that it has ended; which word of the scope's counts, whoever waits for it knows. */
REAL(void, real_thread_ended, THREAD_ENDED, char *, bool)
WRAP(void, wrap_thread_ended, THREAD_ENDED, char *, bool)
void wrap_thread_ended(char *scope, bool panicked) {
    for (int word = 0; word < 3; word++) __tsan_release(scope + 8 * word);
    real_thread_ended(scope, panicked);
}

/* Who makes a value once: its work has to be told before anybody can see that it is made, so in the closure's place comes
   one that runs it and then tells. A closure's table is: drop, size, alignment, call once, call. */
REAL(void, real_once, ONCE_CALL, void *, bool, void *, void **)
WRAP(void, wrap_once, ONCE_CALL, void *, bool, void *, void **)
struct told {
    void *once, *closure, **table;
};
static void run_and_tell(struct told *told, void *state) {
    ((void (*)(void *, void *))told->table[4])(told->closure, state);
    __tsan_release(told->once);
}
void wrap_once(void *once, bool ignores_poison, void *closure, void **table) {
    void *telling[] = {0, (void *)sizeof(struct told), (void *)sizeof(void *), run_and_tell, run_and_tell};
    struct told told = {once, closure, table};
    real_once(once, ignores_poison, &told, telling);
    __tsan_acquire(once);
}

/* The last owner of an `Arc` learns of the others' work by a fence, which is not seen. Here the counting down itself tells it. */
#define ACQUIRE_RELEASE 4
#define RELEASE 3
extern uint64_t __real___tsan_atomic64_fetch_sub(volatile uint64_t *, uint64_t, int);
uint64_t __wrap___tsan_atomic64_fetch_sub(volatile uint64_t *word, uint64_t less, int order) {
    return __real___tsan_atomic64_fetch_sub(word, less, order == RELEASE ? ACQUIRE_RELEASE : order);
}
