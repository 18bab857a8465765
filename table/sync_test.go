package table

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dynamo-cmdline/dynamo/internal/archive"
	"github.com/dynamo-cmdline/dynamo/internal/ddbtest"
	"github.com/dynamo-cmdline/dynamo/item"
	"github.com/dynamo-cmdline/dynamo/query"
)

// drift makes a pair of which half the items are equal, a quarter differ, an
// eighth each are on one side only, and says how many those are.
func (p pair) drift(t *testing.T, n int) (equal, differ, missing, extra int) {
	t.Helper()
	source := slices.Collect(ddbtest.EdgeItems(p.Table, n, 1))
	var inProd, inDev []ddbtest.Item
	for i, it := range source {
		other := it
		switch i % 8 {
		case 0, 1: // differs
			other = ddbtest.Item{"changed": &types.AttributeValueMemberN{Value: fmt.Sprint(i)}}
			for name, v := range it {
				other[name] = v
			}
			differ++
		case 2:
			other = nil
			missing++
		case 3:
			it = nil
			extra++
		default:
			equal++
		}
		if it != nil {
			inProd = append(inProd, it)
		}
		if other != nil {
			inDev = append(inDev, other)
		}
	}
	p.fill(t, p.prod, slices.Values(inProd))
	p.fill(t, p.dev, slices.Values(inDev))
	return equal, differ, missing, extra
}

// oldImages reads a journal: the digest of each old image by key, "" where there was none.
func (p pair) oldImages(t *testing.T, dir string) map[string]string {
	t.Helper()
	schema := item.Schema{Partition: item.Attr{Name: p.Partition.Name, Type: item.Type(p.Partition.Type[0])}}
	if p.Sort.Name != "" {
		schema.Sort = item.Attr{Name: p.Sort.Name, Type: item.Type(p.Sort.Type[0])}
	}
	old := map[string]string{}
	for line, err := range archive.ReadJournal(dir, schema, archive.JournalRecord{}) {
		if err != nil {
			t.Fatal(err)
		}
		text := ""
		if line.Old != nil {
			if text, err = item.Item(line.Old).Fingerprint(); err != nil {
				t.Fatal(err)
			}
		}
		if _, ok := old[string(line.Key)]; !ok { // the first one counts
			old[string(line.Key)] = text
		}
	}
	return old
}

// Sync writes exactly what differs, ends equal, and its journal holds exactly
// the old images of what it overwrote and deleted.
func TestSync(t *testing.T) {
	t.Parallel()
	for _, shape := range []ddbtest.Table{{}, {Sort: ddbtest.N("sk")}, {Partition: ddbtest.B("size"), Sort: ddbtest.S("a.b-c #:")}} {
		p := newPair(t, shape)
		equal, differ, missing, extra := p.drift(t, 800)
		source, target := p.open(t)
		o := soon(Sync)
		o.NoBackup, o.RunDir, o.Verify = false, t.TempDir(), true
		found := map[DifferenceKind]int{}
		o.Found = func(d Difference) { found[d.Kind]++ }
		s, err := source.Copy(t.Context(), target, o)
		if err != nil {
			t.Fatal(err)
		}
		want := Summary{Read: int64(equal + differ + missing), Written: int64(differ + missing), Unchanged: int64(equal), Deleted: int64(extra)}
		if s.Read != want.Read || s.Written != want.Written || s.Unchanged != want.Unchanged || s.Deleted != want.Deleted || s.Verified == nil || !*s.Verified {
			t.Fatalf("summary %+v, want %+v", s, want)
		}
		if found[Differs] != differ || found[OnlySource] != missing || found[OnlyTarget] != extra {
			t.Fatalf("told of %v", found)
		}
		p.requireEqual(t)
		if puts, deletes := p.applied(); puts != differ+missing || deletes != extra {
			t.Fatalf("%d puts and %d deletes, want %d and %d", puts, deletes, differ+missing, extra)
		}
		old := p.oldImages(t, s.Journal)
		none := 0
		for _, image := range old {
			if image == "" {
				none++
			}
		}
		if len(old) != differ+missing+extra || none != missing {
			t.Fatalf("the journal has %d keys, %d of them new, want %d and %d", len(old), none, differ+missing+extra, missing)
		}

		// A second one has nothing to do.
		again, err := source.Copy(t.Context(), target, o)
		if err != nil || again.Written+again.Deleted != 0 || again.Unchanged != want.Read || again.Journal != "" {
			t.Fatalf("summary %+v, %v", again, err)
		}
		if puts, deletes := p.applied(); puts != differ+missing || deletes != extra {
			t.Fatalf("the second sync wrote: %d puts and %d deletes", puts, deletes)
		}
	}
}

