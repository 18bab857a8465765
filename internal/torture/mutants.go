package main

// allMutants are the bugs that the suite must find. Each changes one piece of
// code that occurs once.
func allMutants() []mutant {
	var all []mutant
	for _, list := range [][]mutant{engineMutants, wireMutants, tableMutants, syncMutants, runMutants, verbMutants, guardMutants, joinMutants, indexMutants} {
		all = append(all, list...)
	}
	return all
}

// Bugs in the engine: what is acknowledged, and when.
var engineMutants = []mutant{
	{
		name: "what came back unprocessed counts as taken", file: "copier/write.go", part: "schedules", where: "unprocessed at",
		old: "if next < len(result.Unprocessed) && result.Unprocessed[next] == i {",
		new: "if false && next < len(result.Unprocessed) && result.Unprocessed[next] == i {",
	},
	{
		name: "a write that failed counts as taken", file: "copier/write.go", part: "schedules", where: "target's BatchWriteItem",
		old: "if err = r.target.see(err); err != nil {", new: "if err = r.target.see(err); err != nil && result.Units > 0 {",
	},
	{
		name: "a batch is acknowledged before it is written", file: "copier/write.go", part: "kills",
		old: "result, err := r.sink.Write(hard, b.writes, p.attempt+1)",
		new: "for _, o := range b.from { r.ledger.mu.Lock(); o.page.entry.fates[o.index] = stored; r.ledger.mu.Unlock() }\n\tresult, err := r.sink.Write(hard, b.writes, p.attempt+1)",
	},
	{
		name: "the checkpoint runs ahead of what is acknowledged", file: "copier/ledger.go", part: "kills",
		old: "for e.head < len(e.fates) && e.fates[e.head] != pending {", new: "for e.head < len(e.fates) {",
	},
	{
		name: "the checkpoint is that of the newest page", file: "copier/ledger.go", part: "kills",
		old: "		e := s.queue[0]\n		if l.pass(e); e.head > 0 {", new: "		e := s.queue[len(s.queue)-1]\n		if l.pass(e); e.head > 0 {",
	},
	{
		name: "a page that is done overtakes the older ones", file: "copier/ledger.go", part: "kills",
		old: "s.Position = Position{Next: s.queue[0].next, Done: s.queue[0].next == nil}",
		new: "s.Position = Position{Next: s.queue[len(s.queue)-1].next, Done: s.queue[len(s.queue)-1].next == nil}",
	},
	{
		name: "a checkpoint's position is not used", file: "copier/read.go", part: "kills",
		old: "from = c.From.Positions[segment].Next", new: "from = nil",
	},
	{
		name: "checkpoints are rare", file: "copier/save.go", part: "kills",
		old: "saveEvery = 100 * time.Millisecond", new: "saveEvery = time.Hour",
	},
	{
		name: "no waits between attempts", file: "copier/retry.go", part: "schedules", where: "always",
		old: "d = p.backoff.NextBackOff()", new: "d = 0 * p.backoff.NextBackOff()",
	},
	{
		name: "it never gives up", file: "copier/retry.go", part: "schedules", where: "always",
		old: "if gone >= p.stall {", new: "if gone < 0 {",
	},
	{
		name: "throttling is the end", file: "copier/retry.go", part: "schedules", where: "throttle at",
		old: "case Throttled, Transient:", new: "case Transient:",
	},
	{
		name: "a broken connection is the end", file: "copier/retry.go", part: "schedules", where: "reset at",
		old: "case Throttled, Transient:", new: "case Throttled:",
	},
	{
		name: "an outage is a refusal", file: "copier/write.go", part: "schedules", where: "always",
		old: "	case f.Class != Throttled || len(f.Reasons) > 0:\n		return false\n", new: "	case f.Class != Throttled || len(f.Reasons) > 0:\n		return true\n",
	},
	{
		name: "a refused item is no dead letter", file: "copier/write.go", part: "schedules", where: "validation at",
		old: "if err := r.Reject(b.writes[0], f); err != nil {", new: "if err := error(nil); err != nil {",
	},
	{
		name: "a refused item counts as written", file: "copier/write.go", part: "schedules", where: "validation at",
		old: "r.Stats.rejected.Add(1)", new: "r.Stats.written.Add(1)",
	},
	{
		name: "the good items beside a refused one are refused too", file: "copier/write.go", part: "schedules", where: "validation at",
		old: "for _, part := range []*batch{b.part(0, half), b.part(half, len(b.writes))} {\n",
		new: "for _, part := range []*batch{b.part(0, half), b.part(half, len(b.writes))} {\n		if r.Reject != nil && len(part.writes) < 4 {\n			for i := range part.writes {\n				if err := r.reject(part.part(i, i+1), &Fault{Class: Invalid, Side: \"target\", Err: errNotTaken}); err != nil {\n					return err\n				}\n			}\n			continue\n		}\n",
	},
	{
		name: "the second half of a divided batch is lost", file: "copier/write.go", part: "schedules", where: "too large",
		old: "[]*batch{b.part(0, half), b.part(half, len(b.writes))}", new: "[]*batch{b.part(0, half)}",
	},
	{
		name: "the last batch of a segment is lost", file: "copier/read.go", part: "schedules",
		old: "			return c.flush(ctx)\n		}", new: "			c.open = nil\n			return nil\n		}",
	},
	{
		name: "a segment is left out", file: "copier/read.go", part: "schedules",
		old: "s < n && !yield(s)", new: "s < n && (s == 0 || s < n-1) && !yield(s)",
	},
	{
		name: "the books are not closed, and a page's last item is lost", file: "copier/read.go", part: "schedules",
		old: "	for i, it := range p.Items {\n", new: "	for i, it := range p.Items {\n		if i > 0 && i == len(p.Items)-1 {\n			c.Stats.written.Add(1)\n			c.settle([]origin{{p, i}}, stored)\n			continue\n		}\n",
	},
}

