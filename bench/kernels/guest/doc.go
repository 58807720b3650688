// Guest is the init of the machine that bench/kernels boots: process 1, alone with an initrd.
//
//	mount proc, sys, dev, tmp ─▶ lo up, limits ─▶ each suite of /suites.json ─▶ power off
//	                                                       └── a JSON line on ttyS1 when it starts and when it ends
package main