// Deletes are last, and only where nothing is in doubt.
func TestSyncHoldsDeletesBack(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		fault ddbtest.Fault
		side  string
		o     func(*CopyOptions)
		kind  Kind
	}{
		{"the source cannot be read to its end", ddbtest.Fault{Kind: ddbtest.Deny, Op: "Scan", Skip: 3}, "prod", nil, Denied},
		{"nor the target", ddbtest.Fault{Kind: ddbtest.Deny, Op: "Scan", Skip: 2}, "dev", nil, Denied},
		{"what is missing cannot be asked for", ddbtest.Fault{Kind: ddbtest.Deny, Op: "BatchGetItem"}, "prod", nil, Denied},
		{"an item is refused", ddbtest.Fault{Kind: ddbtest.Validation, Op: "BatchWriteItem", Count: 1, Skip: 1}, "dev", func(o *CopyOptions) { o.Workers = 1 }, 0},
		{"all items are refused", ddbtest.Fault{Kind: ddbtest.Validation, Op: "BatchWriteItem"}, "dev", nil, Rejected},
		{"too many", ddbtest.Fault{}, "", func(o *CopyOptions) { o.MaxDelete = &Share{Percent: 2} }, Refused},
		{"one too many", ddbtest.Fault{}, "", func(o *CopyOptions) { o.MaxDelete = &Share{Items: 49} }, Refused},
		{"just enough", ddbtest.Fault{}, "", func(o *CopyOptions) { o.MaxDelete = &Share{Items: 50} }, 0},
		{"none allowed", ddbtest.Fault{}, "", func(o *CopyOptions) { o.MaxDelete = &Share{} }, Refused},
		{"the source reads as empty", ddbtest.Fault{Kind: ddbtest.EmptyPages, Op: "Scan", Skip: 1}, "", nil, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, ddbtest.Table{Sort: ddbtest.S("sk")})
			_, differ, missing, extra := p.drift(t, 400)
			if test.side != "" {
				test.fault.Table = p.Name
				proxy := map[string]*ddbtest.Account{"prod": p.prod, "dev": p.dev}[test.side].Proxy
				id := proxy.Inject(test.fault)
				defer proxy.Remove(id)
			}
			source, target := p.open(t)
			o := soon(Sync)
			o.NoBackup, o.RunDir, o.Segments = false, t.TempDir(), 8
			if test.o != nil {
				test.o(&o)
			}
			s, err := source.Copy(t.Context(), target, o)
			if kindOf(err) != test.kind {
				t.Fatalf("got %v, want kind %d", err, test.kind)
			}
			puts, deletes := p.applied()
			switch {
			case test.kind == 0 && deletes != extra, test.kind != 0 && deletes != 0:
				t.Fatalf("%d deletes of %d", deletes, extra)
			case test.kind == 0:
				p.requireEqual(t)
			case test.kind == Refused && (puts != differ+missing || s.Written != int64(puts) || s.Extras != int64(extra)):
				t.Fatalf("%d puts; %+v", puts, s)
			case test.kind == Rejected && (s.Extras != int64(extra) || !strings.Contains(err.Error(), "were not deleted")):
				t.Fatalf("%v; %+v", err, s)
			}
		})
	}
}

// A sync that is broken off anywhere goes on; the journal holds what was there
// before the first attempt.
func TestResumeSync(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			p := newPair(t, ddbtest.Table{Sort: ddbtest.S("sk")})
			_, differ, missing, extra := p.drift(t, 800)
			before := p.fingerprints(t, p.dev)
			o := soon(Sync)
			o.NoBackup, o.RunDir, o.Workers = false, t.TempDir(), 2
			name := p.breakOff(t, o, rand.New(rand.NewPCG(seed, 0)).IntN(8))
			s, err := Resume(t.Context(), name, ResumeOptions{RunDir: o.RunDir})
			if err != nil {
				t.Fatal(err)
			}
			if s.Read != s.Written+s.Unchanged+s.Skipped+s.Rejected || s.Run != name {
				t.Fatalf("summary %+v", s)
			}
			p.requireEqual(t)
			old := p.oldImages(t, o.RunDir+"/"+name+"/journal")
			if len(old) != differ+missing+extra {
				t.Fatalf("%d keys in the journal, want %d", len(old), differ+missing+extra)
			}
			for key, image := range old {
				if before[key] != image {
					t.Fatalf("%s: the journal has %q, and it was %q", key, image, before[key])
				}
			}
		})
	}
}

