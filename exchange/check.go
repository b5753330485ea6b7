package exchange

import "fmt"

// Check is one step of a verification or a decision: what was expected, what
// was found, and whether that was good. An audited check that did not pass
// refuses nothing.
type Check struct {
	Name   string `json:"name"`
	Want   string `json:"want,omitempty"`
	Got    string `json:"got,omitempty"`
	Passed bool   `json:"passed"`
	Audit  bool   `json:"audit,omitempty"`
	// Rule marks a check that is one of the operator's own rules; Name is then
	// the rule's. A session records the rules that passed when it was created.
	Rule bool `json:"rule,omitempty"`
	// Message is the operator's own text for the caller if the check refuses.
	Message string `json:"message,omitempty"`
	// Reason is the reason of the refusal if the check does not pass.
	Reason Reason `json:"reason,omitempty"`
}

// Refusal returns the error of a check that did not pass.
func (c Check) Refusal() *Error {
	e := Refuse(c.Reason, fmt.Errorf("%s: want %s, got %s", c.Name, Quote(c.Want), Quote(c.Got)))
	e.Description = c.Message
	return e
}

// Recorder records checks in the order they run, up to the first that refuses.
// Its zero value is ready to use.
type Recorder struct {
	Checks []Check
	Err    *Error // the refusal, nil while no check has refused
	// Reason, if set, replaces the reason of every check that refuses.
	Reason Reason
}

// Check records c and reports whether to go on. After a refusal it records
// nothing more.
func (r *Recorder) Check(c Check) bool {
	if r.Refused() {
		return false
	}
	if r.Reason != "" {
		c.Reason = r.Reason
	}
	c.Got = Clip(c.Got)
	r.Checks = append(r.Checks, c)
	if !c.Passed && !c.Audit {
		r.Err = c.Refusal()
	}
	return !r.Refused()
}

// CheckAll records list in order and reports whether to go on.
func (r *Recorder) CheckAll(list []Check) bool {
	for _, c := range list {
		r.Check(c)
	}
	return !r.Refused()
}

// Fail records c as not passed and refuses with err, which says why. A
// temporary reason of err is kept; Recorder.Reason replaces any other.
func (r *Recorder) Fail(c Check, err error) {
	if r.Refused() {
		return
	}
	refusal := AsError(err)
	if r.Reason != "" && !refusal.Reason.Temporary() {
		refusal = Refuse(r.Reason, refusal)
	}
	c.Passed, c.Audit, c.Reason, c.Got = false, false, refusal.Reason, Clip(c.Got)
	r.Checks, r.Err = append(r.Checks, c), refusal
}

// Refused reports whether a check has refused.
func (r *Recorder) Refused() bool { return r.Err != nil }