// Bugs on the wire: what is believed.
var wireMutants = []mutant{
	{
		name: "an empty page ends the scan", file: "internal/wire/scan.go", part: "schedules", where: "empty pages",
		old: `return garbled("answer counts %d items and has %d", count, len(page.Items))` + "\n	}\n	return nil",
		new: `return garbled("answer counts %d items and has %d", count, len(page.Items))` + "\n	}\n	if len(page.Items) == 0 {\n		page.Next = nil\n	}\n	return nil",
	},
	{
		name: "a scan believes {}", file: "internal/wire/scan.go", part: "schedules", where: "empty object at source's Scan",
		old: `return garbled("answer has no Items")`, new: "return nil",
	},
	{
		name: "a write believes {}", file: "internal/wire/write.go", part: "schedules", where: "empty object at target's BatchWriteItem",
		old: "if err == nil && !found {", new: "if err == nil && !found && len(reply) > 2 {",
	},
	{
		name: "an empty 200 is a success", file: "internal/wire/call.go", part: "schedules", where: "empty ok at target's BatchWriteItem",
		old: "if err == nil {\n		err = parse(reply)\n	}", new: "if err == nil && len(reply) > 0 {\n		err = parse(reply)\n	}",
	},
	{
		name: "the checksum is not looked at", file: "internal/wire/call.go", part: "schedules", where: "flip byte at source's Scan",
		old: `if text == "" {`, new: `if text != "never" {`,
	},
	{
		name: "a cursor that comes again is followed", file: "internal/wire/scan.go", part: "schedules", where: "repeat lek",
		old: "if page.Next != nil && string(page.Next) == string(from) || t.circles.closed(segment, from, page.Next) {",
		new: "if page.Next != nil && len(from) == 1 {",
	},
	{
		name: "a description that is none is believed", file: "internal/account/complete.go", part: "schedules", where: "empty object at target's DescribeTable",
		old: "		return ErrEmpty\n", new: "		return nil\n",
	},
	{
		name: "the control plane may be silent for ever", file: "internal/account/attempt.go", part: "schedules", where: "hang at target's DescribeTable",
		old: "func() { cancel(late) }", new: "func() {}",
	},
	{
		name: "an error of STS's is the end", file: "internal/account/wait.go", part: "schedules", where: "at target's AssumeRole",
		old: "return !errors.As(err, new(*finalError)) &&", new: "return errors.As(err, new(*CredentialsError)) && !errors.As(err, new(*finalError)) &&",
	},
	{
		name: "an unprocessed item that nobody sent is ignored", file: "internal/wire/write.go", part: "schedules", where: "forge",
		old: "if n < 0 || seen[n] {", new: "if n < 0 {\n						return i, nil\n					}\n					if seen[n] {",
	},
	{
		name: "what was taken is sent again", file: "internal/wire/write.go", part: "schedules", where: "unprocessed at",
		old: "	slices.Sort(done.Unprocessed)\n", new: "	if len(done.Unprocessed) > 0 {\n		done.Unprocessed = all(len(writes))\n	}\n	slices.Sort(done.Unprocessed)\n",
	},
	{
		name: "a lone surrogate passes", file: "item/scan.go", part: "schedules", where: "lone surrogate",
		old: `return 0, s.fail(i, "lone surrogate")`, new: "return 6, nil",
	},
	{
		name: "expired credentials are used again", file: "internal/wire/wire.go", part: "schedules", where: "expired token",
		old: "cache.Invalidate()", new: "_ = cache",
	},
	{
		name: "503 is the end", file: "internal/account/class.go", part: "schedules", where: "unavailable",
		old: "case status == http.StatusRequestTimeout, status >= 500:", new: "case status >= 504:",
	},
	{
		name: "an answer that never comes is waited for", file: "internal/wire/call.go", part: "schedules", where: "hang",
		old: "idleLimit = 10 * time.Second", new: "idleLimit = 100 * time.Second",
	},
	{
		name: "a delete sends more than the key", file: "internal/wire/scan.go", part: "schedules",
		old: "	if s.KeysOnly {\n", new: "	if s.KeysOnly && len(s.From) == 1 {\n",
	},
}

