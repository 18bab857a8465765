package table

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/dynamo-cmdline/dynamo/internal/account"
	"github.com/dynamo-cmdline/dynamo/internal/archive"
	"github.com/dynamo-cmdline/dynamo/item"
)

const phaseCheck = "check"

// Restore puts the items of a backup back into the table. It is a [Table.Copy] with the backup as its source, with the
// same guards, journal or AWS backup, run directory and Summary. What from may be:
//
//   - the directory of a dump, or of an AWS export, its own or one that holds just one, or its manifest-summary.json; or a
//     run's dead-letter file; also as file:DIR;
//   - s3://BUCKET/PREFIX, likewise, read with the table's profile in whatever region it is; what breaks off is read on from there;
//   - an AWS on-demand backup, by its ARN, or by its name if the table has one of that name;
//   - a point in time: "pitr:latest", or a time like "pitr:2026-11-20T10:00:00Z".
//
// A name that is one of a file or directory here and of a backup is refused: ./NAME is the one, its ARN the other.
//
// Where Mode is "" it is Sync, but Merge for a dead-letter file, which is no whole table. Slice, SkipExpired and
// Verify are for tables only.
//
// Of a dump everything is checked before the first write: checksums, counts, and each line against the table's key. What is
// written then is a private copy of what was checked, kept in files without a name in RunDir. Where several
// lines have one key, by value, the last one counts.
//
// AWS restores into new tables only. So it is asked for a temporary table, named like TABLE-restore-20261120T101112Z-1a2b3c4d,
// on demand and without indexes, which may take hours; that is what is read, and it is deleted when the run is over. The
// run's directory knows it: after an interruption or an error that [Resume] can go on after, it stays, and
// Summary.Temporary names it. No table is ever deleted but the one with the TableId that AWS gave for this run.
//
// The errors are those of Copy; an [*Error] of kind [Mismatch] where the dump is damaged or does not fit, the backup
// is not AVAILABLE or point-in-time recovery is off, [Refused] where a path leads elsewhere or is a link, or there is
// no item in what is restored, and [Usage] where there is nothing to restore by that name, or several.
func (t *Table) Restore(ctx context.Context, from string, o CopyOptions) (Summary, error) {
	ctx = account.WithStall(ctx, o.Stall)
	return t.restore(ctx, from, o, "")
}

// restore goes on with the run of that name; with "" it begins one, unless Resume finds one.
func (t *Table) restore(ctx context.Context, from string, o CopyOptions, run string) (Summary, error) {
	p, err := t.pastNamed(ctx, from)
	if err != nil {
		return Summary{}, err
	}
	if p != nil {
		source, err := t.besides(ctx, p, o)
		if err != nil {
			return Summary{}, err
		}
		return copyFrom(ctx, source, t, o, run)
	}
	source, o, err := t.stored(ctx, from, o)
	if err != nil {
		return Summary{}, err
	}
	s, err := copyFrom(ctx, source, t, o, run)
	return s, both(err, source.checked.Close())
}

// PlanRestore checks a dump, or looks a backup up, and says what Restore would do. It changes nothing. The errors are
// those by which Restore would refuse.
func (t *Table) PlanRestore(ctx context.Context, from string, o CopyOptions) (Plan, error) {
	ctx = account.WithStall(ctx, o.Stall)
	then, err := t.pastNamed(ctx, from)
	if err != nil {
		return Plan{}, err
	}
	if then != nil {
		source, err := t.besides(ctx, then, o)
		if err != nil {
			return Plan{}, err
		}
		return planCopy(ctx, source, t, o)
	}
	source, o, err := t.stored(ctx, from, o)
	if err != nil {
		return Plan{}, err
	}
	p, err := planCopy(ctx, source, t, o)
	return p, both(err, source.checked.Close())
}

// stored opens and checks a dump that is to be restored into the table.
func (t *Table) stored(ctx context.Context, from string, o CopyOptions) (*stored, CopyOptions, error) {
	if o.Verify || o.SkipExpired || o.Slice != nil {
		return nil, o, usage("leave it out", "a dump is restored as a whole: it can neither be compared with afterwards, nor be sliced, nor skip what has expired")
	}
	target, err := t.ready(ctx)
	if err != nil {
		return nil, o, err
	}
	if err := o.allowed(target); err != nil { // before the work
		return nil, o, err
	}
	return t.checked(ctx, target.Schema, from, o)
}

// checked opens a dump and checks it against that key.
func (t *Table) checked(ctx context.Context, schema item.Schema, from string, o CopyOptions) (*stored, CopyOptions, error) {
	store, err := openRuns(o.RunDir)
	if err != nil {
		return nil, o, err
	}
	if from, err = storedPlace(from); err != nil {
		return nil, o, err
	}
	if o.Watch != nil {
		o.Watch(Phase{Name: phaseCheck})
	}
	s := &stored{about: Description{Path: from, Schema: schema}}
	if info, e := os.Lstat(from); e == nil && info.Mode().IsRegular() && !inBucket(from) {
		o, err = s.letters(ctx, store.Dir(), o)
	} else {
		err = s.dump(ctx, t, store.Dir())
	}
	if err != nil {
		return nil, o, t.account.placeError(ctx, err)
	}
	s.about.Items, s.about.Bytes = s.checked.Items, s.checked.Bytes
	if n := s.checked.Lines - s.checked.Items; n > 0 {
		t.account.log.WarnContext(ctx, "lines of the dump are replaced by later ones with the same key", "lines", n)
	}
	return s, o, nil
}

func (s *stored) dump(ctx context.Context, t *Table, tmp string) error {
	schema := s.about.Schema
	found, about, err := t.account.openDump(ctx, s.about.Path)
	if s.about = about; err != nil {
		return err
	}
	s.about.Schema = schema
	if found.Unsummed {
		t.account.log.WarnContext(ctx, "the export has no checksums: of its data only the counts and the lines are checked", "place", found.Dir)
	}
	s.checked, err = found.Check(ctx, schema, tmp)
	return err
}

func (s *stored) letters(ctx context.Context, tmp string, o CopyOptions) (CopyOptions, error) {
	if o.Mode == "" {
		o.Mode = Merge
	}
	if o.Mode != Merge {
		return o, usage("leave --mode out", "a dead-letter file is no whole table: it can only be merged")
	}
	var deletes int64
	var err error
	s.checked, s.about.ID, deletes, err = archive.CheckLetters(ctx, s.about.Path, s.about.Schema, tmp)
	if err == nil && deletes > 0 {
		err = errors.Join(mismatch("", "%d lines of the dead-letter file are deletes, which cannot be put back", deletes), s.checked.Close())
	}
	return o, err
}

// dumpError explains why a dump is not taken.
func dumpError(err error) error {
	var choice *archive.ChoiceError
	var bad *archive.BadDumpError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &choice) && len(choice.Names) > 0:
		return usage("name one of them, like "+choice.Like, "%w", err)
	case errors.As(err, new(*Error)):
		return err
	case errors.As(err, &choice), errors.Is(err, fs.ErrNotExist):
		return usage("", "%w", err)
	case errors.As(err, &bad):
		return mismatch("nothing was written; make the dump anew, or get it again", "%w", err)
	}
	return archiveError(err)
}
