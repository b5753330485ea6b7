//go:build unix

package serving

import "syscall"

// openFiles returns the limit of open files, which Go raises at the start as far as
// it may, or 0 if it is not known.
func openFiles() uint64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	return uint64(limit.Cur)
}
