package show

import (
	"bytes"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/dynamo-cmdline/dynamo/table"
)

// steering has all that steers: an escape sequence, DEL, C1, bidi, an end of the line.
const steering = "a\x1b]52;c;eA==\x07\x7f\u009b\u202eb\nc"

// steers finds what a terminal would obey.
var steers = regexp.MustCompile("[\x00-\x09\x0b-\x1f\x7f\u0080-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]")

func TestInertJSON(t *testing.T) {
	var b bytes.Buffer
	j := &inertJSON{w: &b}
	for _, piece := range []string{`["#`, `#`, `[a]","`, `###[b", "#`, `"]`} {
		if n, err := j.Write([]byte(piece)); err != nil || n != len(piece) {
			t.Fatal(n, err)
		}
	}
	if want := `["##\u005ba]","###\u005bb", "#"]`; b.String() != want {
		t.Errorf("wrote %s, want %s", &b, want)
	}
}

// What is foreign reaches people escaped, of whatever type it is.
func TestSayEscapes(t *testing.T) {
	type word string // as those of AWS's enumerations
	var b bytes.Buffer
	Say(&b, "%s %s %v %s", steering, word(steering), usage("", "%s", steering), table.Description{Path: steering})
	if steers.MatchString(b.String()) || strings.Contains(b.String(), "\n") || strings.Count(b.String(), `\x7f`) != 4 {
		t.Errorf("said %q", b.String())
	}
	b.Reset()
	there := table.Restorable{Exists: true, Unknown: steering, Backups: []table.Backup{{Table: steering, Name: steering, ARN: steering, Type: steering, Status: steering, Made: time.Unix(0, 0)}}}
	if err := printRows(&b, Restorable{there}.Rows()); err != nil {
		t.Fatal(err)
	}
	if steers.MatchString(b.String()) || strings.Count(b.String(), `\x7f`) != 5 {
		t.Errorf("printed %q", b.String())
	}
	raw, err := members(there, extra{Warnings: []string{steering}})
	if err != nil || steers.Match(raw) {
		t.Errorf("the object is %q, %v", raw, err)
	}
	for _, json := range []bool{false, true} {
		b.Reset()
		var h slog.Handler = slog.NewTextHandler(logLines{&b, json}, nil)
		if json {
			h = slog.NewJSONHandler(logLines{&b, json}, nil)
		}
		slog.New(h).Warn(steering, "what", steering)
		if steers.MatchString(b.String()) {
			t.Errorf("logged %q", b.String())
		}
	}
}

// On a job's page foreign text is no Markdown.
func TestCell(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"orders in account 111111111111, eu-west-1", "orders in account 111111111111, eu-west-1"},
		{"arn:aws:dynamodb:eu-west-1:1:table/a-b", "arn:aws:dynamodb:eu-west-1:1:table/a-b"},
		{"[x](http://evil)", `\[x\]\(http&#58;//evil\)`},
		{"![x](y)", `\!\[x\]\(y\)`},
		{"<img src=x>&amp;", `&lt;img src=x&gt;&amp;amp;`},
		{"a|b `c` **d** ~e~ $f$", "a\\|b \\`c\\` \\*\\*d\\*\\* \\~e\\~ \\$f\\$"},
		{"www.evil.com @me #1", `www&#46;evil.com \@me \#1`},
		{`a\`, `a\\`},
		{"a\nb", `a\\nb`},
	} {
		want := strings.NewReplacer("&lt;", "&#60;", "&gt;", "&#62;", "&amp;", "&#38;").Replace(c.want)
		if got := cell(c.text); got != want {
			t.Errorf("%s is %s, want %s", c.text, got, want)
		}
	}
}
