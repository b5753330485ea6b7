package limit

// Known is how many addresses are remembered.
func (l *Limiter) Known() int64 { return l.known.Load() }
