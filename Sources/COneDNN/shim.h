#pragma once
#include <oneapi/dnnl/dnnl.h>

// From GNU OpenMP, which oneDNN runs on: how many threads the calling thread's next parallel region uses.
void omp_set_num_threads(int count);
