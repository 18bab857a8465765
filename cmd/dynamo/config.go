package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/dynamo-cmdline/dynamo/cmd/dynamo/internal/show"
	"github.com/dynamo-cmdline/dynamo/table"
)

// configFile is read from the working directory where --config names no other.
const configFile = "dynamo.yaml"

// A config can narrow what a command does and protect targets. It cannot loosen
// a guard, and names no endpoint and no credentials: whoever can put a file where a job
// runs must not be able to move its data.
type config struct {
	Tables    []string  `yaml:"tables"`
	Protected protected `yaml:"protected"`
}

// protected is a mapping of lists, or one list whose entries are each an
// account id, a profile or a table.
type protected table.Guard

func (p *protected) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.SequenceNode {
		return p.add(node, table.GuardOf)
	}
	if node.Kind != yaml.MappingNode {
		return badUsage("", "line %d: want accounts:, profiles: and tables:", node.Line)
	}
	// Decode on a node does not inherit the strictness of its decoder.
	if err := strict(node, "accounts", "profiles", "tables"); err != nil {
		return err
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		err := p.add(node.Content[i+1], func(entry string) (table.Guard, error) {
			var g table.Guard
			switch node.Content[i].Value {
			case "accounts":
				g.Accounts = []string{entry}
			case "profiles":
				g.Profiles = []string{entry}
			case "tables":
				g.Tables = []string{entry}
			}
			return g, g.Check()
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// add reads a list of entries, and says in which line one is that can match nothing.
func (p *protected) add(list *yaml.Node, guard func(entry string) (table.Guard, error)) error {
	if list.Kind == yaml.AliasNode {
		list = list.Alias
	}
	if list.Tag == "!!null" {
		return nil
	}
	if list.Kind != yaml.SequenceNode {
		return badUsage("", "line %d: want a list", list.Line)
	}
	for _, node := range list.Content {
		var entry string
		if err := node.Decode(&entry); err != nil {
			return err
		}
		g, err := guard(entry)
		if err != nil {
			return badUsage(show.Hint(err), "line %d: %w", node.Line, err)
		}
		p.Accounts, p.Profiles, p.Tables = append(p.Accounts, g.Accounts...), append(p.Profiles, g.Profiles...), append(p.Tables, g.Tables...)
	}
	return nil
}

func strict(node *yaml.Node, known ...string) error {
	for i := 0; i+1 < len(node.Content); i += 2 {
		if key := node.Content[i]; !slices.Contains(known, key.Value) {
			return badUsage("", "line %d: unknown key %q", key.Line, key.Value)
		}
	}
	return nil
}

// readConfig reads the named file, or dynamo.yaml where it exists.
func readConfig(path string) (config, error) {
	var c config
	file := path
	if file == "" {
		file = configFile
	}
	if filepath.Base(file) == configFile {
		// Nobody would miss what it does not protect.
		if other := strings.TrimSuffix(file, "yaml") + "yml"; exists(other) {
			return c, badUsage("the configuration is "+configFile, "%s is not read: move it, or name it with --config", other)
		}
	}
	f, err := os.Open(file)
	if path == "" && errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return c, badUsage("", "read the configuration: %v", err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	top, err := document(f)
	if err != nil {
		return c, badUsage("", "%s: %s", file, strings.Join(strings.Fields(err.Error()), " "))
	}
	if top == nil || top.Tag == "!!null" {
		return c, nil // a file that holds nothing says nothing
	}
	if top.Kind != yaml.MappingNode {
		return c, badUsage("", "%s: line %d: want tables: and protected:", file, top.Line)
	}
	if err := strict(top, "tables", "protected"); err != nil {
		return c, badUsage("the keys are tables and protected", "%s: %v", file, err)
	}
	if err := top.Decode(&c); err != nil {
		return c, badUsage(show.Hint(err), "%s: %s", file, strings.Join(strings.Fields(err.Error()), " "))
	}
	return c, nil
}

// document is the one that the file holds; nil for none.
func document(r io.Reader) (*yaml.Node, error) {
	var first, second yaml.Node
	all := yaml.NewDecoder(r)
	if err := all.Decode(&first); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	switch err := all.Decode(&second); {
	case err == nil:
		return nil, fmt.Errorf("line %d: it is a second document, which would not be read", second.Line)
	case !errors.Is(err, io.EOF):
		return nil, err
	}
	return first.Content[0], nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
