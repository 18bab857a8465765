package show

import (
	"fmt"
	"strings"
	"time"

	"github.com/dynamo-cmdline/dynamo/table"
)

// Tables are those of an account and region.
type Tables struct {
	Profile string
	List    []Listed
}

// Listed is a table of a list; where Err is not nil only its name is known.
type Listed struct {
	Name string
	table.Description
	Err error
}

// JSON is the object of tables.
func (t Tables) JSON() any {
	type listed struct {
		Table   string        `json:"table"`
		Status  string        `json:"status,omitempty"`
		Keys    *keysShown    `json:"keys"`
		Indexes []string      `json:"indexes"`
		Items   *int64        `json:"items"`
		Bytes   *int64        `json:"bytes"`
		Billing *billingShown `json:"billing"`
		Stream  string        `json:"stream,omitempty"`
		Error   string        `json:"error,omitempty"`
	}
	list := make([]listed, len(t.List))
	for i, d := range t.List {
		if d.Err != nil {
			list[i] = listed{Table: d.Name, Error: wording(d.Err)}
			continue
		}
		keys, bill := keysOf(d.Schema), billing(d.OnDemand, d.ReadCapacity, d.WriteCapacity)
		list[i] = listed{Table: d.Name, Status: d.Status, Keys: &keys, Indexes: d.indexes(), Items: &d.Items, Bytes: &d.Bytes, Billing: &bill, Stream: d.Stream}
	}
	return struct {
		Command string   `json:"command"`
		Profile string   `json:"profile,omitempty"`
		Tables  []listed `json:"tables"`
	}{"tables", t.Profile, list}
}

func (d Listed) indexes() []string {
	names := []string{}
	for _, x := range d.Indexes {
		names = append(names, x.Name)
	}
	return names
}

// Rows are a row for a table.
func (t Tables) Rows() [][]string {
	if len(t.List) == 0 {
		return nil
	}
	rows := [][]string{{"TABLE", "KEYS", "INDEXES", "ITEMS", "SIZE", "BILLING", "STATUS"}}
	for _, d := range t.List {
		if d.Err != nil {
			rows = append(rows, []string{d.Name, "unknown", "", "", "", "", wording(d.Err)})
			continue
		}
		mode := "on demand"
		if !d.OnDemand {
			mode = fmt.Sprintf("%s/%s", Count(int64(d.ReadCapacity)), Count(int64(d.WriteCapacity)))
		}
		rows = append(rows, []string{d.Name, d.Schema.String(), List(d.indexes(), 3), Count(d.Items), Size(d.Bytes), mode, d.Status})
	}
	return rows
}

// Backups are AWS's.
type Backups []table.Backup

// JSON is the object of backup list.
func (b Backups) JSON() any {
	return struct {
		Command string         `json:"command"`
		Backups []table.Backup `json:"backups"`
	}{"backup list", b}
}

// Rows are a row for a backup.
func (b Backups) Rows() [][]string {
	rows := [][]string{{"TABLE", "MADE", "TYPE", "STATUS", "SIZE", "NAME", "ARN"}}
	for _, x := range b {
		rows = append(rows, append([]string{x.Table}, backupCells(x)...))
	}
	return rows
}

func backupCells(b table.Backup) []string {
	return []string{b.Made.UTC().Format(time.RFC3339), b.Type, b.Status, Size(b.Bytes), b.Name, b.ARN}
}

// Restorable is what a table could be restored from.
type Restorable struct{ table.Restorable }

// JSON is the object of restore without --from.
func (r Restorable) JSON() any { return r.Restorable }

// Rows are a row for a backup, with its number, and what is known of point-in-time recovery.
func (r Restorable) Rows() [][]string {
	var rows [][]string
	if !r.Exists && len(r.Backups) == 0 {
		return nil
	}
	if len(r.Backups) > 0 {
		rows = append(rows, []string{"", "MADE", "TYPE", "STATUS", "SIZE", "NAME", "ARN"})
		for i, b := range r.Backups {
			rows = append(rows, append([]string{fmt.Sprint(i + 1)}, backupCells(b)...))
		}
	}
	switch {
	case r.Recovery != nil:
		return append(rows, []string{fmt.Sprintf("any time from %s to %s: pitr:TIME, or pitr:latest", r.Recovery.Earliest.UTC().Format(time.RFC3339), r.Recovery.Latest.UTC().Format(time.RFC3339))})
	case r.Unknown != "":
		return append(rows, []string{"point-in-time recovery is not known: " + r.Unknown})
	case r.Exists:
		return append(rows, []string{"point-in-time recovery is off"})
	}
	return append(rows, []string{"the table is gone: restore it to a new one, with --as"})
}

// Runs are those of a directory.
type Runs []table.Run

// JSON is the object of runs.
func (r Runs) JSON() any {
	return struct {
		Command string      `json:"command"`
		Runs    []table.Run `json:"runs"`
	}{"runs", r}
}

// Rows are a row for a run.
func (r Runs) Rows() [][]string {
	rows := [][]string{{"RUN", "WHAT", "FROM", "TO", "STATE", "HOW FAR"}}
	for _, run := range r {
		if run.Command == "" {
			rows = append(rows, []string{run.Name, "", "", "", run.State, run.Message})
			continue
		}
		what := strings.TrimSpace(run.Command + " " + string(run.Mode))
		rows = append(rows, []string{run.Name, what, place(run.Source), place(run.Target), run.State, howFar(run)})
	}
	return rows
}

// place is where a run read from, or wrote to.
func place(d table.Description) string {
	name := strings.TrimPrefix(d.Profile+"/"+d.Table, "/")
	if d.Backup != "" {
		return "backup of " + name
	}
	return name
}

// howFar is what a run has done and, where it has ended, how.
func howFar(r table.Run) string {
	var parts []string
	if r.State != "done" {
		parts = append(parts, r.Phase)
	}
	for _, n := range []struct {
		count int64
		what  string
	}{{r.Deleted, "deleted"}, {r.Written, "written"}, {r.Rejected, "rejected"}} {
		if n.count > 0 {
			parts = append(parts, Count(n.count)+" "+n.what)
		}
	}
	parts = append(parts, fmt.Sprintf("%.1f s", r.Seconds))
	if r.Message != "" {
		parts = append(parts, r.Message)
	}
	return strings.Join(parts, ", ")
}
