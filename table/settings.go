package table

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dynamo-cmdline/dynamo/internal/account"
	"github.com/dynamo-cmdline/dynamo/scaling"
)

const phaseSettings = "settings"

// settings are what AWS drops when it restores a table, and CreateTable does not take.
type settings struct {
	Of       string         `json:"of"` // whose they are, in words
	Scaling  *scaling.State `json:"scaling,omitempty"`
	Tags     []types.Tag    `json:"tags,omitempty"`
	Stream   string         `json:"stream,omitempty"` // its view type; "" for none
	TTL      string         `json:"ttl,omitempty"`    // its attribute; "" for none
	Recovery bool           `json:"recovery,omitempty"`
	Days     int32          `json:"recovery_days,omitempty"` // 0 for AWS's own
	Class    string         `json:"class,omitempty"`         // "" for the standard one
	Protect  bool           `json:"deletion_protection,omitempty"`
	Replicas []string       `json:"replicas,omitempty"` // regions of a global table's, which nothing here makes
	Unknown  []string       `json:"unknown,omitempty"`  // what could not be asked for, and why
}

// tags are all tags of a resource.
func (t *Table) tags(ctx context.Context, resource string) ([]types.Tag, error) {
	var tags []types.Tag
	in := &dynamodb.ListTagsOfResourceInput{ResourceArn: aws.String(resource)}
	err := account.Pages(func(token string) (string, error) {
		if token != "" {
			in.NextToken = aws.String(token)
		}
		out, err := t.account.client.ListTagsOfResource(ctx, in)
		if err != nil {
			return "", err
		}
		tags = append(tags, out.Tags...)
		return aws.ToString(out.NextToken), nil
	})
	return tags, err
}

// aboutTable is what a dump says of its table, and what AWS says of one. Its names are those in table.json.
type aboutTable struct {
	Table             *types.TableDescription
	TimeToLive        *types.TimeToLiveDescription
	ContinuousBackups *types.ContinuousBackupsDescription
	Tags              []types.Tag
	Unknown           []string
}

// settings are those in a description.
func (a aboutTable) settings(of string) settings {
	s := settings{Of: of, Unknown: slices.Clone(a.Unknown)}
	if d := a.Table; d != nil {
		if d.StreamSpecification != nil && aws.ToBool(d.StreamSpecification.StreamEnabled) {
			s.Stream = string(d.StreamSpecification.StreamViewType)
		}
		if d.TableClassSummary != nil && d.TableClassSummary.TableClass != types.TableClassStandard {
			s.Class = string(d.TableClassSummary.TableClass)
		}
		s.Protect = aws.ToBool(d.DeletionProtectionEnabled)
		for _, r := range d.Replicas {
			s.Replicas = append(s.Replicas, aws.ToString(r.RegionName))
		}
		slices.Sort(s.Replicas)
	}
	if l := a.TimeToLive; l != nil && (l.TimeToLiveStatus == types.TimeToLiveStatusEnabled || l.TimeToLiveStatus == types.TimeToLiveStatusEnabling) {
		s.TTL = aws.ToString(l.AttributeName)
	}
	if b := a.ContinuousBackups; b != nil && b.PointInTimeRecoveryDescription != nil {
		r := b.PointInTimeRecoveryDescription
		s.Recovery = r.PointInTimeRecoveryStatus == types.PointInTimeRecoveryStatusEnabled
		if s.Recovery {
			s.Days = aws.ToInt32(r.RecoveryPeriodInDays)
		}
	}
	for _, tag := range a.Tags {
		if key := aws.ToString(tag.Key); !strings.HasPrefix(key, "aws:") { // which are AWS's to give
			s.Tags = append(s.Tags, types.Tag{Key: aws.String(key), Value: aws.String(aws.ToString(tag.Value))}) // a dump leaves empty ones out
		}
	}
	slices.SortFunc(s.Tags, func(a, b types.Tag) int { return strings.Compare(*a.Key, *b.Key) })
	return s
}

