package limit

// Known returns the number of keys that are remembered.
func (l *Limiter) Known() int64 { return l.known.Load() }
