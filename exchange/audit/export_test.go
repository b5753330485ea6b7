package audit

// Line is what is written of e.
func (e *Event) Line() string { return string(e.append(nil)) }