// What a sync has deleted before it was broken off counts, in the list of runs and in the summary of the attempt
// that ends it.
func TestResumeSyncCountsDeletes(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{})
	p.fill(t, p.prod, ddbtest.EdgeItems(p.Table, 100, 1))
	p.fill(t, p.dev, ddbtest.EdgeItems(p.Table, 500, 2))
	o := soon(Sync)
	o.NoBackup, o.RunDir, o.Workers = false, t.TempDir(), 1
	name := p.breakOff(t, o, 12) // in the midst of the deletes
	recorded := func(want int) {
		t.Helper()
		list, err := Runs(o.RunDir)
		if err != nil || len(list) != 1 || list[0].Deleted != int64(want) {
			t.Fatalf("the list says %+v, %v, and %d were deleted", list, err, want)
		}
	}
	_, some := p.applied()
	if some == 0 {
		t.Fatal("it was broken off before the first delete")
	}
	recorded(some)
	s, err := Resume(t.Context(), name, ResumeOptions{RunDir: o.RunDir})
	if _, all := p.applied(); err != nil || s.Deleted != int64(all) {
		t.Fatalf("%+v, %v: %d were deleted", s, err, all)
	}
	recorded(int(s.Deleted))
	p.requireEqual(t)
}

// fingerprints reads a table by the product's own wire: journal keys and images are compared with it.
func (p pair) fingerprints(t *testing.T, a *ddbtest.Account) map[string]string {
	t.Helper()
	tab := open(t, a.Name, p.Name, AccountOptions{})
	d, err := tab.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	src := tab.reader(d, scanOptions{})
	var page item.Page
	for from := item.Cursor(nil); ; {
		if err := src.Read(t.Context(), 0, from, 1, &page); err != nil {
			t.Fatal(err)
		}
		for _, it := range page.Items {
			f, err := item.Parse(it, d.Schema)
			if err != nil {
				t.Fatal(err)
			}
			if all[string(f.AppendKey(nil, d.Schema))], err = it.Fingerprint(); err != nil {
				t.Fatal(err)
			}
		}
		if from = page.Next; from == nil {
			return all
		}
	}
}

