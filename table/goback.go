package table

import (
	"context"
	"fmt"
)

// planGoBack says what an undo by the run's AWS backup would do.
func (c *copying) planGoBack(ctx context.Context) (Plan, error) {
	if err := c.mayGoBack(ctx); err != nil {
		return Plan{Command: commandUndo}, err
	}
	p, err := c.target.PlanRestore(ctx, c.undone.backup, c.backwards())
	return c.undoing(p), err
}

// goBack restores the table from the AWS backup that the run has made first.
func (c *copying) goBack(ctx context.Context) (Summary, error) {
	if err := c.mayGoBack(ctx); err != nil {
		return Summary{Command: commandUndo, Undoes: c.undone.Undoes}, err
	}
	o := c.backwards()
	o.Confirm = func(p Plan) error {
		if c.Confirm != nil {
			if err := c.Confirm(c.undoing(p)); err != nil {
				return err
			}
		}
		return c.outlive(ctx, c.undone.late)
	}
	s, err := c.target.Restore(ctx, c.undone.backup, o)
	s.Command, s.Mode, s.Undoes = commandUndo, "", c.undone.Undoes
	return s, err
}

// backwards are the options of the restore. A table that was empty before the run is to be empty again.
func (c *copying) backwards() CopyOptions {
	o := c.CopyOptions
	o.Mode, o.Segments, o.AllowEmptySource = Sync, 0, true
	return o
}

func (c *copying) undoing(p Plan) Plan {
	p.Warnings = append(p.Warnings, fmt.Sprintf("this undoes run %s by its backup: whatever has changed in the table since then is undone, too", c.undone.Undoes))
	return p
}

// mayGoBack refuses to undo, as a whole, what may have changed since.
func (c *copying) mayGoBack(ctx context.Context) error {
	p, err := c.planUndo(ctx)
	if err != nil || c.undone.Force {
		return err
	}
	why := "what has changed since cannot be told from what it has changed"
	if c.undone.what == commandTruncate {
		empty, err := c.target.empty(ctx, p.Target, scanOptions{})
		if err != nil || empty {
			return err
		}
		why = "the table is not empty any more"
	}
	return refused("to go back to the backup, whatever has changed since: dynamo undo "+c.undone.Undoes+" --force",
		"run %s kept no journal, only the backup %s: %s", c.undone.Undoes, c.undone.backup, why)
}
