package query

import (
	"cmp"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/rivo/uniseg"

	"github.com/dynamo-cmdline/dynamo/item"
)

const (
	// sampleItems and sampleBytes say how much is looked at before columns are
	// chosen: enough to know the items, little to hold and to wait for.
	sampleItems = 100
	sampleBytes = 1 << 20

	gap        = 2  // blanks between columns
	widest     = 40 // of a column, where others want room too
	narrowest  = 10 // that a column is cut to, rather than left out
	mostOthers = 1000
)

// aligned writes columns of equal width, chosen from the first items.
type aligned struct {
	w io.Writer
	Options

	sample  []value
	size    int
	columns []column
	others  map[string]bool // attributes without a column; at most mostOthers
	buf     []byte
}

type column struct {
	name  string
	width int
}

func (a *aligned) write(it item.Item) error {
	v, err := decode(it, nil)
	if err != nil {
		return err
	}
	if a.columns != nil {
		return a.row(v)
	}
	a.sample, a.size = append(a.sample, v), a.size+len(it)
	if len(a.sample) < sampleItems && a.size < sampleBytes {
		return nil
	}
	return a.begin()
}

func (a *aligned) close() error {
	if a.columns == nil && len(a.sample) > 0 {
		return a.begin()
	}
	return nil
}

// begin chooses the columns and writes what was looked at.
func (a *aligned) begin() error {
	a.columns = choose(a.candidates(), a.Options)
	a.others = make(map[string]bool)
	cells := make([]string, len(a.columns))
	for i, c := range a.columns {
		cells[i] = Visible(c.name)
	}
	if err := a.line(cells); err != nil {
		return err
	}
	for _, v := range a.sample {
		if err := a.row(v); err != nil {
			return err
		}
	}
	a.sample = nil
	return nil
}

func (a *aligned) row(v value) error {
	cells := make([]string, len(a.columns))
	shown := 0
	for i, c := range a.columns {
		if member, ok := v.member(c.name); ok {
			cells[i] = member.plain()
			shown++
		}
	}
	if shown < len(v.names) && a.Attributes == nil {
		for _, name := range v.names {
			if len(a.others) < mostOthers && !slices.ContainsFunc(a.columns, func(c column) bool { return c.name == name }) {
				a.others[name] = true
			}
		}
	}
	return a.line(cells)
}

func (a *aligned) line(cells []string) error {
	b := a.buf[:0]
	for i, text := range cells {
		width := a.columns[i].width
		text, used := cut(text, width, a.Width > 0)
		b = append(b, text...)
		if i < len(cells)-1 {
			b = append(b, strings.Repeat(" ", max(0, width-used)+gap)...)
		}
	}
	b = append([]byte(strings.TrimRight(string(b), " ")), '\n')
	a.buf = b
	_, err := a.w.Write(b)
	return err
}

// cut shortens text to the width, if it has to, and says how wide it then is.
func cut(text string, width int, limited bool) (string, int) {
	used := uniseg.StringWidth(text)
	if !limited || used <= width {
		return text, used
	}
	used = 0
	state := -1
	for rest := text; ; {
		var cluster string
		var w int
		cluster, rest, w, state = uniseg.FirstGraphemeClusterInString(rest, state)
		if used+w > width-1 {
			return text[:len(text)-len(rest)-len(cluster)] + "…", used + 1
		}
		used += w
	}
}

// A candidate is an attribute that may become a column.
type candidate struct {
	column
	times     int
	container bool // some value of it is a map, a list or a set
}

// candidates are the sample's attributes: keys first, then the most frequent,
// with those that hold other values at the end.
func (a *aligned) candidates() []candidate {
	found := make(map[string]*candidate)
	look := func(name string) *candidate {
		if found[name] == nil {
			found[name] = &candidate{column: column{name, uniseg.StringWidth(Visible(name))}}
		}
		return found[name]
	}
	for _, v := range a.sample {
		for i, name := range v.names {
			c := look(name)
			c.times++
			c.width = max(c.width, uniseg.StringWidth(v.list[i].plain()))
			c.container = c.container || v.list[i].contains()
		}
	}
	first := a.Attributes
	if first == nil {
		first = a.Keys
	}
	var list []candidate
	for _, name := range first {
		list = append(list, *look(name))
		delete(found, name)
	}
	if a.Attributes != nil {
		return list
	}
	rest := slices.Collect(maps.Values(found))
	slices.SortFunc(rest, func(x, y *candidate) int {
		if x.container != y.container {
			if x.container {
				return 1
			}
			return -1
		}
		return cmp.Or(y.times-x.times, strings.Compare(x.name, y.name))
	})
	for _, c := range rest {
		list = append(list, *c)
	}
	return list
}

// choose takes the columns that fit the width. Keys, or the attributes that
// were asked for, are always there, cut if need be.
func choose(list []candidate, o Options) []column {
	always := len(o.Keys)
	if o.Attributes != nil {
		always = len(o.Attributes)
	}
	columns := make([]column, 0, len(list))
	if o.Width <= 0 {
		for _, c := range list { // nothing is cut; but one long text must not make every line long
			columns = append(columns, column{c.name, min(c.width, widest)})
		}
		return columns
	}
	left := o.Width
	for i, c := range list {
		room := left
		if i < always {
			room = left / (always - i) // a fair share of what is left
		}
		if i > 0 {
			room -= gap
		}
		width := min(c.width, max(widest, o.Width/3))
		switch {
		case width <= room:
		case i < always:
			width = max(room, 1)
		case room >= narrowest && room >= uniseg.StringWidth(Visible(c.name)):
			width = room
		default:
			continue
		}
		columns = append(columns, column{c.name, width})
		left -= width
		if i > 0 {
			left -= gap
		}
	}
	return columns
}

// Omitted are the attributes of the items that had no column, by name.
func (w *Writer) Omitted() []string {
	if a, ok := w.form.(*aligned); ok {
		return slices.Sorted(maps.Keys(a.others))
	}
	return nil
}
