package audit

// Line returns the line of e.
func (e *Event) Line() string { return string(e.append(nil)) }
