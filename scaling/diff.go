package scaling

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	aas "github.com/aws/aws-sdk-go-v2/service/applicationautoscaling/types"
)

// A Change is what leads from one state to another, in the order in which it
// is to be done. The zero value is nothing to do.
type Change struct {
	Steps []Step
}

// A Verb is what a step does.
type Verb string

// The verbs.
const (
	Switch       Verb = "switch"   // the billing mode, with all capacities
	Resize       Verb = "resize"   // fixed capacities
	Limit        Verb = "limit"    // what may be used on demand
	Register     Verb = "register" // a scalable target, or its new range or suspension
	Deregister   Verb = "deregister"
	PutPolicy    Verb = "put-policy"
	DeletePolicy Verb = "delete-policy"
	PutAction    Verb = "put-action"
	DeleteAction Verb = "delete-action"
)

// A Step is one call that changes something.
type Step struct {
	Do      Verb    `json:"do"`
	Billing Billing `json:"billing,omitempty"` // Switch
	// Switch, Resize; for Limit, and a Switch to on-demand, what may be used at most
	Units     []Units   `json:"units,omitempty"`
	Index     string    `json:"index,omitempty"` // the others; "" for the table
	Direction Direction `json:"side,omitempty"`  // the others
	// Register: as it will be; Deregister: all that goes with it
	Range    *Range   `json:"range,omitempty"`
	Resume   bool     `json:"resume,omitempty"` // Register: it was suspended
	Policy   *Policy  `json:"policy,omitempty"` // PutPolicy, DeletePolicy
	Action   *Action  `json:"action,omitempty"` // PutAction, DeleteAction
	decrease []string // Resize: the places that get less
}

// Units is the fixed capacity of the table or of an index, per second.
type Units struct {
	Index string `json:"index,omitempty"` // "" for the table
	Read  int64  `json:"read"`
	Write int64  `json:"write"`
}

// Diff returns what makes want of have. Two states that mean the same differ by
// nothing. On demand, units mean nothing and are not compared.
//
// The order is such that each step may be the last, refused or not reached: the table works, no
// side is without auto scaling at a capacity that nobody asked for, and a second Diff has the rest:
//
//   - To on-demand, the switch comes first. It is what AWS may refuse for a day, and then the
//     scaling must still be there; on an on-demand table targets do nothing.
//   - To provisioned, the switch comes first, for it sets the capacity that targets begin with.
//     Of a global table AWS switches none whose writes are not scaled: there targets come first.
//   - Else what goes up goes up first, so that targets find the capacity within their new range,
//     and what goes down goes down after all that it does not need, for AWS may refuse it for
//     hours. A target goes when the capacity that takes its place is set: what it has moved
//     meanwhile, the next Diff sees.
//   - Policies come after their targets. One to delete goes before the one that takes its place,
//     for AWS allows one for each metric.
func Diff(have, want State) Change {
	// lowered: targets that go when their capacity has gone down
	var gone, lowered, targets, rest []Step
	for _, index := range want.places() {
		if !have.has(index) {
			continue // deleted since want was recorded
		}
		h, w := have.at(index), want.at(index)
		for _, d := range directions {
			units, before := h.side(d)
			asked, after := w.side(d)
			at := Step{Index: index, Direction: d}
			if before.Registered() && !after.Registered() {
				at.Do, at.Range = Deregister, before
				if *asked < *units {
					lowered = append(lowered, at)
				} else {
					gone = append(gone, at)
				}
				continue
			}
			if !after.Registered() {
				continue
			}
			if before.Min != after.Min || before.Max != after.Max || before.Suspended != after.Suspended {
				at.Do, at.Resume = Register, before.Registered() && before.Suspended != after.Suspended
				at.Range = &Range{Min: after.Min, Max: after.Max, Suspended: after.Suspended}
				targets = append(targets, at)
			}
			rest = append(rest, diffPolicies(Step{Index: index, Direction: d}, before.Policies, after.Policies)...)
			rest = append(rest, diffActions(Step{Index: index, Direction: d}, before.Actions, after.Actions)...)
		}
	}
	targets = append(targets, rest...)
	switch {
	case want.Billing == OnDemand && have.Billing != OnDemand:
		return Change{slices.Concat([]Step{{Do: Switch, Billing: OnDemand, Units: diffMost(have, want)}}, gone, lowered, targets)}
	case want.Billing == Provisioned && have.Billing != Provisioned:
		step := []Step{{Do: Switch, Billing: Provisioned, Units: allUnits(have, want)}}
		if have.Global {
			return Change{slices.Concat(targets, step, gone, lowered)}
		}
		return Change{slices.Concat(step, targets, gone, lowered)}
	case want.Billing == Provisioned:
		up, down := diffUnits(have, want)
		return Change{slices.Concat(up, gone, targets, down, lowered)}
	}
	var limits []Step
	if most := diffMost(have, want); len(most) > 0 {
		limits = []Step{{Do: Limit, Units: most}}
	}
	return Change{slices.Concat(gone, lowered, limits, targets)}
}

