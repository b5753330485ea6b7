package bolt

// BreakFile makes every later write to the file fail.
func BreakFile(e *Engine) { _ = e.file.Close() }