// One attribute changed, one item missing, one extra, wherever they are: three
// lines. What differs only in form: no line.
func TestCompare(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{Sort: ddbtest.N("sk")})
	n := func(v string) types.AttributeValue { return &types.AttributeValueMemberN{Value: v} }
	str := func(v string) types.AttributeValue { return &types.AttributeValueMemberS{Value: v} }
	var inProd, inDev []ddbtest.Item
	for i := range 500 {
		pk, sk := str(fmt.Sprintf("p%d", i/10)), fmt.Sprint(i%10)
		inProd = append(inProd, ddbtest.Item{"pk": pk, "sk": n(sk), "v": n("100"), "s": &types.AttributeValueMemberSS{Value: []string{"x", "y", "z"}},
			"ns": &types.AttributeValueMemberNS{Value: []string{"1", "2.50"}}, "m": &types.AttributeValueMemberM{Value: ddbtest.Item{"a": n("0"), "b": str("")}}})
		inDev = append(inDev, ddbtest.Item{"m": &types.AttributeValueMemberM{Value: ddbtest.Item{"b": str(""), "a": n("-0")}}, "pk": pk, "sk": n(sk + ".0"), "v": n("1E2"),
			"s": &types.AttributeValueMemberSS{Value: []string{"z", "x", "y"}}, "ns": &types.AttributeValueMemberNS{Value: []string{"25E-1", "1.0"}}})
	}
	p.fill(t, p.prod, slices.Values(inProd))
	p.fill(t, p.dev, slices.Values(inDev))
	source, target := p.open(t)
	compare := func(o CompareOptions) (list []string, s CompareSummary) {
		t.Helper()
		c := source.Compare(target, o)
		for d, err := range c.All(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, fmt.Sprintf("%s %v %v", d.Kind, d.Values(), d.Attributes))
		}
		slices.Sort(list)
		return list, c.Summary()
	}
	if list, s := compare(CompareOptions{}); len(list) != 0 || s.Equal != 500 || !s.Same() {
		t.Fatalf("%v, %+v", list, s)
	}
	random := rand.New(rand.NewPCG(7, 0))
	for range 30 {
		at := random.Perm(500)[:3]
		key := func(i int) ddbtest.Item { return ddbtest.Item{"pk": inProd[i]["pk"], "sk": inProd[i]["sk"]} }
		values := func(i int) string { return fmt.Sprintf("[p%d %d]", i/10, i%10) }
		changed := ddbtest.Item{"pk": inProd[at[0]]["pk"], "sk": inProd[at[0]]["sk"], "v": n("100.00000000000000000000000000000000001")}
		for _, name := range []string{"s", "ns", "m"} {
			changed[name] = inDev[at[0]][name]
		}
		put := func(a *ddbtest.Account, it ddbtest.Item) {
			p.fill(t, a, func(yield func(ddbtest.Item) bool) { yield(it) })
		}
		put(p.dev, changed)
		for i, a := range []*ddbtest.Account{p.dev, p.prod} { // missing, extra
			if _, err := a.Client().DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: aws.String(p.Name), Key: key(at[i+1])}); err != nil {
				t.Fatal(err)
			}
		}
		want := []string{"differs " + values(at[0]) + " [v]", "only_source " + values(at[1]) + " []", "only_target " + values(at[2]) + " []"}
		if list, s := compare(CompareOptions{Detail: true, Segments: 1 + random.IntN(4)}); !slices.Equal(list, want) || s.Equal != 497 {
			t.Fatalf("got %q, want %q; %+v", list, want, s)
		}
		put(p.dev, inDev[at[0]])
		put(p.dev, inDev[at[1]])
		put(p.prod, inProd[at[2]])
	}
	// Whoever wants no more is not waited for. (That nothing is left running the engine's tests show.)
	put := func(i int) ddbtest.Item { return ddbtest.Item{"pk": str("new"), "sk": n(fmt.Sprint(i))} }
	p.fill(t, p.prod, func(yield func(ddbtest.Item) bool) {
		for i := range 50 {
			if !yield(put(i)) {
				return
			}
		}
	})
	for _, err := range source.Compare(target, CompareOptions{}).All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		break
	}
}

// Every fault on either side ends equal, or with an error and without deletes.
func TestSyncFaults(t *testing.T) {
	t.Parallel()
	for _, op := range []string{"Scan", "BatchGetItem", "BatchWriteItem"} {
		for _, kind := range []ddbtest.Kind{
			ddbtest.Throttle, ddbtest.InternalError, ddbtest.Reset, ddbtest.ResetInside, ddbtest.Truncate, ddbtest.EmptyOK, ddbtest.EmptyObject,
			ddbtest.FlipByte, ddbtest.MissingItems, ddbtest.UnprocessedKeys, ddbtest.Unprocessed, ddbtest.EmptyPages, ddbtest.CountMismatch,
		} {
			t.Run(fmt.Sprintf("%s %s", kind, op), func(t *testing.T) {
				t.Parallel()
				p := newPair(t, ddbtest.Table{Sort: ddbtest.S("sk")})
				p.drift(t, 300)
				for _, a := range []*ddbtest.Account{p.prod, p.dev} {
					id := a.Proxy.Inject(ddbtest.Fault{Kind: kind, Op: op, Table: p.Name, Probability: 0.3})
					defer a.Proxy.Remove(id)
				}
				source, target := p.open(t)
				o := soon(Sync)
				o.NoBackup, o.RunDir, o.Segments, o.Stall = false, t.TempDir(), 8, time.Minute
				if _, err := source.Copy(t.Context(), target, o); err != nil {
					t.Fatal(err)
				}
				p.requireEqual(t)
			})
		}
	}
}

