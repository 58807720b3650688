package coreruntime

import (
	"os"
	"path/filepath"
	"testing"
)

func TestCgroupQuota(t *testing.T) {
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  float64
	}{
		{"none", nil, 0},
		{"v2 at the mount, as in a container", map[string]string{
			"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "150000 100000\n"}, 1.5},
		{"v2 unlimited", map[string]string{
			"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/cpu.max": "max 100000\n"}, 0},
		{"v2 the parent is stricter", map[string]string{
			"proc/self/cgroup":        "0::/a/b\n",
			"sys/fs/cgroup/a/cpu.max": "50000 100000\n", "sys/fs/cgroup/a/b/cpu.max": "400000 100000\n"}, 0.5},
		{"v2 path not mounted", map[string]string{
			"proc/self/cgroup": "0::/../../x\n", "sys/fs/cgroup/cpu.max": "200000 100000\n"}, 2},
		{"v1", map[string]string{
			"proc/self/cgroup":                        "3:memory:/m\n2:cpu,cpuacct:/c\n",
			"sys/fs/cgroup/cpu/c/cpu.cfs_quota_us":    "300000\n",
			"sys/fs/cgroup/cpu/c/cpu.cfs_period_us":   "100000\n",
			"sys/fs/cgroup/cpu/cpu.cfs_quota_us":      "-1\n",
			"sys/fs/cgroup/cpu/cpu.cfs_period_us":     "100000\n",
			"sys/fs/cgroup/memory/m/cpu.cfs_quota_us": "1\n"}, 3},
		{"garbage", map[string]string{
			"proc/self/cgroup": "0::/\nnonsense\n", "sys/fs/cgroup/cpu.max": "a b c\n"}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := t.TempDir()
			for name, text := range tt.files {
				file := filepath.Join(root, name)
				if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if got := cgroupQuota(root); got != tt.want {
				t.Fatalf("quota %v, want %v", got, tt.want)
			}
		})
	}
}

func TestCoresAndPinning(t *testing.T) {
	for _, tt := range []struct {
		name      string
		cpus      cpuSet
		mode      PinMode
		cores     int // 0: default
		wantCores int
		pinned    bool
	}{
		{"whole machine", cpuSet{[]int{0, 1, 2, 3}, 4, 0}, PinAuto, 0, 4, false},
		{"own CPUs", cpuSet{[]int{2, 3}, 8, 0}, PinAuto, 0, 2, true},
		{"own CPUs, fewer cores", cpuSet{[]int{2, 3}, 8, 0}, PinAuto, 1, 1, false},
		{"quota", cpuSet{[]int{0, 1, 2, 3}, 4, 1.5}, PinAuto, 0, 2, false},
		{"tiny quota", cpuSet{[]int{0, 1}, 2, 0.1}, PinAuto, 0, 1, false},
		{"on request", cpuSet{[]int{0, 1}, 2, 0}, PinAlways, 0, 2, true},
		{"more cores than CPUs never pin", cpuSet{[]int{0, 1}, 2, 0}, PinAlways, 8, 8, false},
		{"never", cpuSet{[]int{2, 3}, 8, 0}, PinNever, 0, 2, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cores := tt.cores
			if cores == 0 {
				cores = tt.cpus.defaultCores()
			}
			pins := tt.cpus.pins(tt.mode, cores)
			if cores != tt.wantCores || (len(pins) > 0) != tt.pinned {
				t.Fatalf("%d cores, pins %v", cores, pins)
			}
			if tt.pinned && pins.of(0) != tt.cpus.mask[0] {
				t.Fatalf("core 0 on CPU %d", pins.of(0))
			}
		})
	}
}

func TestCountCPUList(t *testing.T) {
	for list, want := range map[string]int{"0-1\n": 2, "0": 1, "0-3,8,10-11": 7, "": 0, "3-1": 0, "x": 0} {
		if got := countCPUList(list); got != want {
			t.Errorf("%q: %d, want %d", list, got, want)
		}
	}
}

func TestConfigIsChecked(t *testing.T) {
	for _, cfg := range []Config{
		{Cores: -1}, {Cores: coresMax + 1}, {BufferSize: 3000}, {BufferSize: 1}, {Buffers: -5},
		{Entries: 1 << 20}, {CQEntries: 4}, {Driver: 9}, {Pin: 9}, {MailboxMax: -1},
	} {
		if err := cfg.withDefaults().validate(); err == nil {
			t.Errorf("%+v was accepted", cfg)
		}
	}
	for _, cfg := range []Config{{}, {Entries: 8192}, {Entries: 32768}, {Buffers: 5000}} { // a default follows what it depends on
		if err := cfg.withDefaults().validate(); err != nil {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
}
