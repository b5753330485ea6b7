package policy

import (
	"errors"
	"fmt"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/cost"
)

// Limits of an expression in CEL's cost units: about one for each step and one for
// each ten bytes of text that is read; 100,000 take a few milliseconds.
const (
	usualClaim   = 128 // bytes of a claim, or items in it
	largestClaim = 16 << 10
	maxUsualCost = 1_000_000 // estimated for usual claims, when compiled
	maxCost      = 100_000   // when evaluated
)

// plan makes the program. Cost is counted only for an expression that can reach
// the limit, because counting costs more than most expressions do.
func plan(env *cel.Env, checked *cel.Ast) (cel.Program, error) {
	usual, err := env.EstimateCost(checked, sizes(usualClaim))
	if err != nil {
		return nil, fmt.Errorf("estimating its cost: %w", err)
	}
	if usual.Max > maxUsualCost {
		return nil, errors.New("costs too much: loops within loops within loops, or texts that multiply; make it simpler")
	}
	worst, err := env.EstimateCost(checked, sizes(largestClaim))
	if err != nil {
		return nil, fmt.Errorf("estimating its cost: %w", err)
	}
	options := []cel.ProgramOption{cel.EvalOptions(cel.OptOptimize)}
	if worst.Max > maxCost {
		options = append(options, cel.CostLimit(maxCost))
	}
	program, err := env.Program(checked, options...)
	if err != nil {
		return nil, fmt.Errorf("cannot be compiled: %w", err)
	}
	return program, nil
}

// sizes estimates costs for claims of at most this size.
type sizes uint64

// EstimateSize implements cost.Estimator.
func (s sizes) EstimateSize(cost.AstNode) *cost.SizeEstimate {
	size := cost.RangedSizeEstimate(0, uint64(s))
	return &size
}

// EstimateCallCost implements cost.Estimator, with the default estimates.
func (s sizes) EstimateCallCost(string, string, *cost.AstNode, []cost.AstNode) *cost.CallEstimate {
	return nil
}
