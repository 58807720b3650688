package coreruntime

import (
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// cgroupQuota returns how many CPUs' worth of time the process's cgroup grants, 0 when unlimited or
// unknown: the least of cpu.max (v2) or cpu.cfs_quota_us (v1) on the way from its cgroup to the root.
// root is "/" but for tests.
func cgroupQuota(root string) float64 {
	text, err := os.ReadFile(filepath.Join(root, "proc/self/cgroup"))
	if err != nil {
		return 0
	}
	least := 0.0
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		parts := strings.SplitN(line, ":", 3) // hierarchy-ID:controllers:path, cgroups(7)
		if len(parts) != 3 {
			continue
		}
		var quota float64
		switch {
		case parts[0] == "0" && parts[1] == "":
			quota = leastQuota(filepath.Join(root, "sys/fs/cgroup"), parts[2], quotaV2)
		case hasController(parts[1], "cpu"):
			quota = leastQuota(filepath.Join(root, "sys/fs/cgroup/cpu"), parts[2], quotaV1)
		}
		if quota > 0 && (least == 0 || quota < least) {
			least = quota
		}
	}
	return least
}

func hasController(list, name string) bool {
	for _, c := range strings.Split(list, ",") {
		if c == name {
			return true
		}
	}
	return false
}

// leastQuota looks at every level from the process's cgroup up to the mount. In a container the path may
// name levels that are not mounted here; the mount itself is then the container's own.
func leastQuota(mount, dir string, read func(dir string) float64) float64 {
	least := 0.0
	for dir = path.Clean("/" + dir); ; dir = path.Dir(dir) {
		if q := read(filepath.Join(mount, dir)); q > 0 && (least == 0 || q < least) {
			least = q
		}
		if dir == "/" {
			return least
		}
	}
}

// quotaV2 reads "max 100000" or "150000 100000".
func quotaV2(dir string) float64 {
	text, err := os.ReadFile(filepath.Join(dir, "cpu.max"))
	fields := strings.Fields(string(text))
	if err != nil || len(fields) != 2 {
		return 0
	}
	return ratio(fields[0], fields[1])
}

func quotaV1(dir string) float64 {
	quota, err1 := os.ReadFile(filepath.Join(dir, "cpu.cfs_quota_us"))
	period, err2 := os.ReadFile(filepath.Join(dir, "cpu.cfs_period_us"))
	if err1 != nil || err2 != nil {
		return 0
	}
	return ratio(strings.TrimSpace(string(quota)), strings.TrimSpace(string(period)))
}

func ratio(quota, period string) float64 {
	q, err1 := strconv.ParseFloat(quota, 64)
	p, err2 := strconv.ParseFloat(period, 64)
	if err1 != nil || err2 != nil || q <= 0 || p <= 0 {
		return 0
	}
	return q / p
}

// onlineCPUs counts the machine's CPUs, whatever the affinity mask says.
func onlineCPUs() int {
	text, err := os.ReadFile("/sys/devices/system/cpu/online")
	if n := countCPUList(string(text)); err == nil && n > 0 {
		return n
	}
	return runtime.NumCPU()
}

// countCPUList counts the CPUs of a list like "0-3,8".
func countCPUList(list string) int {
	n := 0
	for _, part := range strings.Split(strings.TrimSpace(list), ",") {
		first, last, isRange := strings.Cut(part, "-")
		a, err := strconv.Atoi(first)
		if err != nil {
			return 0
		}
		b := a
		if isRange {
			if b, err = strconv.Atoi(last); err != nil || b < a {
				return 0
			}
		}
		n += b - a + 1
	}
	return n
}
