package main

import (
	"slices"
	"testing"

	"github.com/dynamo-cmdline/dynamo/cmd/dynamo/internal/show"
)

// Tables are copied in the order that they are named in, each once.
func TestTablesInOrder(t *testing.T) {
	t.Setenv("DYNAMO_TABLE", "ccc,aaa ccc")
	for _, c := range []struct {
		flags, config, want []string
	}{
		{[]string{"bbb", "aaa", "bbb"}, []string{"zzz"}, []string{"bbb", "aaa"}},
		{nil, []string{"zzz", "aaa"}, []string{"zzz", "aaa"}},
		{nil, nil, []string{"ccc", "aaa"}},
	} {
		got, err := chooseTables(t.Context(), nil, c.flags, config{Tables: c.config}, new(show.Streams))
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("got %q, %v; want %q", got, err, c.want)
		}
	}
}
