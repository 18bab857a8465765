package table

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/dynamo-cmdline/dynamo/copier"
	"github.com/dynamo-cmdline/dynamo/internal/runs"
)

// ResumeOptions are what a run's directory cannot say. The zero value works.
type ResumeOptions struct {
	RunDir string // where runs are kept, as in [CopyOptions]

	// Access gives what else there is to say about a profile; its Region and
	// Endpoint are ignored. Nil for nothing.
	Access func(profile string) Access

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
	c := &copying{command: state.Command, CopyOptions: options.defaults(), began: time.Now()}
	switch state.Command {
	case commandRestore:
		target, err := reopen(ctx, state.Target, o)
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
		source, err := reopen(ctx, state.Source, o)
		if err != nil {
			return Summary{}, err
		}
		c.source = source
	case commandTruncate:
	case commandUndo:
		if c.undone, _, err = findUndone(store, saved.Undoes); err != nil {
			return Summary{}, c.misfit(name, err)
		}
		if c.undone.backup != "" {
			return Summary{}, c.misfit(name, fmt.Errorf("the journal of run %s is gone", saved.Undoes))
		}
		c.undone.Force = saved.Force
	default:
		return Summary{}, c.misfit(name, fmt.Errorf("it is a %s, which this version does not know", state.Command))
	}
	if c.target, err = reopen(ctx, state.Target, o); err != nil {
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
		if unchanged(info.State) {
			continue
		}
		over := info.State.Done()
		for _, w := range written {
			over = over || sameTarget(w, info.State.Target)
		}
		if !over {
			return info.Name, nil
		}
		written = append(written, info.State.Target)
	}
	return "", usage("see: dynamo runs", "there is no unfinished run in %s", store.Dir())
}

// reopen opens a table as the run had it open.
func reopen(ctx context.Context, p runs.Place, o ResumeOptions) (*Table, error) {
	var a Access
	if o.Access != nil {
		a = o.Access(p.Profile)
	}
	a.Region, a.Endpoint = p.Asked, p.Endpoint
	return Open(ctx, p.Profile, p.Name, a)
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
	var t tally
	if s.Counts != nil {
		if err := json.Unmarshal(s.Counts, &t); err != nil {
			r.Message = fmt.Sprint(err)
			return r
		}
	}
	side := func(p runs.Place) Description {
		return Description{Profile: p.Profile, Account: p.Account, Region: p.Region, Table: p.Table, Path: p.Path, Backup: p.Backup}
	}
	r.Command, r.Mode, r.Source, r.Target = s.Command, Mode(s.Mode), side(s.Source), side(s.Target)
	r.Began, r.Saved, r.Phase, r.Seconds, r.Backup = s.Began, s.Saved, s.Phase, s.Spent, s.Backup
	r.Read, r.Written, r.Deleted, r.Rejected = t.Read, t.Written, t.Deleted, t.Rejected
	target := runs.Place{Account: s.Target.Account, Region: s.Target.Region, Table: s.Target.Table}
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
		r.Code, r.Message = s.Ended.Code, s.Ended.Message
	}
	return r
}
