package table

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/dynamo-cmdline/dynamo/copier"
	"github.com/dynamo-cmdline/dynamo/internal/account"
	"github.com/dynamo-cmdline/dynamo/internal/archive"
	"github.com/dynamo-cmdline/dynamo/internal/runs"
)

// ResumeOptions are what a run's directory cannot say. The zero value works.
type ResumeOptions struct {
	RunDir string // where runs are kept, as in [CopyOptions]

	Account AccountOptions // what else there is to say; the Region, the Endpoint and AllowHTTP are the run's own

	Protected      Guard  // what is protected by now, beside what was when the run began
	AllowProtected string // "PROFILE/TABLE" of a protected target that may be written to after all; "" for the run's own

	Shape   copier.Shape     // the run's own, if it had one
	Stall   time.Duration    // 0 for the run's own
	Confirm func(Plan) error // as in [CopyOptions]
	Watch   func(Phase)      // as in [CopyOptions]
}

// Resume goes on with an unfinished run from its directory alone; with an empty name it
// is the latest. What the run was asked for holds, and its tables must be the same.
//
// The errors are those of [Table.Copy]; an [*Error] of kind [Mismatch] where the directory is damaged
// or does not fit, and [Usage] where there is no such run. Then nothing was changed.
func Resume(ctx context.Context, name string, o ResumeOptions) (Summary, error) {
	store, err := openRuns(o.RunDir)
	if err != nil {
		return Summary{}, err
	}
	if name == "" {
		if name, err = latest(store); err != nil {
			return Summary{}, err
		}
	}
	_, state, err := store.Load(name)
	if err != nil {
		return Summary{}, new(copying).misfit(name, err)
	}
	var saved savedOptions
	if err := json.Unmarshal(state.Options, &saved); err != nil {
		return Summary{}, new(copying).misfit(name, err)
	}
	options := saved.CopyOptions
	options.RunDir, options.Shape, options.Confirm, options.Watch = o.RunDir, o.Shape, o.Confirm, o.Watch
	if o.Stall != 0 {
		options.Stall = o.Stall
	}
	options.Protected = options.Protected.with(o.Protected)
	options.AllowProtected = or(o.AllowProtected, options.AllowProtected)
	ctx = account.WithStall(ctx, options.Stall)
	c := &copying{command: state.Command, CopyOptions: options.defaults(), began: time.Now()}
	switch state.Command {
	case commandRestore:
		target, err := reopen(ctx, state.Target, o.Account)
		if err != nil {
			return Summary{}, err
		}
		if state.Made != nil && state.Made.Kept || state.Phase == phaseSettings {
			return resumeAs(ctx, store, name, target, options)
		}
		if state.Source.Backup != "" {
			return target.resumeBeside(ctx, state, options, name)
		}
		return target.restore(ctx, state.Source.Path, options, name)
	case commandCopy:
		source, err := reopen(ctx, state.Source, o.Account)
		if err != nil {
			return Summary{}, err
		}
		c.source = source
	case commandTruncate:
	case commandUndo:
		if c.undone, err = findUndone(store, saved.Undoes, saved.Incomplete); err != nil {
			return Summary{}, c.misfit(name, err)
		}
		c.undone.Force = saved.Force
	default:
		return Summary{}, c.misfit(name, fmt.Errorf("it is a %s, which this version does not know", state.Command))
	}
	if c.target, err = reopen(ctx, state.Target, o.Account); err != nil {
		return Summary{}, err
	}
	return c.attempt(ctx, name)
}

