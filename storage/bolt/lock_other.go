//go:build !unix || solaris || aix

package bolt

import "os"

// lock reports false: without bbolt's own lock the file is left as it is.
func lock(*os.File) bool { return false }
