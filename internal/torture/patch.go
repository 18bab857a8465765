package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// patch writes patches: of the mutant that is named, or all that are not as they should be.
func (s *suite) patch(ctx context.Context, name string) error {
	root, err := root(ctx)
	if err != nil {
		return err
	}
	if name != "" {
		return s.take(ctx, root, name)
	}
	return s.refresh(ctx, root)
}

// refresh writes the patches anew whose code has moved, or stands among other lines now.
func (s *suite) refresh(ctx context.Context, root string) error {
	module := os.DirFS(root)
	list, err := readMutants(module)
	if err != nil {
		return err
	}
	var lost []error
	for _, m := range list {
		hunks, err := follow(module, m.hunks)
		if err != nil {
			return err
		}
		have, err := files(module, hunks)
		if err != nil {
			return err
		}
		fits := !slices.ContainsFunc(m.hunks, func(h hunk) bool {
			at, cut := h.places(have[h.file])
			return len(at) != 1 || cut > 0
		})
		if fits {
			continue
		}
		want, err := change(have, hunks)
		if err != nil {
			lost = append(lost, m.hint(err))
			continue
		}
		if err := s.write(ctx, root, m, have, want); err != nil {
			return err
		}
	}
	return errors.Join(lost...)
}

// take makes what has been edited into the checkout since `git add` the mutant's patch, and takes
// it out of the checkout again.
func (s *suite) take(ctx context.Context, root, name string) error {
	names, err := git(ctx, root, "diff", "--name-only", "--relative", "-z", "--", "*.go")
	if err != nil {
		return err
	}
	if names == "" {
		return errors.New("there is no bug in the checkout: `git add` what is yours, edit the bug into the code, and leave that as it is")
	}
	have, want := map[string]string{}, map[string]string{}
	for _, file := range strings.Split(strings.TrimSuffix(names, "\x00"), "\x00") {
		if have[file], err = git(ctx, root, "show", ":./"+file); err != nil {
			return err
		}
		text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(file)))
		if err != nil {
			return err
		}
		want[file] = string(text)
	}
	m := mutant{name: name, what: "what it does", promise: "what is true without it", part: "part of the suite", where: "card or test"}
	text, err := os.ReadFile(filepath.Join(root, m.path()))
	if err == nil {
		m, err = parseMutant(name, string(text))
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := s.write(ctx, root, m, have, want); err != nil {
		return err
	}
	for file, text := range have {
		if err := os.WriteFile(filepath.Join(root, filepath.FromSlash(file)), []byte(text), 0o600); err != nil {
			return err
		}
	}
	s.say("the bug is out of the code again")
	return nil
}

// write writes the mutant's patch: what makes of the files that we have those that it wants.
func (s *suite) write(ctx context.Context, root string, m mutant, have, want map[string]string) error {
	text, err := diff(ctx, have, want)
	if err != nil {
		return fmt.Errorf("mutant %q: %w", m.name, err)
	}
	s.say("%s is written anew", m.path())
	return os.WriteFile(filepath.Join(root, m.path()), []byte(m.head()+"\n"+text), 0o644)
}

// diff is the difference of files, with as much context as it takes for each hunk to fit in one
// place.
func diff(ctx context.Context, have, want map[string]string) (string, error) {
	dir, err := os.MkdirTemp("", "dynamo-patch-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	for side, texts := range map[string]map[string]string{"a": have, "b": want} {
		for file, text := range texts {
			name := filepath.Join(dir, side, filepath.FromSlash(file))
			if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
				return "", err
			}
			if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
				return "", err
			}
		}
	}
	for lines := 3; ; lines++ {
		text, err := git(ctx, dir, "diff", "--no-index", "--no-prefix", "--no-color", "--no-ext-diff", fmt.Sprintf("-U%d", lines), "a", "b")
		if err != nil {
			return "", err
		}
		kept := slices.DeleteFunc(strings.SplitAfter(text, "\n"), func(line string) bool {
			return strings.HasPrefix(line, "diff ") || strings.HasPrefix(line, "index ")
		})
		text = strings.Join(kept, "")
		hunks, err := parseHunks(text)
		if err != nil {
			return "", err
		}
		_, err = change(have, hunks)
		if !errors.Is(err, errTwice) || lines >= 12 {
			return text, err
		}
	}
}

// git runs it in a directory. Of a diff of files, exit 1 says that there is one.
func git(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = dir
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) && (exit.ExitCode() != 1 || args[0] != "diff") {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, exit.Stderr)
	} else if exit == nil && err != nil {
		return "", fmt.Errorf("git %s: %w", args[0], err)
	}
	return string(out), nil
}
