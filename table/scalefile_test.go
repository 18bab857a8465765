package table

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	aas "github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
	aastypes "github.com/aws/aws-sdk-go-v2/service/applicationautoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dynamo-cmdline/dynamo/scaling"
)

// decorate gives the table's reads what the flags cannot say: a scheduled
// action, a second policy, a part that is suspended.
func (s scaledTable) decorate(t *testing.T) {
	t.Helper()
	c, ctx := s.account.AutoScaling(), t.Context()
	namespace, id, dimension := aastypes.ServiceNamespaceDynamodb, aws.String("table/"+s.name), aastypes.ScalableDimensionDynamoDBTableReadCapacityUnits
	_, err := c.PutScheduledAction(ctx, &aas.PutScheduledActionInput{ServiceNamespace: namespace, ResourceId: id, ScalableDimension: dimension,
		ScheduledActionName: aws.String("night"), Schedule: aws.String("cron(0 3 * * ? *)"), Timezone: aws.String("Europe/Berlin"),
		EndTime: aws.Time(time.Now().Add(1000 * time.Hour)), ScalableTargetAction: &aastypes.ScalableTargetAction{MinCapacity: aws.Int32(1), MaxCapacity: aws.Int32(9)}})
	if err == nil {
		_, err = c.PutScheduledAction(ctx, &aas.PutScheduledActionInput{ServiceNamespace: namespace, ResourceId: id, ScalableDimension: dimension,
			ScheduledActionName: aws.String("over"), Schedule: aws.String("at(2020-01-01T00:00:00)"), ScalableTargetAction: &aastypes.ScalableTargetAction{MinCapacity: aws.Int32(1)}})
	}
	if err == nil {
		_, err = c.RegisterScalableTarget(ctx, &aas.RegisterScalableTargetInput{ServiceNamespace: namespace, ResourceId: id, ScalableDimension: dimension,
			SuspendedState: &aastypes.SuspendedState{DynamicScalingInSuspended: aws.Bool(true)}})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// What was saved is put back exactly, from whatever the table has become, and
// from the file or the record alike.
func TestScaleSaveAndPutBack(t *testing.T) {
	for _, c := range []struct {
		name   string
		detour scaling.Want
	}{
		{"nothing has changed", scaling.Want{}},
		{"raised for a copy", scaling.Want{Write: scaling.Side{Units: 4000}}},
		{"both fixed", wantOf("fixed")},
		{"on demand", scaling.Want{Billing: scaling.OnDemand}},
		{"on demand, targets kept", scaling.Want{Billing: scaling.OnDemand, KeepTargets: true}},
		{"another range", scaling.Want{Read: scaling.Side{Min: 200, Max: 300}, Index: "none"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newScaled(t, 1)
			s.must(t, wantOf("scaled both"))
			s.decorate(t)
			want := s.sides(t)
			state, err := s.Scaling(t.Context(), ScaleOptions{})
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(t.TempDir(), "saved.json")
			if err := SaveScaling(file, []SavedScaling{state}); err != nil {
				t.Fatal(err)
			}
			m := s.must(t, c.detour)
			files := []string{file}
			if m.Changed {
				files = append(files, m.Record)
			}
			for _, file := range files {
				saved, err := LoadScaling(file)
				if err != nil {
					t.Fatal(err)
				}
				back := ScaleOptions{From: &saved[0], RunDir: s.runDir}
				m, err := s.Scale(t.Context(), back)
				if err != nil {
					t.Fatal(err)
				}
				// An action that ran out is not taken back once it was gone.
				got, over := s.sides(t), ", over at(2020-01-01T00:00:00)"
				if gone := len(m.Notes) > 0; gone {
					want["table Read"] = strings.ReplaceAll(want["table Read"], over, "")
				}
				requireSides(t, got, want)
				if m, err := s.Scale(t.Context(), back); err != nil || m.Changed {
					t.Fatalf("the second time: %v, %v", m.Steps, err)
				}
				s.must(t, c.detour)
			}
		})
	}
}

// The limits of on-demand use come back with the rest.
func TestScalePutBackLimits(t *testing.T) {
	t.Parallel()
	s := newScaled(t, 0)
	s.must(t, wantOf("on-demand"))
	limit := func() *types.OnDemandThroughput {
		d, err := s.account.ProxyClient().DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: aws.String(s.name)})
		if err != nil {
			t.Fatal(err)
		}
		return d.Table.OnDemandThroughput
	}
	_, err := s.account.Client().UpdateTable(t.Context(), &dynamodb.UpdateTableInput{TableName: aws.String(s.name),
		OnDemandThroughput: &types.OnDemandThroughput{MaxReadRequestUnits: aws.Int64(70), MaxWriteRequestUnits: aws.Int64(-1)}})
	if err != nil {
		t.Fatal(err)
	}
	m := s.must(t, wantOf("scaled both"))
	if len(m.Notes) != 1 || !strings.Contains(m.Before.String(), "at most read 70 write any") || limit() != nil {
		t.Errorf("notes %q, before %s, now %v", m.Notes, m.Before, limit())
	}
	saved, err := LoadScaling(m.Record)
	if err != nil {
		t.Fatal(err)
	}
	back := ScaleOptions{From: &saved[0], RunDir: s.runDir}
	if _, err := s.Scale(t.Context(), back); err != nil || limit() == nil || aws.ToInt64(limit().MaxReadRequestUnits) != 70 {
		t.Errorf("%v: %v", limit(), err)
	}
	if m, err := s.Scale(t.Context(), back); err != nil || m.Changed {
		t.Errorf("the second time: %v, %v", m.Steps, err)
	}
}

