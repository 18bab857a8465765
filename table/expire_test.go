package table

import (
	"fmt"
	"testing"
	"time"

	"github.com/dynamo-cmdline/dynamo/item"
)

// A time is a number however it is written, and nothing else is one.
func TestExpired(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	for value, want := range map[string]bool{
		`{"N":"1799999999"}`:         true,
		`{"N":"1800000001"}`:         false,
		`{"N":"1799999999.5"}`:       true,
		`{"N":"1.799999999E9"}`:      true,
		`{"N":"1.7999999995E+9"}`:    true,
		`{"N":"17.9e8"}`:             true,
		`{"N":"179999999900E-2"}`:    true,
		`{"N":"1.9E9"}`:              false,
		`{"N":"+1799999999"}`:        true,
		`{"N":"0"}`:                  false, // more than five years ago
		`{"N":"-1799999999"}`:        false,
		`{"N":"1600000000"}`:         false,
		`{"N":"1799999999000"}`:      false, // milliseconds: far in the future
		`{"N":"9E125"}`:              false,
		`{"N":"1E-130"}`:             false,
		`{"S":"1799999999"}`:         false,
		`{"NS":["1799999999"]}`:      false,
		`{"L":[{"N":"1799999999"}]}`: false,
		`{"NULL":true}`:              false,
		`{"BOOL":true}`:              false,
	} {
		got, err := expired(item.Item(fmt.Sprintf(`{"pk":{"S":"a"},"\u0074tl":%s}`, value)), "ttl", now)
		if err != nil || got != want {
			t.Errorf("%s: %t, %v", value, got, err)
		}
	}
}
