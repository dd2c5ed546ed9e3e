#include "allocation_counter.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GLIBC__)

// An executable's own malloc goes before the library's, for the program and for every library that it loads. Each of
// these counts and passes on to the library's.
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

static _Thread_local long allocations;

void *malloc(size_t size) {
    ++allocations;
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
    ++allocations;
    return __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size) {
    ++allocations;
    return __libc_realloc(memory, size);
}

void *memalign(size_t alignment, size_t size) {
    ++allocations;
    return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    ++allocations;
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size) {
    ++allocations;
    if (alignment < sizeof(void *) || (alignment & (alignment - 1)) != 0) return EINVAL;
    void *got = __libc_memalign(alignment, size);
    if (got == NULL) return ENOMEM;
    *memory = got;
    return 0;
}

bool allocation_counting_works(void) { return true; }
long allocation_count(void) { return allocations; }

#else

bool allocation_counting_works(void) { return false; }
long allocation_count(void) { return 0; }

#endif