// Bugs of the front door: guards, and what is deleted when.
var tableMutants = []mutant{
	{
		name: "one table on both sides is no matter", file: "table/plan.go", part: "guards",
		old: "if p.Source.same(p.Target) {", new: "if p.Source.same(p.Target) && p.Source.Profile == p.Target.Profile && p.Source.Endpoint != p.Target.Endpoint {",
	},
	{
		name: "keys need not fit", file: "table/plan.go", part: "guards",
		old: "if p.Source.Schema != p.Target.Schema {", new: "if p.Source.Schema.Partition.Name != p.Target.Schema.Partition.Name {",
	},
	{
		name: "nothing is protected", file: "table/protected.go", part: "guards",
		old: `why != "" && o.AllowProtected != name`, new: `why != "" && o.AllowProtected == "never"`,
	},
	{
		name: "a protected table is allowed under any name", file: "table/protected.go", part: "guards",
		old: `why != "" && o.AllowProtected != name`, new: `why != "" && o.AllowProtected == ""`,
	},
	{
		name: "deletion protection protects nothing", file: "table/protected.go", part: "guards",
		old: "case d.DeletionProtected:", new: `case d.DeletionProtected && d.Table == "":`,
	},
	{
		name: "the source is not looked at before the target is emptied", file: "table/plan.go", part: "schedules", where: "deny at source's Scan",
		old: "if err := source.preflight(ctx, p.Source, o); err != nil {", new: "if err := error(nil); err != nil {",
	},
	{
		name: "an empty source is believed", file: "table/plan.go", part: "guards",
		old: "if d.Items > 0 && !o.AllowEmptySource {", new: "if d.Items < 0 {",
	},
	{
		name: "a table in any state will do", file: "table/describe.go", part: "guards",
		old: "case types.TableStatusActive, types.TableStatusUpdating:", new: "case types.TableStatusActive, types.TableStatusUpdating, types.TableStatusDeleting, types.TableStatusArchived:",
	},
	{
		name: "a table that was replaced is written on", file: "table/describe.go", part: "schedules", where: "table id",
		old: "if now.mark() != before.mark() {", new: `if now.ID == "" {`,
	},
	{
		name: "plain http goes anywhere", file: "table/endpoint.go", part: "guards",
		old: `case u.Scheme == "http" && !t.asked.mayBePlain`, new: `case u.Scheme == "gopher" && !t.asked.mayBePlain`,
	},
	{
		name: "only DynamoDB's endpoint is checked", file: "table/endpoint.go", part: "guards",
		old: "if err := t.checkEndpointOf(service.name, service.base); err != nil {",
		new: `if err := t.checkEndpointOf(service.name, service.base); service.name == "DynamoDB" && err != nil {`,
	},
	{
		name: "what a service says is shown whole", file: "internal/foreign/foreign.go", part: "guards",
		old: "text = struck(strings.ToValidUTF8(text, \"\\uFFFD\"))", new: "text = strings.ToValidUTF8(text, \"\\uFFFD\")",
	},
	{
		name: "what a program for credentials printed is shown", file: "internal/foreign/foreign.go", part: "guards",
		old: "if !errors.As(err, &process) {", new: "if true || !errors.As(err, &process) {",
	},
}

