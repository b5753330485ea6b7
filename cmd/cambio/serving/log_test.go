package serving

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// A standard error that nothing reads stops neither its writers nor the end of the
// server, and what was dropped is said.
func TestUnreadLogStopsNothing(t *testing.T) {
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	l := NewLogWriter(writer)
	line := strings.Repeat("x", 1000) + "\n"
	const lines = 5000 // a pipe holds 64 KiB
	begin := time.Now()
	for range lines {
		fmt.Fprint(l, line)
	}
	l.Close()
	if took := time.Since(begin); took > 10*time.Second {
		t.Fatalf("it took %v", took)
	}
	whole, dropped := 0, 0
	for in := bufio.NewScanner(reader); whole+dropped < lines && in.Scan(); {
		if n := 0; in.Text()+"\n" == line {
			whole++
		} else if _, err := fmt.Sscanf(in.Text(), "cambio: warning: %d lines of the log dropped", &n); err == nil {
			dropped += n
		}
	}
	if whole == 0 || dropped == 0 || whole+dropped != lines {
		t.Errorf("%d lines were written and %d dropped, of %d", whole, dropped, lines)
	}
}

func TestClosedLogWriterHasWrittenAll(t *testing.T) {
	var out strings.Builder
	l := NewLogWriter(&out)
	for i := range 100 {
		fmt.Fprintln(l, i)
	}
	l.Close()
	if n := strings.Count(out.String(), "\n"); n != 100 {
		t.Errorf("%d lines", n)
	}
}
