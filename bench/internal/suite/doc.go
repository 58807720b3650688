// Package suite runs test binaries and boils their -test.v output down to a Result: passed or not, how many tests,
// which skipped and why, which were slow, and what the failed ones said. It runs in the guest of bench/kernels, where
// every byte over the serial line is dear, and on the host for binaries behind an emulator.
//
//	test binary -test.v ──lines──▶ Counter ──▶ Result ──JSON line──▶ report
//	                                  └── the output of the current test only, bounded
package suite
