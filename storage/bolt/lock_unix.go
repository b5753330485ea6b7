//go:build unix && !solaris && !aix

package bolt

import (
	"os"
	"syscall"
)

// lock takes the lock that bbolt takes on the same file, and reports whether no
// other process has it.
func lock(file *os.File) bool {
	return syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}
