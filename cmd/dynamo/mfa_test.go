//go:build !windows

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// One device for the roles of both sides: AWS takes a code once, so each side is asked for, and a code that was given
// before is not sent again.
func TestOneDeviceForBothSides(t *testing.T) {
	t.Parallel()
	name := newTables(t, 5, 0)
	own, err := os.ReadFile(filepath.Join(world.ConfigDir, "config"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(own)
	device := "arn:aws:iam::111111111111:mfa/" + name
	for _, side := range []string{"prod", "dev"} {
		text += fmt.Sprintf("\n[profile %s-mfa]\nregion = eu-west-1\nservices = %s-local\nrole_arn = %s\nsource_profile = %s\nmfa_serial = %s\n",
			side, side, world.Account(side).RoleARN(), side, device)
	}
	file := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c := newCommand(t, "copy", "--table", name, "--source", "prod-mfa", "--target", "dev-mfa", "--no-backup", "--yes")
	c.cmd.Env = append(c.cmd.Env, "AWS_CONFIG_FILE="+file)
	c.open(true)
	c.expect("MFA code of " + device + " for profile ")
	c.send("111111\n")
	c.expect("AWS takes a code once. The next MFA code of " + device + " for profile ")
	c.send("111111\n")
	c.expect("That one was given before: wait until the device shows another.")
	c.send("222222\n")
	if code := c.wait(); code != 0 {
		t.Errorf("exit code %d:\n%s", code, c.text())
	}
	if n := strings.Count(c.text(), "MFA code of"); n != 3 {
		t.Errorf("asked %d times:\n%s", n, c.text())
	}
}
