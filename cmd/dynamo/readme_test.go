package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/dynamo-cmdline/dynamo/internal/ddbtest"
)

// TestReadme runs every example of the README that begins with dynamo, as it
// stands there, on a terminal that says yes.
func TestReadme(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(readme)
	var commands []string
	for _, block := range strings.Split(text, "```sh\n")[1:] {
		block, _, _ = strings.Cut(block, "```")
		for line := range strings.Lines(block) {
			if line = strings.TrimSpace(line); strings.HasPrefix(line, "dynamo ") {
				commands = append(commands, line)
			}
		}
	}
	if len(commands) < 5 {
		t.Fatalf("the README has %d examples: %q", len(commands), commands)
	}
	_, config, _ := strings.Cut(text, "```yaml\n")
	config, _, _ = strings.Cut(config, "```")

	w := ddbtest.Start(t, ddbtest.WithMoto())
	for _, table := range []string{"orders", "orders-copy", "customers"} {
		for _, account := range []string{"prod", "dev"} {
			shape := ddbtest.Table{Name: table, Partition: ddbtest.S("pk"), Sort: ddbtest.S("sk"),
				Indexes: []ddbtest.Index{{Name: "by-status", Partition: ddbtest.S("status")}}}
			if err := w.Account(account).CreateTable(t.Context(), shape); err != nil {
				t.Fatal(err)
			}
			if err := w.Account(account).Fill(t.Context(), table, ddbtest.EdgeItems(shape, 10, 1)); err != nil {
				t.Fatal(err)
			}
		}
	}
	dir := t.TempDir()
	for _, command := range commands {
		if !strings.Contains(command, "--table") { // the example with the file
			if err := os.WriteFile(dir+"/dynamo.yaml", []byte(config), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		began := time.Now()
		// The shell that a reader would use, and no wait of a minute for the backup.
		c := exec.CommandContext(t.Context(), "bash", "-c", command+` --no-progress "$@"`, "bash")
		if strings.Contains(command, " copy ") || strings.Contains(command, " truncate ") {
			c.Args = append(c.Args, "--backup-settle", "1s")
		}
		for _, verb := range []string{" copy ", " truncate ", " undo"} {
			if strings.Contains(command, verb) {
				c.Args = append(c.Args, "--yes")
				break
			}
		}
		c.Dir, c.Env = dir, append(w.Env(), quickRace)
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("%s: %v after %s\n%s", command, err, time.Since(began), out)
		}
	}
	for _, table := range []string{"orders", "customers"} {
		ddbtest.RequireEqual(t, w.Account("prod").Client(), w.Account("dev").Client(), table, table)
	}
	ddbtest.RequireEqual(t, w.Account("prod").Client(), w.Account("dev").Client(), "orders", "orders-copy")
}
