package table

import (
	"fmt"
	"strconv"
	"strings"
)

// A Budget is the most capacity units to consume per second: so many, or a
// share of the table's own capacity, which is the provisioned one, or the maximum that is set for an
// on-demand table. The zero value is no limit.
type Budget struct {
	Units   float64 `json:"units,omitempty"`
	Percent float64 `json:"percent,omitempty"`
}

// ParseBudget reads "500" or "40%". The errors are an [*Error] of kind [Usage].
func ParseBudget(text string) (Budget, error) {
	number, percent := strings.CutSuffix(strings.TrimSpace(text), "%")
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || !(n >= 1 && n <= 1e9) || percent && n > 100 {
		return Budget{}, usage("like 500, or 40% of the table's capacity", "%q is no number of capacity units per second", text)
	}
	if percent {
		return Budget{Percent: n}, nil
	}
	return Budget{Units: n}, nil
}

func (b Budget) String() string {
	switch {
	case b.Percent != 0:
		return fmt.Sprintf("%g%%", b.Percent)
	case b.Units != 0:
		return fmt.Sprintf("%g", b.Units)
	}
	return ""
}

// of resolves the budget for a table of that capacity.
func (b Budget) of(d Description, capacity float64, kind string) (float64, error) {
	if b.Percent == 0 {
		return b.Units, nil
	}
	if capacity == 0 {
		return 0, usage("give units per second", "%s%% of the %s capacity of %s: it is on demand and has no maximum", strconv.FormatFloat(b.Percent, 'g', -1, 64), kind, d)
	}
	return max(1, capacity*b.Percent/100), nil
}

// budgets resolves what was asked for against the tables' own capacity.
func (p *Plan) budgets(o CopyOptions) (err error) {
	if p.ReadUnits, err = o.ReadUnits.of(p.Source, p.Source.ReadCapacity, "read"); err != nil {
		return err
	}
	if p.Deletes {
		if p.TargetReadUnits, err = o.ReadUnits.of(p.Target, p.Target.ReadCapacity, "read"); err != nil {
			return err
		}
	}
	p.WriteUnits, err = o.WriteUnits.of(p.Target, p.Target.WriteCapacity, "write")
	return err
}
