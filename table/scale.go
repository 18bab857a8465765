package table

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
	autoscaling "github.com/aws/aws-sdk-go-v2/service/applicationautoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/dynamo-cmdline/dynamo/internal/account"
	"github.com/dynamo-cmdline/dynamo/scaling"
)

// ScaleOptions say what a table's billing mode and auto scaling should be. The
// zero value asks for nothing and changes nothing.
type ScaleOptions struct {
	scaling.Want

	// From is what to put back instead, exactly: Want must then be zero. It must be of this
	// table: account, region and name.
	From *SavedScaling

	RunDir string        // where the record of what was is kept; "" means $XDG_STATE_HOME/dynamo, else ~/.local/state/dynamo
	Stall  time.Duration // give up after so long without any progress; 0 means 15 minutes

	// Watch is told what is being done, as it begins: a step, or a wait. Nil for nobody.
	Watch func(doing string)
}

// Check refuses what makes sense for no table. The error is an [*Error] of
// kind [Usage].
func (o ScaleOptions) Check() error {
	var refusal *scaling.Refusal
	if err := o.Want.Check(); errors.As(err, &refusal) {
		return usage(refusal.Hint, "%w", refusal)
	}
	if o.From != nil && o.Want != (scaling.Want{}) {
		return usage("", "a state is put back whole: nothing else can be asked for")
	}
	return nil
}

// A ScalePlan is what Scale would do.
type ScalePlan struct {
	Command string         `json:"command"`
	Table   string         `json:"table"`
	Target  Description    `json:"target"`
	Before  scaling.State  `json:"before"`
	After   scaling.State  `json:"after"`
	Steps   []scaling.Step `json:"steps"` // none where there is nothing to do
	Notes   []string       `json:"notes,omitempty"`

	returning bool // from on-demand, or on the rest of that way
}

// A ScaleSummary says what Scale did. The JSON is the command's contract.
type ScaleSummary struct {
	Command string         `json:"command"`
	Table   string         `json:"table"`
	Target  Description    `json:"target"`
	Changed bool           `json:"changed"`
	Before  scaling.State  `json:"before"`
	After   scaling.State  `json:"after"` // as it was last read
	Steps   []scaling.Step `json:"steps"` // that were done
	Notes   []string       `json:"notes,omitempty"`
	Record  string         `json:"record,omitempty"` // file that holds what was; [LoadScaling] reads it
	Seconds float64        `json:"seconds"`
}

// Scale makes the table's billing mode, capacity and auto scaling what the options ask for.
// What is so already is left alone: the second time nothing is done. Before the first change
// it writes what was, all that a scalable target takes with it included, to a file in the run
// directory; it touches no item and asks nothing.
//
// Coming from on-demand, a side of which nothing is said takes what such a file recorded when
// the table went there. An interruption leaves a table that works; the same call completes it. The
// errors are an [*Error]: [Usage] for what makes no sense for this table, [Mismatch], [Denied], or [Failed];
// or the context's cause. The summary is true after an error, too.
func (t *Table) Scale(ctx context.Context, o ScaleOptions) (ScaleSummary, error) {
	ctx = account.WithStall(ctx, o.Stall)
	began := time.Now()
	plan, clients, err := t.planScale(ctx, o)
	s := ScaleSummary{Command: "scale", Table: t.name, Target: plan.Target, Before: plan.Before, After: plan.Before, Notes: plan.Notes, Steps: []scaling.Step{}}
	if err == nil && len(plan.Steps) > 0 {
		err = t.applyScale(ctx, o, plan, clients, &s)
	}
	s.Seconds = time.Since(began).Seconds()
	return s, err
}

// PlanScale says what Scale would do. It changes nothing. The errors are those
// by which Scale would refuse.
func (t *Table) PlanScale(ctx context.Context, o ScaleOptions) (ScalePlan, error) {
	ctx = account.WithStall(ctx, o.Stall)
	plan, _, err := t.planScale(ctx, o)
	return plan, err
}

// Scaling reads the table's billing mode and auto scaling, for [SaveScaling]. A
// table that is being changed is waited for. The errors are an [*Error].
func (t *Table) Scaling(ctx context.Context, o ScaleOptions) (SavedScaling, error) {
	ctx = account.WithStall(ctx, o.Stall)
	plan, _, err := t.planScale(ctx, ScaleOptions{RunDir: o.RunDir, Stall: o.Stall, Watch: o.Watch})
	return plan.saved(), err
}

