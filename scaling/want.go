package scaling

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	aas "github.com/aws/aws-sdk-go-v2/service/applicationautoscaling/types"
)

// A Want is what somebody asks for. The zero value asks for nothing.
type Want struct {
	Billing Billing // "" leaves it as it is
	Read    Side
	Write   Side

	// Index says where else than on the table Read, Write and the end of scaling on demand
	// hold: "" or "all" for every global secondary index, "none", or the name of one.
	Index string

	KeepTargets    bool  // on demand: suspend the scalable targets, do not remove them
	DisableScaleIn *bool // of the policies; nil leaves it, or scales in
	// cooldown of the policies, in whole seconds; nil leaves it, or none
	ScaleIn  *time.Duration
	ScaleOut *time.Duration // likewise
}

// A Side is what is asked for reads, or for writes. The zero value says
// nothing, and leaves them as they are.
type Side struct {
	Units       int64   // fixed capacity, per second, and no auto scaling; 0 says nothing
	Min         int64   // auto scaling from Min to Max; both 0 say nothing
	Max         int64   //
	Utilization float64 // percent, 20 to 90; 0 leaves the policy's, or is 70
}

// DefaultUtilization is AWS's own, in percent.
const DefaultUtilization = 70

// said reports whether the side says anything.
func (s Side) said() bool { return s != Side{} }

// A Refusal says that what was asked for makes no sense, or not for this
// table. Hint says what to ask for instead.
type Refusal struct {
	Hint string
	text string
}

func (r *Refusal) Error() string { return r.text }

func refuse(hint, format string, args ...any) error {
	return &Refusal{hint, fmt.Sprintf(format, args...)}
}

// maxUnits is what Application Auto Scaling's numbers hold; AWS's quotas are far below.
const maxUnits = math.MaxInt32

// maxCooldown is longer than anybody waits, and fits AWS's number of seconds.
const maxCooldown = 30 * 24 * time.Hour

// Check refuses what makes sense for no table. The error is a [*Refusal].
func (w Want) Check() error {
	if w.Billing != "" && w.Billing != OnDemand && w.Billing != Provisioned {
		return refuse("the modes are ondemand and provisioned", "unknown billing mode %q", w.Billing)
	}
	if w.KeepTargets && w.Billing == "" {
		return refuse("name the billing mode too", "scalable targets are kept where the table goes on demand")
	}
	for _, d := range directions {
		s := w.side(d)
		switch {
		case s.Units < 0 || s.Units > maxUnits:
			return refuse("1 or more units per second", "%s capacity %d", d, s.Units)
		case s.Units > 0 && (s.Min != 0 || s.Max != 0 || s.Utilization != 0):
			return refuse("give the one or the other", "%s capacity is either fixed or scaled", d)
		case s.Min < 0 || s.Max < 0 || s.Max > maxUnits:
			return refuse("1 or more units per second", "%s from %d to %d", d, s.Min, s.Max)
		case (s.Min == 0) != (s.Max == 0):
			return refuse("give both, or neither", "auto scaling of %ss needs its least and its most capacity", d)
		case s.Min > s.Max:
			return refuse("", "%s from %d to %d: the least is more than the most", d, s.Min, s.Max)
		case s.Utilization != 0 && !possible(s.Utilization):
			return refuse("DynamoDB scales by 20 to 90 percent", "%s utilization %g", d, s.Utilization)
		}
	}
	for _, c := range []*time.Duration{w.ScaleIn, w.ScaleOut} {
		if c != nil && (*c < 0 || *c > maxCooldown || *c%time.Second != 0) {
			return refuse("whole seconds, at most 30 days", "cooldown %s", *c)
		}
	}
	return nil
}

// possible reports whether DynamoDB scales by so many percent.
func possible(utilization float64) bool { return utilization >= 20 && utilization <= 90 }

func (w Want) side(d Direction) Side {
	if d == Reads {
		return w.Read
	}
	return w.Write
}

// policySaid reports whether anything is said about policies alone.
func (w Want) policySaid() bool {
	return w.DisableScaleIn != nil || w.ScaleIn != nil || w.ScaleOut != nil
}

// Past is what is known of a table's past, for what a Want does not say.
type Past struct {
	// Provisioned is the state that the table was in before it went on demand; nil
	// where that is not known.
	Provisioned *State

	// Unfinished is what a run that broke off was to reach on its way back from
	// on-demand; nil where none did.
	Unfinished *State
}

