#pragma once
#include <oneapi/dnnl/dnnl.h>

// From GNU OpenMP, which oneDNN runs on: how many threads the calling thread's next parallel region uses.
void omp_set_num_threads(int count);

// Four square roots at once. Swift's own square root of a vector goes lane by lane, through the C library's error
// handling, and takes as long as the rest of an optimizer's step.
typedef float pando_float4 __attribute__((ext_vector_type(4)));
static inline pando_float4 pando_square_root4(pando_float4 x) { return __builtin_elementwise_sqrt(x); }
