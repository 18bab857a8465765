package show

import (
	"testing"
	"time"

	"github.com/dynamo-cmdline/dynamo/table"
)

// Who copies for longer than the credentials last is told so while there is time.
func TestCredentialsThatEndTooEarly(t *testing.T) {
	now := time.Date(2026, 11, 20, 13, 0, 0, 0, time.Local)
	half := rate{done: 500, items: 1, elapsed: 500 * time.Second} // of 1000: 500 s are left
	for _, c := range []struct {
		name string
		r    rate
		ph   table.Phase
		want string
	}{
		{"they end before", half, table.Phase{Items: 1000, Until: now.Add(5 * time.Minute), Profile: "prod"},
			`the credentials of profile "prod" end at 13:05, and this is expected to take until 13:08: where the profile cannot renew them by itself, the run stops then, and dynamo resume goes on with it`},
		{"they end afterwards", half, table.Phase{Items: 1000, Until: now.Add(9 * time.Minute), Profile: "prod"}, ""},
		{"nobody knows when they end", half, table.Phase{Items: 1000}, ""},
		{"nobody knows how much there is", half, table.Phase{Until: now.Add(5 * time.Minute)}, ""},
		{"it has only begun", rate{done: 1, items: 1, elapsed: time.Second}, table.Phase{Items: 1000, Until: now.Add(5 * time.Minute)}, ""},
	} {
		if got := c.r.tooLate(c.ph, now); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
