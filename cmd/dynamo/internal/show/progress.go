package show

import (
	"fmt"
	"log/slog"
	"slices"
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

// A Progress shows how a run is getting on: a bar on a terminal, a line every
// ten seconds elsewhere.
type Progress struct {
	s   *Streams
	log *slog.Logger
	bar bool

	quit chan struct{} // closed to end the phase being shown; nil for none
	done sync.WaitGroup
}

// Progress is for one run.
func (s *Streams) Progress() *Progress {
	return &Progress{s: s, log: s.Log(), bar: isTerminal(s.Err) && !s.JSON && !s.Verbose}
}

// Phase begins to show a phase, and ends the one before.
func (p *Progress) Phase(ph table.Phase) {
	p.Stop()
	if p.s.Quiet || p.s.NoProgress {
		return
	}
	p.quit = make(chan struct{})
	quit := p.quit
	p.done.Go(func() {
		defer p.s.Guard()
		if p.bar {
			p.showBar(ph, quit)
			return
		}
		p.showLines(ph, quit)
	})
}

// Stop ends what is shown; once more is no harm.
func (p *Progress) Stop() {
	if p.quit != nil {
		close(p.quit)
		p.quit = nil
	}
	p.done.Wait()
}

func (p *Progress) showBar(ph table.Phase, quit chan struct{}) {
	most := ph.Items
	if most == 0 || ph.Stats == nil && ph.Joined == nil {
		most = -1 // unknown: a spinner
	}
	bar := progressbar.NewOptions64(most,
		progressbar.OptionSetWriter(p.s.Err), progressbar.OptionSetDescription(ph.Name), progressbar.OptionShowCount(),
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

func (p *Progress) showLines(ph table.Phase, quit chan struct{}) {
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
			if p.s.JSON {
				p.log.Info("progress", "phase", ph.Name, "items", r.done, "of", ph.Items, "bytes", r.bytes, "items_per_second", int64(r.items),
					"read_units_per_second", int64(r.readUnits), "write_units_per_second", int64(r.writeUnits), "throttled", r.throttled, "rejected", r.rejected, "differing", r.differ, "changed", r.changed)
				continue
			}
			p.s.Say("%s\n", r.line(ph))
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
	text := fmt.Sprintf("%s %s, units/s %s read %s write, throttled %s", name, Size(r.bytes), Count(int64(r.readUnits)), Count(int64(r.writeUnits)), Count(r.throttled))
	if r.differ > 0 {
		text += fmt.Sprintf(", differing %s, changed %s", Count(r.differ), Count(r.changed))
	}
	if r.rejected > 0 {
		text += ", rejected " + Count(r.rejected)
	}
	return text
}

func (r rate) line(ph table.Phase) string {
	if ph.Stats == nil && ph.Joined == nil {
		return fmt.Sprintf("%s: %s so far", ph.Name, r.elapsed.Round(time.Second))
	}
	text := fmt.Sprintf("%s: %s", ph.Name, Count(r.done))
	if ph.Items > 0 {
		text += " of about " + Count(ph.Items)
	}
	text += fmt.Sprintf(" items, %s, %s items/s, %s read and %s write units/s, throttled %s",
		Size(r.bytes), Count(int64(r.items)), Count(int64(r.readUnits)), Count(int64(r.writeUnits)), Count(r.throttled))
	if r.differ > 0 {
		text += fmt.Sprintf(", differing %s, changed %s", Count(r.differ), Count(r.changed))
	}
	if r.rejected > 0 {
		text += ", rejected " + Count(r.rejected)
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

// Steps show what is being done to which table: a line as it begins, and one
// every ten seconds while it lasts.
type Steps struct {
	s   *Streams
	log *slog.Logger

	mu    sync.Mutex
	under map[string]doing // by table
	quit  chan struct{}
	done  sync.WaitGroup
	ended sync.Once
}

type doing struct {
	text  string
	since time.Time
}

// Steps is for one command.
func (s *Streams) Steps() *Steps {
	p := &Steps{s: s, log: s.Log(), under: map[string]doing{}, quit: make(chan struct{})}
	if s.Quiet || s.NoProgress {
		return p
	}
	p.done.Go(func() {
		defer s.Guard()
		tick := time.NewTicker(lineEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				p.still()
			case <-p.quit:
				return
			}
		}
	})
	return p
}

// Watch returns what is told of the table's steps and waits.
func (p *Steps) Watch(name string) func(string) {
	return func(text string) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.under[name] = doing{text, time.Now()}
		p.tell(name, text)
	}
}

// End says that nothing more is done to the table.
func (p *Steps) End(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.under, name)
}

// still tells what takes its time.
func (p *Steps) still() {
	p.mu.Lock()
	defer p.mu.Unlock()
	var names []string
	for name := range p.under {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		d := p.under[name]
		p.tell(name, d.text, "so_far", time.Since(d.since).Round(time.Second).String())
	}
}

func (p *Steps) tell(name, text string, more ...any) {
	switch {
	case p.s.Quiet || p.s.NoProgress:
	case p.s.JSON:
		p.log.Info(text, append([]any{"table", name}, more...)...)
	case len(more) > 0:
		p.s.Say("%s: %s, %s so far\n", name, text, more[1])
	default:
		p.s.Say("%s: %s\n", name, text)
	}
}

// Stop ends the lines.
func (p *Steps) Stop() {
	p.ended.Do(func() { close(p.quit) })
	p.done.Wait()
}
