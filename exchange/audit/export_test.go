package audit

// Line returns the line of e.
func (e *Event) Line() string { return string(e.append(nil)) }

// Kinds returns the number of kinds of refusals that are remembered.
func (l *Log) Kinds() int { return len(l.refusals.flows) }

// MaxKinds is the most that are remembered.
const MaxKinds = maxKinds
