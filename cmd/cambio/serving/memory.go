// Package serving serves HTTP within what the machine gives a process: memory, and
// open files for connections.
package serving

import (
	"bufio"
	"bytes"
	"io/fs"
	"math"
	"path"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
)

// gcPercent lets the heap grow to nine times the live data before a collection.
// The live data is a few MiB, and each request leaves 20 KiB of garbage: at Go's
// default of 100 a busy server collects dozens of times a second. The memory limit
// ends that growth where there is not that much memory.
const gcPercent = 800

// LimitMemory sets Go's garbage collector for a server, as far as the environment
// variables GOGC and GOMEMLIMIT do not. It returns the memory limit in bytes.
func LimitMemory(root fs.FS, getenv func(string) string) int64 {
	if getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if getenv("GOMEMLIMIT") != "" {
		return debug.SetMemoryLimit(-1)
	}
	if limit := defaultMemoryLimit(root); limit > 0 {
		debug.SetMemoryLimit(limit)
	}
	return debug.SetMemoryLimit(-1)
}

// defaultMemoryLimit returns four fifths of the memory that the cgroup allows the
// process, or half of the machine's, whichever is less, and 0 if neither is known.
// The rest is for what Go does not count, among it the pages of the database, and
// for others on the machine.
func defaultMemoryLimit(root fs.FS) int64 {
	limit := min(ofCgroup(root)/5*4, ofMachine(root)/2)
	if limit == math.MaxInt64/2 {
		return 0
	}
	return limit
}

// ofCgroup returns the least memory.max of the process's cgroup and those above it,
// of version 2, or memory.limit_in_bytes of version 1. In a container its own
// cgroup is usually the root of what it sees.
func ofCgroup(root fs.FS) int64 {
	least := int64(math.MaxInt64)
	text, _ := fs.ReadFile(root, "proc/self/cgroup") // what cannot be read limits nothing
	for line := range strings.Lines(string(text)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3) // cgroups(7)
		if len(fields) != 3 {
			continue
		}
		dir, file := "sys/fs/cgroup", "memory.max"
		if fields[1] != "" {
			dir, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		}
		if controllers := strings.Split(fields[1], ","); fields[1] != "" && !slices.Contains(controllers, "memory") {
			continue
		}
		for below := path.Clean("/" + fields[2]); ; below = path.Dir(below) {
			least = min(least, number(root, path.Join(dir, below, file)))
			if below == "/" {
				break
			}
		}
	}
	return least
}

// number reads a file with a number, math.MaxInt64 for none.
func number(root fs.FS, name string) int64 {
	text, err := fs.ReadFile(root, name)
	n, parseErr := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil || parseErr != nil || n <= 0 {
		return math.MaxInt64
	}
	return n
}

// ofMachine returns MemTotal of proc_meminfo(5), math.MaxInt64 where it is unknown.
func ofMachine(root fs.FS) int64 {
	text, _ := fs.ReadFile(root, "proc/meminfo")
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		rest, found := strings.CutPrefix(lines.Text(), "MemTotal:")
		if !found {
			continue
		}
		if kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64); err == nil && kib > 0 {
			return kib << 10
		}
	}
	return math.MaxInt64
}

// RequestMemory returns the share of the memory limit for requests: an eighth, within
// 8 and 128 MiB.
func RequestMemory(limit int64) int {
	return int(min(max(limit/8, 8<<20), 128<<20))
}
