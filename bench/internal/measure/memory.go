package measure

import (
	"os"
	"strconv"
	"strings"
)

// RSS is this process's resident set in bytes, the second field of proc_pid_statm(5); 0 when it cannot be read.
func RSS() uint64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text))
	pages, _ := strconv.ParseUint(fields[1], 10, 64)
	return pages * uint64(os.Getpagesize())
}
