// Package scaling sets a table's billing mode and its auto scaling: [Read]
// what is, [Resolve] what is asked for into what should be, [Diff] the two, [Apply] the
// difference.
//
//	have, err := scaling.Read(ctx, clients, "orders")
//	asked := scaling.Want{Billing: scaling.Provisioned, Read: scaling.Side{Min: 5, Max: 100}}
//	want, err := scaling.Resolve(have, asked, scaling.Past{})
//	fmt.Println(scaling.Diff(have, want)) // what a dry run prints
//	result, err := scaling.Apply(ctx, clients, "orders", have, want, scaling.Options{})
//
// Billing is the table's. Capacity belongs to the table and to each global secondary index;
// Application Auto Scaling may move it within a [Range], read and write apart. Resolve and Diff
// are functions of their arguments; only Read and Apply send anything.
//
// The API may change until version 1.
package scaling

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	aas "github.com/aws/aws-sdk-go-v2/service/applicationautoscaling/types"
)

// Billing is how a table's requests are paid for.
type Billing string

// The billing modes.
const (
	OnDemand    Billing = "ondemand"    // AWS's PAY_PER_REQUEST
	Provisioned Billing = "provisioned" // also where AWS names none
)

func (b Billing) String() string {
	if b == OnDemand {
		return "on-demand"
	}
	return string(b)
}

// A State is a table's billing mode, capacity and auto scaling. Its JSON is
// what is kept on disk.
type State struct {
	Billing Billing             `json:"billing"`
	Table   Capacity            `json:"table"`
	Indexes map[string]Capacity `json:"indexes,omitempty"` // global secondary ones, by name

	Name string `json:"-"` // the table's
	// "ACTIVE", or what is not: "UPDATING", "index by-city is CREATING"
	Status string `json:"-"`
	// names of local secondary indexes, which share the table's capacity
	Local         []string  `json:"-"`
	OnDemandSince time.Time `json:"-"` // when it last went on demand; zero for never
	// it has replicas: AWS takes provisioned writes only with auto scaling
	Global    bool `json:"-"`
	decreases map[string]decreases
}

// decreases are an index's, or of "" the table's.
type decreases struct {
	today int64
	last  time.Time
}

// A Capacity is what a table or an index may consume. Units are per second,
// and 0 on demand.
type Capacity struct {
	ReadUnits  int64 `json:"read_units"`
	WriteUnits int64 `json:"write_units"`
	Read       Range `json:"read,omitzero"`
	Write      Range `json:"write,omitzero"`
	// nil where none is set, or the table is not on demand
	Most *Most `json:"on_demand_max,omitempty"`
}

// Most is what a table or an index may use at most while it is on demand, in
// request units per second. 0 is no limit.
type Most struct {
	Read  int64 `json:"read,omitempty"`
	Write int64 `json:"write,omitempty"`
}

// String says the limits as people read them.
func (m Most) String() string {
	text := func(n int64) string {
		if n == 0 {
			return "any"
		}
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("read %s write %s", text(m.Read), text(m.Write))
}

// A Range is the auto scaling of reads or of writes. The zero value is none.
type Range struct {
	Min int64 `json:"min"` // units per second
	Max int64 `json:"max"`
	// percent, as the target-tracking policy among Policies says; 0 for none
	Utilization float64   `json:"utilization,omitzero"`
	Suspended   Suspended `json:"suspended,omitzero"`
	Policies    []Policy  `json:"policies,omitempty"`
	Actions     []Action  `json:"scheduled_actions,omitempty"`
}

// Registered reports whether there is a scalable target at all.
func (r Range) Registered() bool { return r.Max > 0 }

// active reports whether the capacity is moved by utilisation.
func (r Range) active() bool {
	return r.Registered() && !r.Suspended.In && !r.Suspended.Out && r.Utilization > 0
}

// Suspended says which parts of a scalable target are at rest.
type Suspended struct {
	In        bool `json:"dynamic_scaling_in"`
	Out       bool `json:"dynamic_scaling_out"`
	Scheduled bool `json:"scheduled_scaling"`
}

var allSuspended = Suspended{true, true, true}

// A Policy is a scaling policy of a scalable target, in AWS's own terms.
type Policy struct {
	Name     string                                        `json:"name"`
	Type     string                                        `json:"type"`
	Tracking *aas.TargetTrackingScalingPolicyConfiguration `json:"target_tracking,omitempty"`
	Step     *aas.StepScalingPolicyConfiguration           `json:"step_scaling,omitempty"`
}

// MarshalJSON leaves out what AWS's types have no value for.
func (p Policy) MarshalJSON() ([]byte, error) {
	type plain Policy
	text, err := json.Marshal(plain(p))
	if err != nil {
		return nil, err
	}
	var value map[string]any
	if err := json.Unmarshal(text, &value); err != nil {
		return nil, err
	}
	return json.Marshal(withoutNulls(value))
}

func withoutNulls(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for name, inner := range v {
			if v[name] = withoutNulls(inner); inner == nil {
				delete(v, name)
			}
		}
	case []any:
		for i := range v {
			v[i] = withoutNulls(v[i])
		}
	}
	return value
}

// An Action is a scheduled action of a scalable target.
type Action struct {
	Name     string     `json:"name"`
	Schedule string     `json:"schedule"` // at(…), rate(…) or cron(…)
	Timezone string     `json:"timezone,omitempty"`
	Start    *time.Time `json:"start,omitempty"`
	End      *time.Time `json:"end,omitempty"`
	Min      *int32     `json:"min,omitempty"`
	Max      *int32     `json:"max,omitempty"`
}