// settings asks AWS for the table's.
func (t *Table) settings(ctx context.Context) (settings, error) {
	d, err := t.ask(ctx)
	if err != nil {
		return settings{}, err
	}
	a := aboutTable{Table: d}
	name := aws.String(t.name)
	note := func(what string, err error) {
		if err != nil {
			a.Unknown = append(a.Unknown, fmt.Sprintf("%s (%v)", what, brief(err)))
		}
	}
	ttl, err := t.account.client.DescribeTimeToLive(ctx, &dynamodb.DescribeTimeToLiveInput{TableName: name})
	if note("TTL", err); err == nil {
		a.TimeToLive = ttl.TimeToLiveDescription
	}
	pitr, err := t.account.client.DescribeContinuousBackups(ctx, &dynamodb.DescribeContinuousBackupsInput{TableName: name})
	if note("point-in-time recovery", err); err == nil {
		a.ContinuousBackups = pitr.ContinuousBackupsDescription
	}
	if a.Tags, err = t.tags(ctx, aws.ToString(d.TableArn)); err != nil {
		note("tags", err)
	}
	var details Details
	details.Table = aws.ToString(d.TableName)
	note("auto scaling", details.askScaling(ctx, t))
	if ctx.Err() != nil {
		return settings{}, context.Cause(ctx)
	}
	s := a.settings("table " + details.Table)
	s.Scaling = details.Scaling
	return s, nil
}

// scales reports whether a state has any auto scaling.
func scales(s *scaling.State) bool {
	if s == nil {
		return false
	}
	any := func(c scaling.Capacity) bool { return c.Read.Registered() || c.Write.Registered() }
	found := any(s.Table)
	for _, c := range s.Indexes {
		found = found || any(c)
	}
	return found
}

// words are the settings that there are, as a plan has them.
func (s settings) words() []string {
	list := []string{}
	add := func(has bool, format string, args ...any) {
		if has {
			list = append(list, fmt.Sprintf(format, args...))
		}
	}
	add(scales(s.Scaling), "auto scaling")
	add(len(s.Tags) > 0, "%d tags", len(s.Tags))
	add(s.Stream != "", "a stream (%s)", s.Stream)
	add(s.TTL != "", "TTL on %q", s.TTL)
	add(s.Class != "", "class %s", s.Class)
	add(s.Recovery, "point-in-time recovery")
	add(s.Protect, "deletion protection")
	return list
}

// lost says in words what is not even tried to put on; "" for nothing.
func (s settings) lost() string {
	if len(s.Replicas) == 0 {
		return ""
	}
	return "replicas in " + strings.Join(s.Replicas, ", ") + ": the new table has none"
}

// putOn gives the table these settings, deletion protection last. What it has already is left alone, so that it can be
// done again. What cannot be put on is returned in words; the error is only the context's.
func (s settings) putOn(ctx context.Context, t *Table, stall time.Duration) (failed []string, err error) {
	now, err := t.settings(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return []string{fmt.Sprintf("the settings: %v", err)}, nil
	}
	if lost := s.lost(); lost != "" {
		failed = append(failed, lost)
	}
	for _, what := range s.Unknown {
		failed = append(failed, "unknown of "+s.Of+": "+what)
	}
	name := aws.String(t.name)
	update := func(in *dynamodb.UpdateTableInput) func() error {
		in.TableName = name
		return func() error {
			if _, err := t.account.client.UpdateTable(ctx, in); err != nil {
				return err
			}
			return t.settled(ctx)
		}
	}
	for _, step := range []struct {
		what string
		todo bool
		do   func() error
	}{
		{"auto scaling", scales(s.Scaling), func() error { return s.scale(ctx, t, stall) }},
		{"tags", len(missingTags(s.Tags, now.Tags)) > 0, func() error {
			d, err := t.ask(ctx)
			if err == nil {
				_, err = t.account.client.TagResource(ctx, &dynamodb.TagResourceInput{ResourceArn: d.TableArn, Tags: missingTags(s.Tags, now.Tags)})
			}
			return err
		}},
		{"stream", s.Stream != "" && now.Stream == "", update(&dynamodb.UpdateTableInput{
			StreamSpecification: &types.StreamSpecification{StreamEnabled: aws.Bool(true), StreamViewType: types.StreamViewType(s.Stream)}})},
		{"class", s.Class != now.Class && s.Class != "", update(&dynamodb.UpdateTableInput{TableClass: types.TableClass(s.Class)})},
		{"TTL", s.TTL != "" && now.TTL == "", func() error {
			_, err := t.account.client.UpdateTimeToLive(ctx, &dynamodb.UpdateTimeToLiveInput{TableName: name,
				TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: aws.String(s.TTL), Enabled: aws.Bool(true)}})
			return err
		}},
		{"point-in-time recovery", s.Recovery && !now.Recovery, func() error {
			spec := &types.PointInTimeRecoverySpecification{PointInTimeRecoveryEnabled: aws.Bool(true)}
			if s.Days > 0 {
				spec.RecoveryPeriodInDays = aws.Int32(s.Days)
			}
			_, err := t.account.client.UpdateContinuousBackups(ctx, &dynamodb.UpdateContinuousBackupsInput{TableName: name, PointInTimeRecoverySpecification: spec})
			return err
		}},
		{"deletion protection", s.Protect && !now.Protect, update(&dynamodb.UpdateTableInput{DeletionProtectionEnabled: aws.Bool(true)})},
	} {
		if !step.todo {
			continue
		}
		if err := step.do(); err != nil {
			if ctx.Err() != nil {
				return failed, context.Cause(ctx)
			}
			failed = append(failed, fmt.Sprintf("%s: %v", step.what, brief(err)))
		}
	}
	return failed, nil
}