// Resolve returns the state that a Want asks for, the rest of it taken from what is
// and what was. What a Want that goes on demand says of capacity has no effect. The error is
// a [*Refusal].
func Resolve(have State, w Want, past Past) (State, error) {
	if err := w.Check(); err != nil {
		return have, err
	}
	scope, err := scopeOf(have, w.Index)
	if err != nil {
		return have, err
	}
	want := have.clone()
	if w.Billing != "" {
		want.Billing = w.Billing
	}
	if want.Billing == OnDemand {
		return onDemand(want, w, scope)
	}
	r := resolver{Want: w, table: have.Name, coming: have.Billing == OnDemand, past: past.Provisioned}
	if !r.coming && w.Billing == Provisioned {
		r.unfinished = past.Unfinished
	}
	scaled := false
	for _, index := range want.places() {
		c := want.at(index)
		c.Most = nil
		for _, d := range directions {
			units, old := c.side(d)
			said := Side{}
			if slices.Contains(scope, index) {
				said = w.side(d)
			}
			if err := r.side(index, d, said, slices.Contains(scope, index), units, old); err != nil {
				return have, err
			}
			scaled = scaled || old.Registered() && slices.Contains(scope, index)
		}
		want.set(index, c)
	}
	if w.policySaid() && !scaled {
		return have, refuse("give the range to scale in as well", "there is no auto scaling to set cooldowns or scale-in of")
	}
	return want, Possible(have, want)
}

// Possible refuses a state that AWS does not let this table come to: a global table's provisioned
// writes must be scaled. Writes that stay as they are pass. The error is a [*Refusal].
func Possible(have, want State) error {
	if !have.Global || want.Billing != Provisioned {
		return nil
	}
	for _, index := range want.places() {
		h, w := have.at(index), want.at(index)
		same := have.Billing == Provisioned && h.Write.Registered() == w.Write.Registered() && h.WriteUnits == w.WriteUnits
		if have.has(index) && !w.Write.Registered() && !same {
			return refuse("give --min-write and --max-write", "%s: the writes of a global table cannot be fixed: AWS takes them on demand, or with auto scaling", place(index))
		}
	}
	return nil
}

// scopeOf lists the places that a Want is about.
func scopeOf(have State, index string) ([]string, error) {
	switch {
	case index == "" || index == "all":
		return have.places(), nil
	case index == "none":
		return []string{""}, nil
	case have.has(index):
		return []string{"", index}, nil
	case slices.Contains(have.Local, index):
		return nil, refuse("it shares the table's capacity: --index none", "index %q is a local one", index)
	}
	hint := "the table has no index"
	if names := have.places()[1:]; len(names) > 0 {
		hint = "the table has " + strings.Join(names, ", ")
	}
	return nil, refuse(hint, "unknown index %q", index)
}

// onDemand ends auto scaling, or lays it to rest.
func onDemand(want State, w Want, scope []string) (State, error) {
	if w.Billing == "" && (w.Read.said() || w.Write.said() || w.policySaid()) {
		return want, refuse("to go back: --read-mode provisioned", "the table is on-demand: it has no capacity and no auto scaling")
	}
	for _, index := range want.places() {
		c := want.at(index)
		c.ReadUnits, c.WriteUnits = 0, 0
		for _, d := range directions {
			_, r := c.side(d)
			switch {
			case w.Billing == "" || !slices.Contains(scope, index):
			case w.KeepTargets && r.Registered():
				r.Suspended = allSuspended
			case !w.KeepTargets:
				*r = Range{}
			}
		}
		want.set(index, c)
	}
	return want, nil
}

// A resolver finds out what a provisioned table's sides are to be.
type resolver struct {
	Want
	table            string
	coming           bool   // from on-demand
	past, unfinished *State // nil for unknown
}

