package main

import (
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/dynamo-cmdline/dynamo/copier"
	"github.com/dynamo-cmdline/dynamo/table"
)

const (
	barEvery  = 200 * time.Millisecond
	lineEvery = 10 * time.Second
)

// A progress shows how a run is getting on: a bar on a terminal, a line every
// ten seconds elsewhere.
type progress struct {
	s       streams
	display display
	log     *slog.Logger
	bar     bool

	quit chan struct{} // closed to end the phase being shown; nil for none
	done sync.WaitGroup
}

func newProgress(s streams, d display, log *slog.Logger) *progress {
	return &progress{s: s, display: d, log: log, bar: isTerminal(s.err) && !d.json && !d.verbose}
}

// phase begins to show a phase, and ends the one before.
func (p *progress) phase(ph table.Phase) {
	p.stop()
	if p.display.quiet || !p.display.progress {
		return
	}
	p.quit = make(chan struct{})
	quit := p.quit
	p.done.Go(func() {
		defer p.s.guard()
		if p.bar {
			p.showBar(ph, quit)
			return
		}
		p.showLines(ph, quit)
	})
}

func (p *progress) stop() {
	if p.quit != nil {
		close(p.quit)
		p.quit = nil
	}
	p.done.Wait()
}

func (p *progress) showBar(ph table.Phase, quit chan struct{}) {
	most := ph.Items
	if most == 0 || ph.Stats == nil && ph.Joined == nil {
		most = -1 // unknown: a spinner
	}
	bar := progressbar.NewOptions64(most,
		progressbar.OptionSetWriter(p.s.err), progressbar.OptionSetDescription(ph.Name), progressbar.OptionShowCount(),
		progressbar.OptionShowIts(), progressbar.OptionSetItsString("items"), progressbar.OptionSetPredictTime(most > 0),
		progressbar.OptionSetWidth(20), progressbar.OptionThrottle(barEvery/2), progressbar.OptionSetElapsedTime(true),
		progressbar.OptionClearOnFinish(), progressbar.OptionEnableColorCodes(false),
		// Else a goroutine of the library's turns the spinner, and races with what is done here.
		progressbar.OptionSetSpinnerChangeInterval(0))
	tick := time.NewTicker(barEvery)
	defer tick.Stop()
	began, warned := time.Now(), false
	for {
		select {
		case <-tick.C:
			r := rateOf(ph, began)
			if text := r.tooLate(ph, time.Now()); text != "" && !warned {
				warned = true
				_ = bar.Clear()
				p.log.Warn(text)
			}
			if most > 0 && r.done >= most { // AWS counted hours ago
				most = r.done + 1
				bar.ChangeMax64(most)
			}
			bar.Describe(r.bar(ph.Name))
			_ = bar.Set64(r.done)
		case <-quit:
			_ = bar.Finish()
			_ = bar.Clear()
			return
		}
	}
}

func (p *progress) showLines(ph table.Phase, quit chan struct{}) {
	tick := time.NewTicker(lineEvery)
	defer tick.Stop()
	began, warned := time.Now(), false
	for {
		select {
		case <-tick.C:
			r := rateOf(ph, began)
			if text := r.tooLate(ph, time.Now()); text != "" && !warned {
				warned = true
				p.log.Warn(text)
			}
			if p.display.json {
				p.log.Info("progress", "phase", ph.Name, "items", r.done, "of", ph.Items, "bytes", r.bytes, "items_per_second", int64(r.items),
					"read_units_per_second", int64(r.readUnits), "write_units_per_second", int64(r.writeUnits), "throttled", r.throttled, "rejected", r.rejected, "differing", r.differ, "changed", r.changed)
				continue
			}
			say(p.s.err, "%s\n", r.line(ph))
		case <-quit:
			return
		}
	}
}

// A rate is a phase's progress at one moment, and a second's worth of it on average.
type rate struct {
	done, bytes                  int64
	throttled, rejected          int64
	differ, changed              int64 // found by a join, and written of that
	items, readUnits, writeUnits float64
	elapsed                      time.Duration
}

func rateOf(ph table.Phase, began time.Time) rate {
	var c copier.Count
	if ph.Stats != nil {
		c = ph.Stats.Count()
	}
	for _, reads := range ph.Reads {
		n := reads.Count()
		c.ReadUnits += n.ReadUnits
		c.Throttled += n.Throttled
	}
	r := rate{done: c.Written + c.Deleted, bytes: c.Bytes, throttled: c.Throttled, rejected: c.Rejected, elapsed: time.Since(began)}
	if ph.Joined != nil { // what is read says how far it is
		n := ph.Joined.Count()
		r.done, r.differ, r.changed = n.Source, n.Differs+n.OnlySource+n.OnlyTarget, r.done
	}
	seconds := max(r.elapsed.Seconds(), 1e-3)
	r.items, r.readUnits, r.writeUnits = float64(r.done)/seconds, c.ReadUnits/seconds, c.WriteUnits/seconds
	return r
}

// bar is what the bar says beside its own count, rate and time left.
func (r rate) bar(name string) string {
	if r.done == 0 {
		return name
	}
	text := fmt.Sprintf("%s %s, units/s %s read %s write, throttled %s", name, size(r.bytes), count(int64(r.readUnits)), count(int64(r.writeUnits)), count(r.throttled))
	if r.differ > 0 {
		text += fmt.Sprintf(", differing %s, changed %s", count(r.differ), count(r.changed))
	}
	if r.rejected > 0 {
		text += ", rejected " + count(r.rejected)
	}
	return text
}

func (r rate) line(ph table.Phase) string {
	if ph.Stats == nil && ph.Joined == nil {
		return fmt.Sprintf("%s: %s so far", ph.Name, r.elapsed.Round(time.Second))
	}
	text := fmt.Sprintf("%s: %s", ph.Name, count(r.done))
	if ph.Items > 0 {
		text += " of about " + count(ph.Items)
	}
	text += fmt.Sprintf(" items, %s, %s items/s, %s read and %s write units/s, throttled %s",
		size(r.bytes), count(int64(r.items)), count(int64(r.readUnits)), count(int64(r.writeUnits)), count(r.throttled))
	if r.differ > 0 {
		text += fmt.Sprintf(", differing %s, changed %s", count(r.differ), count(r.changed))
	}
	if r.rejected > 0 {
		text += ", rejected " + count(r.rejected)
	}
	if left := r.left(ph); left > 0 {
		text += fmt.Sprintf(", about %s left", left.Round(time.Second))
	}
	return text
}

// left is about how long the phase still takes; 0 for unknown.
func (r rate) left(ph table.Phase) time.Duration {
	left := float64(ph.Items - r.done)
	if left <= 0 || r.items <= 0 {
		return 0
	}
	return time.Duration(left / r.items * float64(time.Second))
}

// known is how long a rate must have been measured for a warning to rest on it.
const known = 10 * time.Second

// tooLate says that credentials end before the phase is expected to; "" if
// they do not.
func (r rate) tooLate(ph table.Phase, now time.Time) string {
	end := now.Add(r.left(ph))
	if ph.Until.IsZero() || r.elapsed < known || !end.After(ph.Until) {
		return ""
	}
	whose := "the default credentials"
	if ph.Profile != "" {
		whose = fmt.Sprintf("the credentials of profile %q", ph.Profile)
	}
	return fmt.Sprintf("%s end at %s, and this is expected to take until %s: where the profile cannot renew them by itself, the run stops then, and dynamo resume goes on with it",
		whose, ph.Until.Local().Format("15:04"), end.Local().Format("15:04"))
}
