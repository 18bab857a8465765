package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/dynamo-cmdline/dynamo/item"
	"github.com/dynamo-cmdline/dynamo/scaling"
	"github.com/dynamo-cmdline/dynamo/table"
)

// describeOptions are the flags of describe.
type describeOptions struct {
	end     end
	table   string
	config  string
	display display
}

func describeCommand(s streams) *cli.Command {
	return &cli.Command{
		Name: "describe", Usage: "what a table is: keys, indexes, size, billing, settings",
		UsageText: `dynamo describe --table orders --env prod
dynamo describe --table orders --env prod --json`,
		Description: `What the endpoint lacks or does not allow is shown as unknown. Items and sizes are as AWS last counted
them, up to six hours ago.

Exit codes: 0 done, 1 failed, 2 usage or configuration, 6 credentials or permission, 7 table missing.`,
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "table", Aliases: []string{"t"}, Usage: "describe `NAME`"},
			&cli.StringFlag{Name: "config", Usage: "`FILE` instead of dynamo.yaml in the working directory: what it protects"},
		}, envFlags()...),
		OnUsageError: usageError,
		Action: func(c *cli.Context) error {
			for _, check := range []func(*cli.Context) error{noArguments, noEmptyValues} {
				if err := check(c); err != nil {
					return err
				}
			}
			if c.String("table") == "" {
				return badUsage("see: dynamo describe --help", "--table NAME is missing")
			}
			return runDescribe(c.Context, describeOptions{endFlags(c, "env"), c.String("table"), c.String("config"), displayFlags(c)}, s)
		},
	}
}

func runDescribe(ctx context.Context, o describeOptions, s streams) error {
	conf, err := readConfig(o.config)
	if err != nil {
		return err
	}
	t, err := o.end.table(ctx, o.table, o.display.logger(s), s)
	if err != nil {
		return err
	}
	d, err := t.Details(ctx)
	if err != nil {
		return interrupted(ctx, err)
	}
	shown := describe(d, table.Guard(conf.Protected))
	if o.display.json {
		return s.object(shown, nil, nil)
	}
	tab := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	for _, row := range shown.rows() {
		say(tab, "%s\t%s\n", row[0], row[1])
	}
	if err := tab.Flush(); err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	return nil
}

// A described table is what describe shows, and the JSON that it prints. What
// could not be found out is null, and Unknown says why.
type described struct {
	Command    string            `json:"command"`
	Profile    string            `json:"profile,omitempty"`
	Account    string            `json:"account"`
	Region     string            `json:"region"`
	Table      string            `json:"table"`
	ARN        string            `json:"arn"`
	ID         string            `json:"id,omitempty"`
	Endpoint   string            `json:"endpoint,omitempty"`
	Status     string            `json:"status"`
	Created    *time.Time        `json:"created"`
	Keys       keysShown         `json:"keys"`
	Items      int64             `json:"items"`
	Bytes      int64             `json:"bytes"`
	Billing    billingShown      `json:"billing"`
	Indexes    []indexShown      `json:"indexes"`
	Scaling    *scaling.State    `json:"scaling"`
	TTL        *ttlShown         `json:"ttl"`
	Stream     string            `json:"stream,omitempty"`
	Recovery   *recoveryShown    `json:"recovery"`
	Protection protectionShown   `json:"protection"`
	Class      string            `json:"class"`
	Key        string            `json:"encryption_key,omitempty"`
	Replicas   []string          `json:"replicas,omitempty"`
	Unknown    map[string]string `json:"unknown,omitempty"`
	details    table.Details     // what the rows are made of
}

type keysShown struct {
	Partition keyShown  `json:"partition"`
	Sort      *keyShown `json:"sort,omitempty"`
}

type keyShown struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// Units are per second; of an on-demand table they are the most that it takes,
// 0 for no limit.
type billingShown struct {
	Mode  string  `json:"mode"` // ondemand or provisioned
	Read  float64 `json:"read_capacity,omitempty"`
	Write float64 `json:"write_capacity,omitempty"`
}

type indexShown struct {
	Name       string        `json:"name"`
	Local      bool          `json:"local"`
	Keys       keysShown     `json:"keys"`
	Projection string        `json:"projection"`
	Attributes []string      `json:"attributes,omitempty"`
	Status     string        `json:"status,omitempty"`
	Items      int64         `json:"items"`
	Bytes      int64         `json:"bytes"`
	Billing    *billingShown `json:"billing,omitempty"`
}

type ttlShown struct {
	Status    string `json:"status"`
	Attribute string `json:"attribute,omitempty"`
}

type recoveryShown struct {
	On       bool       `json:"on"`
	Days     int        `json:"days,omitempty"`
	Earliest *time.Time `json:"earliest,omitempty"`
	Latest   *time.Time `json:"latest,omitempty"`
}

type protectionShown struct {
	Deletion bool   `json:"deletion"`         // AWS's own
	Target   string `json:"target,omitempty"` // why a copy into it is refused
}