// Bugs of syncs: what is deleted, and when.
var syncMutants = []mutant{
	{
		name: "a sync deletes before it has put everything", file: "table/sync.go", part: "schedules", where: "target's BatchWriteItem",
		old: "	select {\n	case <-s.written:\n	case <-ctx.Done():\n		return false, context.Cause(ctx)\n	}\n",
		new: "	if ctx.Err() != nil {\n		return false, context.Cause(ctx)\n	}\n",
	},
	{
		name: "a sync deletes although an item was rejected", file: "table/sync.go", part: "schedules", where: "validation at",
		old: "case s.moved.Count().Rejected > 0:", new: "case s.moved.Count().Rejected < 0:",
	},
}

// Bugs of runs, locks, signals and exit codes.
var runMutants = []mutant{
	{
		name: "a finished truncate is entered again", file: "table/resume.go", part: "kills",
		old: "c.dir, c.state = dir, state\n", new: "c.dir, c.state = dir, state\n	if state.Phase == phaseCopy && c.Mode == Replace {\n		state.Phase, state.Position = phaseTruncate, nil\n	}\n",
	},
	{
		name: "a checkpoint's checksum is not looked at", file: "internal/runs/runs.go", part: "guards",
		old: "!bytes.Equal(line, headerOf(head.Version, body)) {", new: "!bytes.Equal(line[:8], headerOf(head.Version, body)[:8]) {",
	},
	{
		name: "a checkpoint of a later version is believed", file: "internal/runs/runs.go", part: "guards",
		old: "if head.Version > version {", new: "if head.Version > 1000*version {",
	},
	{
		name: "a link is followed", file: "internal/runs/runs.go", part: "guards",
		old: "	case !about.Mode().IsRegular():\n		return nil, damaged(\"%s is no plain file\", path)\n	}\n	f, err := os.OpenFile(path, os.O_RDONLY|noFollow, 0)",
		new: "	case about.Size() < 0:\n		return nil, nil\n	}\n	f, err := os.OpenFile(path, os.O_RDONLY, 0)",
	},
	{
		name: "a resume does not look at the tables' ids", file: "table/resume.go", part: "guards",
		old: "case side.was.ID != side.now.mark():", new: "case side.was.ID == \"\":",
	},
	{
		name: "a resume does not look at the tables' accounts", file: "table/resume.go", part: "guards",
		old: "return a.Account == b.Account && a.Region == b.Region && a.Table == b.Table", new: "return a.Region == b.Region && a.Table == b.Table",
	},
	{
		name: "a resume with another number of segments goes on", file: "table/resume.go", part: "guards",
		old: "case c.Segments != 0 && c.Segments != s.Segments:", new: "case c.Segments < 0:",
	},
	{
		name: "positions need not be as many as segments", file: "table/resume.go", part: "guards",
		old: "case s.Segments < 1, len(s.Position) != 0 && len(s.Position) != s.Segments:", new: "case s.Segments < 1:",
	},
	{
		name: "there is no lock", file: "internal/runs/lock.go", part: "guards",
		old: "	if !got {\n", new: "	if !got && path == \"\" {\n",
	},
	{
		name: "rejected items are a success", file: "table/copy.go", part: "schedules", where: "validation at",
		old: "if n := c.moved.Count().Rejected; n > 0 {", new: "if n := c.moved.Count().Rejected; n < 0 {",
	},
	{
		name: "nobody waits for a late delete", file: "table/late.go", part: "kills",
		old: "if late.IsZero() || wait <= 0 {", new: "if late.IsZero() || wait != 0 {",
	},
	{
		name: "nobody waits for a delete that was answered by an error", file: "table/glue.go", part: "schedules", where: "late at",
		old: "Late: e.Ambiguous,", new: "Late: e.Ambiguous && e.Status == 0 && !e.Garbled,",
	},
	{
		name: "nobody waits for a delete that a signal cut off", file: "copier/write.go", part: "signals",
		old: "err != nil && (f == nil || f.Late) {", new: "f != nil && f.Late {",
	},
	{
		name: "a checkpoint is not one moment's: its positions are old", file: "table/run.go", part: "kills",
		old: "	c.state.Letters, c.state.Position = sure, make([]runs.Position, len(at.Positions))\n	for i, p := range at.Positions {\n		c.state.Position[i] = runs.Position(p)\n	}\n	return c.write()",
		new: "	c.state.Letters = sure\n	if len(c.state.Position) > 0 {\n		return c.write()\n	}\n	c.state.Position = make([]runs.Position, len(at.Positions))\n	for i, p := range at.Positions {\n		c.state.Position[i] = runs.Position(p)\n	}\n	return c.write()",
	},
	{
		name: "the first signal is ignored", file: "cmd/dynamo/main.go", part: "signals",
		old: "cancel(stopped{first})\n", new: "_ = first\n",
	},
	{
		name: "a second signal is ignored", file: "cmd/dynamo/main.go", part: "signals",
		old: "abandon(stopped{second})", new: "_ = stopped{second}",
	},
	{
		name: "SIGTERM ends as SIGINT does", file: "cmd/dynamo/app.go", part: "signals",
		old: "return 143", new: "return 130",
	},
	{
		name: "an interrupted copy is done", file: "table/run.go", part: "signals",
		old: "Outcome: outcome, Done: over,", new: "Outcome: outcome, Done: over || kindOf(err) == Failed,",
	},
	{
		name: "nobody need say yes", file: "cmd/dynamo/choose.go", part: "guards",
		old: "	if yes {\n		return nil", new: "	if yes || s.in != nil {\n		return nil",
	},
	{
		name: "what comes through a pipe is a yes", file: "cmd/dynamo/choose.go", part: "guards",
		old: "if !isTerminal(s.in) || !isTerminal(s.err) {\n		hint :=", new: "if isTerminal(s.in) && !isTerminal(s.err) {\n		hint :=",
	},
}