func TestScalePutBackRefuses(t *testing.T) {
	t.Parallel()
	s, other := newScaled(t, 1), newScaled(t, 0)
	saved, err := s.Scaling(t.Context(), ScaleOptions{})
	if err != nil {
		t.Fatal(err)
	}
	before := s.changes() + other.changes()
	for name, c := range map[string]struct {
		table  scaledTable
		change func(*SavedScaling)
		want   scaling.Want
		kind   Kind
	}{
		"another table":          {other, func(*SavedScaling) {}, scaling.Want{}, Mismatch},
		"another account":        {s, func(x *SavedScaling) { x.Account = "222222222222" }, scaling.Want{}, Mismatch},
		"another region":         {s, func(x *SavedScaling) { x.Region = "us-east-1" }, scaling.Want{}, Mismatch},
		"no capacity":            {s, func(x *SavedScaling) { x.State.Table.ReadUnits = 0 }, scaling.Want{}, Mismatch},
		"something else as well": {s, func(*SavedScaling) {}, scaling.Want{Read: scaling.Side{Units: 1}}, Usage},
	} {
		from := saved
		c.change(&from)
		_, err := c.table.Scale(t.Context(), ScaleOptions{From: &from, Want: c.want, RunDir: s.runDir})
		if err == nil {
			t.Errorf("%s passes", name)
			continue
		}
		requireKind(t, err, c.kind)
	}
	if s.changes()+other.changes() != before {
		t.Error("a refusal changed something")
	}
	// An index that is newer than what was saved has no capacity to come back to.
	s.must(t, wantOf("on-demand"))
	saved.State.Indexes = nil
	_, err = s.Scale(t.Context(), ScaleOptions{From: &saved, RunDir: s.runDir})
	requireKind(t, err, Mismatch)
}