func (t *Table) planScale(ctx context.Context, o ScaleOptions) (ScalePlan, scaling.Clients, error) {
	p := ScalePlan{Command: "scale", Table: t.name, Steps: []scaling.Step{}}
	if err := o.Check(); err != nil {
		return p, scaling.Clients{}, err
	}
	clients := t.scalers()
	var err error
	if p.Target, err = t.describeOwn(ctx); err != nil {
		return p, clients, err
	}
	p.Table = p.Target.Table
	p.Before, err = scaling.Await(ctx, clients, p.Table, scaling.Options{Stall: o.Stall, Watch: o.Watch})
	if err != nil {
		return p, clients, t.scaleError(ctx, err)
	}
	p.Notes = append(p.Notes, t.notices()...)
	if len(p.Target.Replicas) > 0 {
		p.Notes = append(p.Notes, "a global table: AWS carries the billing mode and write capacity to its replicas, their read capacity stays as it is")
	}
	if o.From != nil {
		err = p.putBack(*o.From)
	} else {
		err = t.resolveScale(ctx, o, &p)
	}
	if err != nil {
		return p, clients, err
	}
	p.Steps = append(p.Steps, scaling.Diff(p.Before, p.After).Steps...)
	return p, clients, nil
}

// resolveScale completes what is asked for by what is and what was.
func (t *Table) resolveScale(ctx context.Context, o ScaleOptions, p *ScalePlan) error {
	var past scaling.Past
	if o.Billing == scaling.Provisioned {
		var err error
		said := o.Read != scaling.Side{} && o.Write != scaling.Side{} && (o.Index == "" || o.Index == "all")
		if past, err = pastOf(o.RunDir, p); err != nil && !said {
			return err
		} else if err != nil { // nothing of it is needed
			p.Notes = append(p.Notes, err.Error())
		}
	}
	var err error
	if p.After, err = scaling.Resolve(p.Before, o.Want, past); err != nil {
		return t.scaleError(ctx, err)
	}
	p.returning = p.After.Billing == scaling.Provisioned && (p.Before.Billing == scaling.OnDemand || past.Unfinished != nil)
	if p.Before.Billing == scaling.OnDemand && p.After.Billing == scaling.Provisioned && strings.Contains(p.Before.String(), "at most") {
		p.Notes = append(p.Notes, "the limits of on-demand use end with it: --from, with the record of this run, puts them back")
	}
	if o.Billing == scaling.OnDemand && (o.Read != scaling.Side{} || o.Write != scaling.Side{} || o.DisableScaleIn != nil || o.ScaleIn != nil || o.ScaleOut != nil) {
		p.Notes = append(p.Notes, "on demand there is no capacity and no auto scaling: the numbers that were given have no effect")
	}
	return nil
}

// putBack asks for exactly what was saved.
func (p *ScalePlan) putBack(from SavedScaling) error {
	d := p.Target
	if from.Account != d.Account || from.Region != d.Region || from.Table != d.Table {
		return mismatch("", "what was saved is of %s in account %s, %s, and this is %s", from.Table, from.Account, from.Region, d)
	}
	if err := from.State.Check(); err != nil {
		return mismatch("", "what was saved of %s does not fit: %w", from.Table, err)
	}
	if from.ID != d.ID {
		p.Notes = append(p.Notes, "the table was made anew since this was saved")
	}
	for index := range p.Before.Indexes {
		_, known := from.State.Indexes[index]
		if !known && p.Before.Billing == scaling.OnDemand && from.State.Billing == scaling.Provisioned {
			return mismatch("scale it with numbers, or delete the index", "what was saved of %s says nothing of index %q", from.Table, index)
		}
	}
	for index := range from.State.Indexes {
		if _, present := p.Before.Indexes[index]; !present {
			p.Notes = append(p.Notes, fmt.Sprintf("index %s is gone", index))
		}
	}
	if err := scaling.Possible(p.Before, from.State); err != nil {
		return mismatch("scale it with ranges", "what was saved of %s does not fit: %w", from.Table, err)
	}
	p.After = p.unexpired(from.State)
	p.returning = p.After.Billing == scaling.Provisioned && p.Before.Billing == scaling.OnDemand
	return nil
}