// latest is the name of the latest run that can be gone on with.
func latest(store *runs.Store) (string, error) {
	list, err := store.List()
	if err != nil {
		return "", err
	}
	var written []runs.Place // by later runs
	for _, info := range list {
		if info.State == nil {
			return "", new(copying).misfit(info.Name, info.Err)
		}
		over := info.State.Done()
		for _, w := range written {
			over = over || sameTarget(w, info.State.Target)
		}
		if !over {
			return info.Name, nil
		}
		changed, err := mayHaveChanged(info.Run, info.State)
		if err != nil {
			return "", new(copying).misfit(info.Name, err)
		}
		if changed {
			written = append(written, info.State.Target)
		}
	}
	return "", usage("see: dynamo runs", "there is no unfinished run in %s", store.Dir())
}

// reopen opens a table as the run had it open.
func reopen(ctx context.Context, p runs.Place, o AccountOptions) (*Table, error) {
	o.Region, o.Endpoint, o.AllowHTTP = p.Asked, p.Endpoint, nil
	if p.AllowHTTP != "" {
		o.AllowHTTP = strings.Split(p.AllowHTTP, ",")
	}
	profile, earlier := p.Profile, ""
	if p.Unnamed {
		profile, earlier = "", p.Profile
	}
	a, err := openAccount(ctx, profile, earlier, o)
	if err != nil {
		return nil, err
	}
	return a.Table(p.Name)
}

// A Run is what is known of a run.
type Run struct {
	Name    string      `json:"run"`
	Dir     string      `json:"dir"`
	Command string      `json:"command,omitempty"`
	Mode    Mode        `json:"mode,omitempty"`
	Source  Description `json:"source,omitzero"`
	Target  Description `json:"target,omitzero"`
	Began   time.Time   `json:"began,omitzero"`
	Saved   time.Time   `json:"saved,omitzero"` // when its checkpoint was last written

	// State is "running", "unfinished", "done" or "damaged".
	State   string `json:"state"`
	Outcome string `json:"outcome,omitempty"` // "done", "refused" by a guard, or "failed"; "" while it has not ended
	Changed bool   `json:"changed"`           // its target may be another one for it
	Phase   string `json:"phase,omitempty"`   // what it is at, or was when it ended
	Code    int    `json:"code,omitempty"`    // how it ended; 0 also while it has not
	Message string `json:"message,omitempty"` // likewise, or what is damaged

	Read     int64   `json:"read"` // behind its checkpoint, as are the others
	Written  int64   `json:"written"`
	Deleted  int64   `json:"deleted"`
	Rejected int64   `json:"rejected"`
	Seconds  float64 `json:"seconds"`
	Backup   string  `json:"backup,omitempty"` // ARN
}

// Runs lists the runs in dir, the latest first; "" is the default directory.
func Runs(dir string) ([]Run, error) {
	store, err := openRuns(dir)
	if err != nil {
		return nil, err
	}
	list, err := store.List()
	if err != nil {
		return nil, err
	}
	all := make([]Run, 0, len(list))
	busy := map[runs.Place]string{}
	for _, info := range list {
		r := Run{Name: info.Name, Dir: info.Dir, State: "damaged"}
		if info.State == nil {
			r.Message = info.Err.Error()
			if errors.Is(info.Err, fs.ErrNotExist) {
				continue // removed since
			}
			all = append(all, r)
			continue
		}
		all = append(all, r.with(info.State, store, busy))
	}
	return all, nil
}

func (r Run) with(s *runs.State, store *runs.Store, busy map[runs.Place]string) Run {
	t, err := talliedBy(s)
	if err == nil {
		r.Changed, err = mayHaveChanged(&runs.Run{Name: r.Name, Dir: r.Dir}, s)
	}
	if err != nil {
		r.Message = fmt.Sprint(err)
		return r
	}
	side := func(p runs.Place) Description {
		return Description{Profile: p.Profile, Account: p.Account, Region: p.Region, Table: p.Table, Path: p.Path, Backup: p.Backup}
	}
	r.Command, r.Mode, r.Source, r.Target = s.Command, Mode(s.Mode), side(s.Source), side(s.Target)
	r.Began, r.Saved, r.Phase, r.Seconds, r.Backup = s.Began, s.Saved, s.Phase, s.Spent, s.Backup
	r.Read, r.Written, r.Deleted, r.Rejected = t.Read, t.Written, t.Deleted, t.Rejected
	target := runs.Place{Account: s.Target.Account, Region: s.Target.Region, Table: s.Target.Table, Address: s.Target.Address}
	holder, known := busy[target]
	if !known && s.Ended == nil {
		holder = store.Running(target)
		busy[target] = holder
	}
	switch {
	case s.Done():
		r.State = "done"
	case holder == r.Name && s.Ended == nil:
		r.State = "running"
	default:
		r.State = "unfinished"
	}
	if s.Ended != nil {
		r.Code, r.Message, r.Outcome = s.Ended.Code, s.Ended.Message, string(s.Ended.Outcome)
	}
	return r
}