// diffMost lists what may be used on demand, where want says it and have has another.
func diffMost(have, want State) (list []Units) {
	for _, index := range want.places() {
		h, w := have.at(index).Most, want.at(index).Most
		if w != nil && have.has(index) && (h == nil || *h != *w) {
			list = append(list, Units{index, w.Read, w.Write})
		}
	}
	return list
}

// allUnits are the capacities of the table and all its indexes, which a switch must name.
func allUnits(have, want State) (list []Units) {
	for _, index := range want.places() {
		if w := want.at(index); have.has(index) {
			list = append(list, Units{index, w.ReadUnits, w.WriteUnits})
		}
	}
	return list
}

// diffUnits is the call that raises capacities, and the one that lowers them: AWS carries out a
// call as a whole or not at all, and refuses to lower any more often than some times a day.
func diffUnits(have, want State) (up, down []Step) {
	raise, lower := Step{Do: Resize}, Step{Do: Resize}
	for _, index := range want.places() {
		h, w := have.at(index), want.at(index)
		if !have.has(index) {
			continue
		}
		top := Units{index, max(h.ReadUnits, w.ReadUnits), max(h.WriteUnits, w.WriteUnits)}
		if top.Read > h.ReadUnits || top.Write > h.WriteUnits {
			raise.Units = append(raise.Units, top)
		}
		if top.Read > w.ReadUnits || top.Write > w.WriteUnits {
			lower.Units = append(lower.Units, Units{index, w.ReadUnits, w.WriteUnits})
			lower.decrease = append(lower.decrease, index)
		}
	}
	if len(raise.Units) > 0 {
		up = []Step{raise}
	}
	if len(lower.Units) > 0 {
		down = []Step{lower}
	}
	return up, down
}

func diffPolicies(at Step, have, want []Policy) []Step {
	var steps []Step
	for _, p := range have {
		if !slices.ContainsFunc(want, func(w Policy) bool { return w.Name == p.Name }) {
			at.Do, at.Policy = DeletePolicy, &p
			steps = append(steps, at)
		}
	}
	for _, p := range want {
		if !slices.ContainsFunc(have, p.same) {
			at.Do, at.Policy = PutPolicy, &p
			steps = append(steps, at)
		}
	}
	return steps
}

// same reports whether two policies mean the same: what is left out is AWS's
// default, which for DynamoDB is no cooldown and scaling in.
func (p Policy) same(q Policy) bool {
	if p.Name != q.Name || p.Type != q.Type || (p.Tracking == nil) != (q.Tracking == nil) {
		return false
	}
	if p.Tracking == nil {
		return equalJSON(p.Step, q.Step)
	}
	return equalJSON(plain(p.Tracking), plain(q.Tracking))
}

func plain(t *aas.TargetTrackingScalingPolicyConfiguration) aas.TargetTrackingScalingPolicyConfiguration {
	out := *t
	out.DisableScaleIn = aws.Bool(aws.ToBool(t.DisableScaleIn))
	out.ScaleInCooldown, out.ScaleOutCooldown = aws.Int32(aws.ToInt32(t.ScaleInCooldown)), aws.Int32(aws.ToInt32(t.ScaleOutCooldown))
	return out
}

// equalJSON compares what AWS's types hold, and not where.
func equalJSON(a, b any) bool {
	x, err := json.Marshal(a)
	y, err2 := json.Marshal(b)
	return err == nil && err2 == nil && string(x) == string(y)
}

func diffActions(at Step, have, want []Action) []Step {
	var steps []Step
	for _, a := range have {
		if !slices.ContainsFunc(want, func(w Action) bool { return w.Name == a.Name }) {
			at.Do, at.Action = DeleteAction, &a
			steps = append(steps, at)
		}
	}
	for _, a := range want {
		if !slices.ContainsFunc(have, a.same) {
			at.Do, at.Action = PutAction, &a
			steps = append(steps, at)
		}
	}
	return steps
}

