package house

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// The step that copies ends with its copy: what refreshes the token in the meantime holds
// no output open, and ends, too.
func TestCopyStepEnds(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("there is no bash")
	}
	src, err := os.ReadFile(filepath.Join(root, "examples/github/copy.yml"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(src, []byte(`--run-dir "$RUNNER_TEMP/runs"`)) || !bytes.Contains(src, []byte("path: ${{ runner.temp }}/runs")) {
		t.Error("the run is not kept: there is no way back")
	}
	dir := t.TempDir()
	for name, script := range map[string]string{
		"curl":   "echo '{\"value\":\"x\"}'\n",
		"jq":     "cat\n",
		"dynamo": "until [ -e \"$RUNNER_TEMP/asleep\" ]; do /bin/sleep 0.01; done; echo copied\n",
		"sleep":  "trap 'touch \"$RUNNER_TEMP/woken\"; exit 1' TERM\ntouch \"$RUNNER_TEMP/asleep\"\n/bin/sleep \"$1\" & wait $!\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/bash\n"+script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, bash, "--noprofile", "--norc", "-eo", "pipefail", "-c", stepOf(t, src, "Copy"))
	cmd.Env = []string{
		"PATH=" + dir + ":/usr/bin:/bin", "RUNNER_TEMP=" + dir, "KEY=", "TABLE=orders", "SOURCE=prod", "TARGET=dev",
		"ACTIONS_ID_TOKEN_REQUEST_TOKEN=x", "ACTIONS_ID_TOKEN_REQUEST_URL=https://example.com/?",
	}
	out, theirs, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = theirs, theirs // files, so that nothing of ours waits for their end
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	if err := out.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(out)
	if err != nil {
		t.Errorf("the step's output is still open: %v, %s", err, text)
	}
	if err := cmd.Wait(); err != nil || !bytes.Contains(text, []byte("copied")) {
		t.Errorf("the step: %v, %s", err, text)
	}
	for _, err := os.Stat(filepath.Join(dir, "woken")); err != nil; _, err = os.Stat(filepath.Join(dir, "woken")) {
		if ctx.Err() != nil {
			t.Fatal("the refresher still sleeps")
		}
		time.Sleep(time.Millisecond)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "token*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// stepOf is the script of a workflow's step.
func stepOf(t *testing.T, src []byte, name string) string {
	t.Helper()
	var w struct {
		Jobs map[string]struct {
			Steps []struct{ Name, Run string }
		}
	}
	if err := yaml.Unmarshal(src, &w); err != nil {
		t.Fatal(err)
	}
	for _, job := range w.Jobs {
		for _, step := range job.Steps {
			if step.Name == name {
				return step.Run
			}
		}
	}
	t.Fatalf("there is no step %q", name)
	return ""
}
