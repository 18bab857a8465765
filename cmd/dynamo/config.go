package main

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

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
		var names []string
		if err := node.Decode(&names); err != nil {
			return err
		}
		*p = protected{Accounts: names, Profiles: names, Tables: names}
		return nil
	}
	var lists struct {
		Accounts []string `yaml:"accounts"`
		Profiles []string `yaml:"profiles"`
		Tables   []string `yaml:"tables"`
	}
	// Decode on a node does not inherit the strictness of its decoder.
	if err := strict(node, "accounts", "profiles", "tables"); err != nil {
		return err
	}
	err := node.Decode(&lists)
	*p = protected{Accounts: lists.Accounts, Profiles: lists.Profiles, Tables: lists.Tables}
	return err
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
	f, err := os.Open(file)
	if path == "" && errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return c, badUsage("", "read the configuration: %v", err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	var node yaml.Node
	if err := yaml.NewDecoder(f).Decode(&node); err != nil {
		if err.Error() == "EOF" {
			return c, nil // an empty file says nothing
		}
		return c, badUsage("", "%s: %s", file, strings.Join(strings.Fields(err.Error()), " "))
	}
	top := node.Content[0]
	if top.Tag == "!!null" {
		return c, nil // nor does one that holds nothing
	}
	if top.Kind != yaml.MappingNode {
		return c, badUsage("", "%s: line %d: want tables: and protected:", file, top.Line)
	}
	if err := strict(top, "tables", "protected"); err != nil {
		return c, badUsage("the keys are tables and protected", "%s: %v", file, err)
	}
	if err := top.Decode(&c); err != nil {
		return c, badUsage("", "%s: %s", file, strings.Join(strings.Fields(err.Error()), " "))
	}
	return c, nil
}