// The records: for the owner alone, never through a link, one for each change.
func TestScaleRecords(t *testing.T) {
	t.Parallel()
	s := newScaled(t, 0)
	m := s.must(t, wantOf("scaled both"))
	for path, mode := range map[string]os.FileMode{s.runDir: 0o700 | os.ModeDir, filepath.Join(s.runDir, "scale"): 0o700 | os.ModeDir, m.Record: 0o600} {
		if info, err := os.Lstat(path); err != nil || info.Mode() != mode {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	base := filepath.Base(m.Record)
	if !strings.HasSuffix(base, "Z-"+s.name+".json") || filepath.Dir(m.Record) != filepath.Join(s.runDir, "scale") {
		t.Errorf("the record is %s", m.Record)
	}
	text, err := os.ReadFile(m.Record)
	if err != nil {
		t.Fatal(err)
	}
	var r scaleFile
	if err := json.Unmarshal(text, &r); err != nil || r.Finished.IsZero() || len(r.Steps) != len(m.Steps) || r.Tables[0].State.Table.ReadUnits != 20 || r.Want.Table.Read.Max != 100 {
		t.Errorf("the record says %s: %v", text, err)
	}
	s.must(t, wantOf("on-demand"))
	entries, err := os.ReadDir(filepath.Join(s.runDir, "scale"))
	if err != nil || len(entries) != 2 {
		t.Errorf("%v in the run directory: %v", entries, err)
	}
}

func TestScaleFollowsNoLink(t *testing.T) {
	t.Parallel()
	s := newScaled(t, 0)
	elsewhere := t.TempDir()
	link := filepath.Join(t.TempDir(), "link")
	inside := t.TempDir()
	if err := errors.Join(os.Symlink(elsewhere, link), os.Symlink(elsewhere, filepath.Join(inside, "scale"))); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{link, inside, file} {
		_, err := s.Scale(t.Context(), ScaleOptions{Want: wantOf("on-demand"), RunDir: dir})
		requireKind(t, err, Failed)
		if left, _ := os.ReadDir(elsewhere); len(left) > 0 || s.changes() > 0 {
			t.Errorf("%s: %v written, %d changes", dir, left, s.changes())
		}
	}
}

// Which record counts on the way back, and which does not.
func TestScalePast(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	provisioned := func(units int64) scaling.State {
		return scaling.State{Billing: scaling.Provisioned, Table: scaling.Capacity{ReadUnits: units, WriteUnits: units}}
	}
	free := scaling.State{Billing: scaling.OnDemand}
	entry := func(after time.Duration, state, want scaling.State) scaleFile {
		return scaleFile{Version: 1, Want: &want, Finished: at.Add(after + time.Minute),
			Tables: []SavedScaling{{Time: at.Add(after), Account: "111111111111", Region: "eu-west-1", Table: "orders", State: state}}}
	}
	other := entry(time.Hour, provisioned(99), free)
	other.Tables[0].Account = "222222222222"
	broken := entry(3*time.Hour, provisioned(4), provisioned(5))
	broken.Finished, broken.Returning = time.Time{}, true
	elsewhere := broken
	elsewhere.Returning = false
	ended := broken
	ended.Finished = at
	for _, c := range []struct {
		name       string
		files      []scaleFile
		now        scaling.State
		since      time.Duration // when it went on demand, after at
		units      int64         // of Past.Provisioned; 0 for none
		unfinished int64
		notes      int
	}{
		{"nothing", nil, free, 0, 0, 0, 0},
		{"the one", []scaleFile{entry(0, provisioned(7), free)}, free, time.Minute, 7, 0, 0},
		{"the newest", []scaleFile{entry(0, provisioned(7), free), entry(2*time.Hour, provisioned(8), free)}, free, 2*time.Hour + time.Minute, 8, 0, 0},
		{"not one that went elsewhere", []scaleFile{entry(0, provisioned(7), free), entry(2*time.Hour, provisioned(8), provisioned(9))}, free, time.Minute, 7, 0, 0},
		{"not one of another account", []scaleFile{other}, free, time.Minute, 0, 0, 0},
		{"not one from before somebody else's switch", []scaleFile{entry(0, provisioned(7), free)}, free, 5 * time.Hour, 0, 0, 1},
		{"a way back that broke off", []scaleFile{entry(0, provisioned(7), free), broken}, provisioned(4), 0, 0, 5, 0},
		{"another change that broke off", []scaleFile{elsewhere}, provisioned(4), 0, 0, 0, 0},
		{"one that did not", []scaleFile{entry(0, provisioned(7), free), ended}, provisioned(4), 0, 0, 0, 0},
		{"one that is not the last", []scaleFile{broken, entry(4*time.Hour, provisioned(7), provisioned(8))}, provisioned(4), 0, 0, 0, 0},
	} {
		dir := filepath.Join(t.TempDir(), "runs")
		for _, f := range c.files {
			root, _, err := scaleDir(dir, true)
			if err != nil {
				t.Fatal(err)
			}
			if err := writeWhole(root, f.Tables[0].Time.Format("20060102T150405.000Z")+"-orders.json", f); err != nil {
				t.Fatal(err)
			}
			root.Close()
		}
		c.now.OnDemandSince = at.Add(c.since)
		p := ScalePlan{Before: c.now, Target: Description{Account: "111111111111", Region: "eu-west-1", Table: "orders"}}
		past, err := pastOf(dir, &p)
		if err != nil {
			t.Fatal(err)
		}
		var units, unfinished int64
		if past.Provisioned != nil {
			units = past.Provisioned.Table.ReadUnits
		}
		if past.Unfinished != nil {
			unfinished = past.Unfinished.Table.ReadUnits
		}
		if units != c.units || unfinished != c.unfinished || len(p.Notes) != c.notes {
			t.Errorf("%s: %d units, %d to finish, notes %q", c.name, units, unfinished, p.Notes)
		}
	}
}

// A record that cannot be read is no reason to go by an older one; with
// numbers it is not needed.
func TestScaleBadRecord(t *testing.T) {
	t.Parallel()
	s := newScaled(t, 0)
	m := s.must(t, wantOf("on-demand"))
	text, err := os.ReadFile(m.Record)
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]string{
		"empty": "", "cut": string(text[:len(text)/2]), "of the future": strings.Replace(string(text), `"version": 1`, `"version": 2`, 1),
		"with something unknown": strings.Replace(string(text), `"want"`, `"wish"`, 1), "two": string(text) + string(text),
		"without capacity": strings.Replace(string(text), `"read_units": 20`, `"read_units": 0`, 1),
	} {
		if err := os.WriteFile(m.Record, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := s.PlanScale(t.Context(), ScaleOptions{Want: scaling.Want{Billing: scaling.Provisioned}, RunDir: s.runDir})
		if err == nil {
			t.Errorf("%s passes", name)
			continue
		}
		requireKind(t, err, Mismatch)
		if _, err := LoadScaling(m.Record); err == nil {
			t.Errorf("%s is loaded", name)
		}
		plan, err := s.PlanScale(t.Context(), ScaleOptions{Want: wantOf("fixed"), RunDir: s.runDir})
		if err != nil || len(plan.Steps) != 1 || len(plan.Notes) != 1 {
			t.Errorf("%s, with numbers: %v, %q, %v", name, plan.Steps, plan.Notes, err)
		}
	}
	_, err = LoadScaling(filepath.Join(t.TempDir(), "missing"))
	requireKind(t, err, Usage)
}

func TestDefaultRunDir(t *testing.T) {
	for _, c := range []struct{ state, home, want string }{
		{"/var/state", "/h", "/var/state/dynamo"}, {"", "/h", "/h/.local/state/dynamo"}, {"relative", "/h", "/h/.local/state/dynamo"},
	} {
		t.Setenv("XDG_STATE_HOME", c.state)
		t.Setenv("HOME", c.home)
		if got, err := defaultRunDir(); err != nil || got != filepath.FromSlash(c.want) {
			t.Errorf("%+v: %s, %v", c, got, err)
		}
	}
}