func (a Action) same(b Action) bool {
	when := func(t *time.Time) string {
		if t == nil {
			return ""
		}
		return t.UTC().Format(time.RFC3339)
	}
	zone := func(name string) string { // UTC is AWS's default
		if name == "" {
			return "UTC"
		}
		return name
	}
	return a.Name == b.Name && a.Schedule == b.Schedule && zone(a.Timezone) == zone(b.Timezone) &&
		when(a.Start) == when(b.Start) && when(a.End) == when(b.End) && reflect.DeepEqual(a.Min, b.Min) && reflect.DeepEqual(a.Max, b.Max)
}

// String lists the steps, one a line.
func (c Change) String() string {
	lines := make([]string, len(c.Steps))
	for i, s := range c.Steps {
		lines[i] = s.String()
	}
	return strings.Join(lines, "\n")
}

// String says the step as people read it.
func (s Step) String() string {
	where := fmt.Sprintf("%s %s", place(s.Index), s.Direction)
	switch s.Do {
	case Switch:
		if s.Billing == OnDemand && len(s.Units) > 0 {
			return "switch to on-demand, at most: " + mostText(s.Units)
		}
		if s.Billing == OnDemand {
			return "switch to on-demand"
		}
		return "switch to provisioned: " + unitsText(s.Units)
	case Resize:
		return "set capacity: " + unitsText(s.Units)
	case Limit:
		return "limit on-demand use to: " + mostText(s.Units)
	case Register:
		switch {
		case s.Range.Suspended == allSuspended:
			return fmt.Sprintf("suspend auto scaling of %s %d–%d", where, s.Range.Min, s.Range.Max)
		case s.Resume:
			return fmt.Sprintf("resume auto scaling of %s %s", where, s.Range)
		}
		return fmt.Sprintf("register auto scaling of %s %s", where, s.Range)
	case Deregister:
		return fmt.Sprintf("remove auto scaling of %s %s%s", where, s.Range, s.Range.contents())
	case PutPolicy:
		if t := s.Policy.Tracking; t != nil {
			return fmt.Sprintf("put policy %s on %s: %s", s.Policy.Name, where, trackingText(t))
		}
		return fmt.Sprintf("put policy %s on %s: %s", s.Policy.Name, where, s.Policy.Type)
	case DeletePolicy:
		return fmt.Sprintf("delete policy %s of %s", s.Policy.Name, where)
	case PutAction:
		return fmt.Sprintf("put scheduled action %s on %s: %s", s.Action.Name, where, s.Action.Schedule)
	case DeleteAction:
		return fmt.Sprintf("delete scheduled action %s of %s: %s", s.Action.Name, where, s.Action.Schedule)
	}
	return string(s.Do)
}

// contents names what goes with a target.
func (r Range) contents() string {
	var parts []string
	for _, p := range r.Policies {
		parts = append(parts, "policy "+p.Name)
	}
	for _, a := range r.Actions {
		parts = append(parts, "scheduled action "+a.Name+": "+a.Schedule)
	}
	if len(parts) == 0 {
		return ""
	}
	return ", with " + strings.Join(parts, ", ")
}

func trackingText(t *aas.TargetTrackingScalingPolicyConfiguration) string {
	text := fmt.Sprintf("%g %%", aws.ToFloat64(t.TargetValue))
	if aws.ToBool(t.DisableScaleIn) {
		text += ", no scale-in"
	}
	if n := aws.ToInt32(t.ScaleInCooldown); n > 0 {
		text += fmt.Sprintf(", scale-in cooldown %d s", n)
	}
	if n := aws.ToInt32(t.ScaleOutCooldown); n > 0 {
		text += fmt.Sprintf(", scale-out cooldown %d s", n)
	}
	return text
}

func mostText(list []Units) string {
	parts := make([]string, len(list))
	for i, u := range list {
		parts[i] = fmt.Sprintf("%s %s", place(u.Index), Most{u.Read, u.Write})
	}
	return strings.Join(parts, ", ")
}

func unitsText(list []Units) string {
	parts := make([]string, len(list))
	for i, u := range list {
		parts[i] = fmt.Sprintf("%s read %d write %d", place(u.Index), u.Read, u.Write)
	}
	return strings.Join(parts, ", ")
}

// MarshalJSON adds the step's text to its parts.
func (s Step) MarshalJSON() ([]byte, error) {
	type parts Step
	return json.Marshal(struct {
		Text string `json:"text"`
		parts
	}{s.String(), parts(s)})
}