// missingTags are those of want that have does not have so.
func missingTags(want, have []types.Tag) (list []types.Tag) {
	for _, w := range want {
		if !slices.ContainsFunc(have, func(h types.Tag) bool {
			return aws.ToString(h.Key) == aws.ToString(w.Key) && aws.ToString(h.Value) == aws.ToString(w.Value)
		}) {
			list = append(list, w)
		}
	}
	return list
}

// settled waits until a table that was changed is ACTIVE again: it takes one change at a time.
func (t *Table) settled(ctx context.Context) error {
	var status types.TableStatus
	err := t.account.patience.Wait(ctx, longestLook, func() (string, bool, error) {
		d, err := t.ask(ctx)
		if err != nil {
			return "", false, err
		}
		status = d.TableStatus
		return string(status), status != types.TableStatusUpdating, nil
	})
	return still(err, "table %s is still %s", t.name, status)
}

// scale gives the table the auto scaling that another has. Its capacity stays as it was restored.
func (s settings) scale(ctx context.Context, t *Table, stall time.Duration) error {
	clients := t.scalers()
	o := scaling.Options{Stall: stall}
	have, err := scaling.Await(ctx, clients, t.baseName(), o)
	if err != nil {
		return err
	}
	if have.Billing != s.Scaling.Billing {
		return fmt.Errorf("%s is %s, and what was restored is %s", s.Of, s.Scaling.Billing, have.Billing)
	}
	want := have
	ranges := func(to, from scaling.Capacity) scaling.Capacity {
		to.Read, to.Write = from.Read, from.Write
		return to
	}
	want.Table = ranges(have.Table, s.Scaling.Table)
	want.Indexes = map[string]scaling.Capacity{}
	for name, c := range have.Indexes {
		want.Indexes[name] = ranges(c, s.Scaling.Indexes[name])
	}
	want, _ = want.Expired(have, time.Now())
	_, err = scaling.Apply(ctx, clients, t.baseName(), have, want, o)
	return err
}

// putBack puts onto the target what its run has noted. before is how the run has ended otherwise.
func (c *copying) putBack(ctx context.Context, before error) error {
	var s settings
	if err := json.Unmarshal(c.state.Settings, &s); err != nil {
		return mismatch("", "read the settings that the run has noted: %w", err)
	}
	c.watch(Phase{Name: phaseSettings}, c.plan.Target)
	failed, err := s.putOn(ctx, c.target, c.Stall)
	if err != nil {
		return err
	}
	c.failed = failed
	for _, what := range failed {
		c.target.account.log.WarnContext(ctx, "a setting is not put back", "what", what)
	}
	if d, err := c.target.Describe(ctx); err == nil {
		c.plan.Target = d
	} else if errors.Is(err, context.Canceled) {
		return err
	}
	return before
}
