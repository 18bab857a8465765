package table

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dynamo-cmdline/dynamo/internal/ddbtest"
)

// Exports that others write leave out what AWS has in its own, and say it otherwise: they restore all the same.
func TestRestoreOfOtherExports(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{})
	p.fill(t, p.prod, slices.Values([]ddbtest.Item{{"pk": &types.AttributeValueMemberS{Value: "one"}}, {"pk": &types.AttributeValueMemberS{Value: "two"}}}))
	_, dev := p.open(t)
	const own = "2020-Nov/AWSDynamoDB/01693685827463-2d8752fd/"
	for _, test := range []struct {
		name   string
		change func(manifest string) string // of both manifests
		move   func(t *testing.T, dir string) (from string)
	}{
		{"no checksums", func(s string) string {
			for _, line := range strings.Split(s, "\n") {
				if i := strings.Index(line, `"md5Checksum"`); i >= 0 {
					s = strings.Replace(s, line[i:strings.Index(line, `"dataFileS3Key"`)], "", 1)
				}
			}
			return s
		}, nil},
		{"times in seconds", func(s string) string {
			return strings.NewReplacer(`"2020-11-04T07:28:34.028Z"`, "1604474914.028", `"2020-11-04T07:33:43.897Z"`, "1604475223").Replace(s)
		}, nil},
		{"times in words", func(s string) string { return strings.ReplaceAll(s, "2020-11-04T07:28:34.028Z", "yesterday") }, nil},
		{"no place of the list", func(s string) string {
			return strings.ReplaceAll(s, `"manifestFilesS3Key":"`+own+`manifest-files.json",`, "")
		}, nil},
		{"places from its own folder", func(s string) string { return strings.ReplaceAll(s, own, "") }, nil},
		{"data beside, for all exports", func(s string) string {
			return strings.ReplaceAll(s, own+"data/", "2020-Nov/AWSDynamoDB/data/")
		}, func(t *testing.T, dir string) string {
			place := filepath.Join(dir, "AWSDynamoDB", "x")
			must(t, os.MkdirAll(place, 0o700), os.Rename(filepath.Join(dir, "data"), filepath.Join(dir, "AWSDynamoDB", "data")))
			for _, name := range []string{"manifest-summary.json", "manifest-files.json"} {
				must(t, os.Rename(filepath.Join(dir, name), filepath.Join(place, name)))
			}
			return dir
		}},
		{"one name in two folders", func(s string) string {
			s = strings.ReplaceAll(s, own+"data/a.json.gz", own+"data/1/a.json.gz")
			return strings.ReplaceAll(s, own+"data/b.json.gz", own+"data/2/a.json.gz")
		}, func(t *testing.T, dir string) string {
			for i, name := range []string{"a", "b"} {
				folder := filepath.Join(dir, "data", fmt.Sprint(i+1))
				must(t, os.Mkdir(folder, 0o700), os.Rename(filepath.Join(dir, "data", name+".json.gz"), filepath.Join(folder, "a.json.gz")))
			}
			return dir
		}},
		{"another ending", func(s string) string { return strings.ReplaceAll(s, ".json.gz", ".gz") }, func(t *testing.T, dir string) string {
			for _, name := range []string{"a", "b"} {
				must(t, os.Rename(filepath.Join(dir, "data", name+".json.gz"), filepath.Join(dir, "data", name+".gz")))
			}
			return dir
		}},
	} {
		e := awsExport{t: t, dir: t.TempDir()}
		e.file("a", `{"Item":{"pk":{"S":"one"}}}`)
		e.file("b", `{"Item":{"pk":{"S":"two"}}}`)
		e.finish(2)
		for _, name := range []string{"manifest-summary", "manifest-files"} {
			path := filepath.Join(e.dir, name+".json")
			content, err := os.ReadFile(path)
			must(t, err, os.WriteFile(path, []byte(test.change(string(content))), 0o600), os.Remove(filepath.Join(e.dir, name+".checksum")))
		}
		from := e.dir
		if test.move != nil {
			from = test.move(t, e.dir)
		}
		s, err := dev.Restore(t.Context(), from, restoring(t, Replace))
		if err != nil || s.Written != 2 {
			t.Errorf("%s: %v, %+v", test.name, err, s)
			continue
		}
		p.requireEqual(t)
	}
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// A value that is not DynamoDB JSON is refused with its file, its line, its attribute, and what it should be, in words.
func TestRestoreRefusesValuesInWords(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{})
	_, dev := p.open(t)
	for line, want := range map[string]string{
		`{"Item":{"pk":{"S":"a"},"n":{"N":5}}}`:                               `attribute "n": a number must stand in quotes, as {"N":"5"}`,
		`{"Item":{"pk":{"S":"a"},"n":{"BOOL":"true"}}}`:                       `attribute "n": a BOOL must be true or false, without quotes`,
		`{"Item":{"pk":{"S":"a"},"n":{"NULL":"true"}}}`:                       `attribute "n": a NULL must be true, without quotes`,
		`{"Item":{"pk":{"S":"a"},"n":{"S":5}}}`:                               `attribute "n": a text must stand in quotes, as {"S":"x"}`,
		`{"Item":{"pk":{"S":"a"},"n":{"B":[1,2]}}}`:                           `attribute "n": a binary must be base64 in quotes, as {"B":"AP8="}`,
		`{"Item":{"pk":{"S":"a"},"n":{"NS":[1]}}}`:                            `attribute "n": what is in a set must stand in quotes`,
		`{"Item":{"pk":{"S":"a"},"n":{"NS":"1"}}}`:                            `attribute "n": a set must be a list in brackets`,
		`{"Item":{"pk":{"S":"a"},"n":"x"}}`:                                   `attribute "n": a value must say its type, as {"S":"x"}`,
		`{"Item":{"pk":{"S":"a"},"n":null}}`:                                  `attribute "n": a value must say its type, as {"S":"x"}`,
		`{"Item":{"pk":{"S":"a"},"n":{}}}`:                                    `attribute "n": a value must say its type, as {"S":"x"}`,
		`{"Item":{"pk":{"S":"a"},"n":{"L":["x"]}}}`:                           `attribute "n": a value must say its type, as {"S":"x"}`,
		`{"Item":{"pk":{"S":"a"},"n":{"S":"a","N":"5"}}}`:                     `attribute "n": a value must have one type`,
		`{"Item":{"pk":{"S":"a"},"m":{"M":{"k":{"N":5}}}}}`:                   `attribute "m": a number must stand in quotes, as {"N":"5"}`,
		`{"Item":{"pk":{"S":"a"},"m":{"M":[]}}}`:                              `attribute "m": a map must be in braces`,
		`{"Item":{"pk":{"S":"a"},"l":{"L":{}}}}`:                              `attribute "l": a list must be in brackets`,
		`{"pk":"a"}`:                                                          `a line must be {"Item":{…}}, in DynamoDB JSON`,
		`pk,n`:                                                                `a line must be {"Item":{…}}, in DynamoDB JSON`,
		`{"Keys":{"pk":{"S":"a"}},"NewImage":{"pk":{"S":"a"},"n":{"N":"1"}}}`: `a line must be {"Item":{…}}, in DynamoDB JSON`,
	} {
		e := awsExport{t: t, dir: t.TempDir()}
		e.file("a", `{"Item":{"pk":{"S":"one"}}}`, line)
		e.finish(2)
		_, err := dev.Restore(t.Context(), e.dir, restoring(t, Merge))
		if kindOf(err) != Mismatch || !strings.Contains(err.Error(), "a.json.gz, line 2: "+want) {
			t.Errorf("%s: %v", line, err)
		}
	}
}
