package policy

import (
	"errors"
	"fmt"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/cost"
)

// Bounds of an expression. Costs are CEL's own: about one for each step and
// one for each ten bytes of text looked at; 100,000 take some milliseconds.
const (
	usualClaim    = 128 // bytes of a claim, or items in it
	largestClaim  = 16 << 10
	mostUsualCost = 1_000_000 // for claims of the usual size, when written
	mostCost      = 100_000   // when run
)

// plan makes the program. An expression that cannot reach the limit with any
// claims runs without counting, which costs more than most expressions.
func plan(env *cel.Env, checked *cel.Ast) (cel.Program, error) {
	usual, err := env.EstimateCost(checked, sizes(usualClaim))
	if err != nil {
		return nil, fmt.Errorf("estimating its cost: %w", err)
	}
	if usual.Max > mostUsualCost {
		return nil, errors.New("costs too much: loops within loops within loops, or texts that multiply; make it simpler")
	}
	worst, err := env.EstimateCost(checked, sizes(largestClaim))
	if err != nil {
		return nil, fmt.Errorf("estimating its cost: %w", err)
	}
	options := []cel.ProgramOption{cel.EvalOptions(cel.OptOptimize)}
	if worst.Max > mostCost {
		options = append(options, cel.CostLimit(mostCost))
	}
	program, err := env.Program(checked, options...)
	if err != nil {
		return nil, fmt.Errorf("cannot be compiled: %w", err)
	}
	return program, nil
}

// sizes estimates costs for claims of a size.
type sizes uint64

// EstimateSize implements cost.Estimator.
func (s sizes) EstimateSize(cost.AstNode) *cost.SizeEstimate {
	size := cost.RangedSizeEstimate(0, uint64(s))
	return &size
}

// EstimateCallCost implements cost.Estimator: CEL's own estimates are good.
func (s sizes) EstimateCallCost(string, string, *cost.AstNode, []cost.AstNode) *cost.CallEstimate {
	return nil
}