// A source that changes meanwhile: what is untouched is equal afterwards, what
// is touched is one of its versions, and nothing is invented.
func TestSyncWhileTheSourceChanges(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{Sort: ddbtest.S("sk")})
	p.drift(t, 600)
	version := func(i, v int) ddbtest.Item {
		return ddbtest.Item{"pk": &types.AttributeValueMemberS{Value: fmt.Sprintf("touched%d", i)}, "sk": &types.AttributeValueMemberS{Value: "x"},
			"v": &types.AttributeValueMemberN{Value: fmt.Sprint(v)}}
	}
	touch := func(v int) iter.Seq[ddbtest.Item] {
		return func(yield func(ddbtest.Item) bool) {
			for i := range 40 {
				if !yield(version(i, v)) {
					return
				}
			}
		}
	}
	p.fill(t, p.prod, touch(0))
	source, target := p.open(t)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	last := 0
	go func() {
		for v := 1; ctx.Err() == nil; v++ {
			if err := p.prod.Fill(ctx, p.Name, touch(v)); err != nil && ctx.Err() == nil {
				done <- err
				return
			}
			last = v
		}
		done <- nil
	}()
	o := soon(Sync)
	o.NoBackup, o.RunDir = false, t.TempDir()
	_, err := source.Copy(t.Context(), target, o)
	stop()
	if err := errors.Join(err, <-done); err != nil {
		t.Fatal(err)
	}
	r, err := ddbtest.Diff(t.Context(), p.prod.Client(), p.dev.Client(), p.Name, p.Name)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.OnlyA)+len(r.OnlyB) > 0 || last == 0 {
		t.Fatalf("%s after %d versions", r, last)
	}
	for _, key := range r.Differ {
		if !strings.Contains(key, "touched") {
			t.Fatalf("%s differs, and nobody touched it", key)
		}
	}
}

// What has expired is as if the source did not have it; what is no time never expires.
func TestSkipExpired(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{})
	now := time.Now()
	at := func(d time.Duration) types.AttributeValue {
		return &types.AttributeValueMemberN{Value: fmt.Sprint(now.Add(d).Unix())}
	}
	rows := map[string]types.AttributeValue{
		"over": at(-time.Hour), "long-over": at(-4 * 365 * 24 * time.Hour), "over-and-a-bit": &types.AttributeValueMemberN{Value: fmt.Sprintf("%d.75", now.Unix()-60)},
		"to-come": at(time.Hour), "too-old": at(-6 * 365 * 24 * time.Hour), "a-text": &types.AttributeValueMemberS{Value: fmt.Sprint(now.Unix() - 60)},
		"huge": &types.AttributeValueMemberN{Value: "1E120"}, "none": nil, "zero": &types.AttributeValueMemberN{Value: "0"},
	}
	expires := []string{"long-over", "over", "over-and-a-bit"}
	for key, v := range rows {
		it := ddbtest.Item{"pk": &types.AttributeValueMemberS{Value: key}}
		if v != nil {
			it["expires at"] = v
		}
		for _, a := range []*ddbtest.Account{p.prod, p.dev} {
			if a == p.prod || key == "over" { // the target's copy of one is an extra
				p.fill(t, a, slices.Values([]ddbtest.Item{it}))
			}
		}
	}
	source, target := p.open(t)
	o := soon(Sync)
	o.SkipExpired = true
	if _, err := source.Copy(t.Context(), target, o); kindOf(err) != Usage {
		t.Fatalf("a source without TTL: %v", err)
	}
	if _, err := p.prod.Client().UpdateTimeToLive(t.Context(), &dynamodb.UpdateTimeToLiveInput{TableName: aws.String(p.Name),
		TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: aws.String("expires at"), Enabled: aws.Bool(true)}}); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []Mode{Sync, Merge} {
		o.Mode = mode
		s, err := source.Copy(t.Context(), target, o)
		if err != nil || s.Skipped != int64(len(expires)) || s.Read != int64(len(rows)) || s.Deleted != map[Mode]int64{Sync: 1}[mode] {
			t.Fatalf("%s: %+v, %v", mode, s, err)
		}
	}
	var left []string
	for d, err := range source.Compare(target, CompareOptions{}).All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		left = append(left, d.Values()...)
	}
	slices.Sort(left)
	if !slices.Equal(left, expires) {
		t.Fatalf("%v were left out, want %v", left, expires)
	}
}

