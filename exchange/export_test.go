package exchange

import (
	"maps"
	"slices"
)

// Reasons are all reasons.
func Reasons() []Reason { return slices.Sorted(maps.Keys(answers)) }