// Bugs in truncate, restore and undo, and in the journal that it reads.
var verbMutants = []mutant{
	{
		name: "a sync journals no deletes", file: "table/sync.go", part: "verbs",
		old: "	if s.journal != nil {\n		entries :=", new: "	if s.journal != nil && found[0].Kind != copier.OnlyTarget {\n		entries :=",
	},
	{
		name: "the last image of a key counts", file: "table/rewind.go", part: "verbs",
		old: "case r.undone.repeats.Has(line), (line.Old == nil) != r.deletes:", new: "case (line.Old == nil) != r.deletes:",
	},
	{
		name: "an undo leaves what the run added", file: "table/undo.go", part: "verbs",
		old: "	for _, deletes := range []bool{false, true} {\n		phase :=", new: "	for _, deletes := range []bool{false} {\n		u.unchanged.Add(u.Added)\n		phase :=",
	},
	{
		name: "an undo keeps no journal", file: "table/rewind.go", part: "verbs",
		old: "if r.undone.own != nil {", new: "if r.undone.own != nil && r.undone.Force {",
	},
	{
		name: "an undo's journal has the wrong images", file: "table/rewind.go", part: "verbs",
		old: "archive.Entry{Key: w.key, Old: now, NewDigest: was}", new: "archive.Entry{Key: w.key, Old: w.old, NewDigest: was}",
	},
	{
		name: "a truncate looks only once", file: "table/copy.go", part: "verbs",
		old: "if found == 0 && !begun {", new: "if found >= 0 || begun {",
	},
	{
		name: "a restore goes on a few lines too far", file: "table/origin.go", part: "verbs",
		old: "		line = n\n", new: "		line = min(n+25, end)\n",
	},
}