// A Direction is one half of a capacity.
type Direction string

// The directions.
const (
	Reads  Direction = "read"
	Writes Direction = "write"
)

var directions = []Direction{Reads, Writes}

// side is one direction of a capacity.
func (c *Capacity) side(d Direction) (*int64, *Range) {
	if d == Reads {
		return &c.ReadUnits, &c.Read
	}
	return &c.WriteUnits, &c.Write
}

// A place is where a capacity is: the name of an index, or "" for the table.
func place(index string) string {
	if index == "" {
		return "table"
	}
	return "index " + index
}

// places are the table and its indexes, in order.
func (s State) places() []string {
	return append([]string{""}, slices.Sorted(maps.Keys(s.Indexes))...)
}

func (s State) at(index string) Capacity {
	if index == "" {
		return s.Table
	}
	return s.Indexes[index]
}

func (s *State) set(index string, c Capacity) {
	if index == "" {
		s.Table = c
		return
	}
	s.Indexes[index] = c
}

func (s State) has(index string) bool {
	_, ok := s.Indexes[index]
	return ok || index == ""
}

func (s State) clone() State {
	s.Indexes = maps.Clone(s.Indexes)
	return s
}

// String says the state on one line, as people read it.
func (s State) String() string {
	if s.Billing == OnDemand {
		n, suspended, most := 0, 0, ""
		for _, index := range s.places() {
			c := s.at(index)
			if c.Most != nil {
				most += fmt.Sprintf(", %s at most %s", place(index), *c.Most)
			}
			for _, d := range directions {
				if _, r := c.side(d); r.Registered() {
					n++
					if r.Suspended == allSuspended {
						suspended++
					}
				}
			}
		}
		if n == 0 {
			return s.Billing.String() + most
		}
		return fmt.Sprintf("%s%s, %d scalable targets kept, %d of them suspended", s.Billing, most, n, suspended)
	}
	var parts []string
	for _, index := range s.places() {
		c := s.at(index)
		parts = append(parts, fmt.Sprintf("%s read %s, write %s", place(index), sideText(c.ReadUnits, c.Read), sideText(c.WriteUnits, c.Write)))
	}
	return s.Billing.String() + ": " + strings.Join(parts, "; ")
}

func sideText(units int64, r Range) string {
	if !r.Registered() {
		return fmt.Sprint(units)
	}
	return fmt.Sprintf("%d (%s)", units, r)
}

// String says the range, its utilisation, and what is suspended.
func (r Range) String() string {
	text := fmt.Sprintf("%d–%d", r.Min, r.Max)
	if r.Utilization > 0 {
		text += fmt.Sprintf(" at %g %%", r.Utilization)
	}
	switch r.Suspended {
	case Suspended{}:
	case allSuspended:
		text += ", suspended"
	default:
		text += ", partly suspended"
	}
	return text
}

// Check says what is wrong with a state that came from a file.
func (s State) Check() error {
	if s.Billing != OnDemand && s.Billing != Provisioned {
		return fmt.Errorf("unknown billing mode %q", s.Billing)
	}
	for _, index := range s.places() {
		c := s.at(index)
		if c.Most != nil && (c.Most.Read < 0 || c.Most.Write < 0 || s.Billing != OnDemand) {
			return fmt.Errorf("%s: at most %s", place(index), *c.Most)
		}
		if c.Most != nil && max(c.Most.Read, c.Most.Write) > maxUnits {
			return fmt.Errorf("%s: at most %s", place(index), *c.Most)
		}
		for _, d := range directions {
			units, r := c.side(d)
			switch {
			case s.Billing == Provisioned && *units < 1, *units > maxUnits:
				return fmt.Errorf("%s: %s capacity %d", place(index), d, *units)
			case r.Min < 0 || r.Max < r.Min || r.Max > maxUnits:
				return fmt.Errorf("%s: %s from %d to %d", place(index), d, r.Min, r.Max)
			case !r.Registered() && len(r.Policies)+len(r.Actions) > 0:
				return fmt.Errorf("%s: %s has policies and no range", place(index), d)
			case r.Utilization != utilization(r.Policies, d):
				return fmt.Errorf("%s: %s utilization %g is not its policy's", place(index), d, r.Utilization)
			case tracker(r.Policies, d) != nil && !possible(r.Utilization):
				return fmt.Errorf("%s: %s utilization %g: DynamoDB scales by 20 to 90 percent", place(index), d, r.Utilization)
			}
			if err := r.checkParts(); err != nil {
				return fmt.Errorf("%s: %s %w", place(index), d, err)
			}
		}
	}
	return nil
}

// checkParts says what is wrong with a range's policies and scheduled actions.
func (r Range) checkParts() error {
	for _, p := range r.Policies {
		if t := p.Tracking; t != nil && min(aws.ToInt32(t.ScaleInCooldown), aws.ToInt32(t.ScaleOutCooldown)) < 0 {
			return fmt.Errorf("policy %q: a cooldown below nothing", p.Name)
		}
	}
	for _, a := range r.Actions {
		low, high := aws.ToInt32(a.Min), aws.ToInt32(a.Max)
		if min(low, high) < 0 || a.Min != nil && a.Max != nil && low > high {
			return fmt.Errorf("scheduled action %q: from %d to %d", a.Name, low, high)
		}
	}
	return nil
}