// unexpired leaves out scheduled actions that AWS would not take back.
func (p *ScalePlan) unexpired(s scaling.State) scaling.State {
	s, names := s.Expired(p.Before, time.Now())
	for _, name := range names {
		p.Notes = append(p.Notes, fmt.Sprintf("scheduled action %s is over, and is not put back", name))
	}
	return s
}

func (p ScalePlan) saved() SavedScaling {
	return SavedScaling{Time: time.Now().UTC(), Account: p.Target.Account, Region: p.Target.Region, Table: p.Target.Table, ID: p.Target.ID, Address: p.Target.engine(), State: p.Before}
}

// applyScale records what is, and changes it.
func (t *Table) applyScale(ctx context.Context, o ScaleOptions, plan ScalePlan, clients scaling.Clients, s *ScaleSummary) error {
	record, err := newRecord(o.RunDir, plan)
	if err != nil {
		return &Error{Failed, "", fmt.Errorf("record what %s is before it is changed: %w", plan.Table, err)}
	}
	s.Record = record.path
	if o.Watch != nil {
		o.Watch(fmt.Sprintf("%d steps for %s", len(plan.Steps), plan.Target))
	}
	r, err := scaling.Apply(ctx, clients, plan.Table, plan.Before, plan.After, scaling.Options{Stall: o.Stall, Watch: o.Watch})
	s.Changed, s.After = len(r.Done) > 0, r.After
	s.Steps = append(s.Steps, r.Done...)
	if err != nil {
		return withWhatIs(t.scaleError(ctx, err), err, s)
	}
	if err := record.finish(); err != nil {
		return &Error{Failed, "", fmt.Errorf("all is done, but not recorded as such: %w", err)}
	}
	return nil
}

// withWhatIs adds to the hint of an error what had been done by then, and what the table is now.
func withWhatIs(err, cause error, s *ScaleSummary) error {
	var known *Error
	var limit *scaling.LimitError
	if !errors.As(err, &known) {
		return err
	}
	is := ""
	switch {
	case len(s.Steps) > 0:
		is = fmt.Sprintf("done before that: %d steps; the table as last read: %s", len(s.Steps), s.After)
	case errors.As(cause, &limit):
		is = "nothing was changed: until then the table stays as it is"
	default:
		return err
	}
	known.Hint = strings.TrimPrefix(known.Hint+"; "+is, "; ")
	return known
}

// scalers are the two clients that scaling needs. Their own retries are off, for scaling retries.
func (t *Table) scalers() scaling.Clients {
	tables, auto := t.account.client.Options(), t.account.at.Scaling().Options()
	tables.Retryer, auto.Retryer = aws.NopRetryer{}, aws.NopRetryer{}
	return scaling.Clients{Tables: dynamodb.New(tables), Scaling: applicationautoscaling.New(auto), Refresh: t.account.patience.Refresh}
}

// scaleError says an error of package scaling in this package's words.
func (t *Table) scaleError(ctx context.Context, err error) error {
	var refusal *scaling.Refusal
	var limit *scaling.LimitError
	var state *scaling.StateError
	var step *scaling.StepError
	at := fmt.Sprintf("scale %q with %s", t.name, t.account)
	if errors.As(err, &step) {
		at += ": " + step.Step.String()
	}
	switch {
	case errors.As(err, &refusal):
		return usage(refusal.Hint, "%w", refusal)
	case errors.As(err, &limit):
		return &Error{Failed, "", fmt.Errorf("%s: %w", at, limit)}
	case errors.As(err, &state) && state.Passes:
		return &Error{Failed, "", fmt.Errorf("%s: %w", at, state)}
	case errors.As(err, &state):
		return mismatch("", "%s: %w", at, state)
	}
	known, ok := t.controlError(ctx, "scale", err).(*Error) //nolint:errorlint // only what has just been made
	if !ok {
		return fmt.Errorf("%s: %w", at, context.Cause(ctx))
	}
	if step != nil && !errors.Is(known, errNoTable) && !errors.Is(known.Err, ErrNoMFA) {
		known.Err = fmt.Errorf("%s: %w", at, brief(err))
	}
	switch class := account.Classify(err); {
	case known.Hint != "":
	case errors.As(err, new(*autoscaling.FailedResourceAccessException)):
		known.Hint = "auto scaling keeps CloudWatch alarms: docs/iam/scale.json has the permissions"
	case class == account.Denied:
		known.Hint = "docs/iam/scale.json has the permissions"
	case class == account.Unsupported:
		known.Hint = "the endpoint has no Application Auto Scaling"
	}
	return known
}
