#ifndef HEED_KERNELS_H
#define HEED_KERNELS_H
#endif
