package copier

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/dynamo-cmdline/dynamo/internal/crash"
)

const (
	saveEvery = 100 * time.Millisecond // what is lost of a run that is killed
	saveShare = 10                     // a tenth of the time, at most, goes into checkpoints
)

// saving calls Save now and then until finish, which calls it once more. The
// context that it returns ends when Save fails.
func (r *run) saving(ctx context.Context) (_ context.Context, finish func() error) {
	if r.Save == nil {
		return ctx, func() error { return nil }
	}
	ctx, cancel := context.WithCancelCause(ctx)
	quit := make(chan struct{})
	var failed error
	var saver sync.WaitGroup
	saver.Go(func() {
		defer crash.Guard(ctx)
		every := saveEvery
		for {
			select {
			case <-time.After(every):
			case <-quit:
				failed = errors.Join(failed, r.save())
				return
			}
			began := time.Now()
			if err := r.save(); err != nil && failed == nil {
				failed = err
				cancel(err)
			}
			every = max(saveEvery, saveShare*time.Since(began))
		}
	})
	return ctx, func() error {
		close(quit)
		saver.Wait()
		cancel(nil)
		return failed
	}
}

// save calls Save if anything has moved. One goroutine calls it.
func (r *run) save() error {
	marker, _ := r.src.(Marker)
	c, moves, err := r.ledger.checkpoint(marker, r.Delete)
	if err != nil || moves == r.saved {
		return err
	}
	r.saved = moves
	return r.Save(c)
}
