#include "heed_kernels.h"
