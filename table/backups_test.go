package table

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/dynamo-cmdline/dynamo/internal/ddbtest"
)

// AWS hands backups out in pages, some of them empty, and shows those of other
// types only to who asks for all.
func TestBackupsReadsAllPages(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct{ BackupType, ExclusiveStartBackupArn, TableName string }
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil || in.BackupType != "ALL" {
			t.Errorf("asked for %+v, %v", in, err)
		}
		if in.TableName != "orders" {
			t.Errorf("asked for table %q", in.TableName)
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		one := func(n string) string {
			return fmt.Sprintf(`{"TableName":"orders","BackupName":"b%s","BackupArn":"arn:%s","BackupStatus":"AVAILABLE","BackupType":"AWS_BACKUP","BackupSizeBytes":5}`, n, n)
		}
		answer := map[string]string{
			"":      `{"BackupSummaries":[` + one("1") + `],"LastEvaluatedBackupArn":"arn:1"}`,
			"arn:1": `{"BackupSummaries":[],"LastEvaluatedBackupArn":"arn:2"}`,
			"arn:2": `{"BackupSummaries":[` + one("3") + `]}`,
		}[in.ExclusiveStartBackupArn]
		fmt.Fprint(w, answer)
	}))
	defer server.Close()
	list, err := open(t, "dev", "orders", AccountOptions{Endpoint: server.URL}).account.Backups(t.Context(), "orders")
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != 2 || list[0].Name != "b1" || list[1].ARN != "arn:3" || list[1].Type != "AWS_BACKUP" || list[1].Bytes != 5 {
		t.Fatalf("%+v", list)
	}
}

func TestDeleteBackupAsksFirst(t *testing.T) {
	t.Parallel()
	p := newPair(t, ddbtest.Table{})
	p.fill(t, p.dev, ddbtest.EdgeItems(p.Table, 3, 1))
	_, dev := p.open(t)
	made, err := dev.Backup(t.Context(), BackupOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(made.Name, p.Name+"-20") || made.Status != "AVAILABLE" {
		t.Fatalf("%+v", made)
	}
	no := errors.New("no")
	if _, err := dev.account.DeleteBackup(t.Context(), made.ARN, func(b Backup) error {
		if b.Name != made.Name || b.Table != p.Name {
			t.Errorf("asked about %+v", b)
		}
		return no
	}); !errors.Is(err, no) {
		t.Fatal(err)
	}
	if list, err := dev.account.Backups(t.Context(), p.Name); err != nil || len(list) != 1 {
		t.Fatalf("%+v, %v", list, err)
	}
	if _, err := dev.account.DeleteBackup(t.Context(), made.ARN, nil); err != nil {
		t.Fatal(err)
	}
	if list, err := dev.account.Backups(t.Context(), p.Name); err != nil || len(list) != 0 {
		t.Fatalf("%+v, %v", list, err)
	}
}
