package exchange

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// details grants authorization_details that are elements of allowed, and all
// of allowed if nothing was asked for (RFC 9396 §6).
func (d *decider) details(asked, allowed json.RawMessage) {
	if len(asked) == 0 {
		d.out.Details = allowed
		return
	}
	err := detailsWithin(asked, allowed)
	c := Check{
		Name: "authorization_details", Want: Clip(string(allowed)), Got: string(asked),
		Passed: err == nil, Reason: ReasonAuthorizationDetailsInvalid,
	}
	if err != nil {
		c.Got = err.Error()
	}
	if d.check(c) {
		d.out.Details = asked
	}
}

// detailsWithin says why asked is more than allowed.
func detailsWithin(asked, allowed json.RawMessage) error {
	want, err := elements(asked)
	if err != nil {
		return err
	}
	if len(want) == 0 {
		return errors.New("an empty array")
	}
	have, err := elements(allowed)
	if err != nil {
		return fmt.Errorf("reading what was granted: %w", err)
	}
	if extra, found := firstOutside(want, have); found {
		return errors.New(extra)
	}
	return nil
}

// elements are the compact spellings of a JSON array's members. Members that
// say the same in another order count as different, which refuses.
func elements(array json.RawMessage) ([]string, error) {
	if len(array) == 0 {
		return nil, nil
	}
	var raw []json.RawMessage
	if err := json.Unmarshal(array, &raw); err != nil {
		return nil, errors.New("not a JSON array")
	}
	if raw == nil {
		return nil, errors.New("null")
	}
	out := make([]string, len(raw))
	for i, r := range raw {
		var b bytes.Buffer
		if err := json.Compact(&b, r); err != nil {
			return nil, err
		}
		out[i] = b.String()
	}
	return out, nil
}