// find looks for the latest run that has changed this target, or was about to, and takes it if it is this very
// copy and not finished.
func (c *copying) find() error {
	list, err := c.store.List()
	if err != nil {
		return err
	}
	why := ""
	for _, info := range list {
		if info.State == nil {
			if runs.MayBeOf(info.Name, c.plan.Target.Table) {
				return c.misfit(info.Name, info.Err)
			}
			continue
		}
		if !sameTarget(info.State.Target, c.target.place(c.plan.Target)) {
			continue
		}
		if !info.State.Done() {
			other := cmp.Or(c.otherSides(info.State), c.otherOptions(info.State))
			if other == "" {
				c.target.account.log.Info("going on with a run", "run", info.Name)
				return c.load(info.Name)
			}
			why = fmt.Sprintf("run %s is unfinished, but is not this very %s: %s", info.Name, c.command, other)
		}
		changed, err := mayHaveChanged(info.Run, info.State)
		if err != nil {
			return c.misfit(info.Name, err)
		}
		if changed {
			break
		}
	}
	if why != "" {
		c.plan.Warnings = append(c.plan.Warnings, why)
	}
	c.target.account.log.Info("there is no unfinished run of this " + c.command + ": beginning one")
	return nil
}

// sameTarget reports whether two runs are about one table, be it made anew.
func sameTarget(a, b runs.Place) bool {
	return a.Account == b.Account && a.Region == b.Region && a.Table == b.Table &&
		(a.Address == b.Address || a.Address == runs.AnyAddress || b.Address == runs.AnyAddress)
}

// load takes up a run where it was left, if all fits.
func (c *copying) load(name string) error {
	dir, state, err := c.store.Load(name)
	if err != nil {
		return c.misfit(name, err)
	}
	if err := c.fits(dir, state); err != nil {
		return c.misfit(name, err)
	}
	c.dir, c.state = dir, state
	if state.Changed, err = mayHaveChanged(dir, state); err != nil { // which an older version did not note
		return c.misfit(name, err)
	}
	state.Source.Address, state.Target.Address = c.from().Address, c.target.place(c.plan.Target).Address
	if c.before, err = talliedBy(state); err != nil {
		return c.misfit(name, err)
	}
	if err := c.checkJournal(); err != nil {
		return c.misfit(name, err)
	}
	c.earlier = time.Duration(state.Spent * float64(time.Second))
	state.Ended, state.Deletes = nil, false
	if state.Phase == phaseDrop {
		over := c.before
		c.over = &over
	}
	c.start, c.before.Read, c.before.Skipped, c.before.Rejected = c.before, 0, 0, 0
	if state.Phase != phaseSync && state.Phase != phaseUndo { // which reads again, and finds equal what was written
		c.before.Written = 0
	}
	c.plan.Resumes, c.plan.Segments = name, state.Segments
	c.plan.Backup = c.plan.Backup && (state.Phase == phaseBackup || state.Phase == phaseRestore)
	c.plan.Deletes = c.plan.Deletes && state.Phase != phaseCopy && state.Phase != phaseDrop
	if b, ok := c.source.(*beside); ok {
		if state.Made == nil {
			return c.misfit(name, errors.New("it does not say which temporary table it has"))
		}
		b.note, c.plan.Temporary = state.Made, state.Made.Name
	}
	var options savedOptions
	if err := json.Unmarshal(state.Options, &options); err != nil {
		return c.misfit(name, err)
	}
	c.plan.Unattended = c.plan.Unattended || options.Unattended
	if c.since != "" {
		c.plan.Unattended = false
		c.plan.Warnings = append(c.plan.Warnings, fmt.Sprintf("run %s has written to the table since this run was broken off", c.since))
		if state.Phase == phaseBackup { // which has nothing of that
			state.Backup, state.BackupAt = "", time.Time{}
		}
	}
	if options.Shaped != (c.Shape != nil) {
		return c.misfit(name, errors.New("it changes items on their way by a function of its program: go on with it there"))
	}
	return nil
}