// side changes units and range of one side, which are what it has, to what it is to have.
func (r resolver) side(index string, d Direction, said Side, inScope bool, units *int64, old *Range) error {
	pastUnits, pastRange, known := sideOf(r.past, index, d)
	switch {
	case said.Units > 0:
		*units, *old = said.Units, Range{}
		return nil
	case said.Min > 0:
		if r.coming {
			*units = pastUnits // 0 where it is not known
		}
		old.Min, old.Max, old.Suspended = said.Min, said.Max, Suspended{}
		*units = min(max(*units, old.Min), old.Max)
	case r.coming && known:
		*units, *old = pastUnits, pastRange
	case r.coming && old.Registered():
		if old.Suspended == allSuspended {
			old.Suspended = Suspended{}
		}
		*units = max(1, old.Min)
	case r.coming:
		flag := "--" + string(d)
		return refuse(fmt.Sprintf("give %s-capacity, or --min-%s and --max-%s", flag, d, d),
			"%s: what its %s capacity was before it went on demand is not known", place(index), d)
	case r.unfinished != nil && r.unfinished.has(index):
		_, *old, _ = sideOf(r.unfinished, index, d)
		if old.Registered() {
			*units = min(max(*units, old.Min), old.Max)
		}
	}
	switch {
	case said.Utilization > 0 && !old.Registered():
		return refuse(fmt.Sprintf("give --min-%s and --max-%s", d, d), "%s: there is no auto scaling of %ss to set the utilization of", place(index), d)
	case old.Registered() && (said.Min > 0 || said.Utilization > 0 || inScope && r.policySaid()):
		r.track(index, d, said, old)
	}
	return nil
}

func sideOf(s *State, index string, d Direction) (int64, Range, bool) {
	if s == nil || !s.has(index) {
		return 0, Range{}, false
	}
	c := s.at(index)
	units, r := c.side(d)
	return *units, *r, true
}

// track sets the policy that follows utilisation, and leaves the others.
func (r resolver) track(index string, d Direction, said Side, to *Range) {
	to.Policies = slices.Clone(to.Policies)
	p := tracker(to.Policies, d)
	if p == nil {
		to.Policies = append(to.Policies, Policy{Name: policyName(r.table, index, d), Type: string(aas.PolicyTypeTargetTrackingScaling)})
		p = &to.Policies[len(to.Policies)-1]
		p.Tracking = &aas.TargetTrackingScalingPolicyConfiguration{
			TargetValue:                   aws.Float64(DefaultUtilization),
			PredefinedMetricSpecification: &aas.PredefinedMetricSpecification{PredefinedMetricType: metricOf(d)},
		}
	}
	t := *p.Tracking
	p.Tracking = &t
	if said.Utilization > 0 {
		t.TargetValue = aws.Float64(said.Utilization)
	}
	if r.DisableScaleIn != nil {
		t.DisableScaleIn = aws.Bool(*r.DisableScaleIn)
	}
	if r.ScaleIn != nil {
		t.ScaleInCooldown = aws.Int32(int32(r.ScaleIn.Seconds()))
	}
	if r.ScaleOut != nil {
		t.ScaleOutCooldown = aws.Int32(int32(r.ScaleOut.Seconds()))
	}
	to.Utilization = aws.ToFloat64(t.TargetValue)
}

// policyName is what AWS's console would call the policy.
func policyName(table, index string, d Direction) string {
	return string(metricOf(d)) + ":" + resource(table, index)
}

// Expired drops the scheduled actions of a recorded state that can never run again, and start
// times that are over, for AWS takes neither back; what the table still has stays. It returns
// the names of the actions.
func (s State) Expired(have State, now time.Time) (State, []string) {
	s = s.clone()
	var names []string
	for _, index := range s.places() {
		c := s.at(index)
		present := have.at(index)
		for _, d := range directions {
			_, r := c.side(d)
			_, is := present.side(d)
			var kept []Action
			for _, a := range r.Actions {
				switch there := slices.ContainsFunc(is.Actions, a.same); {
				case !there && a.over(now):
					names = append(names, a.Name)
					continue
				case !there && a.Start != nil && a.Start.Before(now):
					a.Start = nil
				}
				kept = append(kept, a)
			}
			r.Actions = kept
		}
		s.set(index, c)
	}
	return s, names
}

// over reports whether a scheduled action can never run again.
func (a Action) over(now time.Time) bool {
	if a.End != nil && a.End.Before(now) {
		return true
	}
	text, once := strings.CutPrefix(a.Schedule, "at(")
	if !once {
		return false
	}
	zone, err := time.LoadLocation(a.Timezone) // "" is UTC
	if err != nil {
		return false
	}
	at, err := time.ParseInLocation("2006-01-02T15:04:05", strings.TrimSuffix(text, ")"), zone)
	return err == nil && at.Before(now)
}
