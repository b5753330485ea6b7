package serving

import (
	"runtime/debug"
	"testing"
	"testing/fstest"
)

// The default memory limit is a part of the least of what the cgroups and the
// machine have.
func TestDefaultMemoryLimit(t *testing.T) {
	const mib, meminfo = 1 << 20, "MemFree: 1 kB\nMemTotal:        8388608 kB\n"
	for _, row := range []struct {
		name  string
		files map[string]string
		want  int64
	}{
		{"nothing is known", nil, 0},
		{"the machine's", map[string]string{"proc/meminfo": meminfo}, 4096 * mib},
		{"a container's", map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "536870912\n",
		}, 536870912 / 5 * 4},
		{"a service's", map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "0::/system.slice/cambio.service\n",
			"sys/fs/cgroup/system.slice/cambio.service/memory.max": "268435456\n",
		}, 268435456 / 5 * 4},
		{"that of the slice above", map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "0::/system.slice/cambio.service\n",
			"sys/fs/cgroup/system.slice/cambio.service/memory.max": "max\n", "sys/fs/cgroup/system.slice/memory.max": "1073741824\n",
		}, 1073741824 / 5 * 4},
		{"version 1", map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "5:cpu,cpuacct:/x\n4:memory:/docker/1\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "134217728\n",
		}, 134217728 / 5 * 4},
		{"none of the cgroup", map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n",
		}, 4096 * mib},
		{"more than the machine has", map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "4:memory:/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
		}, 4096 * mib},
	} {
		t.Run(row.name, func(t *testing.T) {
			root := fstest.MapFS{}
			for name, text := range row.files {
				root[name] = &fstest.MapFile{Data: []byte(text)}
			}
			if got := defaultMemoryLimit(root); got != row.want {
				t.Errorf("got %d, want %d", got, row.want)
			}
		})
	}
}

// What the environment sets stays.
func TestMemoryLimitOfTheEnvironmentStays(t *testing.T) {
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(-1))
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	root := fstest.MapFS{"proc/meminfo": {Data: []byte("MemTotal: 4194304 kB\n")}}
	debug.SetMemoryLimit(1 << 40)
	set := map[string]string{"GOMEMLIMIT": "1TiB", "GOGC": "100"}
	if got := LimitMemory(root, func(name string) string { return set[name] }); got != 1<<40 || debug.SetGCPercent(100) != 100 {
		t.Errorf("the limit became %d", got)
	}
	clear(set)
	if got := LimitMemory(root, func(name string) string { return set[name] }); got != 2<<30 || debug.SetGCPercent(100) != gcPercent {
		t.Errorf("the limit is %d", got)
	}
}
