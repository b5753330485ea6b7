package users

import (
	"encoding/json"
	"testing"

	"pgregory.net/rapid"

	"cambio/storage"
)

// Whatever link is written, ReadRecord reads the same as encoding/json and refuses
// truncated records.
func TestLinkRecordReadsLikeEncodingJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		link := linkRecord{User: rapid.String().Draw(t, "user"), Disabled: rapid.Bool().Draw(t, "disabled")}
		data, err := json.Marshal(link)
		if err != nil {
			t.Fatal(err)
		}
		var got, want linkRecord
		if err := json.Unmarshal(data, &want); err != nil {
			t.Fatal(err)
		}
		if err := got.ReadRecord(data); err != nil || got != want {
			t.Fatalf("%s: ReadRecord = %+v, %v, want %+v", data, got, err, want)
		}
	})
	for _, data := range []string{``, `{`, `{"user":"`, `{"user":"a`, `{"user":"a"`, `{"user":"a","b"}`, `{"user":"a\"}`, `[]`, `{"user":1}`} {
		var l linkRecord
		if err := l.ReadRecord([]byte(data)); err == nil {
			t.Errorf("%s: ReadRecord = %+v, %v", data, l, err)
		}
	}
}

var _ storage.RecordReader = (*linkRecord)(nil)