// What the TTL of a table has taken away by the time of the verification is no difference, and is told apart.
func TestVerifyTellsExpiredApart(t *testing.T) {
	t.Parallel()
	text := func(v string) types.AttributeValue { return &types.AttributeValueMemberS{Value: v} }
	row := func(key string, end time.Duration) ddbtest.Item {
		return ddbtest.Item{"pk": text(key), "ends": &types.AttributeValueMemberN{Value: fmt.Sprint(time.Now().Add(end).Unix())}}
	}
	for _, test := range []struct {
		name    string
		mode    Mode
		ttl     string // of which accounts
		skip    bool
		slice   *query.Query
		between func(t *testing.T, p pair) // the copy and its verification
		expired int64
		kind    Kind
	}{
		{"gone from the target", Sync, "dev", false, nil, func(t *testing.T, p pair) { p.remove(t, p.dev, "over") }, 1, 0},
		{"gone from the target of a merge", Merge, "dev", false, nil, func(t *testing.T, p pair) { p.remove(t, p.dev, "over") }, 1, 0},
		{"gone from the target of a slice", Sync, "dev", false, &query.Query{Partition: "over"}, func(t *testing.T, p pair) { p.remove(t, p.dev, "over") }, 1, 0},
		{"gone from the source", Replace, "prod", false, nil, func(t *testing.T, p pair) { p.remove(t, p.prod, "over") }, 1, 0},
		{"expired after the copy", Sync, "prod dev", true, nil, func(t *testing.T, p pair) {
			p.fill(t, p.prod, slices.Values([]ddbtest.Item{row("to come", -time.Minute)}))
			p.fill(t, p.dev, slices.Values([]ddbtest.Item{row("to come", -time.Minute)}))
		}, 1, 0},
		{"an extra of a merge", Merge, "prod dev", false, nil, func(t *testing.T, p pair) {
			p.fill(t, p.dev, slices.Values([]ddbtest.Item{row("extra", -time.Minute)}))
		}, 0, 0},
		{"gone before its time", Sync, "dev", false, nil, func(t *testing.T, p pair) {
			p.remove(t, p.dev, "over")
			p.remove(t, p.dev, "to come")
		}, 1, Unequal},
		{"gone from a target without TTL", Sync, "prod", false, nil, func(t *testing.T, p pair) { p.remove(t, p.dev, "over") }, 0, Unequal},
		{"gone from a source without TTL", Sync, "dev", false, nil, func(t *testing.T, p pair) { p.remove(t, p.prod, "over") }, 0, Unequal},
		{"another value", Sync, "prod dev", false, nil, func(t *testing.T, p pair) { p.fill(t, p.dev, slices.Values([]ddbtest.Item{row("over", -2*time.Hour)})) }, 0, Unequal},
		{"a target that does not say", Sync, "dev", false, nil, func(t *testing.T, p pair) {
			p.remove(t, p.dev, "over")
			p.dev.Proxy.Inject(ddbtest.Fault{Kind: ddbtest.Deny, Op: "DescribeTimeToLive", Table: p.Name})
		}, 0, Unequal},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, ddbtest.Table{})
			p.fill(t, p.prod, slices.Values([]ddbtest.Item{row("over", -time.Hour), row("to come", time.Hour), {"pk": text("none")}}))
			for _, name := range strings.Fields(test.ttl) {
				if _, err := world.Account(name).Client().UpdateTimeToLive(t.Context(), &dynamodb.UpdateTimeToLiveInput{TableName: aws.String(p.Name),
					TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: aws.String("ends"), Enabled: aws.Bool(true)}}); err != nil {
					t.Fatal(err)
				}
			}
			source, target := p.open(t)
			o := soon(test.mode)
			o.Verify, o.SkipExpired, o.Slice, o.RunDir, o.AllowEmptySource = true, test.skip, test.slice, t.TempDir(), true
			o.Watch = func(phase Phase) {
				if phase.Name == phaseCompare {
					test.between(t, p)
				}
			}
			s, err := source.Copy(t.Context(), target, o)
			if err != nil != (test.kind != 0) || err != nil && kindOf(err) != test.kind {
				t.Fatalf("kind %d, want %d: %v", kindOf(err), test.kind, err)
			}
			if s.Expired != test.expired || s.Verified == nil || *s.Verified != (err == nil) {
				t.Errorf("%d have expired, want %d; verified %v", s.Expired, test.expired, s.Verified)
			}
		})
	}
}

// remove deletes an item as TTL does: nobody has asked for it.
func (p pair) remove(t *testing.T, a *ddbtest.Account, key string) {
	t.Helper()
	if _, err := a.Client().DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: aws.String(p.Name),
		Key: ddbtest.Item{"pk": &types.AttributeValueMemberS{Value: key}}}); err != nil {
		t.Error(err)
	}
}
