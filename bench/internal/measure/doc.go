// Package measure is what percore's benchmarks share: processes bound to CPUs, the CPU time of another process to the
// nanosecond, and honest figures out of interleaved pairs.
//
//	CPU 0: server A │ server B   (one of them at a time has work)      CPU 1: the load
//	pair 1:  A B     pair 2:  B A     pair 3:  A B  ...                 drift hits both alike
//	figure = median of the pairs, with the smallest and the largest beside it
package measure
