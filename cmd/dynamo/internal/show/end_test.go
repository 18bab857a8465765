package show

import (
	"fmt"
	"os"
	"syscall"
	"testing"

	"github.com/dynamo-cmdline/dynamo/table"
)

// The worst of several ends by severity, not by number.
func TestSeverity(t *testing.T) {
	ends := map[int]error{130: Stopped{os.Interrupt}, 143: Stopped{syscall.SIGTERM}}
	for i, code := range severity {
		if ends[code] == nil {
			ends[code] = kindError(code)
		}
		for _, milder := range severity[i+1:] {
			if ends[milder] == nil {
				ends[milder] = kindError(milder)
			}
			if milder == 143 {
				continue // two names for one end
			}
			if Worse(ends[milder], ends[code]) != ends[code] || Worse(ends[code], ends[milder]) != ends[code] { //nolint:errorlint // the very same
				t.Errorf("%d is no worse than %d", code, milder)
			}
		}
	}
	if Failed(nil) || Failed(kindError(3)) || !Failed(kindError(4)) {
		t.Error("the wrong tables count as failed")
	}
}

func kindError(code int) error {
	return &table.Error{Kind: table.Kind(code), Err: fmt.Errorf("code %d", code)}
}
