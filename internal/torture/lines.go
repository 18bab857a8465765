package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dynamo-cmdline/dynamo/internal/ddbtest"
)

// A slowLine is a copy whose way to one account, or to both, moves few bytes a second.
type slowLine struct {
	name           string
	mode           string
	items          int
	older          int     // of them in the target, in other versions
	source, target float64 // Mbit/s; 0 for as fast as can be
	slice          bool    // all under one partition key, which is copied
}

const (
	lineItem  = 390 << 10 // bytes of each item
	lineLimit = 20 * time.Minute
	// lineSlack is how long the search for a number of requests that the line takes may last.
	lineSlack = 2 * time.Minute
)

var slowLines = []slowLine{
	{"large items to read", merge, 40, 0, 0.5, 0, false},
	{"large items to write", merge, 40, 0, 0, 0.5, false},
	{"64 readers", merge, 200, 0, 12, 0, false},
	{"a sync, both slow", syncing, 40, 20, 1, 1, false},
	{"a slice, both slow", syncing, 20, 10, 1, 1, true},
}

// brief is the same with fewer items and faster.
func (l slowLine) brief() slowLine {
	l.items, l.older, l.source, l.target = l.items/5, l.older/5, 8*l.source, 8*l.target
	return l
}

// lines has copies run over slow lines, all at the same time.
func (s *suite) lines(ctx context.Context, only int) error {
	st, err := openStage(ctx, s.binary)
	if err != nil {
		return err
	}
	numbers := upTo(len(slowLines))
	if only >= 0 {
		numbers = []int{only}
	}
	err = s.each(ctx, numbers, func(ctx context.Context, n int) error {
		l := slowLines[n]
		if s.brief {
			l = l.brief()
		}
		return s.line(ctx, st, n, l)
	})
	if err = errors.Join(err, st.close()); err != nil {
		return err
	}
	return s.result("lines")
}

func (s *suite) line(ctx context.Context, st *stage, number int, l slowLine) (err error) {
	shape := ddbtest.Table{Partition: ddbtest.S("pk"), Sort: ddbtest.S("sk")}
	t, err := st.newTrial(ctx, shape, shape)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	if err := t.fill(ctx, l.make(l.items, "new"), l.make(l.older, "old")); err != nil {
		return err
	}
	args := t.copyArgs(l.mode, "--source", "prod", "--target", "dev", "--segments", "64", "--workers", "64")
	if l.slice {
		args = append(args, "--pk", "one")
	}
	for _, side := range []struct {
		flag, to string
		mbits    float64
	}{{"--source-endpoint-url", t.prod.Endpoint(), l.source}, {"--target-endpoint-url", t.dev.Endpoint(), l.target}} {
		if side.mbits == 0 {
			continue
		}
		way, err := openRelay(strings.TrimPrefix(side.to, "http://"), side.mbits*1e6/8)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, way.close()) }()
		args = append(args, side.flag, "http://"+way.addr)
	}
	c, err := start(ctx, launch{binary: t.binary, dir: t.home, env: t.env(), limit: lineLimit, args: args})
	if err != nil {
		return err
	}
	o, err := t.end(ctx, c)
	if err != nil {
		return err
	}
	after, err := t.now(ctx)
	if err != nil {
		return err
	}
	h := look(t, l.mode, after)
	s.say("line: %s: %s, the line alone takes %s; %d calls; exit %d", l.name, o.took.Round(time.Second), l.least().Round(time.Second),
		len(h.source.Requests)+len(h.target.Requests), o.code)
	if o.hung || o.code != 0 {
		h.blame("exit %d after %s", o.code, o.took)
	} else {
		h.equal(nil)
		h.books(o.summary, 0)
	}
	if most := l.least()*3/2 + lineSlack; o.took > most {
		h.blame("it took %s, more than %s", o.took, most)
	}
	return s.fail(fmt.Sprintf("lines -only %d", number), "line: "+l.name, h.wrong, o)
}

// least is the time that the line takes for what has to pass, once.
func (l slowLine) least() time.Duration {
	there := 0.0
	for _, side := range []struct {
		items int
		mbits float64
	}{{l.items, l.source}, {l.items, l.target}, {l.older, l.target}} {
		if side.mbits > 0 {
			there = max(there, float64(side.items*lineItem)/(side.mbits*1e6/8))
		}
	}
	return time.Duration(there * float64(time.Second))
}

// make makes the first n items, in one of their versions.
func (l slowLine) make(n int, version string) (all []ddbtest.Item) {
	text := func(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
	for i := range n {
		pk := fmt.Sprint("key#", i)
		if l.slice {
			pk = "one"
		}
		all = append(all, ddbtest.Item{"pk": text(pk), "sk": text(fmt.Sprint(i)), "v": text(version), "filler": text(strings.Repeat("x", lineItem))})
	}
	return all
}
