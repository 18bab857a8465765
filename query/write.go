package query

import (
	"io"
	"strings"

	"github.com/dynamo-cmdline/dynamo/item"
)

// A Format is a form that items are written in. Numbers are as they are in the
// table in each, sets are sorted, binaries are base64. In the JSON forms control and format
// characters are \u-escaped, which loses nothing; in CSV they stand as they are. The
// others are for people to look at.
type Format string

// The formats.
const (
	Aligned     Format = "table" // columns for a terminal, as many as fit
	JSON        Format = "json"  // one array
	JSONLines   Format = "jsonl" // an object a line
	DynamoLines Format = "ddb"   // {"Item":{…}} a line, with types, as AWS exports
	CSV         Format = "csv"   // RFC 4180, an item a record
	YAML        Format = "yaml"  // one sequence
)

// Formats are all of them.
var Formats = []Format{Aligned, JSON, JSONLines, DynamoLines, CSV, YAML}

// Options say how to write items. The zero value has all attributes by name.
type Options struct {
	Keys       []string // attributes that come first, where an item has them
	Attributes []string // all that there is to show, in this order; nil for everything
	Width      int      // of the terminal, for Aligned; 0 for no limit

	// For CSV, which is exact without these:
	Spreadsheet bool // a ' stands before texts that a spreadsheet would run
	Visible     bool // what could steer a terminal is escaped
}

// A Writer writes items one after the other, without keeping them. It must be
// closed, also after an error.
type Writer struct {
	form form
	err  error // the first one
}

// A form is a format at work.
type form interface {
	write(it item.Item) error
	close() error
}

// NewWriter returns a writer of the format. Aligned sees the first items
// before it shows any, and CSV all of them, in a temporary file that is removed; with
// Attributes CSV does not. The error is an [*Error] about a format that there is not.
func NewWriter(w io.Writer, f Format, o Options) (*Writer, error) {
	first := o.Keys
	if o.Attributes != nil {
		first = o.Attributes
	}
	switch f {
	case Aligned:
		return &Writer{form: &aligned{w: w, Options: o}}, nil
	case JSON:
		return &Writer{form: &lines{w: w, first: first, open: "[\n", joint: ",\n", end: "\n]\n", none: "[]\n", append: appendPlain}}, nil
	case JSONLines:
		return &Writer{form: &lines{w: w, first: first, append: appendPlain}}, nil
	case DynamoLines:
		return &Writer{form: &lines{w: w, first: first, append: appendExported}}, nil
	case YAML:
		return &Writer{form: &lines{w: w, first: first, none: "[]\n", append: appendYAMLItem}}, nil
	case CSV:
		if o.Attributes != nil {
			return &Writer{form: newColumns(w, o.Attributes, o)}, nil
		}
		return &Writer{form: &spooled{w: w, o: o}}, nil
	}
	var names []string
	for _, f := range Formats {
		names = append(names, string(f))
	}
	return nil, wrong("the formats are "+strings.Join(names, ", "), "unknown format %q", f)
}

// Write writes one item.
func (w *Writer) Write(it item.Item) error {
	if w.err == nil {
		w.err = w.form.write(it)
	}
	return w.err
}

// Close writes what is left, and the end. After an error it is Abandon.
func (w *Writer) Close() error {
	if w.err != nil {
		w.Abandon()
		return w.err
	}
	w.err = w.form.close()
	return w.err
}

// Abandon ends the writer where the items broke off: nothing is written that
// would make what there is look whole.
func (w *Writer) Abandon() {
	switch f := w.form.(type) {
	case *aligned:
		_ = f.close() // rows are what they are, and the error that came first counts
	case *spooled:
		f.drop()
	}
}

// lines write one item after the other.
type lines struct {
	w      io.Writer
	first  []string
	open   string // before the first item
	joint  string // between two
	end    string // behind the last
	none   string // instead of all that, where there is no item
	append func([]byte, value) []byte
	n      int
	buf    []byte
}

func (l *lines) write(it item.Item) error {
	v, err := decode(it, l.first)
	if err != nil {
		return err
	}
	before := l.joint
	if l.n == 0 {
		before = l.open
	}
	l.n++
	l.buf = l.append(append(l.buf[:0], before...), v)
	if l.joint == "" {
		l.buf = append(l.buf, '\n')
	}
	_, err = l.w.Write(l.buf)
	return err
}

func (l *lines) close() error {
	end := l.end
	if l.n == 0 {
		end = l.none
	}
	_, err := io.WriteString(l.w, end)
	return err
}

func appendPlain(b []byte, v value) []byte { return v.appendJSON(b) }

func appendExported(b []byte, v value) []byte {
	return append(v.appendAttributes(append(b, `{"Item":`...)), '}')
}
