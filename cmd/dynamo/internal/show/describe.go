package show

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dynamo-cmdline/dynamo/item"
	"github.com/dynamo-cmdline/dynamo/scaling"
	"github.com/dynamo-cmdline/dynamo/table"
)

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

// Details are what a table is, and whether it may be written to.
func Details(d table.Details, guard table.Guard) Result {
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
		return fmt.Sprintf("provisioned, %s read and %s write units a second", Count(int64(b.Read)), Count(int64(b.Write)))
	case b.Read+b.Write > 0:
		return fmt.Sprintf("on demand, at most %s read and %s write units a second", most(b.Read), most(b.Write))
	}
	return "on demand"
}

func most(units float64) string {
	if units == 0 {
		return "any number of"
	}
	return Count(int64(units))
}

func (d described) JSON() any { return d }

// Rows have a row for a setting.
func (d described) Rows() [][]string {
	rows := [][]string{{"table", d.details.String()}, {"arn", d.ARN}, {"status", d.status()}, {"keys", d.details.Schema.String()},
		{"items", fmt.Sprintf("about %s, %s", Count(d.Items), Size(d.Bytes))}, {"billing", d.Billing.String()}}
	add := func(name, text string) { rows = append(rows, []string{name, text}) }
	for n, i := range d.Indexes {
		add("index", i.text(d.details.Indexes[n].Schema))
	}
	for _, line := range d.scaling() {
		add("auto scaling", line)
	}
	add("ttl", d.ttl())
	add("stream", cmp.Or(d.Stream, "off"))
	add("recovery", d.recovery())
	add("deletion protection", onOff(d.Protection.Deletion))
	add("as a target", d.target())
	if d.Class != "STANDARD" {
		add("class", d.Class)
	}
	add("encryption", cmp.Or(d.Key, "a key of AWS's own"))
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
		text += " of " + List(i.Attributes, 12)
	}
	text += fmt.Sprintf(", about %s items, %s", Count(i.Items), Size(i.Bytes))
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
