package serving

import "math"

// AdminConnections bounds the connections of the admin listener. They are part of
// the reserve.
const AdminConnections = 16

// connectionMemory is about what the kernel and Go take for a connection that does
// nothing, in bytes.
const connectionMemory = 32 << 10

// MaxConnections returns how many connections the public listener may have: the limit
// of open files less a reserve of a quarter, 64 to 512, for the store, logs, outgoing
// connections and the admin listener, and what takes half of the memory limit.
func MaxConnections(memoryLimit int64) int { return maxConnections(openFiles(), memoryLimit) }

func maxConnections(files uint64, memoryLimit int64) int {
	most := uint64(memoryLimit) / 2 / connectionMemory
	if files > 0 {
		reserve := min(max(files/4, 64), 512)
		most = min(most, max(files, reserve)-reserve)
	}
	return int(min(max(most, 16), math.MaxInt32))
}