// checkJournal makes sure that nothing is lost of the run's journal: what the run has changed already it finds to be
// in order, and would not write down again.
func (c *copying) checkJournal() error {
	if !keepsJournal(c.command, c.CopyOptions) {
		return nil
	}
	want, err := journalOf(c.state)
	if err != nil {
		return err
	}
	have, err := archive.CheckJournal(c.journalDir(), want)
	if err != nil {
		return fmt.Errorf("the journal is damaged: %w", err)
	}
	size := runs.Journal(have)
	c.state.Journal = &size
	return nil
}

// misfit is the refusal to go on with a run.
func (c *copying) misfit(name string, err error) error {
	hint := "nothing was changed; to begin anew, leave --resume out"
	if errors.Is(err, fs.ErrNotExist) {
		return usage("see: dynamo runs", "%w", err)
	}
	return mismatch(hint, "go on with run %s: %w", name, err)
}

// fits checks a run's state against the tables as they are.
func (c *copying) fits(dir *runs.Run, s *runs.State) error {
	for _, side := range []struct {
		name string
		was  runs.Place
		now  Description
	}{{"source", s.Source, c.plan.Source}, {"target", s.Target, c.plan.Target}} {
		switch {
		case !sameTarget(side.was, runs.Place{Account: side.now.Account, Region: side.now.Region, Table: side.now.Table, Address: side.now.engine()}):
			return fmt.Errorf("its %s is table %s, and this is %s", side.name, side.was, side.now)
		case side.was.ID != side.now.mark():
			return fmt.Errorf("its %s %s was replaced by another table of the same name", side.name, side.now)
		}
	}
	if other := c.otherOptions(s); other != "" {
		return errors.New(other)
	}
	switch {
	case s.Done():
		return errors.New("it is finished")
	case !slices.Contains([]string{phaseRestore, phaseBackup, phaseTruncate, phaseCopy, phaseSync, phaseUndo, phaseDrop}, s.Phase):
		return fmt.Errorf("its phase %q is not known", s.Phase)
	case s.Segments < 1, len(s.Position) != 0 && len(s.Position) != s.Segments:
		return fmt.Errorf("it has %d positions for %d segments", len(s.Position), s.Segments)
	case c.Segments != 0 && c.Segments != s.Segments:
		return fmt.Errorf("it has %d segments, and %d are asked for", s.Segments, c.Segments)
	}
	list, err := c.store.List()
	if err != nil {
		return err
	}
	later := true
	for _, other := range list {
		if other.Name == dir.Name {
			later = false
			continue
		}
		if other.State == nil || !sameTarget(other.State.Target, s.Target) {
			continue
		}
		changed, err := mayHaveChanged(other.Run, other.State)
		switch {
		case err != nil:
			return err
		case changed && later:
			return fmt.Errorf("run %s has written to the same table since", other.Name)
		case changed && other.State.Saved.After(s.Saved): // it was gone on with meanwhile
			c.since = other.Name
		}
	}
	return nil
}
