package table

import (
	"fmt"
	"strconv"
	"strings"
)

// A Budget is the most capacity units to consume per second: so many, or a share of the table's own
// capacity, which is the provisioned one, or the maximum that is set for an on-demand table. The
// zero value is no limit.
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
	// Files are read as fast as it goes; a temporary table is nobody else's, and has no capacity to
	// take a share of.
	if p.Source.Path == "" && (p.Source.Backup == "" || o.ReadUnits.Percent == 0) {
		if p.ReadUnits, err = o.ReadUnits.of(p.Source, p.Source.ReadCapacity, "read"); err != nil {
			return err
		}
	}
	if p.Deletes || o.joined() {
		if p.TargetReadUnits, err = o.ReadUnits.of(p.Target, p.Target.ReadCapacity, "read"); err != nil {
			return err
		}
	}
	p.WriteUnits, err = o.WriteUnits.of(p.Target, p.Target.WriteCapacity, "write")
	return err
}

// A Share is a number of items, or a percentage of those that there are.
type Share struct {
	Items   int64   `json:"items,omitempty"`
	Percent float64 `json:"percent,omitempty"`
}

// ParseShare reads "100" or "5%". The errors are an [*Error] of kind [Usage].
func ParseShare(text string) (Share, error) {
	number, percent := strings.CutSuffix(strings.TrimSpace(text), "%")
	bad := usage("like 100, or 5% of the items", "%q is no number of items", text)
	if percent {
		p, err := strconv.ParseFloat(number, 64)
		if err != nil || !(p >= 0 && p <= 100) {
			return Share{}, bad
		}
		return Share{Percent: p}, nil
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 {
		return Share{}, bad
	}
	return Share{Items: n}, nil
}

func (s Share) String() string {
	if s.Percent != 0 {
		return fmt.Sprintf("%g%%", s.Percent)
	}
	return fmt.Sprint(s.Items)
}

// of is how many items that is, of so many.
func (s Share) of(items int64) int64 {
	if s.Percent != 0 {
		return int64(float64(items) * s.Percent / 100)
	}
	return s.Items
}
