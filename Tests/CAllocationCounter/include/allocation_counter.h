// Counts what a thread asks of malloc, for tests that promise no allocation.
#pragma once

#include <stdbool.h>

/// Whether allocations are counted here: only with the C library of GNU.
bool allocation_counting_works(void);

/// How often the calling thread has allocated memory since it began.
long allocation_count(void);