func describe(d table.Details, guard table.Guard) described {
	out := described{
		Command: "describe", Profile: d.Profile, Account: d.Account, Region: d.Region, Table: d.Table, ARN: d.ARN, ID: d.ID,
		Endpoint: d.Endpoint, Status: d.Status, Created: moment(d.Created), Keys: keysOf(d.Schema), Items: d.Items, Bytes: d.Bytes,
		Billing: billing(d.OnDemand, d.ReadCapacity, d.WriteCapacity), Indexes: []indexShown{}, Stream: d.Stream,
		Protection: protectionShown{d.DeletionProtected, guard.Protects(d.Description)},
		Class:      d.Class, Key: d.Key, Replicas: d.Regions, Unknown: d.Unknown, details: d,
	}
	for _, i := range d.Indexes {
		x := indexShown{
			Name: i.Name, Local: i.Local, Keys: keysOf(i.Schema), Projection: i.Projection, Attributes: i.Attributes,
			Status: i.Status, Items: i.Items, Bytes: i.Bytes,
		}
		if b := billing(d.OnDemand, i.ReadCapacity, i.WriteCapacity); !i.Local {
			x.Billing = &b
		}
		out.Indexes = append(out.Indexes, x)
	}
	out.Scaling = d.Scaling
	if d.TTL != nil {
		out.TTL = &ttlShown{d.TTL.Status, d.TTL.Attribute}
	}
	if r := d.Recovery; r != nil {
		out.Recovery = &recoveryShown{r.On, r.Days, moment(r.Earliest), moment(r.Latest)}
	}
	return out
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func keysOf(s item.Schema) keysShown {
	k := keysShown{Partition: keyShown{s.Partition.Name, s.Partition.Type.String()}}
	if s.HasSort() {
		k.Sort = &keyShown{s.Sort.Name, s.Sort.Type.String()}
	}
	return k
}

func billing(onDemand bool, read, write float64) billingShown {
	if onDemand {
		return billingShown{"ondemand", read, write}
	}
	return billingShown{"provisioned", read, write}
}

func (b billingShown) String() string {
	switch {
	case b.Mode == "provisioned":
		return fmt.Sprintf("provisioned, %s read and %s write units a second", count(int64(b.Read)), count(int64(b.Write)))
	case b.Read+b.Write > 0:
		return fmt.Sprintf("on demand, at most %s read and %s write units a second", most(b.Read), most(b.Write))
	}
	return "on demand"
}

func most(units float64) string {
	if units == 0 {
		return "any number of"
	}
	return count(int64(units))
}

// rows are the lines for people. A setting more is a row more.
func (d described) rows() [][2]string {
	rows := [][2]string{{"table", d.details.String()}, {"arn", d.ARN}, {"status", d.status()}, {"keys", d.details.Schema.String()},
		{"items", fmt.Sprintf("about %s, %s", count(d.Items), size(d.Bytes))}, {"billing", d.Billing.String()}}
	add := func(name, text string) { rows = append(rows, [2]string{name, text}) }
	for n, i := range d.Indexes {
		add("index", i.text(d.details.Indexes[n].Schema))
	}
	for _, line := range d.scaling() {
		add("auto scaling", line)
	}
	add("ttl", d.ttl())
	add("stream", or(d.Stream, "off"))
	add("recovery", d.recovery())
	add("deletion protection", onOff(d.Protection.Deletion))
	add("as a target", d.target())
	if d.Class != "STANDARD" {
		add("class", d.Class)
	}
	add("encryption", or(d.Key, "a key of AWS's own"))
	if len(d.Replicas) > 0 {
		add("replicas", strings.Join(d.Replicas, ", "))
	}
	return rows
}

func (d described) status() string {
	if d.Created == nil {
		return d.Status
	}
	return d.Status + ", since " + d.Created.Format(time.DateOnly)
}

func (i indexShown) text(schema item.Schema) string {
	kind := "global"
	if i.Local {
		kind = "local"
	}
	text := fmt.Sprintf("%s: %s, %s, %s", i.Name, schema, kind, i.Projection)
	if len(i.Attributes) > 0 {
		text += " of " + list(i.Attributes, 12)
	}
	text += fmt.Sprintf(", about %s items, %s", count(i.Items), size(i.Bytes))
	if i.Billing != nil && i.Billing.Read+i.Billing.Write > 0 {
		text += ", " + i.Billing.String()
	}
	if i.Status != "" && i.Status != "ACTIVE" {
		text += ", " + i.Status
	}
	return text
}

// scaling is a line for each scalable target.
func (d described) scaling() []string {
	if d.Scaling == nil {
		return []string{"unknown (" + d.Unknown["scaling"] + ")"}
	}
	var lines []string
	add := func(of string, c scaling.Capacity) {
		for _, side := range []struct {
			name string
			scaling.Range
		}{{"reads", c.Read}, {"writes", c.Write}} {
			if !side.Registered() {
				continue
			}
			text := fmt.Sprintf("%s of %s: %d to %d units a second", side.name, of, side.Min, side.Max)
			if side.Utilization > 0 {
				text += fmt.Sprintf(", at %g %%", side.Utilization)
			}
			if side.Suspended != (scaling.Suspended{}) {
				text += ", suspended"
			}
			lines = append(lines, text)
		}
	}
	add("the table", d.Scaling.Table)
	for _, name := range slices.Sorted(maps.Keys(d.Scaling.Indexes)) {
		add(name, d.Scaling.Indexes[name])
	}
	if len(lines) == 0 {
		return []string{"off"}
	}
	return lines
}

func (d described) ttl() string {
	switch {
	case d.TTL == nil:
		return "unknown (" + d.Unknown["ttl"] + ")"
	case d.TTL.Attribute == "":
		return "off"
	case d.TTL.Status == "ENABLED":
		return "on " + d.TTL.Attribute
	}
	return strings.ToLower(d.TTL.Status) + " on " + d.TTL.Attribute
}

func (d described) recovery() string {
	r := d.Recovery
	switch {
	case r == nil:
		return "unknown (" + d.Unknown["recovery"] + ")"
	case !r.On:
		return "off"
	case r.Earliest == nil || r.Latest == nil:
		return "on"
	}
	return fmt.Sprintf("on, from %s to %s", r.Earliest.Format(time.RFC3339), r.Latest.Format(time.RFC3339))
}

func (d described) target() string {
	if d.Protection.Target == "" {
		return "not protected"
	}
	return "protected: " + d.Protection.Target
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
